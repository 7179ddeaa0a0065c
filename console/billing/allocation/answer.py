"""Figures of statements as allocations of OpenCost.

An instance belongs to one pod whole, so nothing is shared, idle or allocated by use: what a pod's
instance costs is the pod's cost. The price of a machine type stands under `gpuCost` when it has
GPUs, else under `cpuCost`; charged storage under `pvCost`. Use inside the instance is not told:
averages and efficiencies of use are null. Amounts are numbers, as OpenCost's are; the exact ones
are in `/api/v1/billing/statement`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from addons.models import Cluster
from console.billing import series
from console.billing.allocation.filters import EVERYTHING, Filter
from console.billing.allocation.keys import UNALLOCATED, Key, properties
from console.billing.allocation.windows import Window
from console.billing.figures import NOTHING, Figures
from console.billing.readers import Teams
from console.billing.statements import Cells, Query

_GIB = 2**30
_HOUR = 3600
# Machine prices are told apart by it.
TYPE = "type"


@dataclass(frozen=True, slots=True)
class Question:
    windows: Sequence[Window]
    keys: tuple[Key, ...]
    filter: Filter = EVERYTHING
    currency: str = ""

    @property
    def groups(self) -> tuple[str, ...]:
        wanted = [key.group for key in self.keys] + [term.key.group for term in self.filter.terms()]
        return tuple(dict.fromkeys([*wanted, TYPE]))


@dataclass(frozen=True, slots=True)
class _Sum:
    """Instances without GPUs and with them."""

    plain: Figures = NOTHING
    with_gpu: Figures = NOTHING

    def and_also(self, more: Figures) -> _Sum:
        if more.gpu_seconds:
            return _Sum(self.plain, self.with_gpu + more)
        return _Sum(self.plain + more, self.with_gpu)


class Mixed(ValueError):
    """More than one currency, and nobody said which."""

    def __init__(self, currencies: Iterable[str]) -> None:
        self.currencies = sorted(currencies)
        super().__init__(f"there are costs in {', '.join(self.currencies)}: name one as `currency`")


@dataclass(frozen=True, slots=True)
class Answer:
    """`sets`: one for each window. `unpriced`: lines that cost nobody knows how much."""

    sets: list[dict[str, dict[str, Any]]]
    currency: str
    unpriced: int


def answer(teams: Teams, asked: Question, now: datetime) -> Answer:
    """Raises `Mixed`."""
    found = _cells(teams, asked, now)
    currencies = {currency for cells in found for _, currency in cells if currency}
    if len(currencies) > 1:
        raise Mixed(currencies)
    clusters = dict(Cluster.objects.values_list("uid", "slug"))
    unpriced = sum(f.lines for cells in found for (_, c), f in cells.items() if not c)
    sets = [
        _set(asked, window, cells, clusters, now)
        for window, cells in zip(asked.windows, found, strict=True)
    ]
    return Answer(sets, next(iter(currencies), asked.currency), unpriced)


def _cells(teams: Teams, asked: Question, now: datetime) -> list[Cells]:
    windows = asked.windows
    first, last = windows[0].start, windows[-1].end
    query = Query(first.date(), last.date(), asked.groups, _where(asked), asked.currency)
    if len(windows) == 1 or all(window.of_days for window in windows):
        return [series.between(teams, query, w.start, w.end, now) for w in windows]
    return series.cut(teams, query, [*(w.start for w in windows), last], now)


def _where(asked: Question) -> Mapping[str, tuple[str, ...]]:
    """What the database can narrow; the filter is applied to what comes all the same."""
    plain = {"cluster", "node", "namespace", "pod", "provider", "region", "zone"}
    found: dict[str, tuple[str, ...]] = {}
    for term in asked.filter.certain():
        exact = term.operator == ":" and not term.negated and UNALLOCATED not in term.values
        if exact and term.key.name in plain:
            found.setdefault(term.key.group, tuple(sorted(term.values)))
    return found


def _set(
    asked: Question, window: Window, cells: Cells, clusters: Mapping[str, str], now: datetime
) -> dict[str, dict[str, Any]]:
    sums: dict[str, tuple[dict[str, str], _Sum]] = {}
    for texts, figures in _fitting(asked, cells, clusters):
        name = "/".join(key.read(texts[key.group]) for key in asked.keys)
        kept, before = sums.get(name, (texts, _Sum()))
        sums[name] = (kept, before.and_also(figures))
    return {
        name: {
            "name": name,
            "properties": properties(asked.keys, texts),
            **_allocation(window, found, min(window.end, now)),
        }
        for name, (texts, found) in sorted(sums.items())
    }


def _fitting(
    asked: Question, cells: Cells, clusters: Mapping[str, str]
) -> Iterator[tuple[dict[str, str], Figures]]:
    for (keys, currency), figures in cells.items():
        texts = dict(zip(asked.groups, keys, strict=True))
        if "cluster" in texts:
            texts["cluster"] = clusters.get(texts["cluster"], texts["cluster"])
        if currency and asked.filter.fits(texts):
            yield texts, figures


def _allocation(window: Window, found: _Sum, until: datetime) -> dict[str, Any]:
    plain, with_gpu = found.plain, found.with_gpu
    whole = plain + with_gpu
    hours = max((until - window.start).total_seconds(), 1) / _HOUR
    cpu_hours, gib_hours = float(whole.cpu_hours), float(whole.memory_hours)
    asked_cpu = cpu_hours - float(whole.over_cpu_seconds) / _HOUR
    asked_gib = gib_hours - float(whole.over_memory_seconds) / _HOUR
    pv_hours = whole.storage_seconds * _GIB / _HOUR
    span = {"start": _time(window.start), "end": _time(window.end)}
    return {
        "window": span,
        "start": span["start"],
        "end": _time(until),
        "minutes": hours * 60,
        "cpuCores": cpu_hours / hours,
        "cpuCoreRequestAverage": asked_cpu / hours,
        "cpuCoreUsageAverage": None,
        "cpuCoreHours": cpu_hours,
        "cpuCost": float(whole.cpu_amount + plain.machine_amount),
        "cpuCostAdjustment": 0.0,
        "cpuEfficiency": None,
        "gpuCount": float(whole.gpu_hours) / hours,
        "gpuHours": float(whole.gpu_hours),
        "gpuCost": float(with_gpu.machine_amount),
        "gpuCostAdjustment": 0.0,
        **_NETWORK,
        "pvBytes": pv_hours / hours,
        "pvByteHours": pv_hours,
        "pvCost": float(whole.storage_amount),
        "pvs": None,
        "pvCostAdjustment": 0.0,
        "ramBytes": gib_hours * _GIB / hours,
        "ramByteRequestAverage": asked_gib * _GIB / hours,
        "ramByteUsageAverage": None,
        "ramByteHours": gib_hours * _GIB,
        "ramCost": float(whole.memory_amount),
        "ramCostAdjustment": 0.0,
        "ramEfficiency": None,
        "externalCost": 0.0,
        "sharedCost": 0.0,
        "totalCost": float(whole.amount),
        "totalEfficiency": None,
        "rawAllocationOnly": None,
    }


_NETWORK = {
    "networkTransferBytes": 0.0,
    "networkReceiveBytes": 0.0,
    "networkCost": 0.0,
    "networkCrossZoneCost": 0.0,
    "networkCrossRegionCost": 0.0,
    "networkInternetCost": 0.0,
    "networkCostAdjustment": 0.0,
    "loadBalancerCost": 0.0,
    "loadBalancerCostAdjustment": 0.0,
}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
