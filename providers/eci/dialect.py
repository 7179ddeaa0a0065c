"""The pure side of ECI: sizes, list prices, node, pod rules, annotations, RAM policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from providers.base import Created, Instance, InstanceSpec, NodeProfile, Price, Problem, Size
from providers.eci import node, pod, prices, sizes, verify


class EciDialect:
    name = "eci"
    title = "Alibaba Cloud ECI"

    def billed_size(self, spec: InstanceSpec) -> Size:
        return sizes.billed_size(spec)

    def list_price(self, size: Size, *, region: str) -> Price | None:
        return prices.list_price(size, region=region)

    def node_profile(self, *, region: str, zone: str, name: str) -> NodeProfile:
        return node.profile(region=region, zone=zone, node=name)

    def node_name(self, zone: str) -> str:
        return node.name(zone)

    def node_version(self, kubernetes_version: str) -> str:
        return node.version(kubernetes_version)

    def problems(self, pod_object: Mapping[str, Any]) -> Sequence[Problem]:
        return pod.problems(pod_object)

    def annotations(
        self, spec: InstanceSpec, *, instance: Instance | None, created: Created | None
    ) -> dict[str, str]:
        return pod.written(spec, instance=instance, created=created)

    def policy(self) -> Mapping[str, Any]:
        return verify.policy()
