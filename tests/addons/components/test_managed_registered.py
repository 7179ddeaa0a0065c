"""A registered cluster by grant and managed add-on; a KCE cluster by KCE's own component API."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from addons.components import asking, gates, manage, ram, vendors
from addons.models import Operation
from addons.runtime.loop import Runtime
from addons.sentences import read
from kube import NODES, Kube
from kube.secret import Secret
from providers import sealing
from tests.addons import cast
from tests.addons.components.conftest import Place
from tests.addons.components.test_managed import ADDON, Ack, ack_of
from tests.addons.components.test_managed_ram import ended
from tests.addons.pods.conftest import Control, registered
from tests.conftest import World


@pytest.fixture
def idc(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ack]:
    for module in (manage, gates, ram, vendors):
        monkeypatch.setattr(module, "runtime", lambda: runtime)
    monkeypatch.setattr(asking, "POLL_SECONDS", 0.05)
    with tempfile.TemporaryDirectory(prefix="sp-idc-") as directory:
        world = World(Path(directory), clusters="idc-hangzhou")
        world.start()
        made = ack_of(world, runtime)
        made.cluster.version, made.cluster.kind = "v1.36.1", "self-managed"
        made.cluster.save()
        yield made
        world.stop()


async def _virtual(kube: Kube) -> Any:
    return await kube.list(NODES, labels="type=virtual-kubelet")


def test_a_registered_cluster_is_granted_a_key_then_gets_its_nodes_and_loses_them(
    idc: Ack,
) -> None:
    vendors.find(idc.cluster)
    assert idc.cluster.vendor_facts["kind"] == "ack-registered"
    plan = manage.plan(idc.cluster, ADDON, action="install", version="v2.10.5")
    assert plan.delivery == "managed"
    [lacking] = [check for check in plan.checks if check.state == "bad"]
    assert (lacking.code, "RAM user" in lacking.fix) == ("addon-key", True)
    ended(idc, ram.grant(idc.account, ADDON, actor="alice", now=cast.NOW, cluster=idc.cluster))
    done = idc.run(ADDON, "install", version="v2.10.5")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    nodes = [node["metadata"]["name"] for node in idc.ask(_virtual).items]
    assert nodes
    assert all(name.startswith("virtual-kubelet-cn-hangzhou-") for name in nodes)
    done = idc.run(ADDON, "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert idc.ask(_virtual).items == []
    assert done.arguments["proof"]["instances"] == []
    status = gates.look(idc.cluster)
    assert (status.settable, status.works) == (False, False)
    assert "API server" in read(status.why)


@pytest.fixture
def kce(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for module in (manage, vendors):
        monkeypatch.setattr(module, "runtime", lambda: runtime)
    monkeypatch.setattr(asking, "POLL_SECONDS", 0.05)
    with tempfile.TemporaryDirectory(prefix="sp-kce-") as directory:
        world = World(Path(directory), clusters="kce-beijing")
        world.start()
        cloud, control = world.facts["clouds"]["kci"], Control(world.facts["control_url"])
        knobs = {"schedule_seconds": 0, "pull_seconds": 0.1, "component_seconds": 0.2}
        control.call("PUT", "/kci/knobs", knobs)
        account = cast.account(provider="kci", region=cloud["region"], endpoint=cloud["endpoint"])
        key = next(k for k in cloud["keys"] if k.get("note") == "full access")
        secret = Secret(key["access_key_secret"])
        sealing.seal_into(account, key_id=key["access_key_id"], secret=secret, token=Secret(""))
        account.save()
        cluster = registered(world, account)
        cluster.version, cluster.kind, cluster.region = "v1.36.1", "kce", cloud["region"]
        cluster.save()
        yield Place(runtime, cluster, account, control, cloud)
        world.stop()


def test_the_virtual_kubelet_of_kci_is_managed_by_kce(kce: Place) -> None:
    name = "rbkci-virtual-kubelet"
    assert vendors.find(kce.cluster)
    assert kce.cluster.vendor_facts["vendor"] == "kingsoft"
    given = {
        "TEMP_AKSK_CM": "user-temp-aksk",
        "KCI_CLUSTER_ID": kce.cluster.vendor_id,
        "KCI_REGION": kce.cloud["region"],
        "KCI_SUBNET_ID": kce.cloud["subnets"][0]["id"],
        "KCI_SECURITY_GROUP_IDS": kce.cloud["security_group_id"],
        "nodename": "virtual-kubelet01",
    }
    lost = {**given, "virtual-node-dns": "198.18.254.30", "KCI_REQUEST_INTERNAL": True}
    plan = manage.plan(kce.cluster, name, action="install", delivery="managed", values=lost)
    [check] = [one for one in plan.checks if one.code == "settings"]
    assert check.state == "bad"
    assert "KCI_REQUEST_INTERNAL, virtual-node-dns" in check.detail
    plan = manage.plan(kce.cluster, name, action="install", delivery="managed", values=given)
    assert not plan.blocking, plan.checks
    done = kce.run(name, "install", delivery="managed", values=given)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert [node["metadata"]["name"] for node in kce.ask(_virtual).items] == ["virtual-kubelet01"]
    row = kce.row(name)
    assert row is not None
    assert manage.drift(row) == []
    changed = {**given, "cluster-domain": "cluster.local"}
    done = kce.run(name, "configure", values=changed)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    done = kce.run(name, "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert kce.ask(_virtual).items == []
    assert kce.row(name) is None
