"""HTTP bodies in and out: JSON, YAML, protobuf; Status answers; warning headers."""

from collections.abc import Iterable
from typing import Any

import msgspec
import yaml
from aiohttp import web
from multidict import CIMultiDict

from sandbox.cluster import errors, protobuf
from sandbox.cluster.store import encode

Obj = dict[str, Any]
JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
PATCHES = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _headers(warnings: Iterable[str]) -> CIMultiDict[str]:
    found: CIMultiDict[str] = CIMultiDict()
    for text in warnings:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        found.add("Warning", f'299 - "{escaped}"')
    return found


def answer(data: bytes, code: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """Return JSON bytes as a response."""
    return web.Response(body=data, status=code, content_type=JSON, headers=_headers(warnings))


def document(obj: Any, code: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """Return an object as a JSON response."""
    return answer(encode(obj), code, warnings)


def failure(error: errors.ApiError) -> web.Response:
    """Return an error as its Status."""
    response = document(error.status(), error.code)
    retry = error.details.get("retryAfterSeconds")
    if retry:
        response.headers["Retry-After"] = str(retry)
    return response


def content_type(request: web.BaseRequest) -> str:
    """Return the media type of the body, without parameters."""
    return request.headers.get("Content-Type", JSON).split(";")[0].strip().lower()


async def body(request: web.BaseRequest) -> Any:
    """Read one object; ApiError 400 for a broken body, 415 for an unknown form."""
    data = await request.read()
    kind = content_type(request)
    if not data:
        return None
    if kind == PROTOBUF:
        return protobuf.decode(data)
    if kind in ("application/yaml", "application/apply-patch+yaml"):
        return _yaml(data)
    if kind in (JSON, "", "*/*", "application/octet-stream") or kind in PATCHES:
        return _json(data)
    raise errors.unsupported_media(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise errors.bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def _yaml(data: bytes) -> Any:
    if data.lstrip()[:1] == b"{":
        return _json(data)
    try:
        return yaml.load(data, Loader=_LOADER)  # noqa: S506
    except yaml.YAMLError as error:
        raise errors.bad_request(f"error decoding YAML: {error}") from error
