"""Nodes that fall silent, namespaces and owners that go, budgets, endpoints, events, restarts."""

import base64

import pytest

from sandbox.cluster.controllers import Manager
from sandbox.cluster.errors import ApiError
from tests.sandbox_cluster.controllers_world import VIRTUAL, deployment, node_config, pod, world

VIRTUAL_NODE = "virtual-kubelet-cn-hangzhou-k"


def condition(obj, kind="Ready"):
    found = (obj["status"].get("conditions") or []) if obj else []
    return next((c for c in found if c["type"] == kind), {})


def taints(w, name):
    node = w.look("nodes", name, None)
    return {(t["key"], t["effect"]) for t in node["spec"].get("taints", [])}


UNREACHABLE = {
    ("node.kubernetes.io/unreachable", "NoSchedule"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
}


async def test_a_node_whose_lease_is_old_becomes_unknown_and_comes_back():
    async with world() as w:
        node = await w.register_virtual_node()
        own = {(t["key"], t["effect"]) for t in node["spec"]["taints"]}
        for _ in range(12):
            await w.renew(VIRTUAL_NODE)
            await w.pass_time(10)
        assert condition(w.look("nodes", VIRTUAL_NODE, None))["status"] == "True"
        began = w.clock.monotonic()
        await w.until(lambda: condition(w.look("nodes", VIRTUAL_NODE, None))["status"] == "Unknown")
        assert 28 <= w.clock.monotonic() - began <= 46
        ready = condition(w.look("nodes", VIRTUAL_NODE, None))
        assert ready["reason"] == "NodeStatusUnknown"
        assert ready["message"] == "Kubelet stopped posting node status."
        assert taints(w, VIRTUAL_NODE) == own | UNREACHABLE
        await w.renew(VIRTUAL_NODE)
        back = await w.client.get("nodes", VIRTUAL_NODE)
        back["status"]["conditions"] = [
            {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        ]
        await w.client.update("nodes", back, subresource="status")
        await w.until(lambda: taints(w, VIRTUAL_NODE) == own)


async def test_pods_of_a_dead_node_are_marked_then_evicted_after_their_toleration():
    async with world() as w:
        tolerations = [
            {
                "key": f"node.kubernetes.io/{name}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 60,
            }
            for name in ("not-ready", "unreachable")
        ]
        await w.client.create("deployments.apps", deployment(replicas=4, tolerations=tolerations))
        await w.until(lambda: len(w.pods("Running")) == 4)
        stranded = {p["metadata"]["name"] for p in w.pods() if p["spec"]["nodeName"] == "idc-1"}
        w.cluster.kubelets["idc-1"].stop()
        await w.until(lambda: taints(w, "idc-1") == UNREACHABLE)
        await w.until(
            lambda: {condition(w.look("pods", n))["status"] for n in stranded} == {"False"}
        )
        await w.pass_time(40)
        assert not any("deletionTimestamp" in w.look("pods", n)["metadata"] for n in stranded)
        await w.until(
            lambda: all("deletionTimestamp" in w.look("pods", n)["metadata"] for n in stranded),
            within=30,
        )
        await w.until(lambda: len(w.pods("Running")) == 4)
        assert all(w.look("pods", n) for n in stranded)
        w.cluster.kubelets["idc-1"].resume()
        await w.until(lambda: not any(w.look("pods", n) for n in stranded))
        assert not taints(w, "idc-1")


async def test_pods_of_a_deleted_node_are_collected_and_their_lease_goes_with_the_node():
    async with world() as w:
        await w.register_virtual_node()
        await w.client.create("pods", pod("lost", nodeName=VIRTUAL_NODE))
        await w.client.delete("nodes", "idc-1")
        await w.until(
            lambda: w.look("leases.coordination.k8s.io", "idc-1", "kube-node-lease") is None
        )
        await w.client.delete("nodes", VIRTUAL_NODE)
        await w.pass_time(30)
        assert w.look("pods", "lost")
        await w.until(lambda: w.look("pods", "lost") is None, within=60)


async def test_a_namespace_goes_when_its_graceful_pods_have_gone():
    async with world() as w:
        await w.client.create("namespaces", {"metadata": {"name": "team"}})
        await w.until(lambda: w.look("serviceaccounts", "default", "team"))
        assert w.look("configmaps", "kube-root-ca.crt", "team")["data"]["ca.crt"].startswith(
            "-----"
        )
        body = deployment(replicas=2)
        body["metadata"]["namespace"] = "team"
        await w.client.create("deployments.apps", body)
        await w.until(lambda: len(w.pods("Running", "team")) == 2)
        held = pod("held")
        held["metadata"] |= {"namespace": "team", "finalizers": ["example.com/hold"]}
        await w.client.create("pods", held)
        await w.client.delete("namespaces", "team")
        await w.until(lambda: not w.all("deployments.apps", "team"))
        await w.until(lambda: len(w.all("pods", "team")) == 1)
        team = w.look("namespaces", "team", None)
        assert team["status"]["phase"] == "Terminating"
        await w.until(
            lambda: condition(w.look("namespaces", "team", None), "NamespaceFinalizersRemaining")[
                "message"
            ].endswith("example.com/hold in 1 resource instances")
        )
        with pytest.raises(ApiError) as refused:
            await w.client.create("configmaps", {"metadata": {"name": "late"}}, "team")
        assert refused.value.code == 403
        await w.patch("pods", "held", {"metadata": {"finalizers": None}}, "team")
        await w.until(lambda: w.look("namespaces", "team", None) is None)


async def test_background_deletion_takes_dependents_and_orphan_leaves_them():
    async with world() as w:
        await w.client.create("deployments.apps", deployment("a", replicas=2))
        await w.client.create("deployments.apps", deployment("b", replicas=2))
        await w.until(lambda: len(w.pods("Running")) == 4)
        await w.client.delete("deployments.apps", "b", "default", propagation="Orphan")
        await w.until(lambda: w.look("deployments.apps", "b") is None)
        await w.client.delete("deployments.apps", "a", "default")
        assert w.look("deployments.apps", "a") is None
        await w.until(lambda: len(w.all("pods")) == 2)
        await w.until(lambda: len(w.all("replicasets.apps")) == 1)
        (left,) = w.all("replicasets.apps")
        assert left["metadata"]["name"].startswith("b-")
        assert not left["metadata"].get("ownerReferences")


async def test_foreground_deletion_waits_for_the_dependents():
    async with world() as w:
        await w.client.create("deployments.apps", deployment(replicas=2))
        await w.until(lambda: len(w.pods("Running")) == 2)
        await w.client.delete("deployments.apps", "nginx", "default", propagation="Foreground")
        await w.settle()
        assert w.look("deployments.apps", "nginx")["metadata"]["finalizers"] == [
            "foregroundDeletion"
        ]
        pods_at_the_end = []
        w.client.subscribe(
            "deployments.apps",
            lambda kind, *_: kind == "DELETED" and pods_at_the_end.append(len(w.all("pods"))),
        )
        await w.until(lambda: w.look("deployments.apps", "nginx") is None)
        assert pods_at_the_end == [0]


async def test_an_object_whose_owner_never_existed_is_removed():
    async with world() as w:
        ref = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "no-such-uid"}
        meta = {"name": "child", "ownerReferences": [ref]}
        await w.client.create("configmaps", {"metadata": meta}, "default")
        await w.until(lambda: w.look("configmaps", "child") is None)


async def test_a_disruption_budget_limits_evictions():
    async with world() as w:
        await w.client.create("deployments.apps", deployment(replicas=3))
        budget = {
            "metadata": {"name": "nginx", "namespace": "default"},
            "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "nginx"}}},
        }
        await w.client.create("poddisruptionbudgets.policy", budget)

        def allowed():
            return w.look("poddisruptionbudgets.policy", "nginx")["status"]["disruptionsAllowed"]

        await w.until(lambda: allowed() == 1)
        first, second, _ = [p["metadata"]["name"] for p in w.pods()]
        await w.client.evict("default", first)
        with pytest.raises(ApiError) as refused:
            await w.client.evict("default", second)
        assert refused.value.code == 429
        await w.until(lambda: allowed() == 1)
        await w.client.evict("default", second)


async def test_endpoints_follow_ready_pods():
    async with world() as w:
        service = {
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "nginx"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }
        await w.client.create("services", service)
        await w.client.create("deployments.apps", deployment(replicas=3))
        await w.until(lambda: len(addresses(w)) == 3)
        assert addresses(w) == {p["status"]["podIP"] for p in w.pods()}
        (piece,) = [
            s for s in w.all("endpointslices.discovery.k8s.io")
            if s["metadata"]["labels"].get("kubernetes.io/service-name") == "web"
        ]  # fmt: skip
        assert len(piece["endpoints"]) == 3
        assert piece["ports"][0]["port"] == 8080
        await w.patch("deployments.apps", "nginx", {"spec": {"replicas": 1}})
        await w.until(lambda: len(addresses(w)) == 1)
        unready = pod("unready")
        unready["metadata"]["labels"] = {"app": "nginx"}
        probe = {"exec": {"command": ["false"]}}
        unready["spec"]["containers"][0]["readinessProbe"] = probe
        await w.client.create("pods", unready)
        await w.until(lambda: len(addresses(w, "notReadyAddresses")) == 1)
        assert len(addresses(w)) == 1
        await w.client.delete("services", "web", "default")
        await w.until(lambda: w.look("endpoints", "web") is None)


def addresses(w, field="addresses"):
    found = w.look("endpoints", "web") or {}
    return {a["ip"] for s in found.get("subsets") or [] for a in s.get(field) or []}


async def test_equal_events_are_counted_and_all_are_forgotten_after_an_hour():
    async with world() as w:
        await w.client.create("pods", pod("web"))
        await w.until(lambda: w.pods("Running"))
        found = w.look("pods", "web")
        for _ in range(3):
            await w.manager.context.events.emit("tester", found, "Again", "the same")
        (again,) = [e for e in w.all("events") if e["reason"] == "Again"]
        assert again["count"] == 3
        for number in range(100):
            await w.manager.context.events.emit("tester", found, "Flood", f"number {number}")
        assert len([e for e in w.all("events") if e["reason"] == "Flood"]) < 26
        await w.pass_time(3700, step=30)
        assert not [e for e in w.all("events") if e["involvedObject"]["name"] == "web"]


async def test_an_autoscaler_reports_its_target_and_keeps_it_within_bounds():
    async with world() as w:
        await w.client.create("deployments.apps", deployment(replicas=1))
        scaler = {
            "metadata": {"name": "nginx", "namespace": "default"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nginx"},
                "minReplicas": 2,
                "maxReplicas": 4,
            },
        }
        resource = "horizontalpodautoscalers.autoscaling"
        await w.client.create(resource, scaler)
        await w.until(lambda: len(w.pods("Running")) == 2)
        await w.until(lambda: w.look(resource, "nginx")["status"]["currentReplicas"] == 2)


async def test_new_loops_on_the_same_objects_continue_without_a_change():
    async with world(node_config(1), node_config(2)) as w:
        await w.register_virtual_node()
        await w.client.create("deployments.apps", deployment(replicas=3))
        await w.client.create("deployments.apps", deployment("burst", replicas=2, **VIRTUAL))
        await w.until(lambda: len(w.pods("Running")) == 3)
        await w.pass_time(5)
        before = {p["metadata"]["name"]: p["metadata"]["resourceVersion"] for p in w.all("pods")}
        second = Manager(w.cluster, w.manager.config)
        tasks = second.start()
        for _ in range(3):
            await w.renew(VIRTUAL_NODE)
            await w.pass_time(10)
        after = {p["metadata"]["name"]: p["metadata"]["resourceVersion"] for p in w.all("pods")}
        for task in tasks:
            task.cancel()
        assert after == before


async def test_a_token_secret_is_filled_with_a_token_that_signs_in():
    async with world() as w:
        await w.client.create("serviceaccounts", {"metadata": {"name": "robot"}}, "default")
        annotations = {"kubernetes.io/service-account.name": "robot"}
        secret = {
            "metadata": {"name": "robot-token", "annotations": annotations},
            "type": "kubernetes.io/service-account-token",
        }
        await w.client.create("secrets", secret, "default")
        found = await w.until(lambda: w.look("secrets", "robot-token")["data"].get("token"))
        token = base64.b64decode(found).decode()
        user = w.cluster.authenticator.token_user(token)
        assert user.name == "system:serviceaccount:default:robot"
