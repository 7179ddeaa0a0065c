"""The record of every write, kept for invariant checks by tests and the control API."""

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """One committed write; ``time`` in epoch seconds, ``phase`` and ``conditions`` of pods."""

    seq: int
    time: float
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    uid: str
    resource_version: int
    user: str
    phase: str | None = None
    conditions: tuple[tuple[str, str], ...] = ()

    def document(self) -> Obj:
        """Return the record as the control API answers it."""
        body = asdict(self)
        body["resourceVersion"] = str(body.pop("resource_version"))
        body["conditions"] = dict(self.conditions)
        return body


class History:
    """The last ``limit`` writes, in order of ``seq``."""

    def __init__(self, limit: int = 100_000) -> None:
        self._writes: deque[Write] = deque(maxlen=limit)
        self.last_seq = 0

    def record(
        self,
        obj: Obj,
        *,
        time: float,
        verb: str,
        resource: str,
        subresource: str,
        rv: int,
        user: str,
    ) -> None:
        """Add one write; called by the store after each commit."""
        self.last_seq += 1
        meta = obj["metadata"]
        phase: str | None = None
        conditions: tuple[tuple[str, str], ...] = ()
        if resource == "pods":
            status = obj.get("status") or {}
            phase = status.get("phase")
            conditions = tuple((c["type"], c["status"]) for c in status.get("conditions") or ())
        self._writes.append(
            Write(
                self.last_seq,
                time,
                verb,
                resource,
                subresource,
                meta.get("namespace", ""),
                meta["name"],
                meta.get("uid", ""),
                rv,
                user,
                phase,
                conditions,
            )
        )

    def since(self, seq: int = 0) -> Iterator[Write]:
        """Yield the writes with a greater ``seq``, oldest first."""
        if not self._writes:
            return
        first = self._writes[0].seq
        for index in range(max(0, seq + 1 - first), len(self._writes)):
            yield self._writes[index]

    def clear(self) -> None:
        """Forget everything but the counter."""
        self._writes.clear()
