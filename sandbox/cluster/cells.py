"""Cells of the printer columns: how each is read from an object."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.cluster.clock import parse_time
from sandbox.cluster.durations import age, human
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


def column(title: str, source: Cell | str, default: Any = "<none>", **more: Any) -> Column:
    """Return a column whose cell is a function or a dotted path."""
    return Column(title, at(source, default) if isinstance(source, str) else source, **more)


def wide(title: str, source: Cell | str, default: Any = "<none>") -> Column:
    """Return a column that only ``-o wide`` shows."""
    return column(title, source, default, priority=1)


def number(title: str, path: str) -> Column:
    """Return a whole-number column."""
    return column(title, path, 0, type="integer")


AGE = Column("Age", lambda o, now: age(o["metadata"].get("creationTimestamp"), now))


def node_status(obj: Obj, _: datetime) -> str:
    """Show the Ready condition, and whether the node is cordoned."""
    conditions = obj.get("status", {}).get("conditions") or ()
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), "Unknown")
    words = [
        {"True": "Ready", "False": "NotReady"}.get(ready, "NotReady" if conditions else "Unknown")
    ]
    if obj.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def node_roles(obj: Obj, _: datetime) -> str:
    """Show the roles that the labels name."""
    roles = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith("node-role.kubernetes.io/"):
            roles.add(key.removeprefix("node-role.kubernetes.io/"))
        elif key == "kubernetes.io/role" and value:
            roles.add(value)
    return ",".join(sorted(roles)) or "<none>"


def node_address(kind: str) -> Cell:
    """Return a cell that shows the first address of a type."""

    def cell(obj: Obj, _: datetime) -> str:
        found = obj.get("status", {}).get("addresses") or ()
        return next((a["address"] for a in found if a["type"] == kind), "<none>")

    return cell


def node_info(field: str) -> Cell:
    """Return a cell that shows one field of ``status.nodeInfo``."""
    return lambda o, _: o.get("status", {}).get("nodeInfo", {}).get(field) or "<unknown>"


def service_ports(obj: Obj, _: datetime) -> str:
    """Show ports as ``80:30080/TCP``."""
    parts = []
    for port in obj["spec"].get("ports") or ():
        middle = f":{port['nodePort']}" if port.get("nodePort") else ""
        parts.append(f"{port['port']}{middle}/{port.get('protocol', 'TCP')}")
    return ",".join(parts) or "<none>"


def service_address(obj: Obj, _: datetime) -> str:
    """Show the external address of a Service."""
    spec = obj["spec"]
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    found = obj.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    names = [i.get("ip") or i.get("hostname") for i in found] + (spec.get("externalIPs") or [])
    if names:
        return ",".join(names)
    return "<pending>" if spec.get("type") == "LoadBalancer" else "<none>"


def plain_selector(obj: Obj, _: datetime) -> str:
    """Show a selector that is a plain label map."""
    found = obj["spec"].get("selector") or {}
    return ",".join(f"{k}={v}" for k, v in sorted(found.items())) or "<none>"


def selector(obj: Obj, _: datetime) -> str:
    """Show a LabelSelector."""
    return to_text(obj["spec"].get("selector"))


def template(field: str) -> Cell:
    """Return a cell that shows one field of every container of a pod template."""

    def cell(obj: Obj, _: datetime) -> str:
        spec = obj["spec"].get("jobTemplate", obj)["spec"]
        containers = spec.get("template", {}).get("spec", {}).get("containers") or ()
        return ",".join(c.get(field, "") for c in containers) or "<none>"

    return cell


CONTAINERS = (wide("Containers", template("name")), wide("Images", template("image")))


def ready_of(total: str, ready: str) -> Cell:
    """Return a cell that shows ``ready/total``."""
    want, have = at(total, 0), at(ready, 0)
    return lambda o, now: f"{have(o, now)}/{want(o, now)}"


def selector_map(path: str) -> Cell:
    """Return a cell that shows a label map."""
    read = at(path)

    def cell(obj: Obj, now: datetime) -> str:
        value = read(obj, now)
        if not isinstance(value, dict):
            return "<none>"
        return ",".join(f"{k}={v}" for k, v in sorted(value.items())) or "<none>"

    return cell


def job_status(obj: Obj, _: datetime) -> str:
    """Show Complete, Failed, Suspended or Running."""
    for condition in obj.get("status", {}).get("conditions") or ():
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return str(condition["type"])
    return "Suspended" if obj["spec"].get("suspend") else "Running"


def job_duration(obj: Obj, now: datetime) -> str:
    """Show how long a Job ran, or has been running."""
    status = obj.get("status", {})
    if not status.get("startTime"):
        return ""
    end = parse_time(status["completionTime"]) if status.get("completionTime") else now
    return human((end - parse_time(status["startTime"])).total_seconds())


def last_schedule(obj: Obj, now: datetime) -> str:
    """Show how long ago a CronJob last started."""
    moment = obj.get("status", {}).get("lastScheduleTime")
    return age(moment, now) if moment else "<none>"


def event_seen(obj: Obj, now: datetime) -> str:
    """Show how long ago an event was last seen."""
    last = (obj.get("series") or {}).get("lastObservedTime")
    return age(last or obj.get("lastTimestamp") or obj.get("eventTime"), now)


def event_object(obj: Obj, _: datetime) -> str:
    """Show what an event is about, as ``pod/name``."""
    about = obj.get("involvedObject") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def event_first(obj: Obj, now: datetime) -> str:
    """Show how long ago an event was first seen."""
    return age(obj.get("firstTimestamp") or obj.get("eventTime"), now)


def count(path: str) -> Cell:
    """Return a cell that counts the items of a list or map."""
    read = at(path, ())
    return lambda o, now: len(read(o, now) or ())


def quota(kind: str) -> Cell:
    """Return a cell that shows a quota's ``used/hard`` of requests or limits."""

    def cell(obj: Obj, _: datetime) -> str:
        hard = obj.get("status", {}).get("hard") or obj.get("spec", {}).get("hard") or {}
        used = obj.get("status", {}).get("used") or {}
        chosen = [k for k in sorted(hard) if k.startswith("limits.") == (kind == "limits")]
        return ", ".join(f"{k}: {used.get(k, '0')}/{hard[k]}" for k in chosen)

    return cell


