"""KCE's component API over the wire, signed; the virtual kubelet that it installs."""

import json

import pytest

from sandbox.clouds.groups.faults import Fault
from sandbox.clouds.kci.virtualnode import call
from sandbox.world import Settings, World

from .conftest import House, until
from .test_virtual_nodes import alive, phase, pod, ready, running

CONFIG = {"nodename": "virtual-kubelet01", "enableNodeLease": True}


class Kce(House):
    @property
    def cloud(self):
        return self.world.kci.cloud

    async def ask(self, action, **params):
        about = self.world.describe()["clouds"]["kci"]
        key, now = self.cloud.keys.lasting()[0], self.cloud.now()
        wanted = {"ClusterId": self.id("kce-beijing"), **params}
        return await call(
            about["endpoint"], key, about["region"], action, wanted, now=now, **KCE_SERVICE
        )

    async def change(self, action, version="v1.3.1", **config):
        network = self.cloud.network
        settings = {
            "k8s.ksyun.com/kci-subnet-id": next(iter(network.subnets)),
            "k8s.ksyun.com/kci-security-group-id": network.default_security_group.id,
        }
        one = {
            "Name": "virtual-kubelet",
            "ReleaseName": "vk",
            "Version": version,
            "Config": json.dumps({**CONFIG, "instanceSettings": settings, **config}),
        }
        return await self.ask(action, **{f"Component.1.{k}": v for k, v in one.items()})

    async def rows(self):
        asked = {"ComponentName": "virtual-kubelet"}
        return (await self.ask("ListComponentInstance", **asked))["Data"]

    async def becomes(self, status):
        await until(lambda: [r.status for r in self.cloud.components.rows.values()] == [status], 15)
        (row,) = await self.rows()
        return row


KCE_SERVICE = {"service": "kce", "api": "2019-08-06"}


@pytest.fixture
async def kce(tmp_path):
    world = World(Settings(tmp_path, base_port=None, clusters=("kce-beijing",), speed=10.0))
    await world.start()
    yield Kce(world)
    await world.stop()


async def test_a_component_is_installed_changed_and_deleted_and_its_instances_stay(kce):
    cluster = kce.cluster("kce-beijing")
    assert "Message" not in await kce.change("InstallComponent", version="v1.3.0")
    row = await kce.becomes("Installed")
    assert (row["ReleaseName"], row["ComponentVersion"]) == ("vk", "v1.3.0")
    await until(lambda: ready(cluster, "virtual-kubelet01"), 15)
    await cluster.client.create("pods", pod())
    await running(cluster)
    assert "Message" not in await kce.change("UpdateComponentInstance")
    await kce.becomes("Installed")
    deployment = cluster.client.look("deployments.apps", "vk", "kube-system")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].endswith(":v1.3.1")
    gone = {"ComponentName": "virtual-kubelet", "ReleaseName": "vk"}
    await kce.ask("DeleteComponentInstance", **gone)
    await until(lambda: not kce.cloud.components.rows)
    assert await kce.rows() == []
    assert len(alive(kce.cloud)) == 1
    assert phase(cluster) == "Running"


async def test_what_kce_declines_is_an_answer_with_a_message(kce):
    assert "no version" in (await kce.change("InstallComponent", version="v9"))["Message"]
    await kce.change("InstallComponent")
    assert "already exists" in (await kce.change("InstallComponent"))["Message"]


async def test_a_planted_fault_fails_an_installation_that_can_then_be_deleted(kce):
    kce.cloud.faults.plant(Fault(action="task.Installing", message="image pull failed"))
    await kce.change("InstallComponent")
    assert "image pull failed" in (await kce.becomes("Failed"))["Message"]
    await kce.ask("DeleteComponentInstance", ComponentName="virtual-kubelet")
    await until(lambda: not kce.cloud.components.rows)
