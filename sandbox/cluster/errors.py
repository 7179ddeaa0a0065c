"""Errors of the simulated API server, each one the ``Status`` object a real server answers.

ApiError
 +- raised by the registry, admission, authentication and the in-process client alike
WatchExpired
 +- raised by the store; the watch layer turns it into an ERROR event with code 410

Reasons and codes follow the Kubernetes API conventions (``meta/v1`` ``StatusReason``).
"""

from collections.abc import Iterable, Mapping
from typing import Any

Obj = dict[str, Any]


class ApiError(Exception):
    """An answer other than success.

    ``code`` is the HTTP status, ``reason`` the StatusReason, ``details`` the StatusDetails.
    """

    def __init__(
        self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details: Obj = dict(details or {})

    def status(self) -> Obj:
        """Return the ``Status`` object as the wire carries it."""
        body: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


class WatchExpired(Exception):
    """The event window no longer reaches back to the asked resourceVersion."""


def success(details: Mapping[str, Any] | None = None) -> Obj:
    """Return a ``Status`` of success, as DELETE answers for most kinds."""
    body: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        body["details"] = dict(details)
    return body


def qualified(plural: str, group: str) -> str:
    """Return ``deployments.apps``, or ``pods`` for the core group."""
    return f"{plural}.{group}" if group else plural


def _details(name: str, group: str, kind: str, causes: Iterable[Obj] = ()) -> Obj:
    details: Obj = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    details["kind"] = kind
    found = list(causes)
    if found:
        details["causes"] = found
    return details


def not_found(plural: str, group: str, name: str) -> ApiError:
    """404 with details for one object."""
    message = f'{qualified(plural, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(name, group, plural))


def no_such_path() -> ApiError:
    """404 for a path that no resource serves."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """409 for a create over an existing name."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(name, group, plural))


def conflict(plural: str, group: str, name: str, why: str = "") -> ApiError:
    """409 for a stale resourceVersion or a failed precondition."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version "
        "and try again"
    )
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(name, group, plural))


def apply_conflict(causes: list[Obj]) -> ApiError:
    """409 of server-side apply; each cause names the other manager and the field."""
    count = len(causes)
    lines = "\n".join(f"{c['message']}: {c['field']}" for c in causes)
    word = "conflict" if count == 1 else "conflicts"
    message = f"Apply failed with {count} {word}: {lines}"
    return ApiError(409, "Conflict", message, {"causes": causes})


def invalid(kind: str, group: str, name: str, causes: list[Obj]) -> ApiError:
    """422 with one cause per bad field; a cause is ``{reason, message, field}``."""
    texts = [f"{c['field']}: {c['message']}" for c in causes]
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    message = f'{qualified(kind, group)} "{name}" is invalid: {joined}'
    return ApiError(422, "Invalid", message, _details(name, group, kind, causes))


def cause(reason: str, field: str, message: str) -> Obj:
    """Return one StatusCause, e.g. ``cause("FieldValueRequired", "spec", "Required value")``."""
    return {"reason": reason, "message": message, "field": field}


def bad_request(message: str) -> ApiError:
    """400 for a request that cannot be understood."""
    return ApiError(400, "BadRequest", message)


def forbidden(plural: str, group: str, name: str, why: str) -> ApiError:
    """403 from authorization or admission."""
    target = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    return ApiError(
        403, "Forbidden", f"{target} is forbidden: {why}", _details(name, group, plural)
    )


def unauthorized() -> ApiError:
    """401 for a missing, unknown or revoked credential."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> ApiError:
    """410 for a continue token or resourceVersion that is too old."""
    return ApiError(410, "Expired", message)


def too_many_requests(
    message: str, *, retry_after: int = 0, causes: Iterable[Obj] = ()
) -> ApiError:
    """429, e.g. for an eviction that a PodDisruptionBudget forbids."""
    details: Obj = {}
    if retry_after:
        details["retryAfterSeconds"] = retry_after
    found = list(causes)
    if found:
        details["causes"] = found
    return ApiError(429, "TooManyRequests", message, details)


def internal(message: str) -> ApiError:
    """500 for a call to a webhook or kubelet that failed."""
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")


def unsupported_media(message: str) -> ApiError:
    """415 for a body in a form the server does not read."""
    return ApiError(415, "UnsupportedMediaType", message)


def method_not_allowed(plural: str, group: str) -> ApiError:
    """405 for a verb the resource does not serve."""
    message = f"the server does not allow this method on the requested resource ({plural})"
    return ApiError(405, "MethodNotAllowed", message, _details("", group, plural))
