"""rbkci-virtual-kubelet put into a cluster by our steps, run by the simulated world's kubelet:
its node, its instances at KCI, and its safe end.
"""

from __future__ import annotations

from typing import Any

from addons.components import manage
from addons.models import Operation
from kube import CLUSTER_ROLE_BINDINGS, DEPLOYMENTS, LEASES, NODES, SECRETS, SERVICE_ACCOUNTS
from kube.resources import Resource
from kube.secret import Secret
from providers import sealing
from providers.models import Orphan
from tests.addons.components.conftest import Json, Place, values

NAME = "rbkci-virtual-kubelet"
SPACE = "kube-system"
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True)


def installed(place: Place, **more: Any) -> Json:
    given = values(place, **more)
    done = place.run(NAME, "install", values=given)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    return given


def web(name: str, node: str, replicas: int) -> Json:
    """A Deployment that only this virtual node takes."""
    container = {"name": "web", "image": "nginx:1.27", "resources": {"limits": {"cpu": "1"}}}
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "tolerations": [{"key": "virtual-kubelet.io/provider", "operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


def running(place: Place, cluster_id: str) -> list[Json]:
    """Instances of a virtual kubelet whose bill goes on, as the cloud's own ledger has them."""
    found = place.control.call("GET", "/kci/instances")
    rows = found["instances"] if isinstance(found, dict) else found
    return [
        row
        for row in rows
        if row["labels"].get("cluster-id") == cluster_id
        and row["deleted_at"] is None
        and row["ended_at"] is None
    ]


def test_an_install_brings_a_ready_node_on_which_a_canary_ran(place: Place) -> None:
    given = values(place)
    plan = manage.plan(place.cluster, NAME, action="install", values=given)
    assert not plan.blocking, [c for c in plan.checks if c.state == "bad"]
    assert plan.nodes == (given["nodename"],)
    assert {d.object for d in plan.objects if d.kind == "missing"} == {
        "ServiceAccount kube-system/virtual-kubelet-sa",
        "ClusterRoleBinding virtual-kubelet-rb",
        "Secret kube-system/virtual-kubelet-keys",
        "Deployment kube-system/virtual-kubelet",
    }
    done = place.run(NAME, "install", values=given)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row = place.row(NAME)
    assert row is not None
    assert (row.state, row.version, row.mark) == ("installed", "v1.3.1", "")
    assert place.get(SERVICE_ACCOUNTS, "virtual-kubelet-sa", SPACE)
    assert place.get(CLUSTER_ROLE_BINDINGS, "virtual-kubelet-rb")
    node = place.get(NODES, given["nodename"])
    assert node
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.17.6-vk-v1.6.0"
    assert running(place, given["KCI_CLUSTER_ID"]) == [], "the canary is gone"
    made = place.control.call("GET", "/kci/instances")
    assert any(i["labels"].get("cluster-id") == given["KCI_CLUSTER_ID"] for i in made)


def test_keys_are_in_the_secret_and_nowhere_else(place: Place) -> None:
    installed(place)
    secret = place.get(SECRETS, "virtual-kubelet-keys", SPACE)
    assert secret
    assert set(secret["data"]) == {"KCI_ACCESS_KEY", "KCI_SECRET_KEY"}
    key = next(k for k in place.cloud["keys"] if k["note"] == "full access")["access_key_secret"]
    row = place.row(NAME)
    assert row
    revision = row.revisions.get()
    assert row.operation
    texts = [str(revision.objects_applied), str(row.values), str(row.operation.arguments)]
    texts += [str(manage.drift(row)), str(row.operation.log)]
    texts.append(str(place.get(DEPLOYMENTS, "virtual-kubelet", SPACE)))
    assert not any(key in text for text in texts)


def test_a_wrong_key_fails_the_rollout_with_the_last_words(place: Place) -> None:
    operation = place.start(NAME, "install", values=values(place))
    place.work(lambda: operation.steps.filter(name="preflight", state="done").exists())
    rekey(place, "AKLTnobody", "wrong")
    place.ended(operation, seconds=60)
    assert operation.state == Operation.State.FAILED
    assert "InvalidClientTokenId" in operation.error
    row = place.row(NAME)
    assert row
    assert (row.state, row.mark) == ("failed", operation.error)
    right = next(k for k in place.cloud["keys"] if k["note"] == "full access")
    rekey(place, right["access_key_id"], right["access_key_secret"])
    done = place.run(NAME, "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    installed(place)


def rekey(place: Place, key_id: str, secret: str) -> None:
    sealing.seal_into(place.account, key_id=key_id, secret=Secret(secret), token=Secret(""))
    place.account.save()


def test_a_safe_uninstall_drains_by_budgets_and_proves_that_nothing_is_left(place: Place) -> None:
    given = installed(place)
    node = given["nodename"]
    place.ask(lambda k: k.create(DEPLOYMENTS, web("safe", node, 6)))
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "safe", "namespace": "default"},
        "spec": {"minAvailable": 6, "selector": {"matchLabels": {"app": "safe"}}},
    }
    place.ask(lambda k: k.create(BUDGETS, budget))
    place.work(lambda: _available(place, "safe") == 6, seconds=40)
    assert len(running(place, given["KCI_CLUSTER_ID"])) == 6
    plan = manage.plan(place.cluster, NAME, action="uninstall")
    assert len(plan.affected) == 6
    assert {one.owner.partition("-")[0] for one in plan.affected} == {"ReplicaSet safe"}

    operation = place.start(NAME, "uninstall")
    held = "budget holds"
    place.work(lambda: any(held in line["text"] for line in _log(operation)), about=operation)
    assert len(running(place, given["KCI_CLUSTER_ID"])) == 6, "the budget was honoured"
    place.ask(lambda k: k.delete(BUDGETS, "safe", "default"))
    place.ask(lambda k: k.patch(DEPLOYMENTS, "safe", {"spec": {"replicas": 0}}, "default"))
    place.ended(operation, seconds=60)
    assert operation.state == Operation.State.SUCCEEDED, (operation.error, operation.log)
    assert running(place, given["KCI_CLUSTER_ID"]) == []
    proof = operation.arguments["proof"]
    assert (proof["asked"], proof["instances"], proof["objects"], proof["nodes"]) == (
        True,
        [],
        [],
        [],
    )
    assert place.get(NODES, node) is None
    assert place.get(LEASES, node, "kube-node-lease") is None
    assert place.row(NAME) is None
    place.ask(lambda k: k.delete(DEPLOYMENTS, "safe", "default"))


def _available(place: Place, name: str) -> int:
    found = place.get(DEPLOYMENTS, name, "default")
    return int(((found or {}).get("status") or {}).get("availableReplicas", 0))


def _log(operation: Operation) -> list[Json]:
    operation.refresh_from_db()
    log: list[Json] = operation.log
    return log


def test_instances_that_are_left_on_purpose_go_to_the_orphan_list(place: Place) -> None:
    given = installed(place)
    place.ask(lambda k: k.create(DEPLOYMENTS, web("left", given["nodename"], 2)))
    place.work(lambda: len(running(place, given["KCI_CLUSTER_ID"])) == 2, seconds=40)
    done = place.run(NAME, "uninstall", instances="leave")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    left = {one["id"] for one in running(place, given["KCI_CLUSTER_ID"])}
    orphans = Orphan.objects.filter(account=place.account, closed_at=None)
    assert {orphan.cloud_id for orphan in orphans} == left
    assert set(done.arguments["proof"]["left"]) == left
    assert all(orphan.reason == "LeftByChoice" for orphan in orphans)
    place.ask(lambda k: k.delete(DEPLOYMENTS, "left", "default"))


def test_what_others_installed_is_adopted_with_its_version_and_values(place: Place) -> None:
    given = installed(place)
    row = place.row(NAME)
    assert row
    row.delete()
    done = place.run(NAME, "adopt")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row = place.row(NAME)
    assert row
    assert (row.adopted, row.version, row.state) == (True, "v1.3.1", "installed")
    told = {key: row.values[key] for key in ("KCI_REGION", "KCI_CLUSTER_ID", "nodename")}
    assert told == {key: given[key] for key in told}
    assert "credential" not in row.values
    configured = {**row.values, "credential": place.account.pk, "KCI_KUBE_PROXY": True}
    done = place.run(NAME, "configure", values=configured)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)


