"""Printer columns of the built-in kinds, as ``kubectl get`` and ``-o wide`` show them.

Titles, order and contents as in the Kubernetes printers (``pkg/printers/internalversion``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.cluster.clock import parse_time
from sandbox.cluster.durations import age, human
from sandbox.cluster.podcolumns import pod_ready, pod_restarts, pod_status
from sandbox.cluster.selectors import to_text

Obj = dict[str, Any]
Cell = Callable[[Obj, datetime], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``priority`` 1 shows only with ``-o wide``."""

    title: str
    cell: Cell
    type: str = "string"
    priority: int = 0
    format: str = ""


def at(path: str, default: Any = "<none>") -> Cell:
    """Return a cell that reads a dotted path."""
    parts = path.split(".")

    def cell(obj: Obj, _: datetime) -> Any:
        value: Any = obj
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        return default if value is None else value

    return cell


def _c(title: str, source: Cell | str, default: Any = "<none>", **more: Any) -> Column:
    return Column(title, at(source, default) if isinstance(source, str) else source, **more)


def _wide(title: str, source: Cell | str, default: Any = "<none>") -> Column:
    return _c(title, source, default, priority=1)


def _number(title: str, path: str) -> Column:
    return _c(title, path, 0, type="integer")


AGE = Column("Age", lambda o, now: age(o["metadata"].get("creationTimestamp"), now))


def _node_status(obj: Obj, _: datetime) -> str:
    conditions = obj.get("status", {}).get("conditions") or ()
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), "Unknown")
    words = [
        {"True": "Ready", "False": "NotReady"}.get(ready, "NotReady" if conditions else "Unknown")
    ]
    if obj.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(obj: Obj, _: datetime) -> str:
    roles = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith("node-role.kubernetes.io/"):
            roles.add(key.removeprefix("node-role.kubernetes.io/"))
        elif key == "kubernetes.io/role" and value:
            roles.add(value)
    return ",".join(sorted(roles)) or "<none>"


def _node_address(kind: str) -> Cell:
    def cell(obj: Obj, _: datetime) -> str:
        found = obj.get("status", {}).get("addresses") or ()
        return next((a["address"] for a in found if a["type"] == kind), "<none>")

    return cell


def _node_info(field: str) -> Cell:
    return lambda o, _: o.get("status", {}).get("nodeInfo", {}).get(field) or "<unknown>"


def _service_ports(obj: Obj, _: datetime) -> str:
    parts = []
    for port in obj["spec"].get("ports") or ():
        middle = f":{port['nodePort']}" if port.get("nodePort") else ""
        parts.append(f"{port['port']}{middle}/{port.get('protocol', 'TCP')}")
    return ",".join(parts) or "<none>"


def _service_address(obj: Obj, _: datetime) -> str:
    spec = obj["spec"]
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    found = obj.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    names = [i.get("ip") or i.get("hostname") for i in found] + (spec.get("externalIPs") or [])
    if names:
        return ",".join(names)
    return "<pending>" if spec.get("type") == "LoadBalancer" else "<none>"


def _plain_selector(obj: Obj, _: datetime) -> str:
    found = obj["spec"].get("selector") or {}
    return ",".join(f"{k}={v}" for k, v in sorted(found.items())) or "<none>"


def _selector(obj: Obj, _: datetime) -> str:
    return to_text(obj["spec"].get("selector"))


def _template(field: str) -> Cell:
    def cell(obj: Obj, _: datetime) -> str:
        spec = obj["spec"].get("jobTemplate", obj)["spec"]
        containers = spec.get("template", {}).get("spec", {}).get("containers") or ()
        return ",".join(c.get(field, "") for c in containers) or "<none>"

    return cell


_CONTAINERS = (_wide("Containers", _template("name")), _wide("Images", _template("image")))


def _ready_of(total: str, ready: str) -> Cell:
    want, have = at(total, 0), at(ready, 0)
    return lambda o, now: f"{have(o, now)}/{want(o, now)}"


def _selector_map(path: str) -> Cell:
    read = at(path)

    def cell(obj: Obj, now: datetime) -> str:
        value = read(obj, now)
        if not isinstance(value, dict):
            return "<none>"
        return ",".join(f"{k}={v}" for k, v in sorted(value.items())) or "<none>"

    return cell


def _job_status(obj: Obj, _: datetime) -> str:
    for condition in obj.get("status", {}).get("conditions") or ():
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return str(condition["type"])
    return "Suspended" if obj["spec"].get("suspend") else "Running"


