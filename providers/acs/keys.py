"""Labels and annotations of ACS pods: what may be asked, what ACS answers, and our own marks.

Sources: ACS user guide, "ACS Pod overview" (labels), "ACS Pod annotations" (inputs under the
prefixes below; the answers are read-only) and "Add the EphemeralStorage".
"""

from __future__ import annotations

from collections.abc import Mapping

from providers import tags

CLASS = "alibabacloud.com/compute-class"
QOS = "alibabacloud.com/compute-qos"
ACS = "alibabacloud.com/acs"
ECI = "alibabacloud.com/eci"
MODEL = "alibabacloud.com/gpu-model-series"
CPU_VENDORS = "alibabacloud.com/cpu-vendors"
REQUIRED_SPEC = "alibabacloud.com/pod-required-spec"
EXTRA_STORAGE = "alibabacloud.com/extra-ephemeral-storage"
VSWITCHES = "network.alibabacloud.com/vswitch-ids"
SECURITY_GROUPS = "network.alibabacloud.com/security-group-ids"

INSTANCE_ID = "alibabacloud.com/instance-id"
REQUEST_ID = "alibabacloud.com/request-id"
CLIENT_TOKEN = "alibabacloud.com/client-token"  # noqa: S105
USE_SPEC = "alibabacloud.com/pod-use-spec"
GPU_USE_SPEC = "alibabacloud.com/pod-gpu-use-spec"
STORAGE = "alibabacloud.com/pod-ephemeral-storage"
SCHEDULE_RESULT = "alibabacloud.com/schedule-result"
USER_ID = "alibabacloud.com/user-id"
VSWITCH = "network.alibabacloud.com/vswitch-id"
REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
PREFERRED_NODE = "kubernetes.io/preferred-scheduling-node"
RESOURCE_TYPE = "kubernetes.io/resource-type"
CREATED = "ProviderCreate"

GENERAL, PERFORMANCE, GPU, GPU_HPN = "general-purpose", "performance", "gpu", "gpu-hpn"
DEFAULT, BEST_EFFORT = "default", "best-effort"
CLASSES = (GENERAL, PERFORMANCE, GPU, GPU_HPN)
QUALITIES = (DEFAULT, BEST_EFFORT)
GPU_CLASSES = (GPU, GPU_HPN)

# What ACS writes and nobody may set.
WRITTEN = frozenset(
    {
        INSTANCE_ID,
        REQUEST_ID,
        CLIENT_TOKEN,
        USE_SPEC,
        GPU_USE_SPEC,
        STORAGE,
        SCHEDULE_RESULT,
        USER_ID,
        VSWITCH,
        REGION,
        ZONE,
        RESOURCE_TYPE,
        CREATED,
        "network.alibabacloud.com/allocated-eni-id",
        "network.alibabacloud.com/vpc-id",
        "network.alibabacloud.com/security-group-id",
        "network.alibabacloud.com/allocated-eip-id",
        "network.alibabacloud.com/allocated-eip-address",
    }
)
_LABELS_WRITTEN = frozenset({"alibabacloud.com/cpu-vendor"})
_ROUTES = frozenset({ACS, ECI})
_ALSO_READ = frozenset(
    {
        "kubernetes.io/ingress-bandwidth",
        "kubernetes.io/egress-bandwidth",
        "k8s.aliyun.com/eci-eip-instanceid",
        "k8s.aliyun.com/eip-charge-type",
    }
)

MANAGED = "app.kubernetes.io/managed-by"
MANAGER = "spillway"
OF_REGION = "spillway.io/region"
# On a Secret until its pod owns it.
LOOSE = "spillway.io/loose"
TAGS = "spillway.io/tags"
DIGEST = "spillway.io/request"
ZONES = "spillway.io/zones"
SIZE = "spillway.io/size"
# The tags that pods are searched by; label values are shortened, the annotation `TAGS` is exact.
INDEXED = {
    tags.CONSOLE: "spillway.io/console",
    tags.UID: "spillway.io/pod-uid",
    tags.GENERATION: "spillway.io/generation",
}


def vendor(key: str) -> bool:
    """Whether the key belongs to Alibaba Cloud (`alibabacloud.com/…`, `x.alibabacloud.com/…`)."""
    domain, slash, _ = key.partition("/")
    return bool(slash) and (domain == "alibabacloud.com" or domain.endswith(".alibabacloud.com"))


def asked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of a user's pod that ACS acts on, class and quality filled in."""
    found = {
        key: value
        for key, value in labels.items()
        if vendor(key) and value and key not in _LABELS_WRITTEN | _ROUTES
    }
    return {CLASS: GENERAL, QOS: DEFAULT, **found}


def asked_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations of a user's pod that ACS acts on, without what was written back on it."""
    return {
        key: value
        for key, value in annotations.items()
        if (vendor(key) or key in _ALSO_READ) and key not in WRITTEN
    }


def written(annotations: Mapping[str, str]) -> dict[str, str]:
    """What ACS answered, for the pod of the user's cluster."""
    return {key: value for key, value in annotations.items() if key in WRITTEN and value}


def tier(labels: Mapping[str, str]) -> str:
    """`general-purpose/default`: what decides the price beside the size."""
    asked = asked_labels(labels)
    return f"{asked[CLASS]}/{asked[QOS]}"
