"""How a simulated cloud refuses a call, or loses its answer."""

from typing import Any


class ApiFault(Exception):
    """One refused call: code, message and HTTP status of the answer."""

    def __init__(
        self, code: str, message: str, status: int = 400, *, detail: dict[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.detail = detail


class ConnectionLost(Exception):
    """The call took effect and its answer never arrives: the connection is cut."""