def _job_duration(obj: Obj, now: datetime) -> str:
    status = obj.get("status", {})
    if not status.get("startTime"):
        return ""
    end = parse_time(status["completionTime"]) if status.get("completionTime") else now
    return human((end - parse_time(status["startTime"])).total_seconds())


def _last_schedule(obj: Obj, now: datetime) -> str:
    moment = obj.get("status", {}).get("lastScheduleTime")
    return age(moment, now) if moment else "<none>"


def _event_seen(obj: Obj, now: datetime) -> str:
    last = (obj.get("series") or {}).get("lastObservedTime")
    return age(last or obj.get("lastTimestamp") or obj.get("eventTime"), now)


def _event_object(obj: Obj, _: datetime) -> str:
    about = obj.get("involvedObject") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _event_first(obj: Obj, now: datetime) -> str:
    return age(obj.get("firstTimestamp") or obj.get("eventTime"), now)


def _count(path: str) -> Cell:
    read = at(path, ())
    return lambda o, now: len(read(o, now) or ())


def _quota(kind: str) -> Cell:
    def cell(obj: Obj, _: datetime) -> str:
        hard = obj.get("status", {}).get("hard") or obj.get("spec", {}).get("hard") or {}
        used = obj.get("status", {}).get("used") or {}
        chosen = [k for k in sorted(hard) if k.startswith("limits.") == (kind == "limits")]
        return ", ".join(f"{k}: {used.get(k, '0')}/{hard[k]}" for k in chosen)

    return cell


def _budget(field: str) -> Cell:
    return at(f"spec.{field}", "N/A")


def _role(obj: Obj, _: datetime) -> str:
    return f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"


def _subjects(kind: str) -> Cell:
    def cell(obj: Obj, _: datetime) -> str:
        names = []
        for subject in obj.get("subjects") or ():
            if subject["kind"] == kind:
                prefix = f"{subject.get('namespace', '')}/" if kind == "ServiceAccount" else ""
                names.append(prefix + subject["name"])
        return ", ".join(names)

    return cell


_BINDING = (
    _c("Role", _role),
    AGE,
    _wide("Users", _subjects("User")),
    _wide("Groups", _subjects("Group")),
    _wide("ServiceAccounts", _subjects("ServiceAccount")),
)


def _endpoints(obj: Obj, _: datetime) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ()
    ]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return (",".join(found[:3]) + more) or "<none>"


def _modes(path: str) -> Cell:
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX"}
    read = at(path, ())
    return lambda o, now: ",".join(short.get(m, "RWOP") for m in read(o, now) or ())


def _csr(obj: Obj, _: datetime) -> str:
    conditions = [c["type"] for c in obj.get("status", {}).get("conditions") or ()]
    words = [w for w in ("Denied", "Approved", "Failed") if w in conditions] or ["Pending"]
    return ",".join(words + (["Issued"] if obj.get("status", {}).get("certificate") else []))


def _hpa_targets(obj: Obj, _: datetime) -> str:
    current = {
        m["resource"]["name"]: m["resource"].get("current", {}).get("averageUtilization")
        for m in obj.get("status", {}).get("currentMetrics") or ()
        if m.get("type") == "Resource"
    }
    texts = []
    for metric in obj["spec"].get("metrics") or ():
        if metric["type"] == "Resource":
            name = metric["resource"]["name"]
            want = metric["resource"]["target"].get("averageUtilization")
            have = current.get(name)
            texts.append(f"{name}: {'<unknown>' if have is None else f'{have}%'}/{want}%")
    return ", ".join(texts) or "<none>"


def _reference(obj: Obj, _: datetime) -> str:
    target = obj["spec"]["scaleTargetRef"]
    return f"{target['kind']}/{target['name']}"


def _ports(obj: Obj, _: datetime) -> str:
    return "80, 443" if obj.get("spec", {}).get("tls") else "80"


def _hosts(obj: Obj, _: datetime) -> str:
    rules = obj.get("spec", {}).get("rules") or ()
    return ",".join(r["host"] for r in rules if r.get("host")) or "*"


def _claim_ref(obj: Obj, _: datetime) -> str:
    ref = obj["spec"].get("claimRef")
    return f"{ref.get('namespace', '')}/{ref.get('name', '')}" if ref else ""


