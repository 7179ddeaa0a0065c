"""The pure side of ACS: sizes, list prices, node, pod rules, annotations, the grants it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_noop as _

from providers import alibaba
from providers.acs import key, keys, prices, problems, sizes, verify, written
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


class AcsDialect:
    name = "acs"
    title = "Alibaba Cloud ACS"
    vendor = "alibaba"
    currency = "CNY"
    credential = (
        Field(
            "kubeconfig",
            _("Kubeconfig of an ACS cluster"),
            _("With a token or a client certificate inside; nothing in it is run or read."),
            FieldKind.LONG_SECRET,
            required=True,
        ),
        Field(
            "namespace",
            _("Namespace"),
            _("Where the pods are made in the ACS cluster; it is created when missing."),
            default=key.NAMESPACE,
            pattern=r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
        ),
    )
    node_settings: Sequence[Field] = ()

    def key(self, given: Mapping[str, str]) -> NewKey:
        return key.key(given)

    def claim(self, pod: Mapping[str, Any]) -> Claim:
        labels = (pod.get("metadata") or {}).get("labels") or {}
        if labels.get(keys.CLASS) or labels.get(keys.QOS) or labels.get(keys.ACS) == "true":
            return Claim.NAMED
        return Claim.NEVER if labels.get(keys.ECI) == "true" else Claim.SERVES

    def billed_size(self, spec: InstanceSpec) -> Size:
        return sizes.billed_size(spec)

    def list_price(self, size: Size, *, region: str) -> Price | None:
        return prices.list_price(size, region=region)

    def entries(self) -> Sequence[Entry]:
        return prices.ENTRIES

    def node_profile(
        self, *, region: str, zone: str, name: str, settings: Mapping[str, str]
    ) -> NodeProfile:
        del settings
        return alibaba.node_profile(region=region, zone=zone, node=name)

    def node_name(self, zone: str) -> str:
        return alibaba.node_name(zone)

    def node_version(self, kubernetes_version: str) -> str:
        return alibaba.node_version(kubernetes_version)

    def problems(self, pod: Mapping[str, Any], *, settings: Mapping[str, str]) -> Sequence[Problem]:
        del settings
        return problems.problems(pod)

    def waiting(self, spec: InstanceSpec) -> Waiting:
        del spec
        return Waiting()

    def wants_cluster(self, spec: InstanceSpec) -> bool:
        del spec
        return False

    def annotations(
        self, spec: InstanceSpec, *, instance: Instance | None, created: Created | None
    ) -> dict[str, str]:
        return written.written(spec, instance=instance, created=created)

    def policies(self) -> Mapping[Use, Mapping[str, Any]]:
        return {Use.PODS: verify.policy()}
