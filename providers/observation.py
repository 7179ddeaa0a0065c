"""How one answer of the cloud changes a row of the ledger. Pure: the row is not saved here."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from providers import base
from providers.models import Instance
from providers.seen import decode, encode

_ZERO = Decimal(0)
SIZE = ("cpu", "memory", "gpu", "spec", "type", "tier", "storage")
# What a bill is made of: a row whose usage lines lag behind one of these is `unposted`.
_BILLED = ("billed_from", "billed_to", "started_at", "missing_since", "zone", "sizes", *SIZE)


def merge(row: Instance, told: base.Instance, *, asked_at: datetime) -> bool:
    """Put `told`, asked for at `asked_at`, into the row; False when older or undoing an end."""
    before = decode(row.seen)
    if row.seen_at is not None and asked_at <= row.seen_at:
        return False
    if before is not None and before.state.over and not told.state.over:
        return False
    facts = bill_facts(row)
    now = _filled(told, before)
    _resize(row, told.size, before, asked_at)
    row.seen, row.seen_at = encode(now), asked_at
    if not now.state.over:
        row.alive_at = asked_at
    row.missing_since, row.missing_count = None, 0
    row.cloud_state, row.ip, row.zone = now.raw_state, now.ip or row.ip, now.zone or row.zone
    row.cloud_created_at = now.created_at or row.cloud_created_at
    _bill(row, now, asked_at)
    row.started_at = _started(row, now, asked_at)
    ended = before is not None and before.ended_at == now.ended_at
    row.unposted = row.unposted or not ended or bill_facts(row) != facts
    return True


def bill_facts(row: Instance) -> tuple[Any, ...]:
    """What its usage lines depend on."""
    return tuple(getattr(row, name) for name in _BILLED)


def size_of(row: Instance) -> base.Size:
    """The billed size; of nothing where it is not known."""
    return base.Size(
        cpu=row.cpu or _ZERO,
        memory=row.memory or _ZERO,
        label=row.spec,
        gpu=row.gpu,
        type=row.type,
        tier=row.tier,
        storage=row.storage,
    )


def put_size(row: Instance, size: base.Size) -> None:
    row.cpu, row.memory, row.gpu, row.spec = size.cpu, size.memory, size.gpu, size.label
    row.type, row.tier, row.storage = size.type, size.tier, size.storage


def _resize(
    row: Instance, told: base.Size | None, before: base.Instance | None, asked_at: datetime
) -> None:
    """The first size that is told corrects the one that was asked; a later one is a change."""
    if told is None:
        return
    if row.gpu and not told.gpu:
        told = replace(told, gpu=row.gpu)
    known = before.size if before else None
    if known is not None and row.size_told_at is not None and not _alike(told, size_of(row)):
        past = {"until": asked_at, "since": row.size_told_at, "size": size_of(row)}
        row.sizes = [*row.sizes, msgspec.json.decode(msgspec.json.encode(past))]
    put_size(row, told)
    row.size_told_at = asked_at


def _alike(one: base.Size, other: base.Size) -> bool:
    return replace(one, label="") == replace(other, label="")


def _started(row: Instance, now: base.Instance, asked_at: datetime) -> datetime | None:
    """When the first container ran: told by those that did not restart, or restarted once.

    Where the cloud tells no containers, at latest when the instance was first seen running.
    """
    times = [row.started_at] if row.started_at else []
    for status in now.containers or ():
        first = {0: status.state, 1: status.last}.get(status.restarts, status.state)
        if first is not None and first.started_at is not None:
            times.append(first.started_at)
    if not times and now.containers is None and now.state is base.InstanceState.RUNNING:
        times.append(asked_at)
    return min(times, default=None)


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
