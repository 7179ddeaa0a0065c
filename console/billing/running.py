"""The part of each life that no posted line tells yet, metered when it is asked for.

Together with the posted lines it is the whole: of a life whose facts did not change, what begins
where its lines end; of one whose facts did, what posting would take back and write. When more lives
changed than may be metered while somebody waits (a price of a past month was entered), those count
as they are posted until posting has been over them, and `anew` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Protocol

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from console.billing import drafts, groups, strays
from console.billing.changes import figures_of, net
from console.billing.drafts import Books, Draft, Scope, Subject, scope_of
from console.billing.figures import Figures
from console.billing.models import LiveShare, UsageLine
from console.billing.readers import Teams
from providers.calendar import day_start
from providers.lives import LEFT
from providers.models import CloudAccount, Instance, Orphan

# More lives that changed than this are not metered by who asks.
MOST_ANEW = 2000
_AT_ONCE = 500
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
    for part in _all(teams, asked, where, now):
        if not asked.start <= part.scope.day < asked.end:
            continue
        if asked.currency and part.scope.currency not in currencies:
            continue
        if all(read(part) in keys for read, keys in filters):
            yield tuple(read(part) for read in reading), part


def anew(teams: Teams, asked: Asked, where: Mapping[str, frozenset[str]]) -> bool:
    """Whether so many lives changed that the query tells them as they are posted."""
    changed = _changed(_own(teams, where), asked.start)
    return len(changed.values_list("pk", flat=True)[: MOST_ANEW + 1]) > MOST_ANEW


def _all(
    teams: Teams, asked: Asked, where: Mapping[str, frozenset[str]], now: datetime
) -> Iterator[Part]:
    books = Books()
    for chunk in _chunks(_rows(teams, asked, where)):
        rows = drafts.with_accounts(chunk)
        stored = _stored([row for row in rows if row.unposted])
        orphans = drafts.orphans_of(rows)
        for row in rows:
            own, border = orphans.get(row.pk, ()), drafts.since(row)
            metered = drafts.of_instance(row, books.of(row), now, own, since=border)
            yield from map(_part, metered.drafts)
            for line in stored.get(row.pk, ()):
                yield _undone(line)
    yield from stray_parts(teams, books, now)


def _chunks(rows: Iterable[Instance]) -> Iterator[list[Instance]]:
    """No question to the database names more of them at once."""
    left = iter(rows)
    while chunk := list(islice(left, _AT_ONCE)):
        yield chunk


def _rows(teams: Teams, asked: Asked, where: Mapping[str, frozenset[str]]) -> Iterator[Instance]:
    """Rows of the ledger that may have such a part: changed ones, and lives that go on, which are
    those with a share of the live spend. Two questions, each with an index of its own."""
    border = day_start(asked.end)
    short = Q(posted_until=None) | Q(posted_until__lt=border)
    rows = _own(teams, where)
    if anew(teams, asked, where):
        yield from _as_posted(rows.filter(short))
    else:
        yield from _changed(rows, asked.start)
    going_on = LiveShare.objects.values("pk")
    yield from rows.filter(short, unposted=False, pk__in=going_on, billed_from__lt=border)


def _own(teams: Teams, where: Mapping[str, frozenset[str]]) -> QuerySet[Instance]:
    rows = Instance.objects.filter(_narrowed(where))
    if teams is None:
        return rows
    return rows.filter(account__in=CloudAccount.objects.filter(team__in=teams).values("pk"))


def _changed(rows: QuerySet[Instance], start: date) -> QuerySet[Instance]:
    """Those that cost from `start` on, or whose lines say so."""
    since = day_start(start)
    lasts = Q(billed_to=None) | Q(billed_to__gte=since) | Q(close_reason=LEFT)
    lines = UsageLine.objects.filter(instance=OuterRef("pk"), end__gte=since)
    return rows.filter(lasts | Q(Exists(lines)), unposted=True)


def _as_posted(rows: QuerySet[Instance]) -> Iterator[Instance]:
    """Changed lives as if only what their lines do not reach were new."""
    beyond = Q(posted_until=None) | Q(billed_to=None) | Q(posted_until__lt=F("billed_to"))
    for row in rows.filter(beyond, unposted=True).iterator(chunk_size=_AT_ONCE):
        row.unposted = row.posted_until is None
        yield row


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
