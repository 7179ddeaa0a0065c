"""What every action gets and declares."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..cloud import EciCloud, Key
from ..parameters import Flat, Nested, required

Json = dict[str, Any]


@dataclass
class Call:
    """One authenticated call. ``group_id`` is filled by actions for the ledger."""

    cloud: EciCloud
    key: Key
    flat: Flat
    params: Nested
    now: float
    request_id: str
    base_url: str
    group_id: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    def region(self) -> str:
        """Return the mandatory RegionId."""
        return required(self.params, "RegionId")


Handler = Callable[[Call], Json]


@dataclass(frozen=True)
class Action:
    """How an action is answered.

    ``listing`` names the list of a paged answer that RAM empties instead of refusing; ``open``
    actions need no permission.
    """

    handler: Handler
    writes: bool = False
    listing: str = ""
    open: bool = False
