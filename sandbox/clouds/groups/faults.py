"""Faults that a test or a demo plants into the simulated cloud."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from .errors import ApiFault, ConnectionLost

_STATUS = {"ServiceUnavailable": 503, "InternalError": 500, "Forbidden.RAM": 403}


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """What to do to the next ``times`` calls that match (None: to all of them).

    One of: answer an error (``code``), before or after the effect; cut the connection after the
    effect (``lost_answer``) or before it (``lost_request``); answer an empty list (``empty``); fail
    one page of a list (``fail_page``, counted from 1). ``match`` compares flat parameters, ``*``
    allowed.
    """

    action: str = "*"
    code: str = "InternalError"
    http_status: int | None = None
    message: str = "The request processing has failed due to some unknown error."
    times: int | None = 1
    when: Literal["before", "after"] = "before"
    match: dict[str, str] = {}
    lost_answer: bool = False
    lost_request: bool = False
    empty: bool = False
    fail_page: int | None = None
    retry_after_ms: int | None = None
    hits: int = 0

    def error(self) -> ApiFault:
        """Return the planted refusal; raises ConnectionLost when the call never arrives."""
        if self.lost_request:
            raise ConnectionLost
        status = self.http_status or _STATUS.get(self.code, 400)
        return ApiFault(self.code, self.message, status)

    def applies(self, action: str, flat: Mapping[str, str], page: int) -> bool:
        """Tell whether a call is meant."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.fail_page is not None and page != self.fail_page:
            return False
        if not fnmatchcase(action, self.action):
            return False
        return all(fnmatchcase(flat.get(k, ""), v) for k, v in self.match.items())


class Faults:
    """The planted faults, first planted first served."""

    def __init__(self) -> None:
        self.planted: list[Fault] = []

    def plant(self, fault: Fault) -> None:
        """Add a fault."""
        self.planted.append(fault)

    def draw(self, action: str, flat: Mapping[str, str], page: int) -> Fault | None:
        """Return the fault that hits this call, counting the hit."""
        for fault in self.planted:
            if fault.applies(action, flat, page):
                fault.hits += 1
                return fault
        return None

    def clear(self) -> None:
        """Remove every fault."""
        self.planted.clear()
