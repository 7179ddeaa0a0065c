"""Claiming and making the objects that a workload controls."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.cluster.errors import ApiError

from .context import Context
from .informer import Obj
from .objects import clone, controller_of, deleting, labels_of, matches, owner_reference, owners_of


async def claim(
    context: Context,
    resource: str,
    owner: Obj,
    mine: Iterable[Obj],
    orphans: Iterable[Obj],
) -> list[Obj]:
    """What `owner` controls after adopting matching orphans and releasing strays.

    `mine` are the objects whose controller is `owner`, `orphans` candidates without controller.
    """
    selector = owner["spec"].get("selector")
    kept = []
    for obj in mine:
        if matches(selector, labels_of(obj)):
            kept.append(obj)
        elif not deleting(owner):
            await _release(context, resource, owner, obj)
    if deleting(owner):
        return kept
    for obj in orphans:
        if matches(selector, labels_of(obj)) and not deleting(obj):
            kept.append(await _adopt(context, resource, owner, obj))
    return kept


async def _adopt(context: Context, resource: str, owner: Obj, obj: Obj) -> Obj:
    edited = clone(obj)
    refs = edited["metadata"].setdefault("ownerReferences", [])
    refs.append(owner_reference(owner))
    return await context.client.update(resource, edited)


async def _release(context: Context, resource: str, owner: Obj, obj: Obj) -> None:
    edited = clone(obj)
    uid = owner["metadata"]["uid"]
    edited["metadata"]["ownerReferences"] = [r for r in owners_of(obj) if r["uid"] != uid]
    await context.client.update(resource, edited)


def orphaned(obj: Obj) -> list[str]:
    """Index function: the namespace, for objects that no one controls."""
    return [] if controller_of(obj) else [obj["metadata"].get("namespace") or ""]


def pod_from(template: Obj, owner: Obj) -> Obj:
    """A pod of `template` controlled by `owner`; the name is left to generateName."""
    meta = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{owner['metadata']['name']}-",
            "namespace": owner["metadata"]["namespace"],
            "labels": dict(meta.get("labels") or {}),
            **{k: clone(meta[k]) for k in ("annotations", "finalizers") if meta.get(k)},
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": clone(template["spec"]),
    }


class PodControl:
    """Creates and deletes pods for one kind of workload, with its events."""

    def __init__(self, context: Context, component: str) -> None:
        self._context = context
        self._component = component

    async def create(self, owner: Obj, pod: Obj) -> Obj:
        """Create; raises ApiError after recording FailedCreate."""
        namespace = owner["metadata"]["namespace"]
        try:
            made = await self._context.client.create("pods", pod, namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists" and not _ending(error):
                await self._warn(owner, "FailedCreate", f"Error creating: {error.message}")
            raise
        name = made["metadata"]["name"]
        await self._say(owner, "SuccessfulCreate", f"Created pod: {name}")
        return made

    async def delete(self, owner: Obj, pod: Obj) -> None:
        """Delete this very pod."""
        await self._context.remove("pods", pod)
        await self._say(owner, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    async def _say(self, owner: Obj, reason: str, message: str) -> None:
        await self._context.events.emit(self._component, owner, reason, message)

    async def _warn(self, owner: Obj, reason: str, message: str) -> None:
        await self._context.events.emit(self._component, owner, reason, message, kind="Warning")


def _ending(error: ApiError) -> bool:
    causes = error.details.get("causes") or []
    return any(c.get("reason") == "NamespaceTerminating" for c in causes)
