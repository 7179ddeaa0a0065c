"""What went wrong with a call to a cluster, sorted by what the caller should do next.

    KubeError
    ├── Unreachable            no answer; `phase` dns | tcp | refused | timeout | tls | http
    │   │                      try again later with back-off; a write may have happened when
    │   │                      `outcome_unknown`: read before writing again
    │   ├── TlsFailed          `code` names the certificate problem: tell the user, retry is vain
    │   └── WatchStalled       a watch fell silent: reconnect from the last resourceVersion
    ├── DeadlineExceeded       as Unreachable; the time ran out while queued, sent or answering
    ├── CircuitOpen            nothing was sent; wait `retry_after` seconds
    ├── AddressRefused         the address policy forbids this address: the operator must allow it
    ├── BadTarget              a certificate, key or URL of the credential is unusable: re-import
    ├── UnexpectedAnswer       not a Kubernetes answer (proxy, redirect, wrong port): check the URL
    └── ApiError               the API server said no; `status`, `reason`, `causes`, `request_id`
        ├── Unauthorized  401  the credential is expired or revoked: stop, ask for a new one
        ├── Forbidden     403  the identity lacks a permission: name it to the user
        ├── NotFound      404  not there now (one witness; absence needs two)
        ├── Conflict      409  read again, decide again, write again
        │   └── AlreadyExists  the name is taken: read it and compare
        ├── Gone          410  resourceVersion or continue token too old: list from the start
        ├── Invalid       422, 400, 405, 413, 415   never works as asked: fix the object
        ├── TooManyRequests 429 nothing happened: wait `retry_after` seconds
        └── ServerError   5xx  try again with back-off; a write may have happened

Built from the Status body (API conventions, "Response status kind"). Messages never hold a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Phase = Literal["dns", "tcp", "refused", "timeout", "tls", "http"]


class KubeError(Exception):
    """Root of the tree; `message` is one English sentence for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unreachable(KubeError):
    """No answer came; `outcome_unknown` says that a write was already on its way."""

    def __init__(self, message: str, *, phase: Phase, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.phase: Phase = phase
        self.outcome_unknown = outcome_unknown


class TlsFailed(Unreachable):
    """`code`: expired, not-yet-valid, self-signed, unknown-ca, wrong-host or handshake."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, phase="tls")
        self.code = code


class WatchStalled(Unreachable):
    """No byte came on an open watch for the inactivity limit."""

    def __init__(self, message: str) -> None:
        super().__init__(message, phase="timeout")


class DeadlineExceeded(KubeError):
    """`seconds` is the deadline; `outcome_unknown` as for `Unreachable`."""

    def __init__(self, message: str, *, seconds: float, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.outcome_unknown = outcome_unknown


class CircuitOpen(KubeError):
    """Too many transport failures in a row; nothing was sent."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AddressRefused(KubeError):
    """`address` is refused by policy; `rule` names why (loopback, metadata, own-address...)."""

    def __init__(self, address: str, *, rule: str) -> None:
        super().__init__(f"address {address} is not allowed here ({rule})")
        self.address = address
        self.rule = rule


class BadTarget(KubeError):
    pass


class UnexpectedAnswer(KubeError):
    pass


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `Status.details.causes`."""

    reason: str
    field: str
    message: str


class ApiError(KubeError):
    """The API server's Status; `retry_after` in seconds when the server named one."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str = "",
        causes: Sequence[Cause] = (),
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.causes = tuple(causes)
        self.request_id = request_id
        self.retry_after = retry_after


class Unauthorized(ApiError):
    pass


class Forbidden(ApiError):
    pass


class NotFound(ApiError):
    pass


class Conflict(ApiError):
    pass


class AlreadyExists(Conflict):
    pass


class Gone(ApiError):
    pass


class Invalid(ApiError):
    pass


class TooManyRequests(ApiError):
    pass


class ServerError(ApiError):
    pass
