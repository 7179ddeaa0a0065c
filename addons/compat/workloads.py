"""The pod that a workload would make, and where its fields stand in the workload.

Source: Kubernetes API reference, "Workload resources".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from addons.compat import shape
from addons.compat.documents import Document
from addons.compat.report import Effect, Finding

Json = Mapping[str, Any]
_TEMPLATE = "spec.template"
_JOB_TEMPLATE = "spec.jobTemplate.spec.template"
# Kind -> where its pod template stands ("" for a pod) and the kind that owns its pods.
KINDS = {
    "Pod": ("", ""),
    "Deployment": (_TEMPLATE, "ReplicaSet"),
    "ReplicaSet": (_TEMPLATE, "ReplicaSet"),
    "StatefulSet": (_TEMPLATE, "StatefulSet"),
    "DaemonSet": (_TEMPLATE, "DaemonSet"),
    "Job": (_TEMPLATE, "Job"),
    "CronJob": (_JOB_TEMPLATE, "Job"),
}
_GROUPS = ("v1", "apps/", "batch/", "extensions/")


def is_workload(document: Document) -> bool:
    """By kind and group: a StatefulSet of another group is something else."""
    version = str(document.body.get("apiVersion") or "v1")
    return document.kind in KINDS and version.startswith(_GROUPS)


@dataclass(frozen=True, slots=True)
class Workload:
    """`pod` is as the API server would give it, without the defaults that it adds."""

    document: Document
    pod: Json
    replicas: int
    # Of its namespace; without knowledge only the one that every namespace has.
    namespace_labels: Mapping[str, str]

    @property
    def prefix(self) -> str:
        return KINDS[self.document.kind][0]

    def finding(self, finding: Finding) -> Finding:
        """The finding with the path and the line of the workload's own document."""
        path = self.place(finding.path)
        return Finding(
            finding.effect,
            finding.code,
            self.document.where(path),
            finding.message,
            finding.fix,
            finding.values,
            self.document.line(path),
            snippet=finding.snippet,
        )

    def place(self, path: str) -> str:
        """A path of the pod as a path of the workload."""
        if self.prefix and path.startswith("metadata.ownerReferences"):
            return "kind"
        return f"{self.prefix}.{path}" if self.prefix else path


def faults_of(document: Document) -> tuple[Finding, ...]:
    """What keeps the object from being read as a workload; nothing for what a cluster stores."""
    if document.stored:
        return ()
    found = [*shape.faults(document)]
    if not any(finding.effect is Effect.REFUSED for finding in found):
        found += _gaps(document)
    return tuple(found)


def _gaps(document: Document) -> Iterator[Finding]:
    """Fields that the API server wants and the model does not."""
    prefix = KINDS[document.kind][0]
    if not document.name:
        yield shape.missing(document, "metadata.name")
    spec = _at(document.body, f"{prefix}.spec" if prefix else "spec")
    if not (spec or {}).get("containers"):
        yield shape.missing(document, f"{prefix}.spec.containers".lstrip("."))
        return
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or ()):
            if not container.get("image"):
                path = f"{prefix}.spec.{field}[{index}].image".lstrip(".")
                yield shape.missing(document, path)


def read(document: Document, namespaces: Mapping[str, Mapping[str, str]]) -> Workload:
    """Of a document without faults; `namespaces` are the labels of those that are known."""
    prefix, owner = KINDS[document.kind]
    template = _given(_at(document.body, prefix) if prefix else document.body)
    meta = dict(template.get("metadata") or {})
    meta |= {"name": meta.get("name") or document.name, "namespace": document.namespace}
    meta.setdefault("uid", "")
    if owner:
        meta["ownerReferences"] = [{"kind": owner, "name": document.name, "controller": True}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
    own = namespaces.get(document.namespace, {"kubernetes.io/metadata.name": document.namespace})
    return Workload(document, pod, _replicas(document), own)


def _given(value: Any) -> Any:
    """Without the fields that are written and left empty, as the API server reads them."""
    if isinstance(value, dict):
        return {key: _given(inner) for key, inner in value.items() if inner is not None}
    return [_given(inner) for inner in value] if isinstance(value, list) else value


def _replicas(document: Document) -> int:
    """Pods at one time; of a DaemonSet those of one node."""
    spec = document.body.get("spec") or {}
    if document.kind == "CronJob":
        spec = spec["jobTemplate"].get("spec") or {}
    field = {"Job": "parallelism", "CronJob": "parallelism"}.get(document.kind, "replicas")
    value = spec.get(field) if document.kind not in {"Pod", "DaemonSet"} else None
    return 1 if value is None else int(value)


def _at(body: Json, path: str) -> Any:
    value: Any = body
    for step in path.split("."):
        value = (value or {}).get(step)
    return value
