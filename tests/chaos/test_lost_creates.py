"""Every cloud loses the answers to two hundred creates: one instance per pod, none leaked.

ECI repeats under its token, ACS meets the name it gave, KCI has neither and looks twice. The
witness is each cloud's own ledger.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from tests.chaos import manifests as m
from tests.chaos.house import UID_TAG, House, World, call, wait_until

pytestmark = pytest.mark.chaos
PODS = 200
ACS_LABELS = {"alibabacloud.com/compute-class": "general-purpose"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Cloud:
    """Where its pods go, what its create is called, and whose pod an instance is by its ledger."""

    name: str
    cluster: str
    node: str
    labels: dict[str, str]

    def uid_of(self, instance: Json) -> str:
        if self.name == "eci":
            return str(instance["tags"].get(UID_TAG, ""))
        if self.name == "acs":
            return str(instance["labels"].get("spillway.io/pod-uid", ""))
        return str(instance["name"].split(".")[-4])

    def lose(self, world: World) -> None:
        """The next creates take effect and their answers never arrive."""
        if self.name == "acs":
            call("PUT", f"{world.url}/clusters/acs-hangzhou/faults", {"lost_answers": PODS})
        else:
            world.plant(self.name, action="CreateContainerGroup", lost_answer=True, times=PODS)

    def lost(self, world: World) -> int:
        """How many answers were."""
        if self.name == "acs":
            return PODS - int(world.get("/clusters/acs-hangzhou/faults")["lost_answers"])
        return sum(int(fault["hits"]) for fault in world.get(f"/{self.name}/faults"))


ECI = Cloud("eci", "ack-hangzhou", m.NODE, {})
ACS = Cloud("acs", "ack-hangzhou", m.NODE, ACS_LABELS)
KCI = Cloud("kci", "kce-beijing", "virtual-kubelet01", {})


def instances(house: House, cloud: Cloud) -> list[Json]:
    found: list[Json] = house.world.get(f"/{cloud.name}/instances")
    return [one for one in found if one["billed_from"]]


@pytest.mark.parametrize("cloud", [ECI, ACS, KCI], ids=lambda cloud: cloud.name)
def test_two_hundred_lost_answers_cost_no_second_instance(clouds: House, cloud: Cloud) -> None:
    app = f"lost-{cloud.name}"
    labels = {"app": app, **cloud.labels}
    cloud.lose(clouds.world)
    pods = [m.bound(f"{app}-{i}", cloud.node, labels=labels) for i in range(PODS)]
    clouds.apply(*pods, cluster=cloud.cluster)

    def running() -> list[Json]:
        found = clouds.pods(app, cluster=cloud.cluster)
        return [pod for pod in found if pod["status"]["phase"] == "Running"]

    wait_until(lambda: len(running()) == PODS, seconds=240, what=f"{PODS} pods run on {cloud.name}")
    uids = {pod["metadata"]["uid"].replace("-", "") for pod in running()}
    assert cloud.lost(clouds.world) == PODS
    mine = Counter(cloud.uid_of(i).replace("-", "") for i in instances(clouds, cloud))
    assert {uid: mine[uid] for uid in uids} == dict.fromkeys(uids, 1)
    assert clouds.rest("orphans/?limit=1")["results"] == []

    clouds.world.clear(cloud.name)
    selector = f"app={app}"
    clouds.kubectl("delete", "pods", "-l", selector, "--wait=false", cluster=cloud.cluster)
    wait_until(
        lambda: not [i for i in instances(clouds, cloud) if i["billed_to"] is None],
        seconds=240,
        what=f"nothing on {cloud.name} is billed any more",
    )
    wait_until(lambda: not clouds.pods(app, cluster=cloud.cluster), seconds=60)
