"""Whatever is done to a cluster in whatever order, it ends up as its specs ask."""

import random

import pytest

from tests.sandbox_cluster.controllers_world import deployment, world

NAMES = ("a", "b", "c")


class Mischief:
    """Random changes of three Deployments, their pods and their nodes."""

    def __init__(self, w, seed):
        self.w = w
        self.rng = random.Random(seed)

    async def patch(self, name, spec):
        await self.w.patch("deployments.apps", name, {"spec": spec})

    async def scale(self):
        await self.patch(self.rng.choice(NAMES), {"replicas": self.rng.randrange(6)})

    async def roll(self):
        image = {"name": "nginx", "image": f"nginx:{self.rng.randrange(4)}"}
        await self.patch(self.rng.choice(NAMES), {"template": {"spec": {"containers": [image]}}})

    async def pause(self):
        await self.patch(self.rng.choice(NAMES), {"paused": self.rng.random() < 0.5})

    async def switch(self):
        kind = self.rng.choice(["Recreate", "RollingUpdate"])
        await self.patch(
            self.rng.choice(NAMES), {"strategy": {"type": kind, "rollingUpdate": None}}
        )

    async def kill(self):
        pods = self.w.pods()
        if pods:
            name = self.rng.choice(pods)["metadata"]["name"]
            await self.w.client.delete(
                "pods", name, "default", grace_seconds=self.rng.choice([0, 30])
            )

    async def relabel(self):
        pods = self.w.pods()
        if pods:
            name = self.rng.choice(pods)["metadata"]["name"]
            await self.w.patch(
                "pods", name, {"metadata": {"labels": {"app": self.rng.choice(NAMES)}}}
            )

    async def stop_node(self):
        self.w.cluster.kubelets[self.rng.choice(["idc-1", "idc-2"])].stop()

    async def cordon(self):
        name = self.rng.choice(["idc-1", "idc-2"])
        await self.w.patch(
            "nodes", name, {"spec": {"unschedulable": self.rng.random() < 0.5}}, None
        )

    async def recreate(self):
        name = self.rng.choice(NAMES)
        policy = self.rng.choice(["Background", "Foreground", "Orphan"])
        if self.w.look("deployments.apps", name):
            await self.w.client.delete("deployments.apps", name, "default", propagation=policy)
            self.calm_nodes()
            await self.w.until(lambda: self.w.look("deployments.apps", name) is None)
        await self.w.client.create("deployments.apps", deployment(name, replicas=2))

    async def step(self):
        change = self.rng.choice(
            [
                self.scale, self.scale, self.roll, self.roll, self.pause, self.switch, self.kill,
                self.relabel, self.stop_node, self.cordon, self.recreate,
            ]
        )  # fmt: skip
        await change()
        await self.w.pass_time(self.rng.choice([0, 0, 0.25, 2, 15]), 0.5)
        if self.rng.random() < 0.3:
            self.calm_nodes()

    def calm_nodes(self):
        for backend in self.w.cluster.kubelets.values():
            backend.resume()

    async def calm(self):
        self.calm_nodes()
        for name in ("idc-1", "idc-2"):
            await self.w.patch("nodes", name, {"spec": {"unschedulable": False}}, None)
        for name in NAMES:
            await self.patch(name, {"paused": False})


def owned(w):
    """Pods of a ReplicaSet; relabelled ones belong to nobody and stay."""
    return [p for p in w.all("pods") if p["metadata"].get("ownerReferences")]


def converged(w):
    for name in NAMES:
        made = w.look("deployments.apps", name)
        wanted, status = made["spec"]["replicas"], made["status"]
        counts = {status.get(f"{kind}Replicas", 0) for kind in ("updated", "ready", "available")}
        if counts | {status.get("replicas", 0)} != {wanted}:
            return False
        image = made["spec"]["template"]["spec"]["containers"][0]["image"]
        pods = [p for p in owned(w) if p["metadata"]["labels"]["app"] == name]
        if [p["spec"]["containers"][0]["image"] for p in pods] != [image] * wanted:
            return False
    return True


@pytest.mark.parametrize("seed", range(8))
async def test_any_sequence_of_changes_converges(seed):
    async with world() as w:
        for name in NAMES:
            await w.client.create("deployments.apps", deployment(name, replicas=2))
        mischief = Mischief(w, seed)
        for _ in range(60):
            await mischief.step()
        await mischief.calm()
        await w.until(lambda: converged(w), within=1200)
        await w.pass_time(60)
        assert converged(w)
        last = w.cluster.history.last_seq
        await w.pass_time(30)
        heartbeats = {"leases.coordination.k8s.io", "nodes"}
        assert {write.resource for write in w.cluster.history.since(last)} <= heartbeats
