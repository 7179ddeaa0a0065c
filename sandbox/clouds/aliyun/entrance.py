"""One authenticated ROA call, as its handlers see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..eci.network import Network
from .cs import Cs, Inside, Member


@dataclass
class Call:
    """``path`` are the named parts of the path, ``body`` the JSON body or None.

    ``networks`` are the account's networks by region; ``now`` is Unix time.
    """

    cs: Cs
    inside: Inside
    networks: Mapping[str, Network]
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    request_id: str
    now: float

    @cached_property
    def member(self) -> Member:
        """The cluster of the path; raises ApiFault ErrorClusterNotFound."""
        return self.cs.member(self.path["cluster"])

    def number(self, name: str, default: int) -> int:
        """Return a whole number of the query."""
        given = self.query.get(name, "")
        return int(given) if given.isdecimal() else default
