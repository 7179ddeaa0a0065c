"""What came of looking at pods, saved to their rows in batches: why it waits, when we try again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from addons.models import PodRow
from addons.runtime.contract import Held, Outcome
from providers.rows import update_each

_FIELDS = ("blocker", "blocker_values", "next_try_at", "attempts")


@dataclass(frozen=True, slots=True)
class Result:
    """`next_try_at` is None when only a change brings the key back."""

    key: str
    outcome: Outcome
    failures: int
    next_try_at: datetime | None


def _apply(row: PodRow, result: Result) -> bool:
    """Write the result on the row object; whether anything changed."""
    outcome = result.outcome
    before = [getattr(row, name) for name in _FIELDS]
    row.blocker = outcome.reason
    row.blocker_values = outcome.values
    # A look that is only a routine is of no interest to a reader.
    row.next_try_at = result.next_try_at if outcome.reason else None
    row.attempts = min(result.failures, 32767)
    return before != [getattr(row, name) for name in _FIELDS]


def save_results(results: Sequence[Result], lease: Held) -> list[int]:
    """Save what changed under the lease's epoch; the ids of the rows. Raises LeaseLost."""
    wanted: dict[int, dict[tuple[str, str], Result]] = defaultdict(dict)
    for result in results:
        kind, _, rest = result.key.partition(":")
        if kind == "pod":
            cluster, _, path = rest.partition(":")
            namespace, _, name = path.partition("/")
            wanted[int(cluster)][namespace, name] = result
    changed = [row for cluster, by_name in wanted.items() for row in _changed(cluster, by_name)]
    if not changed:
        return []
    with transaction.atomic():
        lease.fence()
        update_each(changed, _FIELDS)
    return [row.pk for row in changed]


def _changed(cluster: int, by_name: dict[tuple[str, str], Result]) -> list[PodRow]:
    rows = PodRow.objects.filter(
        cluster_id=cluster, gone_at=None, name__in={name for _, name in by_name}
    ).only("namespace", "name", *_FIELDS)
    return [
        row
        for row in rows
        if (result := by_name.get((row.namespace, row.name))) and _apply(row, result)
    ]
