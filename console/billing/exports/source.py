"""The usage lines of an export, in the order of account, day and instance, without loading all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import QuerySet

from addons.models import Cluster
from console.billing import groups
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


def lines(asked: Asked) -> QuerySet[UsageLine]:
    where = groups.resolved(asked.where, asked.teams)
    rows = UsageLine.objects.filter(day__gte=asked.start, day__lt=asked.end)
    if asked.teams is not None:
        rows = rows.filter(team__in=asked.teams)
    rows = rows.annotate(**groups.labels(tuple(where))).filter(groups.narrowed(where))
    return rows.order_by("account_id", "day", "cloud_id", "id")


def each(asked: Asked) -> Iterator[UsageLine]:
    return lines(asked).iterator(chunk_size=CHUNK)


@dataclass(frozen=True, slots=True)
class Names:
    """What people call accounts, clusters and teams."""

    accounts: Mapping[int, CloudAccount]
    clusters: Mapping[str, str]
    teams: Mapping[int, str]

    @classmethod
    def read(cls) -> Names:
        return cls(
            {account.pk: account for account in CloudAccount.objects.all()},
            dict(Cluster.objects.values_list("uid", "slug")),
            dict(Group.objects.values_list("pk", "name")),
        )
