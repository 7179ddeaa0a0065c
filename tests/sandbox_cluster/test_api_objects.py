"""CRUD, versions, conflicts, deletion, as the official client sees them."""

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from .serving import Obj, config_map, deployment, pod


def failure(code: int) -> "pytest.RaisesExc[ApiException]":
    return pytest.raises(ApiException, check=lambda error: error.status == code)


def body_of(caught: "pytest.ExceptionInfo[ApiException]") -> Obj:
    import json

    found: Obj = json.loads(caught.value.body)
    return found


def test_a_created_object_has_uid_and_creation_time(core: client.CoreV1Api, ns: str) -> None:
    made = core.create_namespaced_config_map(ns, config_map("a", key="value"))
    assert made.metadata.uid
    assert made.metadata.creation_timestamp
    read = core.read_namespaced_config_map("a", ns)
    assert read.data == {"key": "value"}
    assert read.metadata.uid == made.metadata.uid


def test_resource_versions_grow_over_all_kinds(core: client.CoreV1Api, ns: str) -> None:
    versions = []
    for name in ("a", "b"):
        made = core.create_namespaced_config_map(ns, config_map(name))
        versions.append(int(made.metadata.resource_version))
        account = core.create_namespaced_service_account(ns, {"metadata": {"name": name}})
        versions.append(int(account.metadata.resource_version))
    assert versions == sorted(set(versions))


def test_a_write_that_changes_nothing_keeps_the_resource_version(
    core: client.CoreV1Api, ns: str
) -> None:
    made = core.create_namespaced_config_map(ns, config_map("a", key="value"))
    put = core.replace_namespaced_config_map("a", ns, made)
    patched = core.patch_namespaced_config_map("a", ns, {"data": {"key": "value"}})
    assert put.metadata.resource_version == made.metadata.resource_version
    assert patched.metadata.resource_version == made.metadata.resource_version


def test_a_second_create_of_a_name_is_a_conflict(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_config_map(ns, config_map("a"))
    with failure(409) as caught:
        core.create_namespaced_config_map(ns, config_map("a"))
    status = body_of(caught)
    assert status["reason"] == "AlreadyExists"
    assert status["details"] == {"name": "a", "kind": "configmaps"}


def test_a_stale_put_is_a_conflict(core: client.CoreV1Api, ns: str) -> None:
    first = core.create_namespaced_config_map(ns, config_map("a", key="1"))
    core.patch_namespaced_config_map("a", ns, {"data": {"key": "2"}})
    first.data = {"key": "3"}
    with failure(409) as caught:
        core.replace_namespaced_config_map("a", ns, first)
    assert body_of(caught)["reason"] == "Conflict"


def test_a_put_without_a_resource_version_wins(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_config_map(ns, config_map("a", key="1"))
    put = core.replace_namespaced_config_map("a", ns, config_map("a", key="2"))
    assert put.data == {"key": "2"}


def test_a_missing_object_is_a_404_with_details(core: client.CoreV1Api, ns: str) -> None:
    with failure(404) as caught:
        core.read_namespaced_pod("nobody", ns)
    status = body_of(caught)
    assert status["message"] == 'pods "nobody" not found'
    assert status["details"] == {"name": "nobody", "kind": "pods"}


def test_a_create_in_a_missing_namespace_is_a_404(core: client.CoreV1Api) -> None:
    with failure(404) as caught:
        core.create_namespaced_config_map("nowhere", config_map("a"))
    assert body_of(caught)["message"] == 'namespaces "nowhere" not found'


def test_generate_name_makes_different_names(core: client.CoreV1Api, ns: str) -> None:
    body = {"metadata": {"generateName": "job-"}}
    names = {core.create_namespaced_config_map(ns, body).metadata.name for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("job-") and len(name) == 9 for name in names)


def test_a_dry_run_stores_nothing(core: client.CoreV1Api, ns: str) -> None:
    made = core.create_namespaced_config_map(ns, config_map("a"), dry_run="All")
    assert made.metadata.uid
    with failure(404):
        core.read_namespaced_config_map("a", ns)


def test_an_invalid_object_names_each_bad_field(apps: client.AppsV1Api, ns: str) -> None:
    body = deployment("bad")
    body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    body["spec"]["template"]["spec"]["containers"][0]["image"] = ""
    with failure(422) as caught:
        apps.create_namespaced_deployment(ns, body)
    status = body_of(caught)
    fields = {cause["field"]: cause["reason"] for cause in status["details"]["causes"]}
    assert status["reason"] == "Invalid"
    assert fields["spec.template.metadata.labels"] == "FieldValueInvalid"
    assert fields["spec.template.spec.containers[0].image"] == "FieldValueRequired"


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254])
def test_a_bad_name_is_refused(core: client.CoreV1Api, ns: str, name: str) -> None:
    with failure(422) as caught:
        core.create_namespaced_config_map(ns, config_map(name))
    assert body_of(caught)["details"]["causes"][0]["field"] == "metadata.name"


