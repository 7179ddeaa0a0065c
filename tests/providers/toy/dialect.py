"""The pure side of Toy: sizes, prices, node, rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_noop as _

from kube.secret import Secret
from providers.base import (
    Claim,
    Created,
    Field,
    FieldKind,
    Instance,
    InstanceSpec,
    NewKey,
    NodeProfile,
    Price,
    Problem,
    Size,
    Use,
    Waiting,
)
from providers.prices import Entry

_TAINT = {"key": "virtual-kubelet.io/provider", "value": "toy", "effect": "NoSchedule"}
_SIZES = tuple(map(Decimal, (1, 2, 4, 8)))
_GIB_PER_CPU = 2
_PER_CPU_HOUR = Decimal("0.10")


def billed_size(spec: InstanceSpec) -> Size:
    """1, 2, 4 or 8 vCPU with 2 GiB each; 2 vCPU when nothing is asked."""
    wanted = max(spec.cpu or Decimal(0), (spec.memory or Decimal(0)) / _GIB_PER_CPU)
    cpu = next((size for size in _SIZES if size >= (wanted or 2)), wanted)
    memory = cpu * _GIB_PER_CPU
    return Size(cpu, memory, f"{cpu.normalize():f}x{memory.normalize():f}")


class ToyDialect:
    name = "toy"
    title = "Toy Cloud"
    vendor = "toymaker"
    currency = "EUR"
    credential = (Field("key", _("Key"), kind=FieldKind.SECRET, required=True),)
    node_settings: Sequence[Field] = (Field("colour", _("Colour"), pattern=r"red|blue"),)

    def key(self, given: Mapping[str, str]) -> NewKey:
        return NewKey(id="toy-key", secret=Secret(given["key"].strip()), token=Secret(""))

    def claim(self, pod: Mapping[str, Any]) -> Claim:
        labels = (pod.get("metadata") or {}).get("labels") or {}
        return Claim.NAMED if labels.get("toy") == "true" else Claim.SERVES

    def billed_size(self, spec: InstanceSpec) -> Size:
        return billed_size(spec)

    def list_price(self, size: Size, *, region: str) -> Price | None:
        return Price(size.cpu * _PER_CPU_HOUR, "EUR", f"Toy catalogue, {region}")

    def entries(self) -> Sequence[Entry]:
        return ()

    def node_profile(
        self, *, region: str, zone: str, name: str, settings: Mapping[str, str]
    ) -> NodeProfile:
        labels = {"type": "virtual-kubelet", "topology.kubernetes.io/zone": zone}
        colour = {"toy/colour": settings["colour"]} if settings.get("colour") else {}
        return NodeProfile(name, {**labels, **colour}, (_TAINT,))

    def node_name(self, zone: str) -> str:
        return f"toy-{zone}"

    def node_version(self, kubernetes_version: str) -> str:
        return f"{kubernetes_version}-toy"

    def problems(self, pod: Mapping[str, Any], *, settings: Mapping[str, str]) -> Sequence[Problem]:
        if not pod["spec"].get("hostNetwork"):
            return ()
        return (
            Problem(
                "spec.hostNetwork",
                "NoHost",
                _("A toy has no host network."),
                _("Remove the field."),
            ),
        )

    def waiting(self, spec: InstanceSpec) -> Waiting:
        return Waiting()

    def wants_cluster(self, spec: InstanceSpec) -> bool:
        return False

    def annotations(
        self, spec: InstanceSpec, *, instance: Instance | None, created: Created | None
    ) -> dict[str, str]:
        known = instance or created
        return {"toy/instance": known.id} if known else {}

    def policies(self) -> Mapping[Use, Mapping[str, Any]]:
        return {Use.PODS: {"may": ["list", "get", "create", "delete"]}}
