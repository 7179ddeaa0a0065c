"""Who works on a shard: a database row with a holder, an epoch and an end.

The row changes hands by compare-and-swap, and every change adds one to the epoch, so that a write
that carries an old epoch can be refused (`fence`). The holder itself goes by its monotonic clock,
counted from before the row was written, and stops `MARGIN` of the duration early: that covers
wall clocks of machines that differ by less than the margin (docs: run NTP).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import F, Q

from addons.models import ShardLease
from addons.runtime.clock import SYSTEM, Clock
from addons.runtime.contract import LeaseLost

MARGIN = 0.2


@dataclass(slots=True)
class Lease:
    """A lease that we hold; `holder` is unique per acquisition. Methods block: database calls."""

    shard: str
    holder: str
    epoch: int
    seconds: float
    clock: Clock = field(default=SYSTEM, repr=False)
    _until: float = field(default=0.0, repr=False)
    _lost: bool = False

    def check(self, needed_seconds: float = 0.0) -> None:
        """Raise `LeaseLost` unless the lease is ours for at least `needed_seconds` more."""
        if self._lost or self.clock.monotonic() + needed_seconds >= self._until:
            raise LeaseLost(self.shard)

    def fence(self) -> None:
        """Inside a transaction: raise `LeaseLost` unless the row still has our epoch.

        The row stays locked until the transaction ends, so that nobody takes over meanwhile.
        """
        row = (
            ShardLease.objects.select_for_update()
            .filter(shard=self.shard)
            .values_list("epoch", flat=True)
            .first()
        )
        if row != self.epoch:
            self._lost = True
            raise LeaseLost(self.shard)

    def renew(self) -> None:
        """Begin the duration anew. Raises `LeaseLost` when someone else took over."""
        before = self.clock.monotonic()
        ours = ShardLease.objects.filter(shard=self.shard, holder=self.holder, epoch=self.epoch)
        if not ours.update(expires_at=self.clock.now() + timedelta(seconds=self.seconds)):
            self._lost = True
            raise LeaseLost(self.shard)
        self._until = before + self.seconds * (1 - MARGIN)

    def release(self) -> None:
        """Let the next one in at once. Harmless when the lease was lost."""
        self._lost = True
        ours = ShardLease.objects.filter(shard=self.shard, holder=self.holder, epoch=self.epoch)
        ours.update(holder="", expires_at=self.clock.now())


def acquire(shard: str, *, holder: str, seconds: float, clock: Clock = SYSTEM) -> Lease | None:
    """The lease, or None while another live holder has it. `holder` must never be used twice."""
    before = clock.monotonic()
    now = clock.now()
    rows = ShardLease.objects.filter(shard=shard)
    if rows.filter(expires_at__gt=now).exclude(holder="").exists():
        return None
    end = now + timedelta(seconds=seconds)
    free = ShardLease.objects.filter(Q(holder="") | Q(expires_at__lte=now), shard=shard)
    if not free.update(holder=holder, epoch=F("epoch") + 1, expires_at=end):
        fresh = ShardLease(shard=shard, holder=holder, epoch=1, expires_at=end)
        ShardLease.objects.bulk_create([fresh], ignore_conflicts=True)
    epoch = rows.filter(holder=holder).values_list("epoch", flat=True).first()
    if epoch is None:
        return None
    until = before + seconds * (1 - MARGIN)
    return Lease(shard, holder, epoch, seconds, clock, _until=until)