def test_strict_validation_refuses_an_unknown_field(core: client.CoreV1Api, ns: str) -> None:
    body = pod()
    body["spec"]["nodeNamee"] = "typo"
    api = client.ApiClient(core.api_client.configuration)
    with failure(400) as caught:
        client.CustomObjectsApi(api).create_namespaced_custom_object(
            "apps",
            "v1",
            ns,
            "deployments",
            {**deployment(), "spec": {**deployment()["spec"], "x": 1}},
            field_validation="Strict",
        )
    assert 'strict decoding error: unknown field "spec.x"' in body_of(caught)["message"]


def test_an_unknown_field_is_dropped_without_strict(api: client.ApiClient, ns: str) -> None:
    custom = client.CustomObjectsApi(api)
    body = {**deployment(), "spec": {**deployment()["spec"], "x": 1}}
    made = custom.create_namespaced_custom_object("apps", "v1", ns, "deployments", body)
    assert "x" not in made["spec"]


def test_quantities_come_back_in_canonical_form(core: client.CoreV1Api, ns: str) -> None:
    body = pod()
    limits = {"cpu": "0.5", "memory": "1024Mi"}
    body["spec"]["containers"][0]["resources"] = {"limits": limits}
    made = core.create_namespaced_pod(ns, body)
    resources = made.spec.containers[0].resources
    assert resources.limits == {"cpu": "500m", "memory": "1Gi"}
    assert resources.requests == resources.limits
    assert made.status.qos_class == "Guaranteed"


def test_status_and_spec_are_written_through_their_own_doors(
    core: client.CoreV1Api, apps: client.AppsV1Api, ns: str
) -> None:
    made = apps.create_namespaced_deployment(ns, deployment("web", replicas=1))
    both = {"spec": {"replicas": 9}, "status": {"replicas": 7}}
    by_status = apps.patch_namespaced_deployment_status("web", ns, both)
    assert (by_status.spec.replicas, by_status.status.replicas) == (1, 7)
    assert by_status.metadata.generation == made.metadata.generation == 1
    by_spec = apps.patch_namespaced_deployment("web", ns, {**both, "status": {"replicas": 3}})
    assert (by_spec.spec.replicas, by_spec.status.replicas) == (9, 7)
    assert by_spec.metadata.generation == 2


def test_a_label_does_not_count_as_a_generation(apps: client.AppsV1Api, ns: str) -> None:
    apps.create_namespaced_deployment(ns, deployment())
    labelled = apps.patch_namespaced_deployment("web", ns, {"metadata": {"labels": {"a": "b"}}})
    assert labelled.metadata.generation == 1


