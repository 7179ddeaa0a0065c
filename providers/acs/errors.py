"""What the API server of an ACS cluster answered, sorted by what the caller should do next.

Sources: Kubernetes API conventions ("Error conditions"); the sentences of the API server's
authorizer (`User "x" cannot create resource ...`), of its ResourceQuota admission (`exceeded
quota`), of a namespace on its way out or just made, all of which come with 403. Any other 403 or
4xx to a create is an admission that refused the pod.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from kube import errors as kube
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

_RBAC = re.compile(r'User ".*" cannot ')
_QUOTA = "exceeded quota"
_ENDING = "is being terminated"
# A namespace that was made this moment has no service account yet.
_NEW_NAMESPACE = "error looking up service account"


@contextmanager
def told(*, writes: bool = False, admits: bool = False) -> Iterator[None]:
    """Translate `KubeError`. `writes`: it may have happened when no answer came and matters then.

    `admits`: the call creates something, so that a 403 may be about the object.
    """
    try:
        yield
    except kube.ApiError as error:
        raise _answered(error, writes=writes, admits=admits) from error
    except kube.KubeError as error:
        raise _unanswered(error, writes=writes) from error


def _answered(error: kube.ApiError, *, writes: bool, admits: bool) -> ProviderError:
    made = {"code": error.reason or f"HTTP{error.status}", "request_id": error.request_id}
    match error:
        case kube.TooManyRequests():
            wait = error.retry_after or 1.0
            return Throttled(error.message, retry_after=wait, **made)
        case kube.ServerError():
            kind: type[ProviderError] = UnknownOutcome if writes else Unavailable
        case kube.Unauthorized():
            kind = AccountTrouble
        case kube.Forbidden():
            kind = _forbidden(error.message) if admits else AccountTrouble
        case kube.NotFound():
            kind = NotFound
        case kube.Conflict():
            kind = Busy
        case kube.Gone():
            kind = Unavailable
        case _:
            kind = InvalidSpec
    return kind(error.message, **made)


def _forbidden(message: str) -> type[ProviderError]:
    if _QUOTA in message:
        return QuotaExceeded
    if _ENDING in message:
        return Busy
    if _NEW_NAMESPACE in message:
        return Unavailable
    return AccountTrouble if _RBAC.search(message) else InvalidSpec


def _unanswered(error: kube.KubeError, *, writes: bool) -> ProviderError:
    code = type(error).__name__
    if writes and getattr(error, "outcome_unknown", False):
        return UnknownOutcome(error.message, code=code)
    match error:
        case kube.TlsFailed() if error.code != "handshake":
            return AccountTrouble(error.message, code=f"Tls.{error.code}")
        case kube.AddressRefused() | kube.BadTarget():
            return AccountTrouble(str(error), code=code)
        case kube.UnexpectedAnswer() if writes:
            return UnknownOutcome(error.message, code=code)
    return Unavailable(error.message, code=code)
