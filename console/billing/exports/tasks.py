"""Celery's part of the exports: a nudge; it may be lost, doubled or late without harm."""

from __future__ import annotations

import logging

from celery import shared_task

from addons.runtime.contract import LeaseLost
from addons.runtime.lease import acquire
from addons.runtime.loop import runtime
from console.billing.exports import manage

log = logging.getLogger(__name__)

SHARD = "exports"
# Renewed while a file is written; a dead worker's files are made after it.
LEASE_SECONDS = 120.0


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
        own.run(own.db(manage.make_waiting, own.clock.now(), lease.renew))
    except LeaseLost:
        log.info("somebody else makes the files now")
    finally:
        own.run(own.db(lease.release))
