"""From an API server's failed answer to our error tree."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kube import errors

_BY_REASON: dict[str, type[errors.ApiError]] = {
    "AlreadyExists": errors.AlreadyExists,
    "Expired": errors.Gone,
    "Gone": errors.Gone,
}
_BY_STATUS: dict[int, type[errors.ApiError]] = {
    400: errors.Invalid,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.Invalid,
    406: errors.Invalid,
    409: errors.Conflict,
    410: errors.Gone,
    413: errors.Invalid,
    415: errors.Invalid,
    422: errors.Invalid,
    429: errors.TooManyRequests,
}
_MESSAGE_LIMIT = 2000


class _Cause(msgspec.Struct):
    reason: str = ""
    field: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    causes: list[_Cause] | None = None
    retry_after_seconds: int = msgspec.field(default=0, name="retryAfterSeconds")


class Status(msgspec.Struct):
    """A `v1.Status` of kind Failure; every field may be missing."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


_DECODER = msgspec.json.Decoder(Status)


def error_from(
    status: int, headers: Mapping[str, str], body: bytes, *, what: str, hidden: str = ""
) -> errors.KubeError:
    """The exception for an answer of 300 or more; `hidden` is cut out of every text."""
    try:
        parsed = _DECODER.decode(body)
    except msgspec.MsgspecError:
        parsed = Status()
    if parsed.kind != "Status":
        if status < 400 or status in {404, 405}:
            return errors.UnexpectedAnswer(
                f"{what}: HTTP {status} that is not from a Kubernetes API server"
            )
        parsed = Status(message=f"HTTP {status}")
    return from_status(parsed, status, headers, what=what, hidden=hidden)


def from_status(
    parsed: Status, status: int, headers: Mapping[str, str], *, what: str = "", hidden: str = ""
) -> errors.ApiError:
    """The exception for a Status; `status` is used when its own code is missing."""

    def clean(text: str) -> str:
        return (text.replace(hidden, "***") if hidden else text)[:_MESSAGE_LIMIT]

    code = parsed.code or status
    kind = _BY_REASON.get(parsed.reason) or _BY_STATUS.get(code)
    if kind is None:
        kind = errors.ServerError if code >= 500 else errors.Invalid
    details = parsed.details or _Details()
    causes = [
        errors.Cause(clean(c.reason), clean(c.field), clean(c.message))
        for c in details.causes or ()
    ]
    message = clean(parsed.message or f"HTTP {code}")
    return kind(
        f"{what}: {message}" if what else message,
        status=code,
        reason=clean(parsed.reason),
        causes=causes,
        request_id=clean(headers.get("Audit-Id") or headers.get("X-Request-Id") or ""),
        retry_after=_retry_after(headers, details),
    )


def _retry_after(headers: Mapping[str, str], details: _Details) -> float | None:
    """Seconds; API servers send Retry-After as a whole number (client-go does not take dates)."""
    header = headers.get("Retry-After", "")
    if header.isascii() and header.isdigit():
        return min(float(header), 3600.0)
    return float(details.retry_after_seconds) or None
