"""The validation of each kind, beyond what its schema says."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from croniter import croniter

from sandbox.cluster import errors, podresources, resizing
from sandbox.cluster.quantity import parse
from sandbox.cluster.selectors import label_selector

Obj = dict[str, Any]
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_KEY = re.compile(r"[-._a-zA-Z0-9]+\Z")
_POD_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions "
    "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
    "was previously negative)"
)
_DNS_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
    "'-', and must "
    "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


class Problems:
    """The causes found so far."""

    def __init__(self) -> None:
        self.causes: list[Obj] = []

    def add(self, reason: str, field: str, message: str) -> None:
        """Add one cause."""
        self.causes.append(errors.cause(reason, field, message))

    def required(self, field: str, detail: str = "") -> None:
        """Add a missing value."""
        text = f"Required value: {detail}" if detail else "Required value"
        self.add("FieldValueRequired", field, text)

    def invalid(self, field: str, value: Any, detail: str) -> None:
        """Add a wrong value."""
        self.add("FieldValueInvalid", field, f"Invalid value: {json.dumps(value)}: {detail}")

    def forbidden(self, field: str, detail: str) -> None:
        """Add a value that may not be there."""
        self.add("FieldValueForbidden", field, f"Forbidden: {detail}")

    def supported(self, field: str, value: Any, allowed: tuple[str, ...]) -> None:
        """Add a cause when ``value`` is set and not one of ``allowed``."""
        if value is not None and value not in allowed:
            names = ", ".join(json.dumps(a) for a in allowed)
            message = f"Unsupported value: {json.dumps(value)}: supported values: {names}"
            self.add("FieldValueNotSupported", field, message)

    def immutable(self, field: str, old: Any, new: Any) -> None:
        """Add a cause when a field that may not change did."""
        if old != new:
            self.invalid(field, new, "field is immutable")


Check = Callable[[Obj, Obj | None, Problems, str], None]


def _amounts(resources: Obj, path: str, problems: Problems) -> None:
    limits = resources.get("limits") or {}
    for kind in ("limits", "requests"):
        for key, value in (resources.get(kind) or {}).items():
            if parse(value) < 0:
                problems.invalid(
                    f"{path}.{kind}[{key}]", value, "must be greater than or equal to 0"
                )
    for key, value in (resources.get("requests") or {}).items():
        if key in limits and parse(value) > parse(limits[key]):
            text = f"must be less than or equal to {key} limit of {limits[key]}"
            problems.invalid(f"{path}.requests", value, text)


def _environment(env: Iterable[Obj], path: str, problems: Problems) -> None:
    for number, one in enumerate(env):
        where, sources = f"{path}[{number}].valueFrom", one.get("valueFrom") or {}
        if sources and one.get("value"):
            problems.invalid(where, "", "may not be specified when `value` is not empty")
        elif len(sources) > 1:
            problems.invalid(where, "", "may not have more than one field specified at a time")


def _containers(spec: Obj, path: str, problems: Problems) -> None:
    if not spec.get("containers"):
        problems.required(f"{path}.containers")
    seen: set[str] = set()
    volumes = {v["name"] for v in spec.get("volumes") or () if "name" in v}
    for kind in ("initContainers", "containers"):
        for index, item in enumerate(spec.get(kind) or ()):
            where = f"{path}.{kind}[{index}]"
            name = item.get("name", "")
            if not _DNS_LABEL.match(name) or len(name) > 63:
                problems.invalid(f"{where}.name", name, _DNS_TEXT)
            elif name in seen:
                problems.add("FieldValueDuplicate", f"{where}.name", f'Duplicate value: "{name}"')
            seen.add(name)
            if not item.get("image"):
                problems.required(f"{where}.image")
            policies = ("Always", "IfNotPresent", "Never")
            problems.supported(f"{where}.imagePullPolicy", item.get("imagePullPolicy"), policies)
            _amounts(item.get("resources") or {}, f"{where}.resources", problems)
            _environment(item.get("env") or (), f"{where}.env", problems)
            for number, mount in enumerate(item.get("volumeMounts") or ()):
                if mount["name"] not in volumes:
                    message = f'Not found: "{mount["name"]}"'
                    field = f"{where}.volumeMounts[{number}].name"
                    problems.add("FieldValueNotFound", field, message)


def pod_spec(spec: Obj, path: str, problems: Problems) -> None:
    """Check one pod spec, of a pod or a template."""
    _containers(spec, path, problems)
    _amounts(spec.get("resources") or {}, f"{path}.resources", problems)
    podresources.check(spec, path, problems)
    policies = ("Always", "OnFailure", "Never")
    problems.supported(f"{path}.restartPolicy", spec.get("restartPolicy"), policies)
    dns = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
    problems.supported(f"{path}.dnsPolicy", spec.get("dnsPolicy"), dns)
    for index, item in enumerate(spec.get("tolerations") or ()):
        where = f"{path}.tolerations[{index}]"
        problems.supported(
            f"{where}.operator", item.get("operator"), ("Exists", "Equal", "Lt", "Gt")
        )
        effects = ("NoSchedule", "PreferNoSchedule", "NoExecute", "")
        problems.supported(f"{where}.effect", item.get("effect"), effects)
        if not item.get("key") and item.get("operator") != "Exists":
            text = (
                "operator must be Exists when `key` is empty, which means "
                '"match all values and all keys"'
            )
            problems.invalid(f"{where}.operator", item.get("operator", ""), text)


def _pod(obj: Obj, old: Obj | None, problems: Problems, subresource: str) -> None:
    if old is None:
        pod_spec(obj["spec"], "spec", problems)
    elif obj["spec"] != old["spec"] and subresource == "":
        _pod_update(obj["spec"], old["spec"], problems)
    elif old is not None and subresource == "resize":
        pod_spec(obj["spec"], "spec", problems)
        resizing.check(obj, old, problems)


def _frozen(spec: Obj) -> Obj:
    skip = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
    kept = {k: v for k, v in spec.items() if k not in (*skip, "schedulingGates")}
    for kind in ("containers", "initContainers"):
        if kind in kept:
            kept[kind] = [{k: v for k, v in c.items() if k != "image"} for c in kept[kind]]
    return kept


def _pod_update(new: Obj, old: Obj, problems: Problems) -> None:
    gone = [t for t in old.get("tolerations") or () if t not in (new.get("tolerations") or ())]
    if gone:
        problems.forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        )
    before, after = _frozen(old), _frozen(new)
    if old.get("schedulingGates"):
        for spec in (before, after):
            spec.pop("nodeSelector", None)
            spec.pop("affinity", None)
    if before != after:
        problems.forbidden("spec", _POD_RULE)


def _workload(obj: Obj, old: Obj | None, problems: Problems, _: str) -> None:
    spec = obj["spec"]
    if old is not None and old["spec"] == spec:
        return
    replicas = spec.get("replicas", 1)
    if replicas < 0:
        problems.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        problems.invalid(
            "spec.selector", selector or {}, "empty selector is invalid for deployment"
        )
    elif not label_selector(selector)(labels):
        text = "`selector` does not match template `labels`"
        problems.invalid("spec.template.metadata.labels", labels, text)
    pod_spec(template.get("spec") or {}, "spec.template.spec", problems)
    policy = (template.get("spec") or {}).get("restartPolicy")
    problems.supported("spec.template.spec.restartPolicy", policy, ("Always",))
    if old is not None:
        problems.immutable("spec.selector", old["spec"].get("selector"), selector)


def _stateful(obj: Obj, old: Obj | None, problems: Problems, subresource: str) -> None:
    _workload(obj, old, problems, subresource)
    if old is not None:
        for key in ("serviceName", "podManagementPolicy", "volumeClaimTemplates"):
            if old["spec"].get(key) != obj["spec"].get(key):
                problems.forbidden(
                    "spec",
                    "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                    "'template', 'updateStrategy', 'revisionHistoryLimit', "
                    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
                )
                return


def _job(obj: Obj, old: Obj | None, problems: Problems, _: str) -> None:
    spec = obj["spec"]
    if old is None:
        template = spec["template"].get("spec") or {}
        pod_spec(template, "spec.template.spec", problems)
        if template.get("restartPolicy") == "Always":
            field = "spec.template.spec.restartPolicy"
            message = 'Required value: valid values: "OnFailure", "Never"'
            problems.add("FieldValueRequired", field, message)
        return
    for key in ("completions", "selector", "template", "completionMode"):
        if not (key == "template" and old["spec"].get("suspend")):
            problems.immutable(f"spec.{key}", old["spec"].get(key), spec.get(key))


def _cron_job(obj: Obj, _old: Obj | None, problems: Problems, _: str) -> None:
    schedule = obj["spec"].get("schedule", "")
    if not croniter.is_valid(schedule):
        problems.invalid("spec.schedule", schedule, "expected exactly 5 fields")
    allowed = ("Allow", "Forbid", "Replace")
    problems.supported("spec.concurrencyPolicy", obj["spec"].get("concurrencyPolicy"), allowed)


def _service(obj: Obj, old: Obj | None, problems: Problems, _: str) -> None:
    spec = obj["spec"]
    kinds = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    problems.supported("spec.type", spec.get("type"), kinds)
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        problems.required("spec.ports")
    for index, port in enumerate(ports):
        if not 1 <= port.get("port", 0) <= 65535:
            text = "must be between 1 and 65535, inclusive"
            problems.invalid(f"spec.ports[{index}].port", port.get("port", 0), text)
        if len(ports) > 1 and not port.get("name"):
            problems.required(f"spec.ports[{index}].name")
    if old is not None and old["spec"].get("clusterIP"):
        address = old["spec"]["clusterIP"]
        if spec.get("type") != "ExternalName" and spec.get("clusterIP") != address:
            text = "may not change once set"
            problems.invalid("spec.clusterIPs[0]", [spec.get("clusterIP")], text)


def _data(obj: Obj, old: Obj | None, problems: Problems, _: str) -> None:
    for key in list(obj.get("data") or ()) + list(obj.get("binaryData") or ()):
        if not _KEY.match(key) or len(key) > 253:
            text = (
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
                "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                "'[-._a-zA-Z0-9]+')"
            )
            problems.invalid(f"data[{key}]", key, text)
    if old is None:
        return
    problems.immutable("type", old.get("type"), obj.get("type"))
    if old.get("immutable"):
        for key in ("immutable", "data", "binaryData"):
            if old.get(key) != obj.get(key):
                problems.forbidden(key, "field is immutable when `immutable` is set")


def _budget(obj: Obj, _old: Obj | None, problems: Problems, _: str) -> None:
    spec = obj.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        text = "minAvailable and maxUnavailable cannot be both set"
        problems.invalid("spec", spec, text)


def _role_binding(obj: Obj, old: Obj | None, problems: Problems, _: str) -> None:
    if old is not None and old.get("roleRef") != obj.get("roleRef"):
        problems.invalid("roleRef", obj.get("roleRef"), "cannot change roleRef")


def _autoscaler(obj: Obj, _old: Obj | None, problems: Problems, _: str) -> None:
    spec = obj["spec"]
    if spec.get("maxReplicas", 0) < max(1, spec.get("minReplicas", 1)):
        text = "must be greater than or equal to `minReplicas`"
        problems.invalid("spec.maxReplicas", spec.get("maxReplicas", 0), text)


def _node(obj: Obj, old: Obj | None, problems: Problems, _: str) -> None:
    spec = obj.get("spec") or {}
    effects = ("NoSchedule", "PreferNoSchedule", "NoExecute")
    seen = set()
    for index, taint in enumerate(spec.get("taints") or ()):
        where = f"metadata.taints[{index}]"
        problems.supported(f"{where}.effect", taint.get("effect"), effects)
        pair = (taint.get("key"), taint.get("effect"))
        if pair in seen:
            message = f"Duplicate value: {json.dumps(taint)}"
            problems.add("FieldValueDuplicate", where, message)
        seen.add(pair)
    if old is not None and (old.get("spec") or {}).get("providerID"):
        before = old["spec"]["providerID"]
        if spec.get("providerID") != before:
            problems.forbidden(
                "spec.providerID", 'node updates may not change providerID except from "" to valid'
            )


def _lease(obj: Obj, _old: Obj | None, problems: Problems, _: str) -> None:
    seconds = (obj.get("spec") or {}).get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        problems.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")


def _definition(obj: Obj, _old: Obj | None, problems: Problems, _: str) -> None:
    spec = obj["spec"]
    wanted = f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}"
    if obj["metadata"].get("name") != wanted:
        text = 'must be spec.names.plural+"."+spec.group'
        problems.invalid("metadata.name", obj["metadata"].get("name"), text)
    stored = [v["name"] for v in spec.get("versions") or () if v.get("storage")]
    if len(stored) != 1:
        problems.invalid(
            "spec.versions", len(stored), "must have exactly one version marked as storage version"
        )
    for index, version in enumerate(spec.get("versions") or ()):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            problems.required(
                f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required"
            )


def _claim(obj: Obj, old: Obj | None, problems: Problems, _: str) -> None:
    if old is None:
        return
    free = ("resources", "volumeName", "volumeAttributesClassName")
    before = {k: v for k, v in old["spec"].items() if k not in free}
    after = {k: v for k, v in obj["spec"].items() if k not in free}
    if before != after:
        text = (
            "spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims"
        )
        problems.forbidden("spec", text)


CHECKS: dict[str, Check] = {
    "pods": _pod,
    "deployments.apps": _workload,
    "replicasets.apps": _workload,
    "daemonsets.apps": _workload,
    "statefulsets.apps": _stateful,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "services": _service,
    "configmaps": _data,
    "secrets": _data,
    "poddisruptionbudgets.policy": _budget,
    "rolebindings.rbac.authorization.k8s.io": _role_binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _role_binding,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
    "nodes": _node,
    "leases.coordination.k8s.io": _lease,
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
    "persistentvolumeclaims": _claim,
}
