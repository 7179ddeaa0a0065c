"""Kingsoft Cloud's error answers, sorted by what the caller should do next.

Sources: Kingsoft Cloud OpenAPI, "Return format" (documents 82 and 37637: a JSON object `Error` with
`Code` and `Message`) and the common errors of its products' API references (`LimitExceeded` is
flow control); package kingsoftcloud/sdk-go, bill_union (the same in small letters). KCI publishes
no codes of its own, so what is not in the table is told by the words of code and message, then by
the HTTP status; both stay as they came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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
)

EXPIRED = "SecurityTokenExpired"
DRY_RUN_PASSED = "DryRunOperation"

_EXACT: dict[str, type[ProviderError]] = {
    "LimitExceeded": Throttled,
    "RequestLimitExceeded": Throttled,
    "ServiceUnavailable": Unavailable,
    "InternalFailure": Unavailable,
    "InternalError": Unavailable,
    "OptInRequired": AccountTrouble,
    "IncompleteSignature": AccountTrouble,
    "RequestExpired": AccountTrouble,
    "MissingParameter": InvalidSpec,
    "InvalidParameterValue": InvalidSpec,
    "InvalidParameterCombination": InvalidSpec,
}

_WORDS: tuple[tuple[re.Pattern[str], type[ProviderError]], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (
            r"securitytoken|signaturedoesnotmatch|missingauthenticationtoken|invalidclienttoken"
            r"|accesskey(id)?(notfound|invalid|disabled)|invalidaccesskey|accessdenied"
            r"|notauthorized|unauthorized|nopermission|forbidden|无权限|没有权限",
            AccountTrouble,
        ),
        (r"throttl|ratelimit|toomanyrequests|flowcontrol|requestspeed|限流", Throttled),
        (
            r"insufficientcapacity|insufficientresource|insufficientstock|outofstock|nostock"
            r"|soldout|stocknotenough|resourcenotenough|库存|售罄|资源不足",
            OutOfStock,
        ),
        (
            r"insufficientbalance|balancenotenough|arrear|notactivated|notenabled|notopened"
            r"|欠费|余额|未开通",
            AccountTrouble,
        ),
        (r"quota|配额", QuotaExceeded),
        (r"notfound|nosuch|notexist|不存在", NotFound),
        (r"incorrectstatus|statusinvalid|invalidstatus|statusnotallow|conflict", Busy),
    )
)
_KEY_ITSELF = re.compile(
    r"securitytoken|signature|authenticationtoken|invalidclienttoken|accesskey", re.IGNORECASE
)


def plain(text: str) -> str:
    """Lower case without blanks and underscores, for loose comparison."""
    return re.sub(r"[\s_]+", "", text).lower()


_REQUEST_IDS = ("RequestId", "RequestID", "requestId")
_BY_STATUS: dict[int, type[ProviderError]] = {
    401: AccountTrouble,
    403: AccountTrouble,
    404: NotFound,
    429: Throttled,
}


def kind_of(code: str, message: str, status: int) -> type[ProviderError]:
    """A 5xx may have had an effect, whatever its words say."""
    if status >= 500:
        return Unavailable
    if code in _EXACT:
        return _EXACT[code]
    for words in (plain(code), plain(message)):
        for pattern, kind in _WORDS:
            if pattern.search(words):
                return kind
    return _BY_STATUS.get(status, InvalidSpec)


def error(
    answer: Mapping[str, Any], *, status: int, action: str, retry_after: float | None = None
) -> ProviderError:
    """The exception for an error answer, also for one that came with HTTP 200.

    What a create refers to and does not find (a subnet) is a fault of its spec.
    """
    told = answer.get("Error") or answer.get("error")
    body: Mapping[str, Any] = told if isinstance(told, Mapping) else answer
    code = str(body.get("Code") or body.get("code") or "")
    said = told if isinstance(told, str) else ""
    message = str(body.get("Message") or body.get("message") or said or f"HTTP {status}")
    request_id = next((str(answer[name]) for name in _REQUEST_IDS if answer.get(name)), "")
    kind = kind_of(code, message, status)
    if kind is Throttled:
        wait = retry_after or 1.0
        return Throttled(message, code=code, request_id=request_id, retry_after=wait)
    if kind is NotFound and action == "CreateContainerGroup":
        kind = InvalidSpec
    return kind(message, code=code, request_id=request_id)


def is_expired(trouble: ProviderError) -> bool:
    """A temporary key that ended; the code holds the word (kingsoftcloud/vpc-route-controller)."""
    return plain(EXPIRED) in plain(trouble.code) or plain(EXPIRED) in plain(trouble.message)


def is_key_itself(trouble: ProviderError) -> bool:
    """The key is not accepted at all, in contrast to one that may not do this."""
    return isinstance(trouble, AccountTrouble) and bool(_KEY_ITSELF.search(plain(trouble.code)))
