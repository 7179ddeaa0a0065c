"""Discovery, custom resources, apply, subresources and typed lists with the official client."""

import inspect
import json
from typing import Any

import pytest
from kubernetes import client
from kubernetes.dynamic import DynamicClient

from .serving import Obj, Served, config_map, deployment, pod
from .test_api_objects import body_of, failure

CRD: Obj = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "resourcepolicies.scheduling.alibabacloud.com"},
    "spec": {
        "group": "scheduling.alibabacloud.com",
        "scope": "Namespaced",
        "names": {"plural": "resourcepolicies", "kind": "ResourcePolicy", "shortNames": ["rp"]},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.replicas",
                        "statusReplicasPath": ".status.replicas",
                    },
                },
                "additionalPrinterColumns": [
                    {"name": "Strategy", "type": "string", "jsonPath": ".spec.strategy"},
                    {"name": "First", "type": "string", "jsonPath": ".spec.units[0].resource"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["strategy"],
                                "properties": {
                                    "strategy": {"type": "string", "enum": ["prefer", "require"]},
                                    "replicas": {"type": "integer", "minimum": 0, "default": 1},
                                    "units": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "properties": {"resource": {"type": "string"}},
                                        },
                                    },
                                },
                            },
                            "status": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            },
                        },
                    }
                },
            }
        ],
    },
}
CUSTOM = ("scheduling.alibabacloud.com", "v1alpha1")


def policy(name: str = "p", **spec: Any) -> Obj:
    return {
        "apiVersion": "/".join(CUSTOM),
        "kind": "ResourcePolicy",
        "metadata": {"name": name},
        "spec": {"strategy": "prefer", "units": [{"resource": "idc"}], **spec},
    }


@pytest.fixture(scope="module")
def custom(api: client.ApiClient) -> Any:
    definitions = client.ApiextensionsV1Api(api)
    definitions.create_custom_resource_definition(CRD)
    yield client.CustomObjectsApi(api)
    definitions.delete_custom_resource_definition(CRD["metadata"]["name"])


def test_a_definition_is_served_and_discovered(custom: Any, api: client.ApiClient) -> None:
    found = client.ApiextensionsV1Api(api).read_custom_resource_definition(CRD["metadata"]["name"])
    assert {c.type: c.status for c in found.status.conditions}["Established"] == "True"
    resource = DynamicClient(api).resources.get(api_version="/".join(CUSTOM), kind="ResourcePolicy")
    assert resource.name == "resourcepolicies"


def test_a_custom_resource_is_defaulted_pruned_and_checked(custom: Any, ns: str) -> None:
    made = custom.create_namespaced_custom_object(
        *CUSTOM, ns, "resourcepolicies", policy(colour="red")
    )
    assert made["spec"] == {"strategy": "prefer", "units": [{"resource": "idc"}], "replicas": 1}
    assert made["metadata"]["generation"] == 1
    with failure(422) as caught:
        custom.create_namespaced_custom_object(
            *CUSTOM, ns, "resourcepolicies", policy("bad", strategy="other", replicas=-1)
        )
    causes = body_of(caught)["details"]["causes"]
    assert sorted(c["field"] for c in causes) == ["spec.replicas", "spec.strategy"]


def test_a_custom_status_is_its_own_door(custom: Any, ns: str) -> None:
    custom.create_namespaced_custom_object(*CUSTOM, ns, "resourcepolicies", policy())
    both = {"spec": {"strategy": "require"}, "status": {"phase": "Ready"}}
    changed = custom.patch_namespaced_custom_object_status(
        *CUSTOM, ns, "resourcepolicies", "p", both
    )
    assert (changed["spec"]["strategy"], changed["status"]) == ("prefer", {"phase": "Ready"})


def test_a_custom_resource_scales(custom: Any, ns: str) -> None:
    custom.create_namespaced_custom_object(*CUSTOM, ns, "resourcepolicies", policy())
    scale = custom.patch_namespaced_custom_object_scale(
        *CUSTOM, ns, "resourcepolicies", "p", {"spec": {"replicas": 4}}
    )
    assert scale["spec"]["replicas"] == 4


