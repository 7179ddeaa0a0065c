"""A pod of a cluster on KCI, from its scheduling to its end, through the real reconciler."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from addons.runtime.loop import Runtime
from kube.secret import Secret
from providers import sealing
from tests.addons import cast
from tests.addons.pods.conftest import Control, Site, prepare, registered
from tests.conftest import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(world: World, runtime: Runtime, settings: Any) -> Iterator[Site]:
    settings.FULL_SWEEP_SECONDS, settings.SWEEP_SECONDS = 2.0, 0.5
    control = Control(world.facts["control_url"])
    cloud = world.facts["clouds"]["kci"]
    account = cast.account(provider="kci", region=cloud["region"], endpoint=cloud["endpoint"])
    key = cloud["keys"][0]
    secret = Secret(key["access_key_secret"])
    sealing.seal_into(account, key_id=key["access_key_id"], secret=secret, token=Secret(""))
    account.save()
    cluster = registered(world, account)
    node = cast.node(
        cluster,
        provider="kci",
        account=account,
        region=cloud["region"],
        name=f"vk-{uuid.uuid4().hex[:6]}",
        zone=cloud["subnets"][0]["zone"],
        security_group=cloud["security_group_id"],
        placements=[{"zone": s["zone"], "subnet": s["id"]} for s in cloud["subnets"]],
    )
    made = Site(runtime, control, cluster, account, node, f"t-{uuid.uuid4().hex[:6]}")
    runtime.run(prepare(made), timeout=20)
    yield made
    control.call("DELETE", "/kci/faults")


def test_a_pod_runs_is_billed_and_goes(site: Site) -> None:
    size = {"k8s.ksyun.com/kci-instance-cpu": "3", "k8s.ksyun.com/kci-instance-memory": "6"}
    site.create("web", metadata={"annotations": size})
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    found, (row,) = site.get("web"), site.rows()
    assert found is not None
    assert found["status"]["podIP"] == row.ip
    assert found["metadata"]["annotations"]["spillway.io/instance-size"] == row.spec == "4C8G"
    assert row.billed_from is not None
    site.remove("web")
    site.queue("web")
    site.work(lambda: site.phase("web") == "gone")
    (row,) = site.rows()
    assert (row.state, row.close_reason) == ("closed", "deleted")
    assert row.billed_to is not None


def test_a_create_whose_answer_was_lost_is_found_again_by_its_name(site: Site) -> None:
    before = len(site.control.call("GET", "/kci/instances"))
    fault = {"action": "CreateContainerGroup", "lost_answer": True, "times": 1}
    site.control.call("POST", "/kci/faults", fault)
    site.create("lost")
    site.queue("lost")
    site.work(lambda: site.phase("lost") == "Running")
    assert len(site.control.call("GET", "/kci/instances")) == before + 1
    (row,) = site.rows()
    assert row.cloud_id
    assert row.error_code == ""
