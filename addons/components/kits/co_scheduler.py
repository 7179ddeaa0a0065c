"""ack-co-scheduler: a second scheduler beside the cluster's own, and the kind ResourcePolicy.

Fields of ResourcePolicy: Alibaba Cloud help, "Customize elastic resource priority scheduling".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from addons.components.base import Json, Release
from addons.components.kit import Kit, Recognised
from addons.components.kits import manifests as m

NAME = "ack-co-scheduler"
GROUP = "scheduling.alibabacloud.com"
LABEL = {"app": NAME}
_READ = ("get", "list", "watch")
_TEXT: Json = {"type": "string"}
_MAP: Json = {"type": "object", "additionalProperties": _TEXT}
RULES = (
    m.rule("", ("pods",), ("get", "list", "watch", "patch", "update", "delete")),
    m.rule("", ("pods/status",), ("patch", "update")),
    m.rule("", ("pods/binding", "bindings"), ("create",)),
    m.rule("", ("nodes", "namespaces", "services", "replicationcontrollers"), _READ),
    m.rule("", ("persistentvolumes", "persistentvolumeclaims"), (*_READ, "patch", "update")),
    m.rule("", ("events",), ("create", "patch", "update")),
    m.rule("events.k8s.io", ("events",), ("create", "patch", "update")),
    m.rule("apps", ("replicasets", "statefulsets", "deployments"), _READ),
    m.rule("policy", ("poddisruptionbudgets",), _READ),
    m.rule("storage.k8s.io", ("storageclasses", "csinodes", "csidrivers"), _READ),
    m.rule("storage.k8s.io", ("csistoragecapacities", "volumeattachments"), _READ),
    m.rule("coordination.k8s.io", ("leases",), ("get", "create", "update")),
    m.rule(GROUP, ("resourcepolicies",), _READ),
    m.rule(GROUP, ("resourcepolicies/status",), ("patch", "update")),
)


def _unit() -> Json:
    return {
        "type": "object",
        "required": ["resource"],
        "properties": {
            "resource": {"type": "string", "enum": ["idc", "ecs", "eci", "acs", "elastic"]},
            "nodeSelector": _MAP,
            "max": {"type": "integer", "minimum": 0},
            "maxResources": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "spotInstance": {"type": "boolean"},
            "scaleInWeight": {"type": "integer"},
            "podLabels": _MAP,
            "podAnnotations": _MAP,
        },
    }


def _spec() -> Json:
    any_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    policies = ("LackResourceOrExceedMax", "ExceedMax", "TimeoutOrExceedMax")
    return {
        "type": "object",
        "required": ["strategy", "units"],
        "properties": {
            "selector": _MAP,
            "matchExpressions": {"type": "array", "items": any_object},
            "consumerRef": any_object,
            "strategy": {"type": "string", "enum": ["prefer", "required"]},
            "units": {"type": "array", "minItems": 1, "items": _unit()},
            "preemptPolicy": {"type": "string", "enum": ["AfterAllUnits", "BeforeNextUnit"]},
            "ignorePreviousPod": {"type": "boolean"},
            "ignoreTerminatingPod": {"type": "boolean"},
            "matchLabelKeys": {"type": "array", "items": _TEXT},
            "whenTryNextUnits": {
                "type": "object",
                "properties": {
                    "policy": {
                        "type": "string",
                        "enum": [*policies, "LackResourceAndNoTerminating"],
                    },
                    "timeout": _TEXT,
                },
            },
        },
    }


def definition() -> Json:
    """The CustomResourceDefinition, with a structural schema."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": _spec(), "status": anything}}
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"resourcepolicies.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "ResourcePolicy",
                "listKind": "ResourcePolicyList",
                "plural": "resourcepolicies",
                "singular": "resourcepolicy",
            },
            "versions": [version],
        },
    }


def render(release: Release) -> list[Json]:
    values, space = release.effective, release.namespace
    image = values.get("image") or f"registry-{values['region']}.ack.aliyuncs.com/acs/{NAME}"
    container = {
        "name": NAME,
        "image": f"{image}:{release.version.version}",
        "imagePullPolicy": "IfNotPresent",
    }
    return [
        definition(),
        m.service_account(NAME, space),
        m.cluster_role(NAME, RULES),
        m.cluster_role_binding(NAME, NAME, NAME, space),
        m.deployment(
            NAME,
            space,
            LABEL,
            account=NAME,
            containers=[container],
            replicas=values["replicas"],
        ),
    ]


def recognise(workloads: Sequence[Json]) -> Recognised | None:
    """By the image of a Deployment."""
    for workload in workloads:
        for container in m.containers(workload):
            match = re.fullmatch(rf"(.*{NAME}):(\S+)", container.get("image", ""))
            if match:
                replicas = (workload.get("spec") or {}).get("replicas", 1)
                return Recognised(
                    version=match[2],
                    values={"image": match[1], "replicas": replicas},
                    namespace=workload["metadata"]["namespace"],
                    release=NAME,
                    objects=(m.identity(workload),),
                    evidence=container["image"],
                )
    return None


KIT = Kit(render=render, recognise=recognise)
