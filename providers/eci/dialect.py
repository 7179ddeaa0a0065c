"""The pure side of ECI: sizes, list prices, node, pod rules, annotations, RAM policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_noop as _

from kube.secret import Secret
from providers import alibaba
from providers.base import (
    Claim,
    Created,
    Field,
    FieldKind,
    Instance,
    InstanceSpec,
    NewKey,
    NodeProfile,
    OnFailure,
    Price,
    Problem,
    Size,
    Use,
    Waiting,
)
from providers.eci import choices, options, pod, prices, verify, written
from providers.errors import InvalidSpec
from providers.prices import Entry

# Labels that ask for ACS: another provider of the same vendor.
_ELSEWHERE = ("alibabacloud.com/compute-class", "alibabacloud.com/compute-qos")


class EciDialect:
    name = "eci"
    title = "Alibaba Cloud ECI"
    vendor = "alibaba"
    currency = "CNY"
    credential = (
        Field("access_key_id", _("AccessKey ID"), required=True),
        Field("access_key_secret", _("AccessKey secret"), kind=FieldKind.SECRET, required=True),
        Field(
            "security_token",
            _("Security token"),
            _("Only for temporary credentials."),
            FieldKind.SECRET,
        ),
    )
    node_settings: Sequence[Field] = ()

    def key(self, given: Mapping[str, str]) -> NewKey:
        return NewKey(
            id=given["access_key_id"].strip(),
            secret=Secret(given["access_key_secret"].strip()),
            token=Secret(given.get("security_token", "").strip()),
        )

    def claim(self, pod_object: Mapping[str, Any]) -> Claim:
        labels = (pod_object.get("metadata") or {}).get("labels") or {}
        if (
            any(labels.get(key) for key in _ELSEWHERE)
            or labels.get("alibabacloud.com/acs") == "true"
        ):
            return Claim.NEVER
        return Claim.NAMED if labels.get("alibabacloud.com/eci") == "true" else Claim.SERVES

    def billed_size(self, spec: InstanceSpec) -> Size:
        return choices.billed_size(spec)

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

    def problems(
        self, pod_object: Mapping[str, Any], *, settings: Mapping[str, str]
    ) -> Sequence[Problem]:
        del settings
        return pod.problems(pod_object)

    def waiting(self, spec: InstanceSpec) -> Waiting:
        """`eci-fail-strategy` says what follows a create that failed for want of stock (ECI user
        guide, "Configure a fault handling policy for a pod"), `eci-max-pending-minute` how long an
        instance may be Pending, not counting Scheduling ("Specify the maximum pending duration of
        an Elastic Container Instance-based pod"; 240 minutes, by the cloud itself, without it).
        """
        try:
            minutes: int | None = options.parsed(spec.options, "eci-max-pending-minute")
            strategy: str = options.parsed(spec.options, "eci-fail-strategy") or "fail-back"
        except InvalidSpec:
            return Waiting()
        return Waiting(
            on_failure=OnFailure(strategy.removeprefix("fail-")),
            starting=None if minutes is None else timedelta(minutes=minutes),
        )

    def wants_cluster(self, spec: InstanceSpec) -> bool:
        del spec
        return False

    def annotations(
        self, spec: InstanceSpec, *, instance: Instance | None, created: Created | None
    ) -> dict[str, str]:
        return written.written(spec, instance=instance, created=created)

    def policies(self) -> Mapping[Use, Mapping[str, Any]]:
        return verify.policies()
