"""What an ACS cluster does to pods and Services at submission.

Rules: ACS help page "ACS Pod instance overview", "Kubernetes application limitations": host
namespaces are rewritten off, ClusterFirstWithHostNet becomes ClusterFirst, other DNS policies,
NodePort Services and what has no size are refused. hostPath is listed there as unsupported without
saying what happens; here it is refused. Annotations that ACS writes cannot be set by users.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sandbox.cluster import errors
from sandbox.cluster.admission import Attributes
from sandbox.cluster.quantity import QuantityError, canonical, parse

from . import sizes
from .knobs import Knobs
from .wants import BY_TABLE, CLASS, GIB, GPU, QOS, Unwanted, Want, required_of, total, want_of

Obj = dict[str, Any]
_DNS = ("None", "Default", "ClusterFirst")
WRITTEN = (
    "ProviderCreate",
    "alibabacloud.com/client-token",
    "alibabacloud.com/instance-id",
    "alibabacloud.com/pod-ephemeral-storage",
    "alibabacloud.com/pod-gpu-use-spec",
    "alibabacloud.com/pod-use-spec",
    "alibabacloud.com/request-id",
    "alibabacloud.com/schedule-result",
    "alibabacloud.com/user-id",
    "kubernetes.io/pod-stream-port",
    "kubernetes.io/preferred-scheduling-node",
    "kubernetes.io/resource-type",
    "network.alibabacloud.com/allocated-eip-address",
    "network.alibabacloud.com/allocated-eip-id",
    "network.alibabacloud.com/allocated-eni-id",
    "network.alibabacloud.com/vpc-id",
    "network.alibabacloud.com/vswitch-id",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
)


class AcsAdmission:
    """Defaults, rewrites and refuses; ``knobs`` says what the account was approved for."""

    def __init__(self, knobs: Callable[[], Knobs]) -> None:
        self._knobs = knobs

    def mutate(self, attributes: Attributes, obj: Obj) -> None:
        """Give a new pod its class, quality and size."""
        if attributes.operation != "CREATE" or attributes.resource.name != "pods":
            return
        try:
            self._pod(obj)
        except Unwanted as unwanted:
            shown = attributes.name or obj["metadata"].get("generateName", "")
            raise errors.forbidden("pods", "", shown, str(unwanted)) from unwanted
        except QuantityError:
            return  # the API server's own validation says which quantity of a container is wrong

    def validate(self, attributes: Attributes) -> None:
        """Refuse NodePort Services."""
        obj = attributes.obj
        if attributes.resource.name != "services" or obj is None:
            return
        if (obj.get("spec") or {}).get("type") == "NodePort":
            why = "Services of type NodePort are not supported by ACS, use LoadBalancer"
            raise errors.forbidden("services", "", attributes.name, why)

    def _pod(self, obj: Obj) -> None:
        meta, spec = obj["metadata"], obj["spec"]
        for name in WRITTEN:
            (meta.get("annotations") or {}).pop(name, None)
        _rewrite(spec)
        want = want_of(obj)
        by_table = want.compute_class in BY_TABLE
        if by_table and sizes.needs_ticket(want.size) and not self._knobs().large_sizes:
            raise Unwanted(f"the size {want.size.label} needs approval, submit a ticket")
        labels = meta.setdefault("labels", {})
        labels[CLASS], labels[QOS] = want.compute_class, want.qos
        if by_table:
            _fill(obj, want)
        else:
            _guarantee(spec, want.cards)


def _rewrite(spec: Obj) -> None:
    for field in ("hostNetwork", "hostIPC", "hostPID", "hostUsers"):
        spec.pop(field, None)
    if spec.get("dnsPolicy") == "ClusterFirstWithHostNet":
        spec["dnsPolicy"] = "ClusterFirst"
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy not in _DNS:
        raise Unwanted(f"dnsPolicy {policy} is not one of {', '.join(_DNS)}")
    for volume in spec.get("volumes") or []:
        if volume.get("hostPath"):
            raise Unwanted(f"volume {volume.get('name')!r}: hostPath is not supported by ACS")


def _guarantee(spec: Obj, cards: int) -> None:
    """GPU pods are normalised to Guaranteed: limits win, and each lacks nothing of the other."""
    if cards and not sum(_cards(container) for container in spec["containers"]):
        spec["containers"][0].setdefault("resources", {})["limits"] = {
            **(spec["containers"][0]["resources"].get("limits") or {}),
            GPU: str(cards),
        }
    for container in spec["containers"]:
        resources = container.setdefault("resources", {})
        merged = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
        if merged:
            resources["requests"], resources["limits"] = dict(merged), dict(merged)


def _cards(container: Obj) -> Decimal:
    resources = container.get("resources") or {}
    return parse(
        {**(resources.get("requests") or {}), **(resources.get("limits") or {})}.get(GPU, 0)
    )


def _fill(obj: Obj, want: Want) -> None:
    """Give what the size has beyond the sum to the first container."""
    first = obj["spec"]["containers"][0].setdefault("resources", {})
    burst = required_of(obj) is not None
    targets = {"cpu": want.size.cpu, "memory": want.size.memory * GIB}
    for name, target in targets.items():
        surplus = target - total(obj, name)
        if surplus > 0:
            _raise(first, name, surplus, limits_only=burst)


def _raise(resources: Obj, name: str, surplus: Decimal, *, limits_only: bool) -> None:
    """Limits grow where there are any, and requests with them while they are equal."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    equal = requests.get(name) == limits.get(name)
    if name in limits or name not in requests or limits_only:
        base = limits.get(name, requests.get(name, 0))
        resources["limits"] = {**limits, name: _quantity(name, parse(base) + surplus)}
    if name in requests and name not in limits and not limits_only:
        resources["requests"] = {**requests, name: _quantity(name, parse(requests[name]) + surplus)}
    elif equal:
        resources["requests"] = {**requests, name: resources["limits"][name]}


def _quantity(name: str, value: Decimal) -> str:
    if name == "cpu":
        return canonical(f"{value:f}")
    return canonical(f"{int(value) // 1024}Ki") if int(value) % 1024 == 0 else str(int(value))
