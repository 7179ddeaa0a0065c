"""Deployments, ReplicaSets, StatefulSets and DaemonSets on on-premises nodes."""

from collections import Counter

from sandbox.cluster.controllers.replicaset import DELETION_COST, removal_rank
from sandbox.cluster.controllers.revisions import MAXIMUM, proportional_sizes
from tests.sandbox_cluster.controllers_world import VIRTUAL, deployment, world


def available(w, name="nginx"):
    status = w.look("deployments.apps", name)["status"]
    return status.get("availableReplicas", 0)


def progressing(w, name="nginx"):
    conditions = w.look("deployments.apps", name)["status"].get("conditions", [])
    return next((c["reason"] for c in conditions if c["type"] == "Progressing"), None)


async def test_a_deployment_runs_its_pods_and_says_so():
    async with world() as w:
        await w.client.create("deployments.apps", deployment())
        await w.until(lambda: available(w) == 3)
        made = w.look("deployments.apps", "nginx")
        assert made["status"]["observedGeneration"] == made["metadata"]["generation"]
        assert made["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
        await w.until(lambda: progressing(w) == "NewReplicaSetAvailable")
        (rs,) = w.all("replicasets.apps")
        digest = rs["metadata"]["labels"]["pod-template-hash"]
        assert rs["metadata"]["name"] == f"nginx-{digest}"
        assert set(digest) <= set("bcdfghjklmnpqrstvwxz2456789")
        for pod in w.pods("Running"):
            assert pod["metadata"]["labels"]["pod-template-hash"] == digest
            assert pod["spec"]["nodeName"] in {"idc-1", "idc-2"}
            assert pod["status"]["podIP"].startswith("10.244.")
        assert len({p["status"]["podIP"] for p in w.pods()}) == 3


async def test_a_rolling_update_stays_within_surge_and_unavailability_and_can_be_undone():
    async with world() as w:
        body = deployment(replicas=4)
        body["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
        await w.client.create("deployments.apps", body)
        await w.until(lambda: available(w) == 4)
        seen = []
        w.client.subscribe("pods", lambda *_: seen.append((len(w.pods()), ready(w))))
        old_template = w.look("deployments.apps", "nginx")["spec"]["template"]
        image = [
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}
        ]
        await w.client.patch("deployments.apps", "nginx", "default", image, kind="json")
        await w.until(lambda: rolled(w, "nginx:2", 4))
        assert max(total for total, _ in seen) <= 5
        assert min(count for _, count in seen) >= 3
        undo = [{"op": "replace", "path": "/spec/template", "value": old_template}]
        await w.client.patch("deployments.apps", "nginx", "default", undo, kind="json")
        await w.until(lambda: rolled(w, "nginx:1.25", 4))
        revisions = {
            rs["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
            for rs in w.all("replicasets.apps")
        }
        assert revisions == {"2", "3"}


def ready(w):
    return sum(
        any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in p["status"].get("conditions", [])
        )
        for p in w.pods()
    )


def rolled(w, image, replicas):
    pods = w.pods("Running")
    images = {p["spec"]["containers"][0]["image"] for p in pods}
    return images == {image} and len(pods) == replicas and available(w) == replicas


async def test_recreate_starts_new_pods_only_after_the_old_are_gone():
    async with world() as w:
        body = deployment(replicas=2)
        body["spec"]["strategy"] = {"type": "Recreate"}
        await w.client.create("deployments.apps", body)
        await w.until(lambda: available(w) == 2)
        mixed = []
        w.client.subscribe("pods", lambda *_: mixed.append(len(images(w))))
        image = [
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}
        ]
        await w.client.patch("deployments.apps", "nginx", "default", image, kind="json")
        await w.until(lambda: rolled(w, "nginx:2", 2))
        assert max(mixed) == 1


def images(w):
    return {p["spec"]["containers"][0]["image"] for p in w.all("pods")}


