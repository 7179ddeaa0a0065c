"""J2: a registered cluster, by grant, managed add-on and safe uninstall."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from addons.components import gates, manage, managed, ram, vendors
from addons.models import Operation
from addons.runtime.loop import Runtime
from addons.sentences import read
from kube import NODES, Kube
from tests.addons import cast
from tests.addons.components.test_managed import ADDON, Ack, ack_of
from tests.conftest import World


@pytest.fixture
def idc(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ack]:
    for module in (manage, gates, ram, vendors):
        monkeypatch.setattr(module, "runtime", lambda: runtime)
    monkeypatch.setattr(managed, "POLL_SECONDS", 0.05)
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
    ram.grant(idc.account, ADDON, actor="alice", now=cast.NOW, cluster=idc.cluster)
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
