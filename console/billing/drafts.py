"""Usage lines before they are stored: whose they are, and what the meter says of them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from console.billing import figures
from console.billing.book import book_of
from console.billing.figures import Figures
from console.billing.models import UsageLine
from providers.lives import asked_of, life_of, place_of
from providers.meter import FIGURES, Amounts, Life, Line, meter
from providers.models import CloudAccount, Instance, Orphan
from providers.prices import Book

_THOUSANDTH = Decimal("0.001")
_PLACES_3 = ("cpu_seconds", "memory_seconds", "over_cpu_seconds", "over_memory_seconds")
UNSEEN = "unknown outcome"


@dataclass(frozen=True, slots=True)
class Scope:
    """What sums are told apart by: the columns of `models.Scope`, team and account by number."""

    team: int
    account: int
    provider: str
    region: str
    zone: str
    cluster_uid: str
    node_name: str
    namespace: str
    workload: str
    type: str
    tier: str
    kind: str
    day: date
    currency: str

    @property
    def key(self) -> str:
        """The same for the same scope, ever; 40 hexadecimal digits."""
        text = "\x1f".join(str(value) for value in astuple(self))
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


SCOPE = tuple(one.name for one in fields(Scope))


def scope_of(line: UsageLine) -> Scope:
    return Scope(line.team_id, line.account_id, *(getattr(line, name) for name in SCOPE[2:]))


@dataclass(frozen=True, slots=True)
class Subject:
    """The instance a line is of: a row of the ledger, or an orphan that never was in it."""

    instance: int | None
    orphan: int | None
    cloud_id: str
    pod_name: str
    pod_uid: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """`first`: the life begins with it."""

    scope: Scope
    subject: Subject
    line: Line
    first: bool = False

    @cached_property
    def figures(self) -> Figures:
        told = self.line.amounts
        rounded = {name: getattr(told, name).quantize(_THOUSANDTH) for name in _PLACES_3}
        exact = {name: getattr(told, name) for name in FIGURES}
        counts = {"starts": int(self.first), "estimated": int(self.line.estimated)}
        return figures.of(Amounts(**{**exact, **rounded}), **counts)

    @cached_property
    def columns(self) -> dict[str, Any]:
        """Of `UsageLine`, but for what tells its place among other lines (revision, reason)."""
        line, size, rate, subject = self.line, self.line.size, self.line.rate, self.subject
        own = {
            **{name: getattr(self.scope, name) for name in SCOPE[2:]},
            "team_id": self.scope.team,
            "account_id": self.scope.account,
            "instance_id": subject.instance,
            "orphan_id": subject.orphan,
            "cloud_id": subject.cloud_id,
            "pod_name": subject.pod_name,
            "pod_uid": subject.pod_uid,
            "labels": dict(subject.labels),
            "spec": size.label,
            "start": line.start,
            "end": line.end,
            "starts": int(self.first),
            "cpu": size.cpu.quantize(_THOUSANDTH),
            "memory": size.memory.quantize(_THOUSANDTH),
            "gpu": size.gpu,
            "storage": size.storage,
            "list_per_hour": rate.list_total if rate else None,
            "per_hour": rate.total if rate else None,
            "price_source": rate.source[:255] if rate else "",
            "estimated": line.estimated,
        }
        return own | {name: getattr(self.figures, name) for name in FIGURES}


@dataclass(frozen=True)
class Metered:
    """A life and its lines until some time."""

    life: Life | None
    drafts: tuple[Draft, ...] = field(default=())


def of_instance(
    row: Instance,
    book: Book,
    until: datetime,
    orphans: Sequence[Orphan] = (),
    *,
    since: datetime | None = None,
) -> Metered:
    """The lines of a row of the ledger, whose `account` is loaded; `orphans` are those of it.

    With `since`, a midnight, only the lines from then on.
    """
    life = life_of(row, orphans)
    if life is None:
        return Metered(None)
    rest = life if since is None else _rest(life, since)
    lines = meter(rest, book, place_of(row), asked_of(row), until)
    subject = Subject(row.pk, None, row.cloud_id, row.pod_name, row.pod_uid, row.labels)
    drafts = (draft_of(row.account, row, subject, line, life) for line in lines)
    kept = (draft for draft in drafts if since is None or draft.line.start >= since)
    return Metered(life, tuple(kept))


def _rest(life: Life, since: datetime) -> Life:
    """Without the days before, whose lines nobody asks for; whole where its begin is in doubt."""
    doubt = life.begin + timedelta(seconds=life.begin_bound + 1)
    return life if life.unknown or doubt >= since else replace(life, begin=since, begin_bound=0)


def draft_of(
    account: CloudAccount, row: Instance | Orphan, subject: Subject, line: Line, life: Life
) -> Draft:
    scope = Scope(
        team=account.team_id,
        account=account.pk,
        provider=account.provider,
        region=row.region,
        zone=row.zone,
        cluster_uid=row.cluster_uid,
        node_name=getattr(row, "node_name", ""),
        namespace=row.namespace,
        workload=getattr(row, "workload", ""),
        type=line.size.type,
        tier=line.size.tier,
        kind=str(line.kind),
        day=line.day,
        currency=line.rate.currency if line.rate else "",
    )
    first = not life.unknown and line.start == life.begin.replace(microsecond=0)
    return Draft(scope, subject, line, first)


def orphans_of(rows: Iterable[Instance]) -> dict[int, list[Orphan]]:
    """Of the same instances at the cloud, oldest first, by the key of the ledger's row."""
    named = {(row.account_id, row.cloud_id): row.pk for row in rows if row.cloud_id}
    found = defaultdict(list)
    accounts, ids = {account for account, _ in named}, [cloud_id for _, cloud_id in named]
    for orphan in Orphan.objects.filter(account__in=accounts, cloud_id__in=ids).order_by("pk"):
        if (orphan.account_id, orphan.cloud_id) in named:
            found[named[orphan.account_id, orphan.cloud_id]].append(orphan)
    return found


def since(row: Instance) -> datetime | None:
    """From when on its lines may change; None: all of them."""
    return None if row.unposted else row.posted_until


class Books:
    """The book of each team, looked for once."""

    def __init__(self) -> None:
        self._found: dict[int, Book] = {}

    def of(self, row: Instance | Orphan) -> Book:
        team = row.account.team
        if team.pk not in self._found:
            self._found[team.pk] = book_of(team)
        return self._found[team.pk]


def with_accounts(rows: Iterable[Instance]) -> list[Instance]:
    """The rows, each with its account and that with its team: few, read once for all rows."""
    found = list(rows)
    wanted = {row.account_id for row in found}
    accounts = CloudAccount.objects.select_related("team").in_bulk(wanted)
    for row in found:
        row.account = accounts[row.account_id]
    return found