def test_kubectl_prints_the_declared_columns(custom: Any, served: Served, ns: str) -> None:
    custom.create_namespaced_custom_object(*CUSTOM, ns, "resourcepolicies", policy())
    lines = served.kubectl("get", "rp", "-n", ns).splitlines()
    assert [line.split() for line in lines] == [
        ["NAME", "STRATEGY", "FIRST"],
        ["p", "prefer", "idc"],
    ]


def test_apply_owns_prunes_and_conflicts(api: client.ApiClient, ns: str) -> None:
    maps = DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")

    def apply(manager: str, *, force: bool = False, **data: str) -> Any:
        body = config_map("a", **data)
        return maps.server_side_apply(
            body, name="a", namespace=ns, field_manager=manager, force_conflicts=force
        )

    made = apply("one", x="1", y="1")
    (entry,) = made.metadata.managedFields
    assert (entry.manager, entry.operation) == ("one", "Apply")
    assert entry.fieldsV1.to_dict() == {"f:data": {".": {}, "f:x": {}, "f:y": {}}}
    apply("two", y="1", z="1")
    with pytest.raises(Exception, match="Apply failed with 1 conflict") as caught:
        apply("two", x="2", z="1")
    cause = json.loads(caught.value.body)["details"]["causes"][0]
    assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".data.x")
    assert cause["message"] == 'conflict with "one"'
    assert apply("two", force=True, x="2", z="1").data.to_dict() == {"x": "2", "y": "1", "z": "1"}
    assert apply("one").data.to_dict() == {"x": "2", "z": "1"}


def test_an_unchanged_apply_keeps_the_resource_version(api: client.ApiClient, ns: str) -> None:
    found = DynamicClient(api).resources.get(api_version="apps/v1", kind="Deployment")
    bodies = [
        found.server_side_apply(deployment(), name="web", namespace=ns, field_manager="one")
        for _ in range(2)
    ]
    assert bodies[0].metadata.resourceVersion == bodies[1].metadata.resourceVersion


def test_apply_conflicts_with_an_ordinary_writer(
    api: client.ApiClient, apps: client.AppsV1Api, ns: str
) -> None:
    apps.create_namespaced_deployment(ns, deployment(replicas=1), field_manager="hand")
    found = DynamicClient(api).resources.get(api_version="apps/v1", kind="Deployment")
    with pytest.raises(Exception, match="Apply failed with 1 conflict") as caught:
        found.server_side_apply(
            deployment(replicas=5), name="web", namespace=ns, field_manager="one"
        )
    (cause,) = json.loads(caught.value.body)["details"]["causes"]
    assert cause["message"] == 'conflict with "hand" using apps/v1'
    assert cause["field"] == ".spec.replicas"


