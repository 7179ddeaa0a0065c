"""The part of each life that no posted line tells yet, metered when it is asked for.

Together with the posted lines it is the whole: of a life whose facts did not change, what begins
where its lines end; of one whose facts did, what posting would take back and write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from django.db import connection, transaction
from django.db.models import Q

from console.billing import drafts, groups, strays
from console.billing.changes import figures_of, net
from console.billing.drafts import Books, Draft, Scope, Subject, scope_of
from console.billing.figures import Figures
from console.billing.models import LiveShare, UsageLine
from console.billing.readers import Teams
from providers.calendar import day_start
from providers.models import CloudAccount, Instance, Orphan

# What the database can narrow before anything is metered: filters of these groups.
_NARROWED = ("cluster", "namespace", "provider", "account", "region", "node", "workload")


@contextmanager
def snapshot() -> Iterator[None]:
    """Everything read inside is of one moment; nothing may be written inside."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield


class Asked(Protocol):
    """What is needed of `statements.Query`."""

    @property
    def start(self) -> date: ...
    @property
    def end(self) -> date: ...
    @property
    def group(self) -> tuple[str, ...]: ...
    @property
    def currency(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Part:
    """Figures of one line that is not stored, or (negative) of a stored one that no longer holds.

    They span `start <= time < end`.
    """

    scope: Scope
    subject: Subject
    figures: Figures
    start: datetime
    end: datetime
    draft: Draft | None = None


def matching(
    teams: Teams, asked: Asked, where: Mapping[str, frozenset[str]], now: datetime
) -> Iterator[tuple[tuple[str, ...], Part]]:
    """What is to be added to the posted lines that the query is about, with its keys."""
    reading = [groups.read_key(name) for name in asked.group]
    filters = [(groups.read_key(name), keys) for name, keys in where.items()]
    currencies = ("", asked.currency)
    for part in _all(teams, asked.end, where, now):
        if not asked.start <= part.scope.day < asked.end:
            continue
        if asked.currency and part.scope.currency not in currencies:
            continue
        if all(read(part) in keys for read, keys in filters):
            yield tuple(read(part) for read in reading), part


def _all(
    teams: Teams, end: date, where: Mapping[str, frozenset[str]], now: datetime
) -> Iterator[Part]:
    rows = drafts.with_accounts(_rows(teams, end, where))
    changed = [row for row in rows if row.unposted]
    stored = _stored(changed)
    orphans = drafts.orphans_of(rows)
    books = Books()
    for row in rows:
        own = orphans.get(row.pk, ())
        border = drafts.since(row)
        yield from map(_part, drafts.of_instance(row, books.of(row), now, own, since=border).drafts)
        for line in stored.get(row.pk, ()):
            yield _undone(line)
    yield from stray_parts(teams, books, now)


def _rows(teams: Teams, end: date, where: Mapping[str, frozenset[str]]) -> Iterator[Instance]:
    """Rows of the ledger that may have such a part: changed ones, and lives that go on, which are
    those with a share of the live spend. Two questions, each with an index of its own."""
    border = day_start(end)
    short = Q(posted_until=None) | Q(posted_until__lt=border)
    rows = Instance.objects.filter(_narrowed(where))
    if teams is not None:
        rows = rows.filter(account__in=CloudAccount.objects.filter(team__in=teams).values("pk"))
    yield from rows.filter(unposted=True)
    going_on = LiveShare.objects.values("pk")
    yield from rows.filter(short, unposted=False, pk__in=going_on, billed_from__lt=border)


def _narrowed(where: Mapping[str, frozenset[str]]) -> Q:
    names = {"cluster": "cluster_uid", "node": "node_name"}
    found = Q()
    for name in set(where) & set(_NARROWED):
        keys = where[name]
        if name == "account":
            keys = frozenset(text for text in keys if text.isdecimal())
        found &= Q(**{f"{names.get(name, name)}__in": sorted(keys)})
    return found


def _stored(rows: Sequence[Instance]) -> dict[int, list[UsageLine]]:
    found: dict[int, list[UsageLine]] = {}
    for line in UsageLine.objects.filter(instance__in=[row.pk for row in rows]):
        assert line.instance_id is not None
        found.setdefault(line.instance_id, []).append(line)
    return {pk: net(lines) for pk, lines in found.items()}


def _part(draft: Draft) -> Part:
    line = draft.line
    return Part(draft.scope, draft.subject, draft.figures, line.start, line.end, draft)


def subject_of(line: UsageLine) -> Subject:
    own = (line.cloud_id, line.pod_name, line.pod_uid)
    return Subject(line.instance_id, line.orphan_id, *own, line.labels)


def _undone(line: UsageLine) -> Part:
    return Part(scope_of(line), subject_of(line), -figures_of(line), line.start, line.end)


def stray_parts(teams: Teams, books: Books, now: datetime) -> Iterator[Part]:
    """Of orphans that no row of the ledger knows; there are few."""
    rows = Orphan.objects.filter(pk__in=strays.unfinished()).select_related("account__team")
    if teams is not None:
        rows = rows.filter(account__team__in=teams)
    found = list(rows)
    stored: dict[int, list[UsageLine]] = {}
    for line in UsageLine.objects.filter(orphan__in=[row.pk for row in found]):
        assert line.orphan_id is not None
        stored.setdefault(line.orphan_id, []).append(line)
    for orphan in found:
        for draft in strays.metered(orphan, books.of(orphan), now).drafts:
            yield _part(draft)
        for line in net(stored.get(orphan.pk, ())):
            yield _undone(line)
