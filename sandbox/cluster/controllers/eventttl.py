"""Events are forgotten an hour after they were last seen."""

from __future__ import annotations

from .informer import Obj
from .loop import Controller
from .timing import seconds_of

TTL = 3600.0
EVERY = 60.0


class EventExpiry(Controller[str]):
    """One key, looked at every minute."""

    name = "event-ttl"

    def setup(self) -> None:
        self.all_events = self.context.informer("events")
        self.queue.add("")

    async def reconcile(self, _key: str) -> float:
        """Delete what is older than the TTL."""
        oldest = self.context.now() - TTL
        for event in self.all_events:
            if last_seen(event) < oldest:
                await self.context.remove("events", event)
        return EVERY


def last_seen(event: Obj) -> float:
    """Seconds since the epoch of the latest time that the event carries."""
    series = event.get("series") or {}
    times = (
        event.get("lastTimestamp"),
        series.get("lastObservedTime"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )
    return max(seconds_of(text) for text in times)
