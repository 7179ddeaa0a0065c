"""The client of one cluster: typed, bounded, with errors as a tree.

Objects travel as dicts, or as the `msgspec.Struct` (or `msgspec.Raw`) passed as `type`, which
costs a small part of the time and memory. Paths and semantics: Kubernetes API reference.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, Literal, cast

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from typing_extensions import TypeVar

from kube import errors
from kube.access import Access
from kube.clock import SYSTEM_CLOCK, Clock
from kube.dial import AddressPolicy
from kube.resources import PODS, SELF_SUBJECT_ACCESS_REVIEWS, Resource
from kube.target import DEFAULT_LIMITS, Limits, Target
from kube.transport import ServerDate, Transport, translate
from kube.watching import Event, batches

T = TypeVar("T", default=dict[str, Any])
_DICT = cast("Any", dict)
PatchKind = Literal["merge", "json", "strategic", "apply"]
Propagation = Literal["Background", "Foreground", "Orphan"]
_PATCH_TYPES: dict[str, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_WATCH_SECONDS = 300


class _ListMeta(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")
    continue_token: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, Generic[T]):
    items: list[T] | None = None
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A complete list at one `resource_version`."""

    items: list[T]
    resource_version: str


@lru_cache(maxsize=64)
def _page_decoder(kind: Any) -> msgspec.json.Decoder[_Page[Any]]:
    return msgspec.json.Decoder(_Page[kind])


@lru_cache(maxsize=64)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