def test_less_rights_come_by_a_new_binding_as_the_role_of_one_cannot_be_changed(
    place: Place,
) -> None:
    given = {**installed(place, rbac="cluster-admin"), "rbac": "least-privilege"}
    before = place.get(CLUSTER_ROLE_BINDINGS, "virtual-kubelet-rb")
    plan = manage.plan(place.cluster, NAME, action="configure", values=given)
    assert not plan.blocking, [c for c in plan.checks if c.state == "bad"]
    role = ("roleRef.name", "cluster-admin", "virtual-kubelet")
    assert role in [(one.field, one.live, one.wanted) for one in plan.objects]
    assert place.get(CLUSTER_ROLE_BINDINGS, "virtual-kubelet-rb") == before
    done = place.run(NAME, "configure", values=given)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    after = place.get(CLUSTER_ROLE_BINDINGS, "virtual-kubelet-rb")
    assert after
    assert after["roleRef"]["name"] == "virtual-kubelet"


def test_an_install_that_its_checks_stopped_is_forgotten_without_touching_others(
    place: Place,
) -> None:
    given = installed(place)
    row = place.row(NAME)
    assert row
    row.delete()
    operation = place.run(NAME, "install", values=given)
    assert operation.state == Operation.State.FAILED
    assert given["nodename"] in operation.error, "the name is taken"
    assert place.row(NAME).mark == "Nothing was changed in the cluster."  # type: ignore[union-attr]
    done = place.run(NAME, "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert [step.name for step in done.steps.all()] == ["forget"]
    node = place.get(NODES, given["nodename"])
    assert node
    assert not node["spec"].get("unschedulable")
    assert place.get(DEPLOYMENTS, "virtual-kubelet", SPACE)
