"""What a write may touch, by kind: status or spec, generation, fields the server owns.

Behaviour as in the real server's ``PrepareForCreate`` / ``PrepareForUpdate`` of each kind.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sandbox.cluster import resizing
from sandbox.cluster.clock import rfc3339
from sandbox.cluster.podresources import qos_class
from sandbox.cluster.resources import Resource

Obj = dict[str, Any]
SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
GENERATED = frozenset(
    (
        "pods",
        "deployments.apps",
        "replicasets.apps",
        "statefulsets.apps",
        "daemonsets.apps",
        "replicationcontrollers",
        "jobs.batch",
        "cronjobs.batch",
        "poddisruptionbudgets.policy",
        "ingresses.networking.k8s.io",
        "ingressclasses.networking.k8s.io",
        "networkpolicies.networking.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "priorityclasses.scheduling.k8s.io",
    )
)
OWNED = (
    "uid",
    "creationTimestamp",
    "generation",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
)


def has_generation(resource: Resource) -> bool:
    """Return whether the server counts generations for the kind."""
    return resource.custom or resource.name in GENERATED


def generated_name(prefix: str, rng: random.Random) -> str:
    """Return ``prefix`` with the five random letters of ``generateName``."""
    return prefix[:58] + "".join(rng.choice(SUFFIX) for _ in range(5))


def prepare_create(resource: Resource, obj: Obj, uid: str, moment: str) -> None:
    """Set what the server owns on a new object and drop a status the client sent."""
    meta = obj["metadata"]
    for key in OWNED:
        meta.pop(key, None)
    meta["uid"] = uid
    meta["creationTimestamp"] = moment
    if resource.has_status:
        obj.pop("status", None)
    if has_generation(resource):
        meta["generation"] = 1


def begin_status(resource: Resource, obj: Obj) -> None:
    """Give a new object the status its kind starts with."""
    begin = _INITIAL.get(resource.name)
    if begin:
        begin(obj)


def _new_pod(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
    gates = obj["spec"].get("schedulingGates")
    if gates:
        blocked = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
        obj["status"]["conditions"] = [blocked]


def _new_namespace(obj: Obj) -> None:
    obj["spec"] = {"finalizers": ["kubernetes"]}
    obj["status"] = {"phase": "Active"}


def _new_definition(obj: Obj) -> None:
    spec, moment = obj["spec"], obj["metadata"]["creationTimestamp"]
    said = (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    )
    obj["status"] = {
        "acceptedNames": dict(spec["names"]),
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": reason,
                "message": message,
                "lastTransitionTime": moment,
            }
            for kind, reason, message in said
        ],
        "storedVersions": [v["name"] for v in spec["versions"] if v.get("storage")],
    }


def _status(value: Obj) -> Callable[[Obj], None]:
    def begin(obj: Obj) -> None:
        obj["status"] = {k: (dict(v) if isinstance(v, dict) else v) for k, v in value.items()}

    return begin


_INITIAL: dict[str, Callable[[Obj], None]] = {
    "pods": _new_pod,
    "namespaces": _new_namespace,
    "customresourcedefinitions.apiextensions.k8s.io": _new_definition,
    "deployments.apps": _status({}),
    "replicasets.apps": _status({"replicas": 0}),
    "statefulsets.apps": _status({"replicas": 0, "availableReplicas": 0}),
    "daemonsets.apps": _status(
        {
            "currentNumberScheduled": 0,
            "desiredNumberScheduled": 0,
            "numberMisscheduled": 0,
            "numberReady": 0,
        }
    ),
    "jobs.batch": _status({}),
    "cronjobs.batch": _status({}),
    "services": _status({"loadBalancer": {}}),
    "persistentvolumeclaims": _status({"phase": "Pending"}),
    "persistentvolumes": _status({"phase": "Available"}),
    "resourcequotas": _status({}),
    "ingresses.networking.k8s.io": _status({"loadBalancer": {}}),
    "poddisruptionbudgets.policy": _status(
        {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
    ),
    "horizontalpodautoscalers.autoscaling": _status({"desiredReplicas": 0, "currentReplicas": 0}),
    "certificatesigningrequests.certificates.k8s.io": _status({}),
}


def prepare_update(resource: Resource, old: Obj, new: Obj, subresource: str) -> None:
    """Undo in ``new`` what this endpoint may not change, then count the generation."""
    _keep_metadata(old["metadata"], new["metadata"])
    if subresource == "status":
        _status_only(resource, old, new)
    elif subresource == "resize":
        resizing.prepare(old, new)
    elif subresource not in ("binding", "approval") and resource.has_status:
        _spec_only(old, new)
    if resource.name == "namespaces" and subresource != "finalize":
        _restore(old, new, "spec")
    if resource.name == "certificatesigningrequests.certificates.k8s.io":
        _restore(old, new, "spec")
    if has_generation(resource):
        changed = any(
            old.get(key) != new.get(key)
            for key in old.keys() | new.keys()
            if key not in ("metadata", "status", "apiVersion", "kind")
        )
        generation = old["metadata"].get("generation", 1)
        new["metadata"]["generation"] = generation + 1 if changed else generation


def _keep_metadata(old: Obj, new: Obj) -> None:
    for key in OWNED:
        if key in old:
            new[key] = old[key]
        else:
            new.pop(key, None)
    new["name"] = old["name"]
    if "namespace" in old:
        new["namespace"] = old["namespace"]
    if "generateName" in old:
        new["generateName"] = old["generateName"]
    if old.get("deletionTimestamp"):
        allowed = set(old.get("finalizers") or ())
        new["finalizers"] = [f for f in new.get("finalizers") or () if f in allowed]
        if not new["finalizers"]:
            del new["finalizers"]


def _restore(old: Obj, new: Obj, key: str) -> None:
    if key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)


def _status_only(resource: Resource, old: Obj, new: Obj) -> None:
    for key in old.keys() | new.keys():
        if key not in ("metadata", "status", "apiVersion", "kind"):
            _restore(old, new, key)
    if resource.name in ("pods", "nodes"):
        _restore(old["metadata"], new["metadata"], "ownerReferences")
        return
    managed = new["metadata"].get("managedFields")
    new["metadata"] = dict(old["metadata"])
    if managed is not None:
        new["metadata"]["managedFields"] = managed


def _spec_only(old: Obj, new: Obj) -> None:
    _restore(old, new, "status")


def deletion_moment(obj: Obj, moment: datetime, grace: int) -> None:
    """Mark an object as being deleted ``grace`` seconds after ``moment``."""
    meta = obj["metadata"]
    meta["deletionTimestamp"] = rfc3339(moment + timedelta(seconds=grace))
    meta["deletionGracePeriodSeconds"] = grace
