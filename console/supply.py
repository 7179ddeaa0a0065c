"""What the clouds of a virtual node have left: stock per zone, what was short lately, the quota.

Asked of the clouds when somebody looks; what a cloud does not tell is said to be so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from addons.models import VirtualNode
from addons.runtime.loop import runtime
from console.keys import known
from console.refusals import explain
from providers import stock
from providers.base import (
    Dialect,
    InstanceSpec,
    Placement,
    Provider,
    Quota,
    Quotas,
    Size,
    Stocked,
    StockState,
)
from providers.errors import InvalidSpec, ProviderError, Unavailable
from providers.models import CloudAccount

T = TypeVar("T")
# vCPU and GiB that most pods have.
COMMON = ((2, 4), (4, 8), (8, 16), (16, 32), (32, 64))
SECONDS = 8.0
WORDS = {
    StockState.AVAILABLE: ("ok", gettext_lazy("in stock")),
    StockState.LOW: ("warn", gettext_lazy("little left")),
    StockState.NONE: ("bad", gettext_lazy("none")),
    StockState.UNKNOWN: ("mute", gettext_lazy("not known")),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One size in one zone. `short_until`: it ran short lately and is not asked for before."""

    zone: str
    state: StockState
    short_until: datetime | None = None

    @property
    def tone(self) -> str:
        return "bad" if self.short_until else WORDS[self.state][0]

    @property
    def word(self) -> str:
        return _("ran short") if self.short_until else str(WORDS[self.state][1])


@dataclass(frozen=True, slots=True)
class Line:
    size: str
    cells: tuple[Cell, ...]


@dataclass(slots=True)
class Supply:
    """Of one account. `tells_stock` and `tells_quota`: whether this cloud tells it at all."""

    account: CloudAccount
    title: str
    zones: tuple[str, ...]
    tells_stock: bool = False
    tells_quota: bool = False
    lines: list[Line] = field(default_factory=list)
    quota: Quota | None = None
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Told:
    """What came back, before it is put in order; errors are said in the reader's language."""

    states: list[tuple[str, dict[str, StockState]]] = field(default_factory=list)
    short: list[stock.Short] = field(default_factory=list)
    quota: Quota | None = None
    errors: list[ProviderError] = field(default_factory=list)
    tells_stock: bool = False
    tells_quota: bool = False


def supplies(node: VirtualNode) -> list[Supply]:
    """One of each account of the node, the default first; as long as `SECONDS` at most."""
    places = [node.zone, *(place["zone"] for place in node.placements)]
    zones = tuple(dict.fromkeys(zone for zone in places if zone))
    accounts = node.accounts
    told = runtime().run(_all(accounts, node.region, zones))
    now = timezone.now()
    return [_supply(account, zones, one, now) for account, one in zip(accounts, told, strict=True)]


async def _all(
    accounts: tuple[CloudAccount, ...], region: str, zones: tuple[str, ...]
) -> list[_Told]:
    return list(await asyncio.gather(*(_ask(account, region, zones) for account in accounts)))


async def _ask(account: CloudAccount, region: str, zones: tuple[str, ...]) -> _Told:
    told = _Told()
    dialect = known(account.provider)
    if dialect is None:
        return told
    told.short = await stock.remembered(runtime().redis, account.pk, region)
    provider = await _in_time(runtime().provider(account.pk, region), told)
    if provider is None:
        return told
    told.tells_stock = isinstance(provider, Stocked)
    told.tells_quota = isinstance(provider, Quotas)
    await asyncio.gather(
        _ask_stock(provider, dialect, region, zones, told),
        _ask_quota(provider, told),
    )
    return told


async def _in_time(call: Awaitable[T], told: _Told) -> T | None:
    try:
        return await asyncio.wait_for(call, SECONDS)
    except ProviderError as error:
        told.errors.append(error)
    except TimeoutError:
        told.errors.append(Unavailable("no answer", code="Timeout"))
    return None


async def _ask_stock(
    provider: Provider, dialect: Dialect, region: str, zones: tuple[str, ...], told: _Told
) -> None:
    if not isinstance(provider, Stocked) or not zones:
        return
    sizes = list(common_sizes(dialect, region, zones))
    answers = await asyncio.gather(*(_in_time(provider.stock(size, zones), told) for size in sizes))
    told.states = [
        (size.label, dict(answer))
        for size, answer in zip(sizes, answers, strict=True)
        if answer is not None
    ]


async def _ask_quota(provider: Provider, told: _Told) -> None:
    if isinstance(provider, Quotas):
        told.quota = await _in_time(provider.quota(), told)


def common_sizes(dialect: Dialect, region: str, zones: tuple[str, ...]) -> Iterable[Size]:
    """The common sizes in the provider's spelling; sizes it does not have are left out."""
    for cpu, memory in COMMON:
        spec = InstanceSpec(
            name="size",
            region=region,
            placements=tuple(Placement(zone=zone, subnet="") for zone in zones),
            security_group="",
            containers=(),
            cpu=Decimal(cpu),
            memory=Decimal(memory),
        )
        try:
            yield dialect.billed_size(spec)
        except InvalidSpec:
            continue


def _supply(account: CloudAccount, zones: tuple[str, ...], told: _Told, now: datetime) -> Supply:
    until = {
        (short.spec, short.zone): now + timedelta(seconds=short.seconds_left)
        for short in told.short
    }
    states: dict[str, dict[str, StockState]] = dict(told.states)
    for spec, _zone in until:
        states.setdefault(spec, {})
    seen = tuple(dict.fromkeys((*zones, *(zone for _spec, zone in until))))
    lines = [
        Line(
            size,
            tuple(
                Cell(zone, by_zone.get(zone, StockState.UNKNOWN), until.get((size, zone)))
                for zone in seen
            ),
        )
        for size, by_zone in states.items()
    ]
    problems = {error.code: explain(error).text for error in reversed(told.errors)}
    dialect = known(account.provider)
    if dialect is None:
        problems[""] = _("This installation does not know the provider of this credential.")
    return Supply(
        account,
        dialect.title if dialect else account.provider,
        seen,
        tells_stock=told.tells_stock,
        tells_quota=told.tells_quota,
        lines=lines,
        quota=told.quota,
        problems=list(problems.values()),
    )


def shape(found: Supply) -> dict[str, Any]:
    """For programs."""
    return {
        "credential": found.account.pk,
        "provider": found.account.provider,
        "tells_stock": found.tells_stock,
        "tells_quota": found.tells_quota,
        "stock": [
            {
                "size": line.size,
                "zone": cell.zone,
                "state": str(cell.state),
                "short_until": cell.short_until,
            }
            for line in found.lines
            for cell in line.cells
        ],
        "cpu_used": str(found.quota.cpu_used) if found.quota else None,
        "cpu_max": str(found.quota.cpu_max) if found.quota else None,
        "problems": found.problems,
    }
