"""What a cloud answered, sorted by what the caller should do next.

    ProviderError
    ├── Throttled         wait `retry_after` seconds, then the same call again
    ├── OutOfStock        try the next zone or size; remember this one for three minutes
    ├── QuotaExceeded     wait for room or raise the quota; the same call later may work
    ├── InvalidSpec       never works as asked: tell the user which field to change
    ├── AccountTrouble    key, permission, arrears, service not activated: stop the account
    ├── NotFound          the instance is not there (one witness; absence needs two)
    ├── Busy              the instance is in a state that forbids the call: look again soon
    ├── Unavailable       nothing happened on their side: the same call again, with back-off
    └── UnknownOutcome    it may have happened: look before calling again

Raised only by providers; each carries the cloud's own `code`, `message` and `request_id`.
Classification goes by the provider's code, never by the HTTP status alone (ECI answers 400 for
throttling).
"""

from __future__ import annotations


class ProviderError(Exception):
    """`code` and `message` as the cloud gave them; `request_id` for its support desk."""

    def __init__(self, message: str, *, code: str = "", request_id: str = "") -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code
        self.message = message
        self.request_id = request_id


class Throttled(ProviderError):
    def __init__(
        self, message: str, *, code: str = "", request_id: str = "", retry_after: float = 1.0
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.retry_after = retry_after


class OutOfStock(ProviderError):
    """`zone` and `spec` are empty when the cloud does not say which one was short."""

    def __init__(
        self, message: str, *, code: str = "", request_id: str = "", zone: str = "", spec: str = ""
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.zone = zone
        self.spec = spec


class QuotaExceeded(ProviderError):
    pass


class InvalidSpec(ProviderError):
    pass


class AccountTrouble(ProviderError):
    pass


class NotFound(ProviderError):
    pass


class Busy(ProviderError):
    pass


class Unavailable(ProviderError):
    pass


class UnknownOutcome(ProviderError):
    pass
