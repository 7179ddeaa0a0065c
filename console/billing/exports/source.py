"""The usage lines of an export, in the order of account, day and instance, without loading all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Case, Exists, OuterRef, QuerySet, When

from addons.models import Cluster
from console.billing import groups
from console.billing.bills.payers import payers
from console.models import UsageLine
from providers.models import CloudAccount

# None: of all teams.
Teams = frozenset[int] | None
CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Asked:
    """Billing days `start <= day < end` of what fits every filter, for these teams."""

    teams: Teams
    start: date
    end: date
    where: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, teams: Teams, query: Mapping[str, Any]) -> Asked:
        """As `ask` stored it."""
        where = {name: tuple(texts) for name, texts in query.get("where", {}).items()}
        start, end = (date.fromisoformat(query[name]) for name in ("start", "end"))
        return cls(teams, start, end, where)


_INSTANCE = ("account_id", "day", "cloud_id")


def _rows(asked: Asked) -> QuerySet[UsageLine]:
    """Of these days and teams, with the labels that are asked for."""
    rows = UsageLine.objects.filter(day__gte=asked.start, day__lt=asked.end)
    if asked.teams is not None:
        rows = rows.filter(team__in=asked.teams)
    return rows.annotate(**groups.labels(tuple(asked.where))).order_by(*_INSTANCE, "id")


def each(asked: Asked) -> Iterator[UsageLine]:
    fitting = groups.narrowed(groups.resolved(asked.where, asked.teams))
    return _rows(asked).filter(fitting).iterator(chunk_size=CHUNK)


def with_siblings(asked: Asked) -> Iterator[tuple[UsageLine, bool]]:
    """What fits, and the other lines of the same instance and day, with which it shares a bill."""
    if not asked.where:
        yield from ((line, True) for line in each(asked))
        return
    fitting = groups.narrowed(groups.resolved(asked.where, asked.teams))
    same = {name: OuterRef(name) for name in _INSTANCE}
    rows = _rows(asked).filter(Exists(_rows(asked).filter(fitting, **same)))
    told = rows.annotate(fits=Case(When(fitting, then=True), default=False))
    for line in told.iterator(chunk_size=CHUNK):
        yield line, bool(line.fits)


@dataclass(frozen=True, slots=True)
class Names:
    """What people call accounts, clusters and teams; `payers`: who pays for an account, where one
    is known, see `bills.payers`."""

    accounts: Mapping[int, CloudAccount]
    clusters: Mapping[str, str]
    teams: Mapping[int, str]
    payers: Mapping[int, CloudAccount]

    @classmethod
    def read(cls) -> Names:
        return cls(
            {account.pk: account for account in CloudAccount.objects.all()},
            dict(Cluster.objects.values_list("uid", "slug")),
            dict(Group.objects.values_list("pk", "name")),
            _payers(),
        )

    def payer(self, pk: int) -> CloudAccount:
        return self.payers.get(pk) or self.accounts[pk]


def _payers() -> dict[int, CloudAccount]:
    """Without the accounts that several may pay for."""
    found: dict[int, list[CloudAccount]] = defaultdict(list)
    for payer in payers():
        for account in payer.covers:
            found[account.pk].append(payer.home)
    return {pk: homes[0] for pk, homes in found.items() if len(homes) == 1}
