"""One virtual node served by ECI and ACS together, on both simulated clouds."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from addons.models import PodRow
from providers import accounts
from providers.models import CloudAccount
from providers.registry import dialect
from sandbox.clouds.acs.cloud import AcsCloud
from sandbox.clouds.acs.extension import AcsCluster
from sandbox.clouds.acs.store import Store
from sandbox.cluster.controllers.config import Config
from tests.addons import cast
from tests.addons.pods.conftest import Site
from tests.sandbox_cluster.serving import Served

CLASS, QOS = "alibabacloud.com/compute-class", "alibabacloud.com/compute-qos"
QUICK = {"schedule_seconds": 0.05, "pull_seconds": 0.05, "stop_seconds": 0.05, "retry_seconds": 0.2}
ACS_POD = {"labels": {CLASS: "general-purpose", QOS: "default"}}
TWO_CPUS = {
    "name": "nginx",
    "image": "nginx:1.27",
    "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}},
}


class Acs(Served):
    """An ACS cluster; `cloud` is what stands behind it."""

    def __init__(self) -> None:
        self.cloud = AcsCloud(Store(None), now=time.time, rng=random.Random(5))
        extension = AcsCluster(self.cloud, "served", "v1.36.1-aliyun.1")
        super().__init__(config=Config(nodes=(), coredns_replicas=0), extensions=[extension])
        self.call(lambda: self.cloud.turn(self.cloud.knobs.updated(QUICK)))


@pytest.fixture(scope="module")
def acs() -> Iterator[Acs]:
    made = Acs()
    yield made
    made.stop()


@pytest.fixture
def second(site: Site, acs: Acs) -> CloudAccount:
    """The ACS account, verified and put beside the node's own."""
    key = dialect("acs").key({"kubeconfig": acs.cluster.kubeconfig()})
    account = accounts.add(
        team=cast.team(),
        name="acs",
        provider="acs",
        region="cn-hangzhou",
        key=key,
        now=datetime.now(UTC),
    )
    site.node.second_account = account
    site.node.save()
    return account


def shown_on(site: Site, name: str) -> dict[str, str]:
    found = site.get(name)
    assert found is not None
    return dict(found["metadata"].get("annotations") or {})


def work(site: Site, until: Callable[[], Any], *, seconds: float = 20.0) -> None:
    """Drain the node and sweep both accounts until the condition holds."""
    second = site.node.second_account
    assert second is not None
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"not true within {seconds} s: {site.outcomes()}"
        swept = replace(site, account=second)
        swept.drain()
        site.drain()


def running(site: Site, *names: str) -> Any:
    return lambda: all(site.phase(name) == "Running" for name in names)


def test_a_class_makes_it_acs_and_none_eci_side_by_side(
    site: Site, acs: Acs, second: CloudAccount
) -> None:
    site.create("plain")
    site.create("classy", containers=[TWO_CPUS], metadata=ACS_POD)
    site.queue("plain", "classy")
    work(site, running(site, "plain", "classy"))
    work(site, lambda: "alibabacloud.com/instance-id" in shown_on(site, "classy"))
    assert {row.pod_name: row.account.provider for row in site.rows()} == {
        "plain": "eci",
        "classy": "acs",
    }
    (instance,) = (i for i in acs.cloud.living() if i.compute_class == "general-purpose")
    shown = shown_on(site, "classy")
    assert (
        shown.items()
        >= {
            "ProviderCreate": "done",
            "alibabacloud.com/client-token": instance.client_token,
            "alibabacloud.com/instance-id": instance.id,
            "alibabacloud.com/pod-ephemeral-storage": "30Gi",
            "alibabacloud.com/pod-use-spec": "2-4Gi",
            "alibabacloud.com/request-id": instance.request_id,
            "alibabacloud.com/schedule-result": "finished",
            "alibabacloud.com/user-id": acs.cloud.account_id,
            "kubernetes.io/preferred-scheduling-node": f"{site.node.name}/1",
            "kubernetes.io/resource-type": "serverless",
        }.items()
    )
    assert instance.id.startswith("acs-")
    assert shown_on(site, "plain")["alibabacloud.com/instance-id"].startswith("eci-")
    assert not [key for key in shown if "eci" in key]
    pod = site.get("classy")
    assert pod is not None
    assert pod["status"]["podIP"] == instance.ip
    assert pod["status"]["containerStatuses"][0]["containerID"].startswith("acs://sw-")
    row = site.rows()[-1]
    assert (row.spec, row.zone) == ("2-4Gi", instance.zone)
    for name in ("plain", "classy"):
        site.remove(name, grace_seconds=1)
    site.queue("plain", "classy")
    work(site, lambda: site.phase("plain") == site.phase("classy") == "gone")
    assert {row.state for row in site.rows()} == {"closed"}
    assert not list(acs.cloud.living())


def test_a_lost_answer_of_acs_makes_one_instance(
    site: Site, acs: Acs, second: CloudAccount
) -> None:
    before = len(acs.cloud.instances)
    acs.cluster.faults.lost_answers = 5
    names = [f"lost-{number}" for number in range(5)]
    for name in names:
        site.create(name, containers=[TWO_CPUS], metadata=ACS_POD)
    site.queue(*names)
    work(site, running(site, *names), seconds=40)
    assert len(acs.cloud.instances) - before == 5
    assert {row.generation for row in site.rows()} == {1}
    for name in names:
        site.remove(name, grace_seconds=1)
    site.queue(*names)
    work(site, lambda: all(site.phase(name) == "gone" for name in names))
    assert not list(acs.cloud.living())


def test_a_pod_without_stock_waits_in_the_cloud_unpaid_and_says_so(
    site: Site, acs: Acs, second: CloudAccount
) -> None:
    zones = {vswitch.zone: False for vswitch in acs.cloud.network.vswitches.values()}
    acs.call(lambda: acs.cloud.turn(acs.cloud.knobs.updated({"stock": zones})))
    labels = {CLASS: "performance", QOS: "best-effort"}
    site.create("waits", containers=[TWO_CPUS], metadata={"labels": labels})
    site.queue("waits")

    def told() -> bool:
        row = PodRow.objects.get(name="waits")
        return row.blocker == "NoPlaceYet" and "out of stock" in row.blocker_values["message"]

    work(site, told)
    (row,) = site.rows()
    assert row.billed_from is None
    assert not list(acs.cloud.living())
    acs.call(lambda: acs.cloud.turn(acs.cloud.knobs.updated({"stock": {}})))
    work(site, running(site, "waits"))
    site.remove("waits", grace_seconds=1)
    site.queue("waits")
    work(site, lambda: site.phase("waits") == "gone")


def test_what_acs_refuses_fails_the_pod_with_its_words(
    site: Site, acs: Acs, second: CloudAccount
) -> None:
    large = {"limits": {"cpu": "32", "memory": "64Gi"}}
    site.create("large", containers=[{**TWO_CPUS, "resources": large}], metadata=ACS_POD)
    site.create("odd", containers=[TWO_CPUS], metadata={"labels": {CLASS: "burstable"}})
    site.queue("large", "odd")
    work(site, lambda: site.phase("large") == site.phase("odd") == "Failed")
    pods = {name: site.get(name) for name in ("large", "odd")}
    assert "needs approval" in str(pods["large"]["status"]["message"])  # type: ignore[index]
    assert "no compute class burstable" in str(pods["odd"]["status"]["message"])  # type: ignore[index]
    assert PodRow.objects.filter(blocker="InvalidSpec").count() == 2
