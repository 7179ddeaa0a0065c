"""A container as its commands see it, and what commands are made of: text and waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

FOREVER = 10.0**9


class Say(NamedTuple):
    """Text written to stdout (1) or stderr (2)."""

    channel: int
    text: str


class Wait(NamedTuple):
    """Seconds that pass."""

    seconds: float


Step = Say | Wait


class Exit(Exception):
    """`exit N`."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


@dataclass
class Machine:
    """What a command sees of its container.

    ``programs`` knows images of its own: given a container and this, what it prints and how it
    ends, or None.
    """

    env: dict[str, str]
    files: Mapping[str, str]
    hostname: str
    now: Callable[[], float]
    processes: tuple[str, ...] = ()
    programs: Callable[[Any, Machine], Any] | None = None
    variables: dict[str, str] = field(default_factory=dict)
    last: int = 0

    def value(self, name: str) -> str:
        """A shell variable, then the environment."""
        if name == "?":
            return str(self.last)
        return self.variables.get(name, self.env.get(name, ""))