def test_a_pod_is_bound_once(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_pod(ns, pod())
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n1"}}
    core.create_namespaced_pod_binding("web", ns, binding, _preload_content=False)
    bound = core.read_namespaced_pod("web", ns)
    assert bound.spec.node_name == "n1"
    assert [(c.type, c.status) for c in bound.status.conditions] == [("PodScheduled", "True")]
    with failure(409):
        core.create_namespaced_pod_binding("web", ns, binding, _preload_content=False)


def test_an_eviction_asks_the_disruption_budget(
    core: client.CoreV1Api, api: client.ApiClient, ns: str
) -> None:
    budgets = client.PolicyV1Api(api)
    core.create_namespaced_pod(ns, pod(nodeName="n1", terminationGracePeriodSeconds=0))
    core.patch_namespaced_pod_status("web", ns, {"status": {"phase": "Running"}})
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    budgets.create_namespaced_pod_disruption_budget(ns, {"metadata": {"name": "b"}, "spec": spec})
    status = {"observedGeneration": 1, "disruptionsAllowed": 0, "desiredHealthy": 1}
    status |= {"currentHealthy": 1, "expectedPods": 1}
    budgets.patch_namespaced_pod_disruption_budget_status("b", ns, {"status": status})
    eviction = {"metadata": {"name": "web", "namespace": ns}}
    with failure(429) as caught:
        core.create_namespaced_pod_eviction("web", ns, eviction)
    assert body_of(caught)["details"]["causes"][0]["reason"] == "DisruptionBudget"
    allowed = {"status": {**status, "disruptionsAllowed": 1}}
    budgets.patch_namespaced_pod_disruption_budget_status("b", ns, allowed)
    core.create_namespaced_pod_eviction("web", ns, eviction, _preload_content=False)
    with failure(404):
        core.read_namespaced_pod("web", ns)


def test_scale_reads_and_writes_the_replicas(apps: client.AppsV1Api, ns: str) -> None:
    apps.create_namespaced_deployment(ns, deployment())
    scale = apps.read_namespaced_deployment_scale("web", ns)
    assert (scale.spec.replicas, scale.status.selector) == (2, "app=web")
    scale.spec.replicas = 5
    apps.replace_namespaced_deployment_scale("web", ns, scale)
    changed = apps.read_namespaced_deployment("web", ns)
    assert (changed.spec.replicas, changed.metadata.generation) == (5, 2)


def test_a_new_event_reads_the_same_in_both_groups(
    core: client.CoreV1Api, api: client.ApiClient, ns: str
) -> None:
    about = {"kind": "Pod", "name": "web", "namespace": ns, "uid": "u-1"}
    core.create_namespaced_event(
        ns,
        {
            "metadata": {"name": "e"},
            "involvedObject": about,
            "reason": "Pulled",
            "message": "ok",
            "type": "Normal",
        },
    )
    selector = f"involvedObject.name=web,involvedObject.namespace={ns},involvedObject.uid=u-1"
    (event,) = core.list_namespaced_event(ns, field_selector=selector).items
    assert event.message == "ok"
    newer = client.EventsV1Api(api).read_namespaced_event("e", ns)
    assert (newer.note, newer.regarding.name) == ("ok", "web")


def test_discovery_names_every_group_and_resource(api: client.ApiClient) -> None:
    dynamic = DynamicClient(api)
    for api_version, kind in (("v1", "Pod"), ("apps/v1", "Deployment"), ("batch/v1", "Job")):
        assert dynamic.resources.get(api_version=api_version, kind=kind).kind == kind
    pods = dynamic.resources.get(api_version="v1", kind="Pod")
    assert dynamic.get(pods).kind == "PodList"


def test_the_version_is_told(api: client.ApiClient) -> None:
    found = client.VersionApi(api).get_code()
    assert (found.major, found.minor) == ("1", "36")


def test_open_api_documents_hold_together(api: client.ApiClient) -> None:
    def get(path: str) -> Obj:
        answer = api.rest_client.request(
            "GET", api.configuration.host + path, headers=dict(api.default_headers)
        )
        found: Obj = json.loads(answer.read() if hasattr(answer, "read") else answer.data)
        return found

    for path in get("/openapi/v3")["paths"]:
        document = get(f"/openapi/v3/{path}")
        schemas = document["components"]["schemas"]
        text = json.dumps(document)
        named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
        assert named <= set(schemas), f"{path}: {sorted(named - set(schemas))[:3]}"


def lists(api: client.ApiClient) -> list[tuple[str, Any]]:
    served = {
        "AdmissionregistrationV1Api",
        "ApiextensionsV1Api",
        "ApiregistrationV1Api",
        "AppsV1Api",
        "AutoscalingV2Api",
        "BatchV1Api",
        "CertificatesV1Api",
        "CoordinationV1Api",
        "CoreV1Api",
        "DiscoveryV1Api",
        "EventsV1Api",
        "NetworkingV1Api",
        "NodeV1Api",
        "PolicyV1Api",
        "RbacAuthorizationV1Api",
        "SchedulingV1Api",
        "StorageV1Api",
    }
    unserved = (
        "ip_address",
        "service_cidr",
        "validating_admission_policy",
        "mutating_admission_policy",
        "volume_attributes_class",
        "cluster_trust_bundle",
        "pod_certificate_request",
    )
    return [
        (f"{group}.{name}", getattr(made, name))
        for group in sorted(served)
        for made in (getattr(client, group)(api),)
        for name, _ in inspect.getmembers(made, callable)
        if name.startswith("list_")
        and "namespaced" not in name
        and not name.endswith("_with_http_info")
        and not any(word in name for word in unserved)
    ]


def test_the_strict_client_lists_every_kind(api: client.ApiClient, ns: str) -> None:
    found = lists(api)
    assert len(found) > 35
    for name, call in found:
        assert call().metadata.resource_version, name
