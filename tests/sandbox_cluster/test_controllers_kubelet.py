"""What the on-premises kubelets make of pods."""

import json

from tests.sandbox_cluster.controllers_world import node_config, pod, world


def state(w, name, place=0):
    return w.look("pods", name)["status"]["containerStatuses"][place]


def phase(w, name):
    found = w.look("pods", name)
    return found and found["status"]["phase"]


async def logs(w, name, **options):
    found = w.look("pods", name)
    backend = w.cluster.kubelets[found["spec"]["nodeName"]]
    asked = {"follow": False, "tail_lines": None, "since_seconds": None, "timestamps": False}
    asked |= {"previous": False} | options
    return [line.decode() async for line in backend.logs(found, "main", **asked)]


async def execute(w, name, *command):
    found = w.look("pods", name)
    backend = w.cluster.kubelets[found["spec"]["nodeName"]]
    frames = [f async for f in backend.exec(found, "main", list(command), None, False)]
    out = b"".join(data for channel, data in frames if channel == 1).decode()
    return out, json.loads(frames[-1][1])


async def test_a_pod_passes_through_creating_to_running_and_ready():
    async with world() as w:
        await w.client.create("pods", pod("web"))
        await w.until(lambda: w.look("pods", "web")["status"].get("containerStatuses"))
        assert state(w, "web")["state"]["waiting"]["reason"] == "ContainerCreating"
        assert phase(w, "web") == "Pending"
        await w.until(lambda: phase(w, "web") == "Running")
        status = w.look("pods", "web")["status"]
        assert {c["type"]: c["status"] for c in status["conditions"]} == {
            "PodScheduled": "True",
            "PodReadyToStartContainers": "True",
            "Initialized": "True",
            "ContainersReady": "True",
            "Ready": "True",
        }
        expected = {"Scheduled", "Pulling", "Pulled", "Created", "Started"}
        assert expected <= w.reasons("web")


async def test_a_finite_command_completes_and_its_logs_stay():
    async with world() as w:
        script = "for i in 1 2 3; do echo line $i; sleep 2; done"
        body = pod("job", image="busybox", command=["sh", "-c", script], restartPolicy="Never")
        await w.client.create("pods", body)
        await w.until(lambda: phase(w, "job") == "Succeeded")
        assert state(w, "job")["state"]["terminated"]["reason"] == "Completed"
        assert await logs(w, "job") == ["line 1\n", "line 2\n", "line 3\n"]
        assert await logs(w, "job", tail_lines=1) == ["line 3\n"]
        (stamped,) = await logs(w, "job", tail_lines=1, timestamps=True)
        assert stamped.startswith("2026-01-01T")


async def test_a_failing_command_fails_the_pod_that_must_not_restart():
    async with world() as w:
        body = pod("bad", image="busybox", command=["sh", "-c", "echo no; exit 3"])
        body["spec"]["restartPolicy"] = "Never"
        await w.client.create("pods", body)
        await w.until(lambda: phase(w, "bad") == "Failed")
        assert state(w, "bad")["state"]["terminated"]["exitCode"] == 3


async def test_a_crashing_container_restarts_with_growing_back_off():
    async with world() as w:
        await w.client.create("pods", pod("crash", image="busybox", command=["false"]))
        waits = []
        await w.until(lambda: state_reason(w, "crash") == "CrashLoopBackOff")
        for expected in (1, 2, 3):
            assert state(w, "crash")["restartCount"] == expected
            begin = w.clock.monotonic()
            await w.until(lambda n=expected: state(w, "crash")["restartCount"] > n)
            waits.append(w.clock.monotonic() - begin)
            await w.until(lambda: state_reason(w, "crash") == "CrashLoopBackOff")
        assert 8 < waits[0] < 12
        assert 17 < waits[1] < 22
        assert 36 < waits[2] < 42
        assert phase(w, "crash") == "Running"
        assert "BackOff" in w.reasons("crash")


def state_reason(w, name):
    statuses = w.look("pods", name)["status"].get("containerStatuses")
    return statuses and statuses[0]["state"].get("waiting", {}).get("reason")


