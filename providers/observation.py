"""How one answer of the cloud changes a row of the ledger. Pure: the row is not saved here."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from providers import base
from providers.models import Instance
from providers.seen import decode, encode


def merge(row: Instance, told: base.Instance, *, asked_at: datetime) -> bool:
    """Put `told`, asked for at `asked_at`, into the row; False when older or undoing an end."""
    before = decode(row.seen)
    if row.seen_at is not None and asked_at <= row.seen_at:
        return False
    if before is not None and before.state.over and not told.state.over:
        return False
    now = _filled(told, before)
    row.seen, row.seen_at = encode(now), asked_at
    row.missing_since, row.missing_count = None, 0
    row.cloud_state, row.ip, row.zone = now.raw_state, now.ip or row.ip, now.zone or row.zone
    row.cloud_created_at = now.created_at or row.cloud_created_at
    if now.size is not None:
        row.cpu, row.memory = now.size.cpu, now.size.memory
        row.gpu, row.spec = now.size.gpu or row.gpu, now.size.label
    _bill(row, now, asked_at)
    return True


def _filled(told: base.Instance, before: base.Instance | None) -> base.Instance:
    """`told`, with what it leaves open taken from the answer before."""
    if before is None:
        return told
    return replace(
        told,
        name=told.name or before.name,
        zone=told.zone or before.zone,
        subnet=told.subnet or before.subnet,
        ip=told.ip or before.ip,
        size=told.size or before.size,
        created_at=told.created_at or before.created_at,
        billed_from=told.billed_from or before.billed_from,
        ended_at=told.ended_at or before.ended_at,
        containers=before.containers if told.containers is None else told.containers,
        init_containers=told.init_containers or before.init_containers,
        events=told.events or before.events,
        tags=told.tags or before.tags,
        shown_id=told.shown_id or before.shown_id,
        written={**before.written, **told.written},
    )


def _bill(row: Instance, now: base.Instance, asked_at: datetime) -> None:
    """Billed from the start that the cloud tells, or at latest from when it was seen billed."""
    started = now.billed_from is not None or now.state.billed or row.billed_from is not None
    if not started:
        return
    row.billed_from = now.billed_from or row.billed_from or now.created_at or asked_at
    if now.state.over:
        row.billed_to = max(now.ended_at or row.billed_to or asked_at, row.billed_from)
