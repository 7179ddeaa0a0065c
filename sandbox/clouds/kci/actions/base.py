"""What every action gets and declares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..cloud import KciCloud
from ..keys import Key
from ..wire import Json, Request, decode

Row = TypeVar("Row")


@dataclass
class Call:
    """One authenticated call. ``group_id`` is filled by actions for the ledger."""

    cloud: KciCloud
    key: Key
    flat: Mapping[str, str]
    now: float
    base_url: str
    group_id: str = ""


@dataclass(frozen=True)
class Action:
    """How an action is answered: its request model, its handler, the list it pages through."""

    model: type[Request]
    handler: Callable[[Call, Any], Json]
    listing: str = ""

    def answer(self, call: Call) -> Json:
        """Read the request and answer it; raises ApiFault."""
        return self.handler(call, decode(call.flat, self.model))


class Nothing(Request):
    """A request without parameters."""


class Page(Request):
    """Offset paging: ``Marker`` is where the page starts, 0 in the answer means no more."""

    marker: int = 0
    max_results: int | None = None

    def cut(
        self,
        rows: list[Row],
        name: str,
        show: Callable[[Row], Json],
        *,
        most: int = 100,
        usual: int = 20,
    ) -> Json:
        """Return the page of ``rows`` this request asks for, each shown, under ``name``."""
        size = min(self.max_results or usual, most)
        end = self.marker + size
        return {
            "MaxResults": size,
            "Marker": end if end < len(rows) else 0,
            "TotalCount": len(rows),
            name: [show(row) for row in rows[self.marker : end]],
        }
