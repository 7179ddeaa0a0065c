"""The lives of instances, from what the ledger knows of them, for `providers.meter`. Pure.

When a cloud bills (ECI billing, "Billing of elastic container instances"; ACS product overview,
"Billing"; KCI billing): ECI from the image pull to the end or the deletion, ACS from the pod's
start time to the end of its last container, KCI from the accepted creation, although its page also
says from the image pull, so that the seconds before the first container ran are an estimate there.
So is all of an instance of KCI that never came up; the others say that such a one is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db.models import Q

from providers.base import Instance as Told
from providers.base import InstanceState, Size
from providers.calendar import whole
from providers.ledger import NOT_MADE
from providers.meter import Asked, Life, Stretch, weight
from providers.models import Instance, Orphan
from providers.observation import size_of
from providers.prices import Place
from providers.seen import decode

# Clouds whose documents contradict themselves on the begin: it may be the image pull.
_FROM_CREATION = frozenset({"kci"})
_ADOPTED = "adopted"
# Why a row closed whose instance was left running on purpose (`addons.pods.reasons.ORPHAN_LEFT`).
LEFT = "LeftByChoice"
# Rows whose instances may cost on.
GOES_ON = ~Q(state=Instance.State.CLOSED) | Q(close_reason=LEFT, billed_to=None)
# The cloud's clock may be so far behind ours: when it was last seen is our time, its end is not.
SKEW = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Span:
    """From and to (None: it goes on), and by how many seconds each may be wrong."""

    begin: datetime
    end: datetime | None
    begin_bound: int = 0
    end_bound: int = 0


def place_of(row: Instance | Orphan) -> Place:
    provider = row.provider if isinstance(row, Instance) else row.account.provider
    return Place(provider, row.account_id, row.region, row.zone)


def asked_of(row: Instance) -> Asked:
    return Asked(row.asked_cpu, row.asked_memory)


def life_of(row: Instance, orphans: Sequence[Orphan] = ()) -> Life | None:
    """None: it costs nothing so far, or never did.

    `orphans` are those of the same instance at the cloud. One that was left running by choice costs
    on when its row is closed, until the orphan is.
    """
    if not row.cloud_id:
        return _never_seen(row)
    told = decode(row.seen)
    span = _span(row, told)
    if span is None:
        return None
    span = _left(span, row, orphans)
    if span.end is not None and whole(span.end) <= whole(span.begin):
        span = replace(span, end=span.begin, begin_bound=0, end_bound=0)
    started = row.started_at
    life = Life(
        begin=span.begin,
        begin_bound=span.begin_bound,
        end=span.end,
        end_bound=span.end_bound,
        started=started,
        sizes=_stretches(row, span.begin),
        orphaned=tuple((one.found_at, one.closed_at) for one in orphans),
        over=span.end is not None,
    )
    if row.settled_at is not None:
        return replace(life, begin_bound=0, end_bound=0)
    return _doubtful_begin(life) if row.provider in _FROM_CREATION else life


def _never_seen(row: Instance) -> Life | None:
    """A create without an answer whose instance nobody ever saw, and nobody looks for any more."""
    called = row.called_at
    if row.close_reason != NOT_MADE or called is None or row.closed_at is None:
        return None
    return Life(
        begin=called,
        end=called,
        sizes=(Stretch(called, size_of(row)),),
        over=True,
        unknown=_apart(called, row.closed_at),
    )


def _span(row: Instance, told: Told | None) -> _Span | None:
    if told is not None and told.state is InstanceState.SCHEDULE_FAILED:
        return _never_up(row, told) if row.provider in _FROM_CREATION else None
    begin = row.billed_from
    if begin is None:
        return _unheard(row, told)
    exact = told is not None and told.billed_from is not None
    end = row.billed_to
    ended = told is not None and told.ended_at is not None and told.state.over
    alive = max(row.alive_at or begin, begin)
    return _Span(
        begin=begin,
        begin_bound=0 if exact else _apart(begin, end or alive),
        end=end,
        end_bound=0 if end is None or ended else _apart(max(alive - SKEW, begin), end),
    )


def _unheard(row: Instance, told: Told | None) -> _Span | None:
    """It was accepted and is gone, and nobody saw it between: it may have cost all the time."""
    if row.closed_at is None:
        return None
    waited = told is not None and told.state is InstanceState.SCHEDULING
    begin = row.alive_at if waited and row.provider not in _FROM_CREATION else None
    begin = begin or (told.created_at if told else None) or row.called_at or row.intended_at
    end = max(row.closed_at, begin)
    return _Span(begin, end, end_bound=_apart(begin, end))


def _never_up(row: Instance, told: Told) -> _Span | None:
    """The creation failed, whose time is billed, or not: the document says both."""
    if row.closed_at is None:
        return None
    begin = told.created_at or row.called_at or row.intended_at
    end = max(told.ended_at or row.delete_asked_at or row.closed_at, begin)
    return _Span(begin, end, end_bound=_apart(begin, end))


def _left(span: _Span, row: Instance, orphans: Sequence[Orphan]) -> _Span:
    """What was left running has its end from the orphan, unless the cloud told one itself."""
    left = [one for one in orphans if one.instance_id == row.pk and one.close_reason != _ADOPTED]
    told = span.end is not None and not span.end_bound
    if row.close_reason != LEFT or told or not left:
        return span
    last = left[-1]
    if last.closed_at is None:
        return replace(span, end=None, end_bound=0)
    if last.ended_at is not None:
        return replace(span, end=last.ended_at, end_bound=0)
    return replace(span, end=last.closed_at, end_bound=_apart(last.seen_at, last.closed_at))


def _doubtful_begin(life: Life) -> Life:
    """The first container ran after its image was pulled: the begin lies before that."""
    until = life.started or life.end
    if until is None:
        return life
    return replace(life, begin_bound=_apart(life.begin, until))


def _apart(since: datetime, until: datetime) -> int:
    """Whole seconds between the two as they are billed."""
    return max(0, int((whole(until) - whole(since)) / timedelta(seconds=1)))


def _stretches(row: Instance, begin: datetime) -> tuple[Stretch, ...]:
    """The sizes in order; the seconds in which the change is hidden go to the larger one."""
    past = [msgspec.convert(one, _Past) for one in row.sizes]
    sizes = [*(one.size for one in past), size_of(row)]
    found = [Stretch(begin, sizes[0])]
    for one, size in zip(past, sizes[1:], strict=True):
        grew = weight(size) > weight(one.size)
        at = one.since if grew else one.until
        found.append(Stretch(max(at, found[-1].start), size, _apart(one.since, one.until)))
    return tuple(found)


class _Past(msgspec.Struct):
    until: datetime
    since: datetime
    size: Size


def life_of_orphan(orphan: Orphan) -> Life | None:
    """An instance that never was in the ledger, its `account` loaded; None where a row of the
    ledger has it, or where it never began to cost."""
    if orphan.instance_id is not None or orphan.close_reason == _ADOPTED:
        return None
    begin = orphan.billed_from or orphan.created_at or orphan.found_at
    end = orphan.ended_at or orphan.closed_at
    exact = orphan.ended_at is not None or end is None
    size = _orphan_size(orphan)
    return Life(
        begin=begin,
        begin_bound=0 if orphan.billed_from else _apart(begin, orphan.found_at),
        end=max(end, begin) if end else None,
        end_bound=0 if exact or end is None else _apart(max(orphan.seen_at, begin), end),
        started=begin,
        sizes=(Stretch(begin, size),),
        orphaned=((begin, None),),
        over=end is not None,
    )


def _orphan_size(orphan: Orphan) -> Size:
    told: dict[str, Any] = orphan.size
    return msgspec.convert(told, Size) if told else msgspec.convert(_NOTHING, Size)


_NOTHING = {"cpu": 0, "memory": 0, "label": ""}
