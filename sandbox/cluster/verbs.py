"""Resource verbs over HTTP: get, list, watch, create, update, patch, delete."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.cluster import (
    connect,
    conversion,
    errors,
    patching,
    reviews,
    scale,
    subresources,
    tables,
    watch,
    wire,
)
from sandbox.cluster.errors import WatchExpired
from sandbox.cluster.registry import DeleteOptions
from sandbox.cluster.request import Request, User
from sandbox.cluster.resources import Resource
from sandbox.cluster.route import Target
from sandbox.cluster.selectors import Match, compile_match
from sandbox.cluster.store import Entry, encode

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster

Obj = dict[str, Any]
BOOKMARK_SECONDS = 60.0
_RETURNS_OBJECT = frozenset(
    (
        "pods",
        "services",
        "serviceaccounts",
        "persistentvolumeclaims",
        "persistentvolumes",
        "resourcequotas",
        "podtemplates",
        "replicationcontrollers",
    )
)


@dataclass(slots=True)
class Call:
    """One request to one resource."""

    cluster: "Cluster"
    http: web.BaseRequest
    user: User
    target: Target
    verb: str
    query: Mapping[str, str]

    @property
    def resource(self) -> Resource:
        """Return the resource of the path."""
        return self.target.resource

    def options(self) -> Request:
        """Return the write options of the query; ApiError 400 on a bad dryRun."""
        dry = self.query.get("dryRun", "")
        if dry not in ("", "All"):
            raise errors.bad_request(f'dryRun: Unsupported value: "{dry}": supported values: "All"')
        agent = self.http.headers.get("User-Agent", "unknown").split("/")[0].split(" ")[0]
        return Request(
            user=self.user,
            verb=self.verb,
            dry_run=bool(dry),
            manager=self.query.get("fieldManager") or agent,
            strict=self.query.get("fieldValidation", "Warn"),
            force=self.query.get("force", "") == "true",
        )


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


async def serve(call: Call) -> web.StreamResponse:
    """Answer one request to a resource; raises ApiError."""
    resource, target = call.resource, call.target
    special = await reviews.serve(call) or await connect.serve(call)
    if special is not None:
        return special
    if target.subresource and target.subresource in _SUBRESOURCES:
        handler = _SUBRESOURCES[target.subresource]
        return await handler(call)
    serving = _VERBS.get(call.verb)
    if serving is None or (not target.subresource and call.verb not in resource.verbs):
        raise errors.method_not_allowed(resource.plural, resource.group)
    return await serving(call)


def _view(call: Call) -> tuple[str, str]:
    """Return ("table" | "partial" | "", includeObject) as the Accept header asks."""
    accept = call.http.headers.get("Accept", "")
    for part in accept.split(","):
        text = part.strip()
        if "as=Table" in text:
            return "table", call.query.get("includeObject", "Metadata")
        if "as=PartialObjectMetadata" in text:
            return "partial", ""
        if text.split(";")[0] in ("application/json", "*/*"):
            break
    return "", ""


def _partial(obj: Obj) -> Obj:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def _match(call: Call) -> Match | None:
    extra = call.cluster.selectable(call.resource)
    return compile_match(
        call.query.get("labelSelector", ""),
        call.query.get("fieldSelector", ""),
        call.resource.storage,
        extra,
    )


def answer_object(
    call: Call, obj: Obj, code: int = 200, req: Request | None = None
) -> web.Response:
    """Return one object in the form the Accept header asks for."""
    convert = conversion.outward(call.cluster.catalog, call.resource)
    if convert:
        obj = convert(obj)
    warnings = req.warnings if req else ()
    view, include = _view(call)
    if view == "table":
        chosen = tables.columns(call.resource, call.cluster.custom_columns(call.resource))
        meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        rows = [tables.row(chosen, obj, call.cluster.clock.now(), include)]
        return wire.document(tables.table(rows, tables.definitions(chosen), meta), code, warnings)
    if view == "partial":
        obj = _partial(obj)
    return wire.document(obj, code, warnings)


async def _get(call: Call) -> web.Response:
    target, cluster = call.target, call.cluster
    if call.resource.name == "componentstatuses":
        raise errors.not_found("componentstatuses", "", target.name)
    entry = cluster.registry.entry(call.resource, target.namespace, target.name)
    return answer_object(call, entry.obj)


def _revision(call: Call) -> int | None:
    text = call.query.get("resourceVersion", "")
    if text in ("", "0"):
        return None
    if not text.isdigit():
        raise errors.bad_request(f"resourceVersion: Invalid value: {text!r}: invalid version")
    return int(text)


def _number(call: Call, name: str) -> int:
    text = call.query.get(name, "") or "0"
    if not text.isdigit():
        raise errors.bad_request(f'{name}: invalid value "{text}"')
    return int(text)


def page_of(call: Call) -> Any:
    """Return the Page a list request names."""
    match = _match(call)
    pager, limit = call.cluster.pager, _number(call, "limit")
    count = match is None
    if token := call.query.get("continue", ""):
        return pager.resume(token, limit, count_rest=count)
    asked = _revision(call)
    if asked is not None and asked > call.cluster.store.revision:
        message = f"Too large resource version: {asked}, current: {call.cluster.store.revision}"
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        raise errors.ApiError(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})
    namespace = call.target.namespace or None
    fields = call.query.get("fieldSelector", "")
    entries = pager.select(call.resource, namespace, fields, match)
    return pager.page(entries, limit, count_rest=count)


async def _list(call: Call) -> web.Response:
    page = page_of(call)
    meta: Obj = {"resourceVersion": str(page.revision)}
    if page.token:
        meta["continue"] = page.token
        if page.remaining is not None:
            meta["remainingItemCount"] = page.remaining
    resource, view = call.resource, _view(call)
    convert = conversion.outward(call.cluster.catalog, resource)
    if view[0] == "table":
        chosen = tables.columns(resource, call.cluster.custom_columns(resource))
        now = call.cluster.clock.now()
        rows = [tables.row(chosen, e.obj, now, view[1]) for e in page.entries]
        return wire.document(tables.table(rows, tables.definitions(chosen), meta))
    if view[0] == "partial":
        items = [encode(_partial(e.obj)) for e in page.entries]
        return _joined("PartialObjectMetadataList", "meta.k8s.io/v1", meta, items)
    items = [encode(convert(e.obj)) if convert else e.data for e in page.entries]
    kind = resource.list_kind or f"{resource.kind}List"
    return _joined(kind, resource.api_version, meta, items)


def _joined(kind: str, api_version: str, meta: Obj, items: list[bytes]) -> web.Response:
    head = encode({"kind": kind, "apiVersion": api_version, "metadata": meta})
    return wire.answer(head[:-1] + b',"items":[' + b",".join(items) + b"]}")


def _encoder(call: Call) -> Callable[[Entry], bytes]:
    convert = conversion.outward(call.cluster.catalog, call.resource)
    view, include = _view(call)
    if view == "table":
        chosen = tables.columns(call.resource, call.cluster.custom_columns(call.resource))
        listed = [tables.definitions(chosen)]

        def as_table(entry: Entry) -> bytes:
            rows = [tables.row(chosen, entry.obj, call.cluster.clock.now(), include)]
            meta = {"resourceVersion": str(entry.rv)}
            return encode(tables.table(rows, listed.pop() if listed else [], meta))

        return as_table
    if view == "partial":
        return lambda entry: encode(_partial(entry.obj))
    if convert:
        return lambda entry: encode(convert(entry.obj))
    return lambda entry: entry.data


def _bookmarks(call: Call) -> Callable[..., bytes]:
    resource, store = call.resource, call.cluster.store
    table = _view(call)[0] == "table"

    def mark(_: int = 0, *, initial: bool = False) -> bytes:
        obj = watch.bookmark(resource.api_version, resource.kind, store.revision, initial=initial)
        if table:
            rows = [{"cells": [], "object": obj}]
            obj = tables.table(rows, [], {"resourceVersion": str(store.revision)})
        return watch.line("BOOKMARK", encode(obj))

    return mark


def _seconds(call: Call) -> float:
    text = call.query.get("timeoutSeconds", "")
    if not text:
        return random.uniform(1800, 3600)
    if not text.isdigit():
        raise errors.bad_request(f'timeoutSeconds: invalid value "{text}"')
    return float(text) or random.uniform(1800, 3600)


async def _watch(call: Call) -> web.StreamResponse:
    cluster = call.cluster
    initial = call.query.get("sendInitialEvents", "") == "true"
    if initial and call.query.get("resourceVersionMatch") != "NotOlderThan":
        raise errors.ApiError(
            422,
            "Invalid",
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
    since = None if initial else _revision(call)
    seconds = _seconds(call)
    stream = watch.Stream(
        cluster.store, call.resource, call.target.namespace or None, _match(call), _encoder(call)
    )
    wants = call.query.get("allowWatchBookmarks", "").lower() in ("true", "1")
    mark = _bookmarks(call) if wants or initial else None
    if cluster.faults.gone:
        return await _expired(call, since)
    try:
        stream.begin(since)
    except WatchExpired:
        return await _expired(call, since)
    if initial and mark:
        stream.push(mark(initial=True))
    try:
        return await _stream(call, stream, seconds, mark)
    finally:
        stream.close()


async def _stream(
    call: Call, stream: watch.Stream, seconds: float, mark: Callable[..., bytes] | None
) -> web.StreamResponse:
    response = await _open(call)
    await watch.run(
        stream,
        response.write,
        call.cluster.clock,
        call.cluster.faults,
        seconds=seconds,
        bookmarks=mark,
        every=call.cluster.bookmark_seconds,
    )
    if call.cluster.faults.down and call.http.transport:
        call.http.transport.abort()
    await response.write_eof()
    return response


async def _open(call: Call) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(call.http)
    return response


async def _expired(call: Call, since: int | None) -> web.StreamResponse:
    floor = call.cluster.store.revision
    message = f"too old resource version: {since or 0} ({floor})"
    response = await _open(call)
    await response.write(watch.error_line(errors.expired(message)))
    await response.write_eof()
    return response


async def _create(call: Call) -> web.Response:
    body = await wire.body(call.http)
    if call.resource.name == "bindings":
        name = ((body or {}).get("metadata") or {}).get("name", "")
        return await _bind(call, name, body or {})
    resource, body = conversion.inward(call.cluster.catalog, call.resource, body)
    req = call.options()
    obj = await call.cluster.registry.create(req, resource, call.target.namespace, body)
    return answer_object(call, obj, 201, req)


async def _update(call: Call) -> web.Response:
    body = await wire.body(call.http)
    resource, body = conversion.inward(call.cluster.catalog, call.resource, body)
    req, target = call.options(), call.target
    obj = await call.cluster.registry.update(
        req, resource, target.namespace, target.name, body, subresource=target.subresource
    )
    return answer_object(call, obj, 200, req)


async def _patch(call: Call) -> web.Response:
    kind = wire.PATCHES.get(wire.content_type(call.http))
    if kind is None:
        raise errors.unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(wire.PATCHES)
        )
    body = await wire.body(call.http)
    req, target, cluster = call.options(), call.target, call.cluster
    resource, _ = conversion.inward(cluster.catalog, call.resource, None)
    before = cluster.store.get(resource.storage, target.namespace, target.name)
    if before is None and kind == "apply":
        cluster.authorizer.check(call.user, "create", target)
    obj = await patching.patch(
        cluster.registry,
        req,
        resource,
        target.namespace,
        target.name,
        body=body,
        kind=kind,
        subresource=target.subresource,
    )
    return answer_object(call, obj, 200 if before or kind != "apply" else 201, req)


async def delete_options(call: Call) -> tuple[Request, DeleteOptions]:
    """Read the DeleteOptions of the body and the query."""
    body = await wire.body(call.http)
    given: Obj = body if isinstance(body, dict) else {}
    req = call.options()
    req.dry_run = req.dry_run or given.get("dryRun") == ["All"]
    conditions = given.get("preconditions") or {}
    grace: Any = call.query.get("gracePeriodSeconds", given.get("gracePeriodSeconds"))
    propagation = call.query.get("propagationPolicy") or given.get("propagationPolicy")
    if propagation is None and "orphanDependents" in given:
        propagation = "Orphan" if given["orphanDependents"] else "Background"
    if propagation not in (None, "Background", "Foreground", "Orphan"):
        raise errors.bad_request(f"propagationPolicy: Unsupported value: {propagation!r}")
    options = DeleteOptions(
        conditions.get("uid"),
        conditions.get("resourceVersion"),
        None if grace is None else int(grace),
        propagation,
    )
    return req, options


async def _delete(call: Call) -> web.Response:
    req, options = await delete_options(call)
    target, resource = call.target, call.resource
    obj, gone = await call.cluster.registry.delete(
        req, resource, target.namespace, target.name, options
    )
    if not gone or resource.name in _RETURNS_OBJECT:
        return answer_object(call, obj, 200, req)
    details = {"name": target.name, "kind": resource.plural, "uid": obj["metadata"]["uid"]}
    if resource.group:
        details["group"] = resource.group
    return wire.document(errors.success(details))


async def _delete_collection(call: Call) -> web.Response:
    req, options = await delete_options(call)
    page = page_of(call)
    gone = await call.cluster.registry.delete_collection(req, call.resource, page.entries, options)
    items = [encode(obj) for obj in gone]
    kind = call.resource.list_kind or f"{call.resource.kind}List"
    meta = {"resourceVersion": str(call.cluster.store.revision)}
    return _joined(kind, call.resource.api_version, meta, items)


async def _binding(call: Call) -> web.Response:
    return await _bind(call, call.target.name, await wire.body(call.http) or {})


async def _bind(call: Call, pod: str, body: Obj) -> web.Response:
    req, registry = call.options(), call.cluster.registry
    await subresources.bind(registry, req, call.target.namespace, pod, body)
    return wire.document(errors.success(), 201)


async def _eviction(call: Call) -> web.Response:
    body, req = await wire.body(call.http), call.options()
    target = call.target
    await subresources.evict(call.cluster.registry, req, target.namespace, target.name, body or {})
    return wire.document(errors.success(), 201)


async def _scale(call: Call) -> web.Response:
    target, registry = call.target, call.cluster.registry
    if call.verb == "get":
        entry = registry.entry(call.resource, target.namespace, target.name)
        return wire.document(scale.of(call.resource, entry.obj))
    kind = wire.PATCHES.get(wire.content_type(call.http), "") if call.verb == "patch" else ""
    if call.verb not in ("patch", "update"):
        raise errors.method_not_allowed(call.resource.plural, call.resource.group)
    body, req = await wire.body(call.http), call.options()
    changed = await scale.write(
        registry, req, call.resource, target.namespace, target.name, body=body, kind=kind
    )
    return wire.document(changed)


_VERBS: dict[str, Handler] = {
    "get": _get,
    "list": _list,
    "watch": _watch,
    "create": _create,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
    "deletecollection": _delete_collection,
}
_SUBRESOURCES: dict[str, Handler] = {
    "binding": _binding,
    "eviction": _eviction,
    "scale": _scale,
}
