"""The loops seen through an unmodified kubectl."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.cluster import controllers
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.controllers.config import Config, Pace

KUBECTL = Path(sys.executable).with_name("kubectl")


class Kubectl:
    """Runs kubectl against one cluster."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self._cache = folder / "cache"

    async def run(self, *args: str, stdin: str = "") -> tuple[int, str]:
        """(exit code, stdout and stderr)."""
        process = await asyncio.create_subprocess_exec(
            KUBECTL, "--kubeconfig", self.kubeconfig, "--cache-dir", self._cache, *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
        return process.returncode or 0, output.decode()

    async def __call__(self, *args: str, stdin: str = "") -> str:
        """The output of a command that must succeed."""
        code, output = await self.run(*args, stdin=stdin)
        assert code == 0, output
        return output

    async def objects(self, *args: str) -> list[dict]:
        document = json.loads(await self("get", *args, "-o", "json"))
        return document.get("items", [document])


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    cluster = Cluster("walk", controllers=False, seed=3)
    await cluster.start()
    config = Config(pace=Pace(pull=0.2, stop=0.2), coredns_replicas=0)
    tasks = controllers.start(cluster, config)
    made = Kubectl(tmp_path)
    made.kubeconfig.write_text(cluster.kubeconfig())
    try:
        await made("wait", "--for=create", "serviceaccount/default", "--timeout=10s")
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await cluster.stop()


async def test_rollout_history_undo_restart_and_scale(kubectl):
    await kubectl("create", "deployment", "nginx", "--image=nginx:1.25", "--replicas=3")
    done = 'deployment "nginx" successfully rolled out'
    assert done in await kubectl("rollout", "status", "deploy/nginx", "--timeout=20s")
    await kubectl("set", "image", "deploy/nginx", "nginx=nginx:1.26")
    assert done in await kubectl("rollout", "status", "deploy/nginx", "--timeout=20s")
    history = await kubectl("rollout", "history", "deploy/nginx")
    assert history.split()[-4:] == ["1", "<none>", "2", "<none>"]
    await kubectl("rollout", "undo", "deploy/nginx")
    assert done in await kubectl("rollout", "status", "deploy/nginx", "--timeout=20s")
    (found,) = await kubectl.objects("deployment", "nginx")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.25"
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    await kubectl("rollout", "restart", "deploy/nginx")
    assert done in await kubectl("rollout", "status", "deploy/nginx", "--timeout=20s")
    await kubectl("scale", "deploy/nginx", "--replicas=5")
    await kubectl("wait", "--for=jsonpath={.status.availableReplicas}=5", "deploy/nginx")
    await kubectl("delete", "deployment", "nginx", "--cascade=foreground")
    assert await kubectl.objects("replicasets,pods") == []


async def test_job_logs_exec_and_wait(kubectl):
    script = "echo begin; sleep 1; echo end"
    await kubectl("create", "job", "work", "--image=busybox", "--", "sh", "-c", script)
    await kubectl("wait", "--for=condition=complete", "job/work", "--timeout=20s")
    assert await kubectl("logs", "job/work") == "begin\nend\n"
    listed = await kubectl("get", "job", "work")
    assert "Complete" in listed
    assert "1/1" in listed
    await kubectl("run", "web", "--image=nginx")
    await kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=20s")
    assert await kubectl("exec", "web", "--", "hostname") == "web\n"
    code, output = await kubectl.run("exec", "web", "--", "sh", "-c", "exit 3")
    assert code == 3, output
    assert "Running" in await kubectl("get", "pod", "web", "-o", "wide")
    described = await kubectl("describe", "pod", "web")
    assert "Successfully assigned default/web to idc-node-" in described
    assert "Started container web" in described
    code, output = await kubectl.run("logs", "web", "--previous")
    assert code == 1
    assert 'previous terminated container "web" in pod "web" not found' in output


async def test_drain_moves_pods_within_their_budget(kubectl):
    await kubectl("create", "deployment", "nginx", "--image=nginx", "--replicas=4")
    await kubectl("rollout", "status", "deploy/nginx", "--timeout=20s")
    await kubectl("create", "pdb", "nginx", "--selector=app=nginx", "--min-available=3")
    await kubectl("wait", "--for=jsonpath={.status.disruptionsAllowed}=1", "pdb/nginx")
    output = await kubectl("drain", "idc-node-1", "--ignore-daemonsets", "--timeout=50s")
    assert "node/idc-node-1 drained" in output
    pods = await kubectl.objects("pods")
    assert {p["spec"]["nodeName"] for p in pods} == {"idc-node-2"}
    assert "SchedulingDisabled" in await kubectl("get", "node", "idc-node-1")
    await kubectl("uncordon", "idc-node-1")
    (node,) = await kubectl.objects("node", "idc-node-1")
    assert "unschedulable" not in node["spec"]


async def addresses(kubectl):
    (endpoints,) = await kubectl.objects("endpoints", "web", "-n", "team")
    return sum(len(s.get("addresses", [])) for s in endpoints.get("subsets", []))


async def eventually(read, wanted, seconds=10.0):
    """Read again until the wanted value comes; AssertionError after `seconds`."""
    async with asyncio.timeout(seconds):
        while await read() != wanted:
            await asyncio.sleep(0.05)


async def test_a_service_an_autoscaler_and_a_namespace_come_and_go(kubectl):
    await kubectl("create", "namespace", "team")
    await kubectl("-n", "team", "create", "deployment", "web", "--image=nginx", "--replicas=2")
    await kubectl("-n", "team", "expose", "deploy/web", "--port=80")
    await kubectl("-n", "team", "rollout", "status", "deploy/web", "--timeout=20s")
    await eventually(lambda: addresses(kubectl), 2)
    await kubectl("-n", "team", "autoscale", "deploy", "web", "--min=3", "--max=5", "--cpu=80%")
    await kubectl("-n", "team", "wait", "--for=jsonpath={.status.readyReplicas}=3", "deploy/web")
    assert "Deployment/web" in await kubectl("-n", "team", "get", "hpa")
    await kubectl("delete", "namespace", "team", "--timeout=30s")
    assert "NotFound" in (await kubectl.run("get", "namespace", "team"))[1]
    assert (await kubectl("get", "pods", "-A")).strip().startswith("No resources")


async def test_what_quota_refuses_is_told_on_the_replica_set(kubectl):
    await kubectl("create", "quota", "few", "--hard=pods=1")
    await kubectl("create", "deployment", "nginx", "--image=nginx", "--replicas=2")
    await kubectl("wait", "--for=condition=ReplicaFailure", "deploy/nginx", "--timeout=10s")
    described = await kubectl("describe", "rs", "-l", "app=nginx")
    assert "FailedCreate" in described
    assert "exceeded quota: few" in described
    (quota,) = await kubectl.objects("quota", "few")
    assert quota["status"] == {"hard": {"pods": "1"}, "used": {"pods": "1"}}
    await kubectl("delete", "quota", "few")
    await kubectl("rollout", "status", "deploy/nginx", "--timeout=30s")


async def test_a_cluster_restarted_from_its_state_keeps_its_pods(tmp_path):
    config = Config(pace=Pace(pull=0.2, stop=0.2), coredns_replicas=1)
    seen = []
    for _ in range(2):
        cluster = Cluster("walk", controllers=False, state_dir=tmp_path / "state")
        (tmp_path / "state").mkdir(exist_ok=True)
        await cluster.start()
        tasks = controllers.start(cluster, config)
        kubectl = Kubectl(tmp_path)
        kubectl.kubeconfig.write_text(cluster.kubeconfig())
        args = ("-n", "kube-system", "wait", "deploy/coredns", "--timeout=20s")
        await kubectl("-n", "kube-system", "wait", "deploy/coredns", "--for=create")
        await kubectl(*args, "--for=condition=Available")
        await kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=20s")
        pods = await kubectl.objects("pods", "-A")
        seen.append([(p["metadata"]["uid"], p["status"]["startTime"]) for p in pods])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await cluster.stop()
    assert seen[0] == seen[1] != []