async def test_a_paused_deployment_scales_but_does_not_roll():
    async with world() as w:
        await w.client.create("deployments.apps", deployment(replicas=2))
        await w.until(lambda: available(w) == 2)
        await w.patch("deployments.apps", "nginx", {"spec": {"paused": True, "replicas": 3}})
        image = [
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}
        ]
        await w.client.patch("deployments.apps", "nginx", "default", image, kind="json")
        await w.until(lambda: available(w) == 3)
        assert images(w) == {"nginx:1.25"}
        assert progressing(w) == "DeploymentPaused"
        await w.patch("deployments.apps", "nginx", {"spec": {"paused": False}})
        await w.until(lambda: rolled(w, "nginx:2", 3))


async def test_a_rollout_that_cannot_progress_passes_its_deadline():
    async with world() as w:
        body = deployment(replicas=1)
        body["spec"]["progressDeadlineSeconds"] = 30
        body["spec"]["template"]["spec"]["containers"][0]["image"] = "registry/no-such-image:1"
        await w.client.create("deployments.apps", body)
        await w.until(lambda: progressing(w) == "ProgressDeadlineExceeded", within=60)
        (pod,) = w.pods()
        waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
        assert waiting in {"ErrImagePull", "ImagePullBackOff"}


async def test_old_replica_sets_beyond_the_history_limit_are_deleted():
    async with world() as w:
        body = deployment(replicas=1)
        body["spec"]["revisionHistoryLimit"] = 1
        await w.client.create("deployments.apps", body)
        for number in range(1, 5):
            value = f"nginx:{number}"
            image = [
                {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": value}
            ]
            await w.client.patch("deployments.apps", "nginx", "default", image, kind="json")
            await w.until(lambda value=value: rolled(w, value, 1))
        await w.until(lambda: len(w.all("replicasets.apps")) == 2)


async def test_scaling_down_removes_pods_of_lower_deletion_cost_first():
    async with world() as w:
        await w.register_virtual_node()
        await w.client.create("deployments.apps", deployment(replicas=4))
        await w.until(lambda: available(w) == 4)
        cheap = {p["metadata"]["name"] for p in w.pods()[:2]}
        for name in cheap:
            cost = {"controller.kubernetes.io/pod-deletion-cost": "-100"}
            await w.patch("pods", name, {"metadata": {"annotations": cost}})
        await w.patch("deployments.apps", "nginx", {"spec": {"replicas": 2}})
        await w.until(lambda: len(w.pods()) == 2)
        assert not cheap & {p["metadata"]["name"] for p in w.pods()}


async def test_a_replica_set_adopts_orphans_and_releases_strays():
    async with world() as w:
        await w.client.create("deployments.apps", deployment(replicas=2))
        await w.until(lambda: available(w) == 2)
        stray = w.pods()[0]["metadata"]["name"]
        await w.patch("pods", stray, {"metadata": {"labels": {"app": "other"}}})
        await w.until(lambda: len(w.pods()) == 3)
        assert not w.look("pods", stray)["metadata"].get("ownerReferences")
        await w.patch("pods", stray, {"metadata": {"labels": {"app": "nginx"}}})
        await w.until(lambda: len(w.pods()) == 2)


async def test_a_daemon_set_covers_tolerated_nodes_virtual_ones_included():
    async with world() as w:
        await w.register_virtual_node()
        body = deployment(name="agent")
        del body["spec"]["replicas"]
        await w.client.create("daemonsets.apps", body)
        await w.until(lambda: placed(w) == {"idc-1", "idc-2"})
        tolerations = [*VIRTUAL["tolerations"]]
        await w.patch(
            "daemonsets.apps",
            "agent",
            {"spec": {"template": {"spec": {"tolerations": tolerations}}}},
        )
        await w.until(lambda: "virtual-kubelet-cn-hangzhou-k" in placed(w))
        assert w.look("daemonsets.apps", "agent")["status"]["desiredNumberScheduled"] == 3
        assert len(w.all("controllerrevisions.apps")) == 2


def placed(w):
    return {p["spec"].get("nodeName", "") for p in w.pods()}


async def test_a_stateful_set_starts_in_order_and_updates_from_the_last():
    async with world() as w:
        body = deployment(name="db", replicas=3)
        body["spec"]["serviceName"] = "db"
        await w.client.create("statefulsets.apps", body)
        order = []
        w.client.subscribe(
            "pods", lambda kind, new, _: kind == "ADDED" and order.append(new["metadata"]["name"])
        )
        await w.until(lambda: len(w.pods("Running")) == 3)
        assert order == ["db-0", "db-1", "db-2"]
        order.clear()
        image = [
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}
        ]
        await w.client.patch("statefulsets.apps", "db", "default", image, kind="json")
        await w.until(lambda: images(w) == {"nginx:2"} and len(w.pods("Running")) == 3)
        assert order == ["db-2", "db-1", "db-0"]
        status = w.look("statefulsets.apps", "db")["status"]
        await w.until(lambda: current_is_update(w))
        assert status["replicas"] == 3


