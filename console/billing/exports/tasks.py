"""Celery's part of the exports: a nudge; it may be lost, doubled or late without harm."""

from __future__ import annotations

from celery import shared_task

from addons.runtime.lease import acquire
from addons.runtime.loop import runtime
from console.billing.exports import manage

SHARD = "exports"
# Longer than the largest file takes; a dead worker's files are made after it.
LEASE_SECONDS = 900.0


@shared_task(name="console.make_exports")
def make_exports() -> None:
    """Make the files that wait, unless somebody else is at it."""
    own = runtime()
    lease = own.run(
        own.db(acquire, SHARD, holder=own.holder(), seconds=LEASE_SECONDS, clock=own.clock)
    )
    if lease is None:
        return
    try:
        own.run(own.db(manage.make_waiting, own.clock.now()))
    finally:
        own.run(own.db(lease.release))
