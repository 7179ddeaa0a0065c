"""The container groups of one account in one region: indexes, timers, addresses, ledger.

What a cloud adds: how a group is placed, its keys and settings, what its API forgets and when.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ..agenda import Agenda
from .faults import Faults
from .lifecycle import Lifecycle
from .model import BILLED, TERMINAL, Group
from .network import Subnet
from .sessions import Sessions
from .store import Call, Store


class Roster(ABC):
    """Groups by id and in order of creation. ``now`` is Unix time.

    A cloud brings its ``lifecycle``, its ``knobs`` and the ``buckets`` of its call limits.
    """

    lifecycle: Lifecycle
    knobs: Any
    buckets: Any

    def __init__(
        self, store: Store, now: Callable[[], float], subnets: Mapping[str, Subnet]
    ) -> None:
        self.store = store
        self.now = now
        self.faults = Faults()
        self.sessions = Sessions()
        self.agenda = Agenda(now, self._due)
        self.groups: dict[str, Group] = {}
        self.used_cpu = 0.0
        self._subnets = subnets
        self._by_seq: dict[int, Group] = {}
        self._order: list[int] = []
        self._by_tag: dict[tuple[str, str], set[int]] = {}
        self._next_seq = 1
        self._call_seq = store.last_seq()

    @property
    @abstractmethod
    def keyring(self) -> dict[str, Any]:
        """The account's keys by id."""

    @abstractmethod
    def save_settings(self) -> None:
        """Keep keys and knobs."""

    def turn(self, changes: dict[str, Any]) -> None:
        """Change knobs; raises msgspec.ValidationError on bad names or types."""
        limits = self.knobs.limits
        self.knobs = self.knobs.updated(changes)
        if self.knobs.limits != limits:
            self.buckets.refill()
        self.save_settings()

    def add(self, group: Group) -> None:
        """Take a new group in and start its life."""
        group.seq = self._next_seq
        self._next_seq += 1
        self._index(group)
        self.used_cpu += group.cpu
        self.lifecycle.begin(group)
        self.lifecycle.advance(group, group.created_at)
        self.settle(group)

    def ordered(self, after: int = 0, tags: Mapping[str, str] | None = None) -> Iterator[Group]:
        """Yield known groups created after a sequence number, in order, those with every tag."""
        order = self._order
        if tags:
            matches = [self._by_tag.get(pair, set()) for pair in tags.items()]
            order = sorted(set.intersection(*matches))
        for seq in order[bisect_left(order, after + 1) :]:
            yield self._by_seq[seq]

    def settle(self, group: Group) -> None:
        """Bring indexes, timers and the store in line with a group that changed."""
        if group.gone and group.id in self.groups:
            self._unindex(group)
        elif group.status in TERMINAL:
            self._release(group)
        if group.steps:
            self.agenda.push(group.steps[0][0], group.id)
        self.store.put_group(group)

    def retag(self, group: Group, tags: dict[str, str]) -> None:
        """Replace a group's tags."""
        for pair in group.tags.items():
            self._by_tag.get(pair, set()).discard(group.seq)
        group.tags = tags
        for pair in tags.items():
            self._by_tag.setdefault(pair, set()).add(group.seq)

    def advance(self, now: float) -> None:
        """Bring every group to ``now``."""
        self.agenda.run_due(now)

    def record(self, line: Call, now: float) -> None:
        """Write a line into the ledger; its number and time are filled in here."""
        self._call_seq += 1
        moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
        line.seq, line.time = self._call_seq, moment.replace("+00:00", "Z")
        self.store.put_call(line)

    def clear(self) -> None:
        """Forget every group, call and fault; addresses become free."""
        for group in list(self.groups.values()):
            self._unindex(group)
        self.agenda.clear()
        self.faults.clear()
        self.store.wipe()

    def restore(self, group: Group) -> None:
        """Take in a group that the store kept."""
        self._next_seq = max(self._next_seq, group.seq + 1)
        if group.gone:
            return
        self._index(group)
        if not group.released:
            self.used_cpu += group.cpu
        if group.status in BILLED and group.vswitch_id in self._subnets:
            self._subnets[group.vswitch_id].taken.add(group.ip)
        if group.steps:
            self.agenda.push(group.steps[0][0], group.id)

    @abstractmethod
    def ended(self, group: Group) -> None:
        """Decide, when nothing more happens to an ended group, whether the API forgets it."""

    def _due(self, group_id: str, now: float) -> None:
        group = self.groups.get(group_id)
        if group is None or not self.lifecycle.advance(group, now):
            return
        if group.status in TERMINAL and not group.steps:
            self.ended(group)
        self.settle(group)

    def _release(self, group: Group) -> None:
        if group.released:
            return
        group.released = True
        self.used_cpu -= group.cpu
        if group.ip and group.vswitch_id in self._subnets:
            self._subnets[group.vswitch_id].release(group.ip)

    def _index(self, group: Group) -> None:
        self.groups[group.id] = group
        self._by_seq[group.seq] = group
        insort(self._order, group.seq)
        for pair in group.tags.items():
            self._by_tag.setdefault(pair, set()).add(group.seq)

    def _unindex(self, group: Group) -> None:
        self._release(group)
        del self.groups[group.id]
        del self._by_seq[group.seq]
        self._order.pop(bisect_left(self._order, group.seq))
        for pair in group.tags.items():
            seqs = self._by_tag.get(pair, set())
            seqs.discard(group.seq)
            if not seqs:
                self._by_tag.pop(pair, None)