def test_pod_status_may_carry_annotations_but_no_spec(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_pod(ns, pod())
    change = {
        "metadata": {"annotations": {"alibabacloud.com/instance-id": "eci-1"}},
        "spec": {"nodeName": "elsewhere"},
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    }
    changed = core.patch_namespaced_pod_status("web", ns, change)
    assert changed.metadata.annotations == {"alibabacloud.com/instance-id": "eci-1"}
    assert changed.spec.node_name is None
    assert changed.status.phase == "Running"


def test_a_pod_spec_does_not_change_but_for_its_image(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_pod(ns, pod())
    image = {"spec": {"containers": [{"name": "web", "image": "nginx:2"}]}}
    assert core.patch_namespaced_pod("web", ns, image).spec.containers[0].image == "nginx:2"
    with failure(422) as caught:
        core.patch_namespaced_pod("web", ns, {"spec": {"hostNetwork": True}})
    assert "pod updates may not change fields" in body_of(caught)["message"]


def test_finalizers_hold_a_deleted_object_until_they_are_gone(
    core: client.CoreV1Api, ns: str
) -> None:
    body = config_map("held")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    core.create_namespaced_config_map(ns, body)
    core.delete_namespaced_config_map("held", ns)
    held = core.read_namespaced_config_map("held", ns)
    assert held.metadata.deletion_timestamp
    core.patch_namespaced_config_map("held", ns, {"metadata": {"finalizers": None}})
    with failure(404):
        core.read_namespaced_config_map("held", ns)


def test_a_delete_of_another_uid_is_a_conflict(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_config_map(ns, config_map("a"))
    other = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    with failure(409) as caught:
        core.delete_namespaced_config_map("a", ns, body=other)
    assert "Precondition failed: UID in precondition" in body_of(caught)["message"]
    assert core.read_namespaced_config_map("a", ns)


def test_a_delete_of_another_version_is_a_conflict(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_config_map(ns, config_map("a"))
    with failure(409):
        core.delete_namespaced_config_map("a", ns, body={"preconditions": {"resourceVersion": "1"}})


def test_a_collection_is_deleted_by_selector(core: client.CoreV1Api, ns: str) -> None:
    for name, colour in (("a", "red"), ("b", "red"), ("c", "blue")):
        body = config_map(name)
        body["metadata"]["labels"] = {"colour": colour}
        core.create_namespaced_config_map(ns, body)
    core.delete_collection_namespaced_config_map(ns, label_selector="colour=red")
    assert [m.metadata.name for m in core.list_namespaced_config_map(ns).items] == ["c"]


@pytest.mark.parametrize(
    ("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")]
)
def test_propagation_policies_leave_their_finalizer(
    apps: client.AppsV1Api, ns: str, policy: str, finalizer: str
) -> None:
    apps.create_namespaced_deployment(ns, deployment())
    apps.delete_namespaced_deployment("web", ns, propagation_policy=policy)
    left = apps.read_namespaced_deployment("web", ns)
    assert left.metadata.finalizers == [finalizer]
    assert left.metadata.deletion_timestamp


def test_a_background_delete_removes_at_once(apps: client.AppsV1Api, ns: str) -> None:
    apps.create_namespaced_deployment(ns, deployment())
    apps.delete_namespaced_deployment("web", ns, propagation_policy="Background")
    with failure(404):
        apps.read_namespaced_deployment("web", ns)


def test_a_pod_without_a_node_goes_at_once(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_pod(ns, pod())
    gone = core.delete_namespaced_pod("web", ns)
    assert gone.metadata.name == "web"
    with failure(404):
        core.read_namespaced_pod("web", ns)


def test_a_bound_pod_waits_for_its_kubelet(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_pod(ns, pod(nodeName="n1", terminationGracePeriodSeconds=40))
    marked = core.delete_namespaced_pod("web", ns)
    assert marked.metadata.deletion_timestamp
    assert marked.metadata.deletion_grace_period_seconds == 40
    shorter = core.delete_namespaced_pod("web", ns, grace_period_seconds=5)
    assert shorter.metadata.deletion_grace_period_seconds == 5
    core.delete_namespaced_pod("web", ns, grace_period_seconds=0)
    with failure(404):
        core.read_namespaced_pod("web", ns)


def test_an_ended_pod_goes_at_once(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_pod(ns, pod(nodeName="n1"))
    core.patch_namespaced_pod_status("web", ns, {"status": {"phase": "Succeeded"}})
    core.delete_namespaced_pod("web", ns)
    with failure(404):
        core.read_namespaced_pod("web", ns)
