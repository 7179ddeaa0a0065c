"""Error codes that the products of Alibaba Cloud share, sorted by what the caller should do next.

Sources: ECS developer reference, "Client errors" and "How to ensure idempotence"; RAM and CS API
references (`EntityNotExist.*`, `LimitExceeded.*`, `ErrorClusterNotFound`). Throttling and denied
permission come as 400 too, so the code decides; the HTTP status decides for unknown codes alone.
A product adds its own codes: `Codes` of its own, asked first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from providers.errors import (
    AccountTrouble,
    Busy,
    InvalidSpec,
    NotFound,
    ProviderError,
    QuotaExceeded,
    Throttled,
    Unavailable,
    UnknownOutcome,
)

Kind = type[ProviderError]

_EXACT: dict[str, Kind] = {
    "Account.Arrearage": AccountTrouble,
    "InsufficientBalance": AccountTrouble,
    "ServiceNotEnabled": AccountTrouble,
    "NoPermission": AccountTrouble,
    "SignatureDoesNotMatch": AccountTrouble,
    "IncompleteSignature": AccountTrouble,
    "MissingSecurityToken": AccountTrouble,
    "InvalidTimeStamp.Format": AccountTrouble,
    "InvalidTimeStamp.Expired": AccountTrouble,
    "IllegalTimestamp": AccountTrouble,
    "StatusForbidden": AccountTrouble,
    "InvalidApi.NotFound": InvalidSpec,
    "InvalidAction.NotFound": InvalidSpec,
    "Throttling": Throttled,
    "SignatureNonceUsed": Unavailable,
    "ServiceUnavailable": Unavailable,
    "InternalError": Unavailable,
    "LastTokenProcessing": UnknownOutcome,
    "RequestTimeout": Unavailable,
    "DeleteConflict": Busy,
}

_SHAPES: tuple[tuple[str, Kind], ...] = (
    (r"Throttling\..+|.*FlowControl$|.*RateLimit.*", Throttled),
    (r"InvalidAccessKeyId.*|InvalidSecurityToken.*|Forbidden.*|.*AccessDenied.*", AccountTrouble),
    (r".*InsufficientBalance$|.*Arrearage$|.*NotEnabled$|.*NotActivated.*", AccountTrouble),
    (r".*Unauthori[sz]ed.*|.*NotAuthori[sz]ed.*|.*RoleNotGranted.*", AccountTrouble),
    (r"SignatureDoesNotMatch.*", AccountTrouble),
    (r"EntityNotExist\..*|.*NotFound$|.*NotExist$|ErrorClusterNotFound", NotFound),
    (r"EntityAlreadyExists?\..*|.*AlreadyExists?$|.*AlreadyInstalled$", Busy),
    (r"DeleteConflict\..*|Incorrect.*Status.*|OperationConflict.*|.*Conflict$", Busy),
    (r"LimitExceeded\..*|QuotaExceed(ed)?(\..+)?|.*Quota.*|.*LimitExceed(ed)?$", QuotaExceeded),
    (r"InternalError.*|ServiceUnavailable.*|.*Timeout$", Unavailable),
    (r"Missing.+|Invalid.+|Unsupported.*|.*NotSupport(ed)?$", InvalidSpec),
)


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of a product: exact ones first, then patterns in order, each for the whole code."""

    exact: Mapping[str, Kind] = field(default_factory=dict)
    shapes: tuple[tuple[re.Pattern[str], Kind], ...] = ()

    def kind(self, code: str) -> Kind | None:
        if code in self.exact:
            return self.exact[code]
        return next((kind for shape, kind in self.shapes if shape.fullmatch(code)), None)


def codes(exact: Mapping[str, Kind], shapes: tuple[tuple[str, Kind], ...]) -> Codes:
    return Codes(exact, tuple((re.compile(pattern), kind) for pattern, kind in shapes))


COMMON = codes(_EXACT, _SHAPES)


def by_status(status: int) -> Kind:
    if status == 429:
        return Throttled
    if status in {401, 403}:
        return AccountTrouble
    if status == 404:
        return NotFound
    return Unavailable if status >= 500 else InvalidSpec


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
    told = f"{message} The key needs {denied}." if denied and denied not in message else message
    if retry_after:
        return Throttled(told, code=code, request_id=request_id, retry_after=retry_after)
    kind = COMMON.kind(code) or by_status(status)
    return kind(told, code=code, request_id=request_id)
