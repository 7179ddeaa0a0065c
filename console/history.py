"""How many pods ran and how long they took to run, from the times that their rows keep.

One query reads the rows that touch the window; the rest is arithmetic on them. Nothing is stored.
"""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from addons.models import PodRow
from console.access import AnyUser, visible
from console.filters import POD_PROVIDER

HOURS = (1, 3, 24, 168)
LEAST_HOURS = 1 / 6
POINTS = 120
BUCKETS = 24
# Of more pods the newest are drawn.
MAX_ROWS = 50_000

Chart = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Life:
    """When one pod was made, ran, and stopped to run; unix seconds."""

    provider: str
    created: float
    running: float
    ended: float | None


def lives(user: AnyUser, since: datetime) -> list[Life]:
    """The pods that ran at some time after `since`."""
    touched = Q(gone_at=None) | Q(gone_at__gt=since)
    rows = visible(PodRow, user).filter(touched, running_at__isnull=False)
    columns = (POD_PROVIDER, "created_at", "running_at", "finished_at", "gone_at")
    found = rows.order_by("-created_at").values_list(*columns)[:MAX_ROWS]
    return [_life(*row) for row in found]


def _life(
    provider: str,
    created: datetime,
    running: datetime,
    finished: datetime | None,
    gone: datetime | None,
) -> Life:
    ends = [moment.timestamp() for moment in (finished, gone) if moment]
    return Life(provider, created.timestamp(), running.timestamp(), min(ends) if ends else None)


def _moments(end: datetime, hours: float, count: int) -> list[float]:
    """`count` moments, evenly spread, the last of them `end`."""
    step = hours * 3600 / count
    return [round(end.timestamp() - step * back, 3) for back in range(count - 1, -1, -1)]


def running(pods: Iterable[Life], end: datetime, hours: float) -> Chart:
    """Pods that ran, per provider: {"x": [unix seconds], "series": [{label, colour, values}]}."""
    moments = _moments(end, hours, POINTS)
    changes: dict[str, list[int]] = defaultdict(lambda: [0] * (POINTS + 1))
    for life in pods:
        start = bisect.bisect_left(moments, life.running)
        stop = POINTS if life.ended is None else bisect.bisect_left(moments, life.ended)
        if start < stop:
            changes[life.provider][start] += 1
            changes[life.provider][stop] -= 1
    series = []
    for provider, steps in sorted(changes.items()):
        total, values = 0, []
        for step in steps[:POINTS]:
            total += step
            values.append(total)
        label, colour = provider.upper() or "–", f"--{provider or 'accent'}"
        series.append({"label": label, "colour": colour, "values": values})
    return {"x": moments if series else [], "series": series}


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed (nearest rank)."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def starts(pods: Iterable[Life], end: datetime, hours: float) -> Chart:
    """Seconds from creation to Running of the pods that started in each bucket: p50 and p95."""
    moments = _moments(end, hours, BUCKETS)
    first = moments[0] - hours * 3600 / BUCKETS
    took: dict[int, list[float]] = defaultdict(list)
    for life in pods:
        if first < life.running <= moments[-1]:
            took[bisect.bisect_left(moments, life.running)].append(life.running - life.created)
    ordered = {at: sorted(values) for at, values in took.items()}
    series = [
        {
            "label": label,
            "colour": colour,
            "values": [
                round(max(percentile(ordered[at], share), 0), 1) if at in ordered else None
                for at in range(BUCKETS)
            ],
        }
        for label, colour, share in (
            (_("half of them within"), "--ok-dot", 0.5),
            (_("95 of 100 within"), "--warn-dot", 0.95),
        )
    ]
    return {"x": moments if ordered else [], "series": series, "sparse": True, "unit": "s"}


def chart(user: AnyUser, name: str, hours: int, now: datetime) -> Chart:
    """The chart `running` or `starts` of the last hours, or since shortly before the first pod."""
    pods = lives(user, now - timedelta(hours=hours))
    oldest = min((life.created for life in pods), default=0.0)
    span = max(1.1 * (now.timestamp() - oldest) / 3600, LEAST_HOURS)
    return (starts if name == "starts" else running)(pods, now, min(span, hours))
