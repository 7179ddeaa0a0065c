"""Sizes of ACS pods with GPUs: by model and cards, vCPUs and the GiB that go with them.

Source: ACS user guide, "ACS Pod overview", accelerated compute types. `2:2-16` is 2 vCPUs with 2 to
16 GiB in steps of one, `22:22,32` is 22 vCPUs with 22 or 32 GiB. Models that are not listed are
told by ticket only.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache

from providers.acs.keys import GPU

Grid = tuple[tuple[Decimal, tuple[Decimal, ...]], ...]

_EIGHTFOLD = "2:2-16 4:4-32 6:6-48 8:8-64 10:10-80 12:12-96 14:14-112"
_FOURFOLD = "2:2-8 4:4-16 6:6-24 8:8-32 10:10-40 12:12-48 14:14-56"
_L20 = {
    1: f"{_EIGHTFOLD} 16:16-120",
    2: "16:16-128 32:32,64,128,230",
    4: "32:32,64,128,256 64:64,128,256,460",
    8: "64:64,128,256,512 128:128,256,512,920",
}
_TABLE: dict[str, dict[int, str]] = {
    "GU8TF": {
        1: f"{_EIGHTFOLD} 16:16-128 22:22,32,64,128",
        2: "16:16-128 32:32,64,128,230 46:64,128,230",
        4: "32:32,64,128,256 64:64,128,256,460 92:128,256,460",
        8: "64:64,128,256,512 128:128,256,512,920 184:256,512,920",
    },
    "GU8TEF": {
        1: f"{_EIGHTFOLD} 16:16-128 22:22,32,64,128,225",
        2: "16:16-128 32:32,64,128,256 46:64,128,256,450",
        4: "32:32,64,128,256 64:64,128,256,512 92:128,256,512,900",
        8: "64:64,128,256,512 128:128,256,512,1024 184:256,512,1024,1800",
    },
    "L20": _L20,
    "L20X": {8: "184:1800"},
    "P16EN": {
        1: "2:2-16 4:4-32 6:6-48 8:8-64 10:10-80",
        2: "4:4-32 6:6-48 8:8-64 16:16-128 22:32,64,128,225",
        4: "8:8-64 16:16-128 32:32,64,128,256 46:64,128,256,450",
        8: "16:16-128 32:32,64,128,256 64:64,128,256,512 92:128,256,512,900",
        16: "32:32,64,128,256 64:64,128,256,512 128:128,256,512,1024 184:256,512,1024,1800",
    },
    "G49E": _L20,
    "T4": {
        1: f"{_FOURFOLD} 16:16-64 24:24,48,90",
        2: "16:16-64 24:24,48,96 32:32,64,128 48:48,96,180",
    },
    "A10": {
        1: f"{_FOURFOLD} 16:16-60",
        2: "16:16-64 32:32,64,120",
        4: "32:32,64,128 64:64,128,240",
        8: "64:64,128,256 128:128,256,480",
    },
    "G59": {
        1: f"{_EIGHTFOLD} 16:16-128 22:22,32,64,128",
        2: "16:16-128 32:32,64,128,256 46:64,128,256,360",
        4: "32:32,64,128,256 64:64,128,256,512 92:128,256,512,720",
        8: "64:64,128,256,512 128:128,256,512,1024 184:256,512,1024,1440",
    },
}
_ALIASES = {"GN8IS": "L20", "GX8SF": "L20X"}
# Models that are no NVIDIA cards are asked for under a resource name of their own.
_PPU = frozenset({"P16EN", "PPU810E"})


def resource(model: str) -> str:
    """The extended resource that a card of this model is."""
    return "alibabacloud.com/ppu" if model in _PPU else "nvidia.com/gpu"


def counts(model: str) -> tuple[int, ...]:
    """How many cards one pod may have, ascending; empty: no published table has the model."""
    return tuple(_TABLE.get(_ALIASES.get(model, model), {}))


@cache
def grid(model: str, cards: int) -> Grid:
    """(vCPUs, GiB offered), both ascending; empty when the table does not hold it."""
    text = _TABLE.get(_ALIASES.get(model, model), {}).get(cards, "")
    return tuple(_entry(part) for part in text.split())


def _entry(text: str) -> tuple[Decimal, tuple[Decimal, ...]]:
    cpu, _, memories = text.partition(":")
    first, dash, last = memories.partition("-")
    if dash:
        return Decimal(cpu), tuple(Decimal(n) for n in range(int(first), int(last) + 1))
    return Decimal(cpu), tuple(Decimal(memory) for memory in memories.split(","))


def models() -> tuple[str, ...]:
    return tuple(_TABLE)


def smallest_count(compute_class: str, model: str) -> int:
    """The cards of a pod of class `gpu` that asks for none: the smallest size of its model."""
    offered = counts(model)
    return offered[0] if compute_class == GPU and offered else 0
