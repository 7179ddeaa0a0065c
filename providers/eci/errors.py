"""ECI's error codes, sorted by what the caller should do next.

Source: ECI developer reference, error codes of each action and "Common errors"; ECS developer
reference, "Client errors" and "How to ensure idempotence". ECI answers 400 for throttling, stock
and permission alike, so the code decides; the HTTP status decides only for unknown codes.
"""

from __future__ import annotations

import re

from providers.errors import (
    AccountTrouble,
    Busy,
    InvalidSpec,
    NotFound,
    OutOfStock,
    ProviderError,
    QuotaExceeded,
    Throttled,
    Unavailable,
    UnknownOutcome,
)

_EXACT: dict[str, type[ProviderError]] = {
    "OperationDenied.NoStock": OutOfStock,
    "OperationDenied.SpotStockNotEnough": OutOfStock,
    "ContainerGroup.NoStock": OutOfStock,
    "NoStock": OutOfStock,
    "StockExhaust": OutOfStock,
    "StockClose": OutOfStock,
    "RecommendEmpty.InstanceTypeFamilyNotMatched": OutOfStock,
    "InvalidParameter.ValueExceeded": QuotaExceeded,
    "QuotaExceeded": QuotaExceeded,
    "DiskNumber.LimitExceed": QuotaExceeded,
    "DedicatedHostQuotaExceeded": QuotaExceeded,
    "EipAddressPoolIpNotEnough": QuotaExceeded,
    "Account.Arrearage": AccountTrouble,
    "InvalidPaymentMethod.InsufficientBalance": AccountTrouble,
    "Payfor.CreditPayInsufficientBalance": AccountTrouble,
    "EipPayInsufficientBalance": AccountTrouble,
    "InsufficientBalance": AccountTrouble,
    "ServiceNotEnabled": AccountTrouble,
    "NoPermission": AccountTrouble,
    "CreateServiceLinkedRole.Denied": AccountTrouble,
    "FeatureAccessRestricted": AccountTrouble,
    "SignatureDoesNotMatch": AccountTrouble,
    "IncompleteSignature": AccountTrouble,
    "MissingSecurityToken": AccountTrouble,
    "InvalidTimeStamp.Format": AccountTrouble,
    "InvalidTimeStamp.Expired": AccountTrouble,
    "IllegalTimestamp": AccountTrouble,
    "IncorrectStatus": Busy,
    "OperationConflict": Busy,
    "InvalidAction": Busy,
    "Degrade.Api": Throttled,
    "EipPurchaseFlowControl": Throttled,
    "Throttling": Throttled,
    "SignatureNonceUsed": Unavailable,
    "ServiceUnavailable": Unavailable,
    "ServiceUnavailableTemporary": Unavailable,
    "InternalError": Unavailable,
    "LastTokenProcessing": UnknownOutcome,
    "RequestTimeout": Unavailable,
    "containerRepositoryAuthorizationFailed": InvalidSpec,
    # The first call with this token was of another content: it may have made an instance.
    "IdempotentParameterMismatch": UnknownOutcome,
    "FeatureBasedConstraintConflict": InvalidSpec,
    "HighCpuMemConfigRequired": InvalidSpec,
    "LocalDiskAmountNotMatch": InvalidSpec,
    "RamRole.NotSupport": InvalidSpec,
}

_SHAPES: tuple[tuple[re.Pattern[str], type[ProviderError]], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"Throttling\..+|.*FlowControl$|.*RateLimit.*", Throttled),
        (r".*IpNotEnough$|.*InsufficientIp.*", QuotaExceeded),
        (r".*NoStock$|.*StockNotEnough$|.*WithoutStock$", OutOfStock),
        (
            r"InvalidAccessKeyId.*|InvalidSecurityToken.*|Forbidden.*|.*AccessDenied.*",
            AccountTrouble,
        ),
        (
            r".*InsufficientBalance$|.*Arrearage$|.*NotEnabled$|SignatureDoesNotMatch.*",
            AccountTrouble,
        ),
        (
            r"QuotaExceed(ed)?(\..+)?|.*QuotaExceed(ed)?$|.*Quota.*Full$|.*LimitExceed(ed)?$",
            QuotaExceeded,
        ),
        (r".*ContainerGroup(Id)?\.?(NotFound|NotExist)$", NotFound),
        (r"Incorrect.*Status.*|OperationConflict.*", Busy),
        (r"InternalError.*|ServiceUnavailable.*|.*Timeout$", Unavailable),
        (r"Missing.+|InvalidParameter.*|Invalid.+|Unsupported.*|.*NotSupport(ed)?$", InvalidSpec),
        (r"(DiskVolume|CloudDisk|ImageSnapshot)\..+", InvalidSpec),
    )
)


def kind_of(code: str, status: int) -> type[ProviderError]:
    """The class of an error answer with this `Code` and HTTP status."""
    exact = _EXACT.get(code)
    if exact:
        return exact
    for shape, kind in _SHAPES:
        if shape.fullmatch(code):
            return kind
    if status == 429:
        return Throttled
    if status in {401, 403}:
        return AccountTrouble
    return Unavailable if status >= 500 else InvalidSpec


# Denied for the role that the pod names, not for what the key is for: the pod's fault alone.
_ROLE_GRANT = "ram:PassRole"


def error(
    *,
    code: str,
    message: str,
    request_id: str,
    status: int,
    retry_after: float | None = None,
    denied: str = "",
) -> ProviderError:
    """The exception for an error answer. `retry_after` is in seconds, when the cloud said so;
    `denied` is the grant that RAM missed (`AccessDeniedDetail.AuthAction`)."""
    if denied == _ROLE_GRANT:
        told = f"{message} The key may not pass the role that eci-ram-role-name names: grant it"
        return InvalidSpec(f"{told} {_ROLE_GRANT} for that role.", code=code, request_id=request_id)
    kind = Throttled if retry_after else kind_of(code, status)
    if kind is Throttled:
        return Throttled(message, code=code, request_id=request_id, retry_after=retry_after or 1.0)
    return kind(message, code=code, request_id=request_id)