class Kube:
    """One API server, one identity, one pooled session; use from one event loop.

    Every method raises a `kube.errors.KubeError` and nothing else for whatever the network or
    the server does. Nothing is retried. `close()` when done.
    """

    def __init__(
        self,
        target: Target,
        *,
        name: str = "",
        policy: AddressPolicy,
        limits: Limits = DEFAULT_LIMITS,
        clock: Clock = SYSTEM_CLOCK,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self.name = name
        self.target = target
        self.limits = limits
        self._transport = Transport(
            target, name=name, policy=policy, limits=limits, clock=clock, resolver=resolver
        )

    def __repr__(self) -> str:
        return f"Kube({self.name or self.target.server!r})"

    async def __aenter__(self) -> Kube:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    @property
    def circuit(self) -> str:
        """closed, open or half-open."""
        return self._transport.breaker.state

    def server_date(self) -> ServerDate | None:
        """The last Date header seen and its skew to our clock; None before the first answer."""
        return self._transport.server_date

    async def get(
        self,
        r: Resource,
        name: str,
        namespace: str | None = None,
        *,
        type: builtins.type[T] = _DICT,  # noqa: A002 - reads as the field's own term
    ) -> T:
        data = await self._transport.call("GET", r.path(namespace, name))
        return _decode(data, type, r)

    async def list(
        self,
        r: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        type: builtins.type[T] = _DICT,  # noqa: A002 - as above
        page: int = 500,
    ) -> Listing[T]:
        """Every page of the list; raises Gone when it expired half way, never a part of it.

        `labels` and `fields` are selectors. The deadline holds for each page.
        """
        query = _selectors(labels, fields) | {"limit": str(page)}
        path = r.path(namespace)
        decoder = _page_decoder(cast("Any", type))
        items: builtins.list[T] = []
        while True:
            data = await self._transport.call("GET", path, query=query)
            try:
                answer = decoder.decode(data)
            except msgspec.MsgspecError as error:
                raise _unreadable(f"list of {r.plural}", error) from error
            items += answer.items or ()
            if not answer.metadata.continue_token:
                return Listing(items, answer.metadata.resource_version)
            query["continue"] = answer.metadata.continue_token

    async def create(
        self,
        r: Resource,
        obj: dict[str, Any],
        namespace: str | None = None,
        *,
        dry_run: bool = False,
        field_manager: str = "spillway",
    ) -> dict[str, Any]:
        """The object as stored; AlreadyExists when the name is taken."""
        place = namespace or obj.get("metadata", {}).get("namespace")
        data = await self._transport.call(
            "POST",
            r.path(place),
            query={"fieldManager": field_manager} | _dry(dry_run),
            body=msgspec.json.encode(obj),
        )
        return _decode(data, _DICT, r)

    async def update(
        self, r: Resource, obj: dict[str, Any], *, subresource: str | None = None
    ) -> dict[str, Any]:
        """PUT of the whole object; Conflict when its resourceVersion is not the newest."""
        metadata = obj["metadata"]
        path = r.path(metadata.get("namespace"), metadata["name"], subresource)
        data = await self._transport.call(
            "PUT", path, query={"fieldManager": "spillway"}, body=msgspec.json.encode(obj)
        )
        return _decode(data, _DICT, r)

    async def patch(
        self,
        r: Resource,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        kind: PatchKind = "merge",
        subresource: str | None = None,
        field_manager: str = "spillway",
        force: bool = False,
        dry_run: bool = False,
        type: builtins.type[T] = _DICT,  # noqa: A002 - as above
    ) -> T:
        """The object after the patch.

        Put `metadata.uid` into a merge or strategic `body` as a precondition: another UID gives
        Conflict. `force` takes over fields from other managers (kind "apply" only).
        """
        query = {"fieldManager": field_manager} | _dry(dry_run)
        if kind == "apply":
            query["force"] = "true" if force else "false"
        data = await self._transport.call(
            "PATCH",
            r.path(namespace, name, subresource),
            query=query,
            body=msgspec.json.encode(body),
            content_type=_PATCH_TYPES[kind],
        )
        return _decode(data, type, r)

    async def delete(
        self,
        r: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
        propagation: Propagation | None = None,
    ) -> dict[str, Any] | None:
        """The object or Status that the server answered; None when it was not there any more.

        With `uid` an object of the same name and another UID is left alone: Conflict.
        """
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if propagation is not None:
            options["propagationPolicy"] = propagation
        path = r.path(namespace, name)
        try:
            data = await self._transport.call("DELETE", path, body=msgspec.json.encode(options))
        except errors.NotFound:
            return None
        return cast("dict[str, Any]", _decode(data, _DICT, r))

    async def bind(self, namespace: str, pod: str, node: str, *, uid: str) -> None:
        """Puts the pod with this UID on `node`; Conflict when it has another UID or a node."""
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod, "namespace": namespace, "uid": uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        path = PODS.path(namespace, pod, "binding")
        await self._transport.call("POST", path, body=msgspec.json.encode(body))

    async def logs(
        self,
        namespace: str,
        pod: str,
        *,
        container: str | None = None,
        follow: bool = False,
        tail_lines: int | None = None,
        since_seconds: int | None = None,
        timestamps: bool = False,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        """Pieces of the log as they come; not cut at lines. With `follow` it ends with the pod."""
        asked = {
            "container": container,
            "follow": "true" if follow else None,
            "tailLines": None if tail_lines is None else str(tail_lines),
            "sinceSeconds": None if since_seconds is None else str(since_seconds),
            "timestamps": "true" if timestamps else None,
            "previous": "true" if previous else None,
        }
        query = {key: value for key, value in asked.items() if value is not None}
        silence = None if follow else self.limits.timeout
        path = PODS.path(namespace, pod, "log")
        async with self._transport.stream(
            path, query=query, silence=silence, accept="*/*"
        ) as response:
            try:
                async for piece in response.content.iter_any():
                    yield piece
            except (aiohttp.ClientError, OSError) as error:
                raise self._lost(error) from error

    async def version(self) -> dict[str, Any]:
        """`GET /version`: gitVersion, major, minor..."""
        data = await self._transport.call("GET", "/version")
        return cast("dict[str, Any]", _decode(data, _DICT, None))

    async def resources(self, api_version: str) -> builtins.list[Resource]:
        """Every resource of a group's version, as discovery tells; NotFound when there is none."""
        group, _slash, version = api_version.rpartition("/")
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        data = await self._transport.call("GET", path)
        found: dict[str, Any] = _decode(data, _DICT, None)
        return [
            Resource(group, version, each["name"], each["kind"], bool(each["namespaced"]))
            for each in found.get("resources") or ()
            if "/" not in each["name"]
        ]

    async def evict(
        self, namespace: str, pod: str, *, uid: str, api_version: str = "policy/v1"
    ) -> None:
        """Ends the pod with this UID unless a disruption budget forbids it: TooManyRequests.

        Before Kubernetes 1.22 the Eviction is of `policy/v1beta1`.
        """
        body = {
            "apiVersion": api_version,
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        path = PODS.path(namespace, pod, "eviction")
        await self._transport.call("POST", path, body=msgspec.json.encode(body))

    async def can_i(self, checks: Sequence[Access]) -> dict[Access, bool]:
        """What the API server's authorizer says to each; any failed question raises."""

        async def ask(access: Access) -> bool:
            review = await self.create(SELF_SUBJECT_ACCESS_REVIEWS, access.review())
            return bool(review.get("status", {}).get("allowed", False))

        unique = tuple(dict.fromkeys(checks))
        answers = await _all(*(ask(access) for access in unique))
        return dict(zip(unique, answers, strict=True))

    async def watch(
        self,
        r: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str,
        type: builtins.type[T] = _DICT,  # noqa: A002 - as above
        inactivity: float = 70.0,
    ) -> AsyncIterator[Event[T]]:
        """Changes after `resource_version`, one by one, until the server ends the watch.

        Bookmarks included. Gone: list again. WatchStalled: nothing came for `inactivity` seconds.
        """
        source = self.watch_batches(
            r,
            namespace,
            labels=labels,
            fields=fields,
            resource_version=resource_version,
            type=type,
            inactivity=inactivity,
        )
        async with aclosing(source):
            async for batch in source:
                for event in batch:
                    yield event

    async def watch_batches(
        self,
        r: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str,
        type: builtins.type[T] = _DICT,  # noqa: A002 - as above
        inactivity: float = 70.0,
        seconds: int = _WATCH_SECONDS,
    ) -> AsyncGenerator[builtins.list[Event[T]], None]:
        """As `watch`, events that arrive together delivered together; ends after `seconds`.

        The first batch is empty: it says that the watch is open.
        """
        query = _selectors(labels, fields) | {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        async with self._transport.stream(
            r.path(namespace), query=query, silence=inactivity
        ) as response:
            yield []
            try:
                async with aclosing(
                    batches(
                        response, type, max_line=self.limits.max_line, hidden=self._transport.hidden
                    )
                ) as source:
                    async for batch in source:
                        yield batch
            except (aiohttp.ClientError, OSError) as error:
                raise self._lost(error) from error

    def _lost(self, error: Exception) -> errors.KubeError:
        return translate(error, host=self.name or self.target.server, writes=False)


async def _all(*calls: Any) -> list[Any]:
    """Like gather, but the first failure cancels the rest before it is raised."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _decode(data: bytes, kind: type[T], r: Resource | None) -> T:
    try:
        return cast("T", _decoder(cast("Any", kind)).decode(data))
    except msgspec.MsgspecError as error:
        raise _unreadable(r.kind if r else "answer", error) from error


def _unreadable(what: str, error: Exception) -> errors.UnexpectedAnswer:
    return errors.UnexpectedAnswer(f"{what} cannot be read: {error}")


def _selectors(labels: str, fields: str) -> dict[str, str]:
    asked = {"labelSelector": labels, "fieldSelector": fields}
    return {key: value for key, value in asked.items() if value}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}