def _available(obj: Obj, _: datetime) -> str:
    found = obj.get("status", {}).get("conditions") or ()
    return next((c["status"] for c in found if c["type"] == "Available"), "Unknown")


def _ips(obj: Obj, _: datetime) -> str:
    return obj.get("status", {}).get("podIP") or "<none>"


def _gates(obj: Obj, _: datetime) -> str:
    gates = obj["spec"].get("readinessGates") or ()
    if not gates:
        return "<none>"
    status = {c["type"]: c["status"] for c in obj["status"].get("conditions") or ()}
    good = sum(status.get(g["conditionType"]) == "True" for g in gates)
    return f"{good}/{len(gates)}"


COLUMNS: dict[str, tuple[Column, ...]] = {
    "pods": (
        _c("Ready", pod_ready),
        _c("Status", pod_status),
        _c("Restarts", pod_restarts),
        AGE,
        _wide("IP", _ips),
        _wide("Node", "spec.nodeName"),
        _wide("Nominated Node", "status.nominatedNodeName"),
        _wide("Readiness Gates", _gates),
    ),
    "nodes": (
        _c("Status", _node_status),
        _c("Roles", _node_roles),
        AGE,
        _c("Version", _node_info("kubeletVersion")),
        _wide("Internal-IP", _node_address("InternalIP")),
        _wide("External-IP", _node_address("ExternalIP")),
        _wide("OS-Image", _node_info("osImage")),
        _wide("Kernel-Version", _node_info("kernelVersion")),
        _wide("Container-Runtime", _node_info("containerRuntimeVersion")),
    ),
    "namespaces": (_c("Status", "status.phase"), AGE),
    "configmaps": (
        _c("Data", lambda o, _: len(o.get("data") or ()) + len(o.get("binaryData") or ())),
        AGE,
    ),
    "secrets": (_c("Type", "type"), _c("Data", _count("data")), AGE),
    "serviceaccounts": (_c("Secrets", _count("secrets")), AGE),
    "services": (
        _c("Type", "spec.type"),
        _c("Cluster-IP", "spec.clusterIP"),
        _c("External-IP", _service_address),
        _c("Port(s)", _service_ports),
        AGE,
        _wide("Selector", _plain_selector),
    ),
    "endpoints": (_c("Endpoints", _endpoints), AGE),
    "endpointslices.discovery.k8s.io": (
        _c("AddressType", "addressType"),
        _c(
            "Ports",
            lambda o, _: ",".join(str(p.get("port")) for p in o.get("ports") or ()) or "<unset>",
        ),
        _c(
            "Endpoints",
            lambda o, _: (
                ",".join(a for e in o.get("endpoints") or () for a in e["addresses"]) or "<unset>"
            ),
        ),
        AGE,
    ),
    "events": (
        _c("Last Seen", _event_seen),
        _c("Type", "type", ""),
        _c("Reason", "reason", ""),
        _c("Object", _event_object),
        _wide("Subobject", "involvedObject.fieldPath", ""),
        _wide("Source", "source.component", ""),
        _c("Message", "message", ""),
        _wide("First Seen", _event_first),
        _wide("Count", "count", 1),
        _wide("Name", "metadata.name"),
    ),
    "resourcequotas": (_c("Request", _quota("requests")), _c("Limit", _quota("limits")), AGE),
    "persistentvolumeclaims": (
        _c("Status", "status.phase"),
        _c("Volume", "spec.volumeName", ""),
        _c("Capacity", "status.capacity.storage", ""),
        _c("Access Modes", _modes("status.accessModes")),
        _c("StorageClass", "spec.storageClassName", ""),
        AGE,
        _wide("VolumeMode", "spec.volumeMode"),
    ),
    "persistentvolumes": (
        _c("Capacity", "spec.capacity.storage", ""),
        _c("Access Modes", _modes("spec.accessModes")),
        _c("Reclaim Policy", "spec.persistentVolumeReclaimPolicy", ""),
        _c("Status", "status.phase"),
        _c("Claim", _claim_ref),
        _c("StorageClass", "spec.storageClassName", ""),
        AGE,
    ),
    "deployments.apps": (
        _c("Ready", _ready_of("spec.replicas", "status.readyReplicas")),
        _number("Up-to-date", "status.updatedReplicas"),
        _number("Available", "status.availableReplicas"),
        AGE,
        *_CONTAINERS,
        _wide("Selector", _selector),
    ),
    "replicasets.apps": (
        _number("Desired", "spec.replicas"),
        _number("Current", "status.replicas"),
        _number("Ready", "status.readyReplicas"),
        AGE,
        *_CONTAINERS,
        _wide("Selector", _selector),
    ),
    "statefulsets.apps": (
        _c("Ready", _ready_of("spec.replicas", "status.readyReplicas")),
        AGE,
        *_CONTAINERS,
    ),
    "daemonsets.apps": (
        _number("Desired", "status.desiredNumberScheduled"),
        _number("Current", "status.currentNumberScheduled"),
        _number("Ready", "status.numberReady"),
        _number("Up-to-date", "status.updatedNumberScheduled"),
        _number("Available", "status.numberAvailable"),
        _c("Node Selector", _selector_map("spec.template.spec.nodeSelector")),
        AGE,
        *_CONTAINERS,
        _wide("Selector", _selector),
    ),
    "jobs.batch": (
        _c("Status", _job_status),
        _c("Completions", _ready_of("spec.completions", "status.succeeded")),
        _c("Duration", _job_duration),
        AGE,
        *_CONTAINERS,
        _wide("Selector", _selector),
    ),
    "cronjobs.batch": (
        _c("Schedule", "spec.schedule"),
        _c("Timezone", "spec.timeZone"),
        _c("Suspend", lambda o, _: str(o["spec"].get("suspend", False))),
        _c("Active", _count("status.active")),
        _c("Last Schedule", _last_schedule),
        AGE,
        *_CONTAINERS,
    ),
    "poddisruptionbudgets.policy": (
        _c("Min Available", _budget("minAvailable")),
        _c("Max Unavailable", _budget("maxUnavailable")),
        _number("Allowed Disruptions", "status.disruptionsAllowed"),
        AGE,
    ),
    "horizontalpodautoscalers.autoscaling": (
        _c("Reference", _reference),
        _c("Targets", _hpa_targets),
        _number("MinPods", "spec.minReplicas"),
        _number("MaxPods", "spec.maxReplicas"),
        _number("Replicas", "status.currentReplicas"),
        AGE,
    ),
    "leases.coordination.k8s.io": (_c("Holder", "spec.holderIdentity", ""), AGE),
    "ingresses.networking.k8s.io": (
        _c("Class", "spec.ingressClassName"),
        _c("Hosts", _hosts),
        _c("Address", lambda _o, _n: ""),
        _c("Ports", _ports),
        AGE,
    ),
    "networkpolicies.networking.k8s.io": (
        _c("Pod-Selector", lambda o, _: to_text(o["spec"].get("podSelector"))),
        AGE,
    ),
    "storageclasses.storage.k8s.io": (
        _c("Provisioner", "provisioner"),
        _c("ReclaimPolicy", "reclaimPolicy"),
        _c("VolumeBindingMode", "volumeBindingMode"),
        _c("AllowVolumeExpansion", "allowVolumeExpansion", False),
        AGE,
    ),
    "priorityclasses.scheduling.k8s.io": (
        _number("Value", "value"),
        _c("Global-Default", "globalDefault", False),
        AGE,
        _c("PreemptionPolicy", "preemptionPolicy"),
    ),
    "roles.rbac.authorization.k8s.io": (_c("Created At", "metadata.creationTimestamp"),),
    "clusterroles.rbac.authorization.k8s.io": (_c("Created At", "metadata.creationTimestamp"),),
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "customresourcedefinitions.apiextensions.k8s.io": (
        _c("Created At", "metadata.creationTimestamp"),
    ),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": (
        _c("Webhooks", _count("webhooks")),
        AGE,
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": (
        _c("Webhooks", _count("webhooks")),
        AGE,
    ),
    "apiservices.apiregistration.k8s.io": (
        _c("Service", "spec.service.name", "Local"),
        _c("Available", _available),
        AGE,
    ),
    "certificatesigningrequests.certificates.k8s.io": (
        AGE,
        _c("SignerName", "spec.signerName"),
        _c("Requestor", "spec.username", ""),
        _c("RequestedDuration", "spec.expirationSeconds"),
        _c("Condition", _csr),
    ),
    "replicationcontrollers": (
        _number("Desired", "spec.replicas"),
        _number("Current", "status.replicas"),
        _number("Ready", "status.readyReplicas"),
        AGE,
        *_CONTAINERS,
        _wide("Selector", _plain_selector),
    ),
    "limitranges": (_c("Created At", "metadata.creationTimestamp"),),
}
