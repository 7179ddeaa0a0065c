"""Refusals as Kingsoft Cloud's gateway and products word them.

Gateway: the table of common errors in the products' OpenAPI documents ("公共错误", e.g. EIP API
reference). KCI publishes no error codes of its own: those made here (``ContainerGroupNotFound`` and
its like) follow the pattern of KCE's documented ones (``ClusterNotFound``) and are the simulator's.
"""

from ..groups.errors import ApiFault, ConnectionLost

__all__ = ["ApiFault", "ConnectionLost"]


def no_token(why: str) -> ApiFault:
    """Return the refusal of a request that carries no usable authentication."""
    return ApiFault("MissingAuthenticationToken", why, 403)


def mismatch(why: str) -> ApiFault:
    """Return the refusal of a wrong scope, date or signature."""
    return ApiFault("SignatureDoesNotMatch", why, 403)


def incomplete(why: str) -> ApiFault:
    """Return the refusal of a signature that lacks a part or has a malformed one."""
    return ApiFault("IncompleteSignature", why)


def unknown_key() -> ApiFault:
    """Return the refusal of an unknown or disabled key, or of a token that is not its own."""
    return ApiFault(
        "InvalidClientTokenId", "The security token included in the request is invalid.", 403
    )


def token_expired() -> ApiFault:
    """Return the refusal of a temporary key after its end."""
    return ApiFault(
        "SecurityTokenExpired", "The security token included in the request is expired."
    )


def denied(user: str, action: str) -> ApiFault:
    """Return IAM's denial of ``service:Action``."""
    return ApiFault("AccessDenied", f"User: {user} is not authorized to perform: {action}.", 403)


def unknown_api() -> ApiFault:
    """Return the refusal of an action or version that no service has."""
    return ApiFault(
        "NoSuchEntity",
        "Request was rejected because it referenced an 'InnerApi' that does not exist.",
        404,
    )


def throttled() -> ApiFault:
    """Return the refusal of a call above the flow control limit."""
    return ApiFault(
        "LimitExceeded",
        "Request was rejected because the request speed of this openAPI is beyond the current"
        " flow control limit.",
        409,
    )


def dry_run() -> ApiFault:
    """Return the answer to a DryRun that would have succeeded."""
    return ApiFault("DryRunOperation", "Request would have succeeded, but DryRun flag is set", 412)


def missing(parameter: str) -> ApiFault:
    """Return the refusal of a call that lacks a required parameter."""
    return ApiFault(
        "MissingParameter", f"An value must be supplied for the input parameter {parameter}."
    )


def invalid(parameter: str, why: str = "") -> ApiFault:
    """Return the refusal of a malformed or out-of-range parameter."""
    text = f"An invalid or out-of-range value was supplied for the input parameter {parameter}."
    return ApiFault("InvalidParameterValue", f"{text} {why}".rstrip())


def not_found(kind: str, resource_id: str) -> ApiFault:
    """Return the refusal of a call about an unknown resource, e.g. ``ContainerGroupNotFound``."""
    return ApiFault(f"{kind}NotFound", f"The {kind} {resource_id} does not exist.", 404)


def wrong_status(group_id: str, status: str) -> ApiFault:
    """Return the refusal of a call that the group's state does not allow."""
    return ApiFault(
        "ContainerGroupStatusInvalid", f"The status {status} of {group_id} does not allow this."
    )


def no_stock(zones: list[str]) -> ApiFault:
    """Return the refusal of a create when no zone of its subnets has the size."""
    return ApiFault(
        "InsufficientCapacity",
        f"The requested package is sold out in {', '.join(zones)}.",
    )


def quota(what: str) -> ApiFault:
    """Return the refusal of a create above the account's quota."""
    return ApiFault("QuotaExceeded", f"The quota of {what} is exceeded.")
