"""The in-process client: the semantics of the HTTP API without the wire, for control loops.

Objects returned are copies. ``peek`` and ``subscribe`` hand out stored objects, to be read only.
"""

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.cluster import patching, subresources
from sandbox.cluster.registry import DeleteOptions, Registry
from sandbox.cluster.request import CONTROLLER_MANAGER, Request, User
from sandbox.cluster.resources import Resource
from sandbox.cluster.selectors import compile_match
from sandbox.cluster.store import Event, decode, encode

Obj = dict[str, Any]
Handler = Callable[[str, Obj, Obj | None], None]


def _copy(obj: Obj) -> Obj:
    copied: Obj = decode(encode(obj))
    return copied


class Client:
    """Reads and writes as one user; every error is an ApiError."""

    def __init__(
        self,
        registry: Registry,
        user: User = CONTROLLER_MANAGER,
        manager: str = "kube-controller-manager",
    ) -> None:
        self._registry = registry
        self._user = user
        self._manager = manager

    def as_user(self, user: User, manager: str) -> "Client":
        """Return a client of the same cluster that writes as another user and field manager."""
        return Client(self._registry, user, manager)

    def _request(self, verb: str) -> Request:
        return Request(user=self._user, verb=verb, manager=self._manager, strict="Ignore")

    def _resource(self, name: str) -> Resource:
        return self._registry.catalog.named(name)

    async def get(self, resource: str, name: str, namespace: str | None = None) -> Obj:
        """Return one object; ApiError 404."""
        return self._registry.entry(self._resource(resource), namespace or "", name).copy()

    def peek(self, resource: str, namespace: str | None = None) -> Iterable[Obj]:
        """Return the stored objects themselves, in no order; read only, do not keep over awaits."""
        kind = self._registry.catalog.find(resource)
        table = kind.storage if kind else resource
        return (entry.obj for entry in self._registry.store.entries(table, namespace))

    def look(self, resource: str, name: str, namespace: str | None = None) -> Obj | None:
        """Return one stored object itself or None; read only."""
        entry = self._registry.store.get(resource, namespace or "", name)
        return entry.obj if entry else None

    async def list(
        self, resource: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Obj]:
        """Return the objects that match, sorted by namespace and name; ApiError 400."""
        kind = self._resource(resource)
        match = compile_match(labels, fields, kind.storage)
        entries = self._registry.store.ordered(kind.storage, namespace)
        return [entry.copy() for entry in entries if match is None or match(entry.obj)]

    async def create(self, resource: str, obj: Obj, namespace: str | None = None) -> Obj:
        """Create; the namespace defaults to the object's own."""
        kind = self._resource(resource)
        where = namespace or (obj.get("metadata") or {}).get("namespace") or ""
        stored = await self._registry.create(
            self._request("create"), kind, where if kind.namespaced else "", _copy(obj)
        )
        return _copy(stored)

    async def update(self, resource: str, obj: Obj, *, subresource: str | None = None) -> Obj:
        """Replace; ApiError 409 when ``metadata.resourceVersion`` is stale."""
        kind, meta = self._resource(resource), obj["metadata"]
        stored = await self._registry.update(
            self._request("update"),
            kind,
            meta.get("namespace", "") if kind.namespaced else "",
            meta["name"],
            _copy(obj),
            subresource=subresource or "",
        )
        return _copy(stored)

    async def patch(
        self,
        resource: str,
        name: str,
        namespace: str | None,
        body: Any,
        *,
        kind: str = "merge",
        subresource: str | None = None,
    ) -> Obj:
        """Patch; ``kind`` is merge, json, strategic or apply (which may create)."""
        request = self._request("patch")
        request.force = kind == "apply"
        stored = await patching.patch(
            self._registry,
            request,
            self._resource(resource),
            namespace or "",
            name,
            body=decode(encode(body)),
            kind=kind,
            subresource=subresource or "",
        )
        return _copy(stored)

    async def delete(
        self,
        resource: str,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
        propagation: str = "Background",
    ) -> None:
        """Delete; ApiError 404, or 409 when ``uid`` is another one."""
        options = DeleteOptions(uid=uid, grace_seconds=grace_seconds, propagation=propagation)
        await self._registry.delete(
            self._request("delete"), self._resource(resource), namespace or "", name, options
        )

    async def bind(self, namespace: str, pod: str, node: str) -> None:
        """Assign a pod to a node; ApiError 409 when it has one already."""
        body = {"metadata": {"name": pod}, "target": {"kind": "Node", "name": node}}
        await subresources.bind(self._registry, self._request("create"), namespace, pod, body)

    async def evict(self, namespace: str, pod: str) -> None:
        """Evict a pod; ApiError 429 when a PodDisruptionBudget forbids."""
        body = {"metadata": {"name": pod, "namespace": namespace}}
        await subresources.evict(self._registry, self._request("create"), namespace, pod, body)

    def subscribe(self, resource: str, handler: Handler) -> Callable[[], None]:
        """Call ``handler(type, new, old)`` synchronously after each commit; returns how to stop."""
        kind = self._registry.catalog.find(resource)

        def listener(event: Event) -> None:
            handler(event.type, event.entry.obj, event.old.obj if event.old else None)

        return self._registry.store.listen(kind.storage if kind else resource, listener)
