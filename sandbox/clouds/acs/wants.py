"""What a pod asks of ACS: class, quality, cards, size and storage.

Rules: ACS help page "ACS Pod instance overview". The total is the larger of the sums of requests
and of limits; without any of them a CPU pod is 2 vCPU and 4 GiB, a GPU pod the smallest size of its
model with the fewest cards. The page does not say what is taken when only one of CPU and memory is
given: here the other one takes its part of the default (2 CPUs alone become 2-4Gi, as ACS does).
Init containers count with the largest of them, as Kubernetes counts them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Any

from sandbox.cluster.quantity import QuantityError, parse

from . import sizes
from .sizes import Size

Obj = dict[str, Any]
CLASS = "alibabacloud.com/compute-class"
QOS = "alibabacloud.com/compute-qos"
MODEL = "alibabacloud.com/gpu-model-series"
REQUIRED = "alibabacloud.com/pod-required-spec"
VENDORS = "alibabacloud.com/cpu-vendors"
EXTRA_STORAGE = "alibabacloud.com/extra-ephemeral-storage"
GPU = "nvidia.com/gpu"
BY_TABLE = frozenset({"general-purpose", "performance"})
GIB = Decimal(1024**3)
_SPEC = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)Gi")


class Unwanted(ValueError):
    """ACS does not take such a pod; the text says why."""


@dataclass(frozen=True)
class Want:
    """What will be made and billed; ``storage`` in GiB. GPU-HPN is as large as it is asked."""

    compute_class: str
    qos: str
    size: Size
    storage: int
    model: str = ""
    cards: int = 0

    @property
    def stock_names(self) -> tuple[str, ...]:
        """The names under which stock may be given, the most exact one first."""
        label = self.size.label
        names = (f"{self.compute_class}/{label}", self.model, label, self.qos, self.compute_class)
        return tuple(name for name in names if name)


def want_of(pod: Obj) -> Want:
    """Return what a pod asks for; raises Unwanted, or QuantityError for what is no quantity."""
    labels = pod["metadata"].get("labels") or {}
    compute_class = labels.get(CLASS) or "general-purpose"
    qos = labels.get(QOS) or "default"
    if compute_class not in sizes.CLASSES:
        raise Unwanted(f"compute class {compute_class!r} is not one of {', '.join(sizes.CLASSES)}")
    if qos not in sizes.QUALITIES:
        raise Unwanted(f"compute QoS {qos!r} is not one of {', '.join(sizes.QUALITIES)}")
    if compute_class == "gpu-hpn" and qos != "default":
        raise Unwanted(f"compute class gpu-hpn does not support compute QoS {qos}")
    _check_vendor(pod, compute_class)
    cards = int(total(pod, GPU))
    if compute_class == "gpu":
        return _gpu(pod, qos, cards)
    if compute_class == "gpu-hpn":
        asked = Size(total(pod, "cpu"), total(pod, "memory") / GIB)
        return Want(compute_class, qos, asked, _storage(pod, sizes.LARGEST_STORAGE), cards=cards)
    if cards:
        raise Unwanted(f"{GPU} needs compute class gpu and the label {MODEL}")
    storage = _storage(pod, sizes.LARGEST_STORAGE)
    return Want(compute_class, qos, _cpu_size(pod), storage)


def _check_vendor(pod: Obj, compute_class: str) -> None:
    given = (pod["metadata"].get("annotations") or {}).get(VENDORS)
    if given is None:
        return
    if compute_class not in BY_TABLE:
        raise Unwanted(f"compute class {compute_class} does not support {VENDORS}")
    if not {"intel", "amd"} >= {name.strip() for name in given.split(",")}:
        raise Unwanted(f"{VENDORS} is intel, amd or both, not {given!r}")


def _cpu_size(pod: Obj) -> Size:
    cpu, memory = total(pod, "cpu"), total(pod, "memory") / GIB
    target = required_of(pod)
    if target:
        cpu, memory = target.cpu, target.memory
    found = sizes.round_up(
        cpu or sizes.DEFAULT_CPU, memory or sizes.DEFAULT_MEMORY, sizes.cpu_table()
    )
    if found is None:
        raise Unwanted(f"no size has {cpu:f} vCPU and {memory:f} GiB")
    return found


def required_of(pod: Obj) -> Size | None:
    """Return the size asked by annotation, if any; Unwanted when it is malformed or too small."""
    given = (pod["metadata"].get("annotations") or {}).get(REQUIRED)
    if given is None:
        return None
    found = _SPEC.fullmatch(given)
    if not found:
        raise Unwanted(f"{REQUIRED} must be <vCPU>-<GiB>Gi such as 2-4Gi, not {given!r}")
    target = Size(Decimal(found[1]), Decimal(found[2]))
    cpu, memory = _sum(pod, "requests", "cpu"), _sum(pod, "requests", "memory") / GIB
    if target.cpu < cpu or target.memory < memory:
        raise Unwanted(f"{REQUIRED} {given} is smaller than the sum of the requests")
    return target


def _gpu(pod: Obj, qos: str, cards: int) -> Want:
    model = model_of(pod)
    if not model:
        raise Unwanted(f"compute class gpu needs the label {MODEL}")
    if model not in sizes.GPUS:
        raise Unwanted(f"GPU model series {model!r} is not one of {', '.join(sizes.GPUS)}")
    if REQUIRED in (pod["metadata"].get("annotations") or {}):
        raise Unwanted(f"{REQUIRED} is for CPU pods only")
    cards = cards or min(sizes.GPUS[model])
    table = sizes.gpu_table(model, cards)
    if table is None:
        counts = ", ".join(str(count) for count in sizes.GPUS[model])
        raise Unwanted(f"GPU model series {model} is sold with {counts} cards, not {cards}")
    cpu, memory = total(pod, "cpu"), total(pod, "memory") / GIB
    size = sizes.round_up(cpu, memory, table)
    if size is None:
        raise Unwanted(f"{cards} {model} come with no size of {cpu:f} vCPU and {memory:f} GiB")
    storage = _storage(pod, sizes.GPUS[model][cards].storage)
    return Want("gpu", qos, size, storage, model, cards)


def model_of(pod: Obj) -> str:
    """Return the GPU model series, from the labels or the nodeSelector."""
    labels = pod["metadata"].get("labels") or {}
    given = labels.get(MODEL) or (pod["spec"].get("nodeSelector") or {}).get(MODEL) or ""
    return sizes.ALIASES.get(given, given)


def _storage(pod: Obj, most: int) -> int:
    """The larger of what containers ask and of the free storage with what is added to it.

    The annotation: ACS help page "Add the EphemeralStorage".
    """
    extra = (pod["metadata"].get("annotations") or {}).get(EXTRA_STORAGE, "0")
    try:
        added = ceil(parse(extra) / GIB)
    except QuantityError as error:
        raise Unwanted(f"{EXTRA_STORAGE} is no quantity: {extra!r}") from error
    asked = max(sizes.FREE_STORAGE + added, ceil(total(pod, "ephemeral-storage") / GIB))
    if asked > most:
        raise Unwanted(f"ephemeral storage of {asked} GiB is more than {most} GiB")
    return asked


def total(pod: Obj, resource: str) -> Decimal:
    """Return the larger of the sums of requests and limits, in cores, bytes or pieces."""
    return max(_sum(pod, kind, resource) for kind in ("requests", "limits"))


def _sum(pod: Obj, kind: str, resource: str) -> Decimal:
    spec = pod["spec"]
    inits = spec.get("initContainers") or []
    staying = [c for c in inits if c.get("restartPolicy") == "Always"]
    passing = [c for c in inits if c.get("restartPolicy") != "Always"]
    whole = sum(_amounts([*spec["containers"], *staying], kind, resource), Decimal(0))
    return max(whole, *_amounts(passing, kind, resource), Decimal(0))


def _amounts(containers: Iterable[Obj], kind: str, resource: str) -> list[Decimal]:
    given = ((c.get("resources") or {}).get(kind) or {} for c in containers)
    return [parse(values.get(resource, 0)) for values in given]
