"""Refusals of the simulated cloud, as the RPC gateway words them.

``ApiFault`` carries what goes into the body ``{RequestId, HostId, Code, Message, Recommend}`` and
the HTTP status. Codes and statuses: ECI API reference and the common error tables of the product's
help pages; where the documents name no code for a case, the RPC convention
``Invalid<Resource>Id.NotFound`` is used.
"""

from ..groups.errors import ApiFault, ConnectionLost

__all__ = [
    "ApiFault",
    "ConnectionLost",
    "forbidden",
    "group_not_found",
    "incorrect_status",
    "invalid",
    "missing",
]


def missing(parameter: str) -> ApiFault:
    """Return the refusal of a call that lacks a required parameter."""
    return ApiFault(
        f"Missing{parameter.replace('.', '')}",
        f"{parameter} is mandatory for this action.",
    )


def invalid(parameter: str, why: str) -> ApiFault:
    """Return the refusal of a malformed parameter."""
    return ApiFault("InvalidParameter", f"The specified parameter {parameter} is not valid: {why}")


def group_not_found(group_id: str) -> ApiFault:
    """Return the refusal of a call about an unknown container group."""
    return ApiFault(
        "InvalidContainerGroupId.NotFound",
        f"The specified container group {group_id} does not exist.",
        404,
    )


def incorrect_status(group_id: str, status: str) -> ApiFault:
    """Return the refusal of a call that the group's state does not allow."""
    return ApiFault("IncorrectStatus", f"The status {status} of {group_id} is incorrect.")


def forbidden(action: str, product: str, account_id: str, key: str) -> ApiFault:
    """Return the RAM denial of ``action``, with its AccessDeniedDetail."""
    name = f"{product}:{action}"
    return ApiFault(
        "Forbidden.RAM",
        "User not authorized to operate on the specified resource,"
        " or this API doesn't support RAM.",
        403,
        detail={
            "AuthAction": name,
            "AuthPrincipalType": "SubUser",
            "AuthPrincipalOwnerId": account_id,
            "AuthPrincipalDisplayName": key,
            "NoPermissionType": "ImplicitDeny",
            "PolicyType": "AccountLevelIdentityBasedPolicy",
        },
    )
