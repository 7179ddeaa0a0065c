"""Fault knobs of one cluster's API, set through the control API."""

from dataclasses import asdict, dataclass, fields
from typing import Any

Obj = dict[str, Any]


@dataclass(slots=True)
class Faults:
    """What goes wrong on the wire. Rates are 0..1, ``latency_ms`` is added to every request.

    ``lost_answers`` counts the next creations of pods that happen and whose answer never arrives.
    """

    latency_ms: float = 0
    error_rate: float = 0
    conflict_rate: float = 0
    watch_stall: bool = False
    gone: bool = False
    revoked: bool = False
    down: bool = False
    lost_answers: int = 0

    def set(self, body: Obj) -> None:
        """Replace the knobs named in ``body``; raises ValueError on an unknown or wrong one."""
        known = {field.name: field for field in fields(self)}
        for name, value in body.items():
            if name not in known:
                raise ValueError(f"unknown fault: {name}")
            current = getattr(self, name)
            if isinstance(current, bool) != isinstance(value, bool):
                raise ValueError(
                    f"{name} must be {'a boolean' if isinstance(current, bool) else 'a number'}"
                )
            setattr(self, name, value)

    def loses_answer(self) -> bool:
        """Tell whether this answer is lost, counting it."""
        if self.lost_answers <= 0:
            return False
        self.lost_answers -= 1
        return True

    def clear(self) -> None:
        """Take every fault away."""
        self.set(asdict(Faults()))

    def document(self) -> Obj:
        """Return the knobs as the control API answers them."""
        return asdict(self)