def current_is_update(w):
    status = w.look("statefulsets.apps", "db")["status"]
    return status["currentRevision"] == status["updateRevision"]


def replica_set(name, replicas, maximum, created):
    notes = {MAXIMUM: str(maximum)}
    moment = f"2026-01-01T00:00:0{created}Z"
    meta = {
        "name": name,
        "annotations": notes,
        "creationTimestamp": moment,
    }
    return {"metadata": meta, "spec": {"replicas": replicas}}


def test_a_rollout_resized_half_way_keeps_its_proportions():
    body = deployment(replicas=20)
    body["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}
    sets = [replica_set("old", 8, 12, 1), replica_set("new", 4, 12, 2)]
    sizes = proportional_sizes(body, sets)
    assert sum(sizes.values()) == 22
    assert sizes == {"old": 15, "new": 7}
    body["spec"]["replicas"] = 4
    assert proportional_sizes(body, sets) == {"old": 4, "new": 2}


async def test_claims_of_a_stateful_set_are_bound_and_named_after_its_pods():
    async with world() as w:
        body = deployment(name="db", replicas=2)
        body["spec"]["serviceName"] = "db"
        resources = {"requests": {"storage": "20Gi"}}
        spec = {"accessModes": ["ReadWriteOnce"], "resources": resources}
        body["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": spec}]
        await w.client.create("statefulsets.apps", body)
        await w.until(lambda: len(w.pods("Running")) == 2)
        claims = w.all("persistentvolumeclaims")
        assert [c["metadata"]["name"] for c in claims] == ["data-db-0", "data-db-1"]
        assert {c["status"]["phase"] for c in claims} == {"Bound"}


def candidate(name, *, node="n1", phase="Running", ready=True, cost=0, age=100, restarts=0):
    since = f"2026-01-01T00:{age // 60:02d}:{age % 60:02d}Z"
    status = {
        "phase": phase,
        "conditions": [
            {"type": "Ready", "status": str(ready), "lastTransitionTime": since},
        ],
        "containerStatuses": [{"restartCount": restarts}],
    }
    meta = {"uid": name, "creationTimestamp": since, "annotations": {DELETION_COST: str(cost)}}
    return {"metadata": meta, "spec": {"nodeName": node}, "status": status}


def test_pods_are_removed_in_the_order_of_the_real_controller():
    expected = [
        candidate("unassigned", node="", phase="Pending", ready=False),
        candidate("pending", phase="Pending", ready=False),
        candidate("unknown", phase="Unknown", ready=False),
        candidate("unready", ready=False, cost=100),
        candidate("cheap", cost=-5),
        candidate("crowded", node="crowd"),
        candidate("fresh", age=3590),
        candidate("restarted", restarts=3),
        candidate("plain"),
        candidate("dear", cost=10),
    ]
    doubled = Counter({"crowd": 3, "n1": 1})
    now = 1767225600.0 + 3600
    shuffled = expected[::-1]
    ranked = sorted(shuffled, key=lambda p: removal_rank(p, doubled, now))
    assert [p["metadata"]["uid"] for p in ranked] == [p["metadata"]["uid"] for p in expected]
