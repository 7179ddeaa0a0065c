"""The pure side of KCI: key, sizes, node, rules for pods, annotations, IAM policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from providers.kci import node, options, pod, sizes, temporary, verify
from providers.kingsoft import endpoints
from providers.prices import Entry


class KciDialect:
    name = "kci"
    title = "Kingsoft Cloud KCI"
    vendor = "kingsoft"
    currency = "CNY"
    security_groups_max = options.MAX_GROUPS
    credential = (
        Field("access_key_id", _("AccessKey ID"), required=True, pattern=r"\S+"),
        Field(
            "access_key_secret",
            _("AccessKey secret"),
            kind=FieldKind.SECRET,
            required=True,
            pattern=r"\S+",
        ),
        Field(
            "security_token",
            _("Security token"),
            _("Only for temporary credentials."),
            FieldKind.SECRET,
        ),
        Field(
            "KCI_REQUEST_INTERNAL",
            _("Call the API inside the VPC"),
            _("Over internal.api.ksyun.com, for a console without Internet in a Kingsoft VPC."),
            FieldKind.FLAG,
            default="false",
        ),
    )
    node_settings: Sequence[Field] = node.SETTINGS

    def key(self, given: Mapping[str, str]) -> NewKey:
        internal = options.flag(given.get("KCI_REQUEST_INTERNAL", ""))
        return NewKey(
            id=given["access_key_id"].strip(),
            secret=Secret(given["access_key_secret"].strip()),
            token=Secret(given.get("security_token", "").strip()),
            endpoint=endpoints.INTERNAL if internal else "",
        )

    def temporary(self, data: Mapping[str, str], cipher: Secret) -> NewKey:
        """`base.TemporaryKeys`: ConfigMap `user-temp-aksk` of a KCE cluster."""
        return temporary.parse(data, cipher)

    def claim(self, pod_object: Mapping[str, Any]) -> Claim:
        """Every pod that comes to its node: Kingsoft has no label that asks for KCI by name."""
        del pod_object
        return Claim.SERVES

    def billed_size(self, spec: InstanceSpec) -> Size:
        return sizes.billed_size(spec)

    def list_price(self, size: Size, *, region: str) -> Price | None:
        """None: Kingsoft publishes no price list that we hold, and no price API."""
        del size, region
        return None

    def entries(self) -> Sequence[Entry]:
        """None: those of the operator are the only ones."""
        return ()

    def node_profile(
        self, *, region: str, zone: str, name: str, settings: Mapping[str, str]
    ) -> NodeProfile:
        return node.profile(region=region, zone=zone, node=name, settings=settings)

    def node_name(self, zone: str) -> str:
        return node.name(zone)

    def node_version(self, kubernetes_version: str) -> str:
        return node.version(kubernetes_version)

    def problems(
        self, pod_object: Mapping[str, Any], *, settings: Mapping[str, str]
    ) -> Sequence[Problem]:
        return pod.problems(pod_object, settings)

    def service_problems(
        self, service: Mapping[str, Any], *, settings: Mapping[str, str]
    ) -> Sequence[Problem]:
        """What of a Service does not reach pods here."""
        return pod.service_problems(service, settings)

    def waiting(self, spec: InstanceSpec) -> Waiting:
        del spec
        return Waiting()

    def wants_cluster(self, spec: InstanceSpec) -> bool:
        """Services by cluster IP: the instance's agent then connects to the cluster."""
        return options.kube_proxy(spec.options, spec.settings)

    def annotations(
        self, spec: InstanceSpec, *, instance: Instance | None, created: Created | None
    ) -> dict[str, str]:
        return pod.written(spec, instance=instance, created=created)

    def policies(self) -> Mapping[Use, Mapping[str, Any]]:
        return verify.policies()