def budget(field: str) -> Cell:
    """Return a cell that shows one bound of a disruption budget."""
    return at(f"spec.{field}", "N/A")


def role(obj: Obj, _: datetime) -> str:
    """Show the role a binding refers to."""
    return f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"


def subjects(kind: str) -> Cell:
    """Return a cell that shows the subjects of one kind."""

    def cell(obj: Obj, _: datetime) -> str:
        names = []
        for subject in obj.get("subjects") or ():
            if subject["kind"] == kind:
                prefix = f"{subject.get('namespace', '')}/" if kind == "ServiceAccount" else ""
                names.append(prefix + subject["name"])
        return ", ".join(names)

    return cell


BINDING = (
    column("Role", role),
    AGE,
    wide("Users", subjects("User")),
    wide("Groups", subjects("Group")),
    wide("ServiceAccounts", subjects("ServiceAccount")),
)


def endpoints(obj: Obj, _: datetime) -> str:
    """Show the first three addresses of an Endpoints object."""
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ()
    ]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return (",".join(found[:3]) + more) or "<none>"


def modes(path: str) -> Cell:
    """Return a cell that shows access modes, shortened."""
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX"}
    read = at(path, ())
    return lambda o, now: ",".join(short.get(m, "RWOP") for m in read(o, now) or ())


def csr(obj: Obj, _: datetime) -> str:
    """Show the state of a CertificateSigningRequest."""
    conditions = [c["type"] for c in obj.get("status", {}).get("conditions") or ()]
    words = [w for w in ("Denied", "Approved", "Failed") if w in conditions] or ["Pending"]
    return ",".join(words + (["Issued"] if obj.get("status", {}).get("certificate") else []))


def hpa_targets(obj: Obj, _: datetime) -> str:
    """Show ``current/target`` of each resource metric."""
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


def reference(obj: Obj, _: datetime) -> str:
    """Show what an autoscaler scales."""
    target = obj["spec"]["scaleTargetRef"]
    return f"{target['kind']}/{target['name']}"


def ports(obj: Obj, _: datetime) -> str:
    """Show the ports of an Ingress."""
    return "80, 443" if obj.get("spec", {}).get("tls") else "80"


def hosts(obj: Obj, _: datetime) -> str:
    """Show the hosts of an Ingress."""
    rules = obj.get("spec", {}).get("rules") or ()
    return ",".join(r["host"] for r in rules if r.get("host")) or "*"


def claim_ref(obj: Obj, _: datetime) -> str:
    """Show the claim a volume is bound to."""
    ref = obj["spec"].get("claimRef")
    return f"{ref.get('namespace', '')}/{ref.get('name', '')}" if ref else ""


def available(obj: Obj, _: datetime) -> str:
    """Show the Available condition."""
    found = obj.get("status", {}).get("conditions") or ()
    return next((c["status"] for c in found if c["type"] == "Available"), "Unknown")


def ips(obj: Obj, _: datetime) -> str:
    """Show a pod's address."""
    return obj.get("status", {}).get("podIP") or "<none>"


def gates(obj: Obj, _: datetime) -> str:
    """Show how many readiness gates are met."""
    gates = obj["spec"].get("readinessGates") or ()
    if not gates:
        return "<none>"
    status = {c["type"]: c["status"] for c in obj["status"].get("conditions") or ()}
    good = sum(status.get(g["conditionType"]) == "True" for g in gates)
    return f"{good}/{len(gates)}"
