"""The sizes ACS sells and how what a pod asks is rounded up to one.

Sizes: ACS help page "ACS Pod instance overview", tables of the general-purpose and performance
classes (they are equal) and of every GPU model. Above 16 vCPU or 128 GiB a CPU size needs approval
by ticket.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from math import ceil

CLASSES = ("general-purpose", "performance", "gpu", "gpu-hpn")
QUALITIES = ("default", "best-effort")
DEFAULT_CPU, DEFAULT_MEMORY = Decimal(2), Decimal(4)
LARGEST_WITHOUT_TICKET = (Decimal(16), Decimal(128))
FREE_STORAGE, LARGEST_STORAGE = 30, 512
Sizes = dict[Decimal, tuple[Decimal, ...]]

_SMALL = "0.25:0.5,1,2 0.5:1-4 1:1-8 1.5:2-12"
_LARGE = "24:24,48,96,192 32:32,64,128,256 48:48,96,192,384 64:64,128,256,512"
_ONE_CARD = "2:2-16 4:4-32 6:6-48 8:8-64 10:10-80 12:12-96 14:14-112 16:16-128"
_ONE_CARD_QUARTER = "2:2-8 4:4-16 6:6-24 8:8-32 10:10-40 12:12-48 14:14-56"


@dataclass(frozen=True)
class Size:
    """vCPU and GiB of memory, as one of the tables has them."""

    cpu: Decimal
    memory: Decimal

    @property
    def label(self) -> str:
        """The form of the annotation ``alibabacloud.com/pod-use-spec``, e.g. ``2-4Gi``."""
        return f"{self.cpu:f}-{self.memory:f}Gi"


@dataclass(frozen=True)
class Cards:
    """What a number of cards of one model comes with: sizes, and GiB of storage at most."""

    sizes: str
    storage: int


# Storage in the order of the counts; memory of a card is part of the model.
GPUS: dict[str, dict[int, Cards]] = {
    "GU8TF": {
        1: Cards(f"{_ONE_CARD} 22:22,32,64,128", 256),
        2: Cards("16:16-128 32:32,64,128,230 46:64,128,230", 512),
        4: Cards("32:32,64,128,256 64:64,128,256,460 92:128,256,460", 1024),
        8: Cards("64:64,128,256,512 128:128,256,512,920 184:256,512,920", 2048),
    },
    "GU8TEF": {
        1: Cards(f"{_ONE_CARD} 22:22,32,64,128,225", 768),
        2: Cards("16:16-128 32:32,64,128,256 46:64,128,256,450", 1536),
        4: Cards("32:32,64,128,256 64:64,128,256,512 92:128,256,512,900", 3072),
        8: Cards("64:64,128,256,512 128:128,256,512,1024 184:256,512,1024,1800", 6144),
    },
    "L20": {
        1: Cards(_ONE_CARD.replace("16:16-128", "16:16-120"), 256),
        2: Cards("16:16-128 32:32,64,128,230", 512),
        4: Cards("32:32,64,128,256 64:64,128,256,460", 1024),
        8: Cards("64:64,128,256,512 128:128,256,512,920", 2048),
    },
    "L20X": {8: Cards("184:1800", 6144)},
    "P16EN": {
        1: Cards("2:2-16 4:4-32 6:6-48 8:8-64 10:10-80", 384),
        2: Cards("4:4-32 6:6-48 8:8-64 16:16-128 22:32,64,128,225", 768),
        4: Cards("8:8-64 16:16-128 32:32,64,128,256 46:64,128,256,450", 1536),
        8: Cards("16:16-128 32:32,64,128,256 64:64,128,256,512 92:128,256,512,900", 3072),
        16: Cards(
            "32:32,64,128,256 64:64,128,256,512 128:128,256,512,1024 184:256,512,1024,1800", 6144
        ),
    },
    "G49E": {
        1: Cards(_ONE_CARD.replace("16:16-128", "16:16-120"), 256),
        2: Cards("16:16-128 32:32,64,128,230", 512),
        4: Cards("32:32,64,128,256 64:64,128,256,460", 1024),
        8: Cards("64:64,128,256,512 128:128,256,512,920", 2048),
    },
    "T4": {
        1: Cards(f"{_ONE_CARD_QUARTER} 16:16-64 24:24,48,90", 1536),
        2: Cards("16:16-64 24:24,48,96 32:32,64,128 48:48,96,180", 1536),
    },
    "A10": {
        1: Cards(f"{_ONE_CARD_QUARTER} 16:16-60", 256),
        2: Cards("16:16-64 32:32,64,120", 512),
        4: Cards("32:32,64,128 64:64,128,240", 1024),
        8: Cards("64:64,128,256 128:128,256,480", 2048),
    },
    "G59": {
        1: Cards(f"{_ONE_CARD} 22:22,32,64,128", 256),
        2: Cards("16:16-128 32:32,64,128,256 46:64,128,256,360", 512),
        4: Cards("32:32,64,128,256 64:64,128,256,512 92:128,256,512,720", 1024),
        8: Cards("64:64,128,256,512 128:128,256,512,1024 184:256,512,1024,1440", 2048),
    },
}
ALIASES = {"GN8IS": "L20", "GX8SF": "L20X"}


@cache
def table(text: str) -> Sizes:
    """Read ``<vCPU>:<GiB>,…`` or ``<vCPU>:<first>-<last>`` (step 1), separated by spaces."""
    found: Sizes = {}
    for entry in text.split():
        cpu, _, memory = entry.partition(":")
        first, dash, last = memory.partition("-")
        if dash:
            found[Decimal(cpu)] = tuple(Decimal(n) for n in range(int(first), int(last) + 1))
        else:
            found[Decimal(cpu)] = tuple(Decimal(n) for n in memory.split(","))
    return found


@cache
def cpu_table() -> Sizes:
    """The sizes of the general-purpose and performance classes."""
    halves = (Decimal(n) / 2 for n in range(4, 33))
    steps = " ".join(f"{cpu}:{ceil(cpu)}-{int(cpu * 8)}" for cpu in halves)
    return table(f"{_SMALL} {steps} {_LARGE}")


def gpu_table(model: str, cards: int) -> Sizes | None:
    """The sizes that come with so many cards, None when the model has no such count."""
    found = GPUS.get(model, {}).get(cards)
    return table(found.sizes) if found else None


def round_up(cpu: Decimal, memory: Decimal, sizes: Sizes) -> Size | None:
    """Return the smallest vCPU of the table that has enough memory, with the least of it."""
    for vcpu, gibs in sizes.items():
        fitting = [gib for gib in gibs if gib >= memory]
        if vcpu >= cpu and fitting:
            return Size(vcpu, fitting[0])
    return None


def needs_ticket(size: Size) -> bool:
    """Tell whether a CPU size is sold by ticket only."""
    return size.cpu > LARGEST_WITHOUT_TICKET[0] or size.memory > LARGEST_WITHOUT_TICKET[1]
