"""What is written back on the pod of an instance.

Source: ECI user guide, "ECI Pod annotations", the annotations that are added when the pod has been
scheduled; ACK user guide, "Virtual nodes".
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

from providers.base import Created, Instance, InstanceSpec, Size
from providers.eci import choices, options, sizes
from providers.errors import InvalidSpec
from providers.tags import NODE

_FREE_STORAGE = 30
# Everything under `k8s.aliyun.com/` that is ours to write and no wish of the pod's.
KEYS = frozenset(
    {
        "k8s.aliyun.com/eci-instance-id",
        "k8s.aliyun.com/eci-request-id",
        "k8s.aliyun.com/eci-instance-spec",
        "k8s.aliyun.com/eci-instance-compute-category",
        "k8s.aliyun.com/eci-platform-version",
        "k8s.aliyun.com/eci-vpc",
        "k8s.aliyun.com/eci-matched-image-cache",
        "k8s.aliyun.com/eci-schedule-result",
    }
)


def written(
    spec: InstanceSpec, *, instance: Instance | None, created: Created | None
) -> dict[str, str]:
    """The instance's facts, under ECI's own keys (`k8s.aliyun.com/eci-…`) and under the
    `alibabacloud.com/` keys that any serverless pod of Alibaba Cloud shows; the prefix of the
    instance id tells `eci-` from `acs-`. `kubernetes.io/pod-stream-port` is not written, as no
    kubelet port is served.
    """
    found = {"kubernetes.io/resource-type": "serverless"}
    node = spec.tags.get(NODE, "")
    if node:
        found["kubernetes.io/preferred-scheduling-node"] = f"{node}/1"
    if created is not None:
        found |= _created(spec, created)
    if instance is not None:
        found |= _seen(spec, instance)
    size = instance.size if instance is not None and instance.size else None
    if size is None and created is not None:
        size = _only_size(spec, created)
    if size is not None:
        found["k8s.aliyun.com/eci-instance-spec"] = instance_spec(size)
        found["alibabacloud.com/pod-use-spec"] = size.label
    return found


def _only_size(spec: InstanceSpec, created: Created) -> Size | None:
    """The size asked for where there is no choice; else only the cloud knows which it was.

    The annotations of a pod that has its instance may have become unreadable since.
    """
    try:
        found = choices.choices(spec)
    except InvalidSpec:
        return None
    return (created.size or found[0].size) if len(found) == 1 else None


def _created(spec: InstanceSpec, created: Created) -> dict[str, str]:
    found = {
        "ProviderCreate": "done",
        "k8s.aliyun.com/eci-instance-id": created.id,
        "k8s.aliyun.com/eci-request-id": created.request_id,
        "alibabacloud.com/instance-id": created.id,
        "alibabacloud.com/request-id": created.request_id,
    }
    with suppress(InvalidSpec):
        extra: int = options.parsed(spec.options, "eci-extra-ephemeral-storage") or 0
        found["alibabacloud.com/pod-ephemeral-storage"] = f"{_FREE_STORAGE + extra}Gi"
    if created.token:
        found["alibabacloud.com/client-token"] = created.token
    if created.account:
        found["alibabacloud.com/user-id"] = created.account
    return found


def _seen(spec: InstanceSpec, instance: Instance) -> dict[str, str]:
    found = {"ProviderCreate": "done", "k8s.aliyun.com/eci-instance-id": instance.id}
    if instance.state.billed:
        found["alibabacloud.com/schedule-result"] = "finished"
    own = spec.options.get("k8s.aliyun.com/eci-eip-instanceid", "")
    if own and "k8s.aliyun.com/allocated-eipAddress" in instance.written:
        found["k8s.aliyun.com/allocated-eipInstanceId"] = own
    return {**found, **instance.written}


def instance_spec(size: Size) -> str:
    """`2.0-4.0Gi`, or the ECS type."""
    return size.type or f"{_tenths(size.cpu)}-{_tenths(size.memory)}Gi"


def _tenths(value: Decimal) -> str:
    text = sizes.number(value)
    return text if "." in text else f"{text}.0"