async def test_init_containers_run_one_after_another_before_the_rest():
    async with world() as w:
        body = pod("staged")
        body["spec"]["initContainers"] = [
            {"name": name, "image": "busybox", "command": ["sleep", "3"]} for name in ("a", "b")
        ]
        await w.client.create("pods", body)
        await w.until(lambda: "running" in init_states(w)[:1])
        assert init_states(w)[1] == "waiting"
        await w.until(lambda: init_states(w) == ["terminated", "running"])
        assert phase(w, "staged") == "Pending"
        await w.until(lambda: phase(w, "staged") == "Running")


def init_states(w):
    statuses = w.look("pods", "staged")["status"].get("initContainerStatuses", [])
    return [next(iter(status["state"])) for status in statuses] or ["none", "none"]


async def test_a_sidecar_runs_beside_the_rest_and_ends_with_it():
    async with world() as w:
        body = pod("batch", image="busybox", command=["sleep", "5"], restartPolicy="Never")
        sidecar = {"name": "proxy", "image": "nginx", "restartPolicy": "Always"}
        body["spec"]["initContainers"] = [sidecar]
        await w.client.create("pods", body)
        await w.until(lambda: phase(w, "batch") == "Running")
        (running,) = w.look("pods", "batch")["status"]["initContainerStatuses"]
        assert "running" in running["state"]
        await w.until(lambda: phase(w, "batch") == "Succeeded")
        (ended,) = w.look("pods", "batch")["status"]["initContainerStatuses"]
        assert ended["state"]["terminated"]["exitCode"] == 0


async def test_a_missing_secret_keeps_the_pod_creating_until_it_exists():
    async with world() as w:
        body = pod("needy")
        body["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "keys"}}]
        body["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/keys"}]
        await w.client.create("pods", body)
        await w.until(lambda: "FailedMount" in w.reasons("needy"))
        assert phase(w, "needy") == "Pending"
        await w.client.create(
            "secrets", {"metadata": {"name": "keys"}, "data": {"k": "dg=="}}, "default"
        )
        await w.until(lambda: phase(w, "needy") == "Running")
        out, status = await execute(w, "needy", "cat", "/keys/k")
        assert out == "v"
        assert status["status"] == "Success"


async def test_exec_runs_a_shell_with_the_containers_environment():
    async with world() as w:
        body = pod("web")
        body["spec"]["containers"][0]["env"] = [
            {"name": "COLOUR", "value": "blue"},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ]
        await w.client.create("pods", body)
        await w.until(lambda: phase(w, "web") == "Running")
        out, status = await execute(w, "web", "sh", "-c", "echo $COLOUR on $NODE; exit 3")
        assert out == f"blue on {w.look('pods', 'web')['spec']['nodeName']}\n"
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
        out, status = await execute(w, "web", "nosuch")
        assert status["status"] == "Failure"


async def test_deletion_is_graceful_and_ends_with_the_object_gone():
    async with world() as w:
        await w.client.create("pods", pod("web"))
        await w.until(lambda: phase(w, "web") == "Running")
        await w.client.delete("pods", "web", "default")
        assert w.look("pods", "web")["metadata"]["deletionGracePeriodSeconds"] == 30
        await w.until(lambda: w.look("pods", "web") is None, within=5)
        assert "Killing" in w.reasons("web")


async def test_the_kubelet_refuses_what_does_not_fit_although_the_scheduler_was_skipped():
    async with world(node_config(1)) as w:
        body = pod("huge", nodeName="idc-1")
        body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "50"}}
        await w.client.create("pods", body)
        await w.until(lambda: phase(w, "huge") == "Failed")
        assert w.look("pods", "huge")["status"]["reason"] == "OutOfcpu"


async def test_pods_on_nodes_that_are_not_ours_are_never_touched():
    async with world() as w:
        node = await w.register_virtual_node()
        name = node["metadata"]["name"]
        await w.client.create("pods", pod("theirs", nodeName=name))
        before = w.look("pods", "theirs")["metadata"]["resourceVersion"]
        for _ in range(6):
            await w.pass_time(10)
            await w.renew(name)
        assert w.look("pods", "theirs")["metadata"]["resourceVersion"] == before
        await w.client.delete("pods", "theirs", "default")
        await w.pass_time(20)
        assert w.look("pods", "theirs")["metadata"]["deletionTimestamp"]
