"""Fleet upgrades over real clusters, many of them, through the queue and its leases."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.models import QuerySet

from addons.components import fleet, manage
from addons.models import Cluster, FleetUpgrade, Installation, Operation
from addons.runtime.loop import Runtime
from kube import DEPLOYMENTS, Kube
from tests.addons.components.fleet_house import NAME, NEW, OLD, House, register, serving

COUNT = 50
IMAGE = "registry-cn-hangzhou.ack.aliyuncs.com/acs/ack-co-scheduler"


@pytest.fixture(scope="module")
def served() -> Iterator[list[dict[str, str]]]:
    with (
        tempfile.TemporaryDirectory(prefix="sp-fleet-") as directory,
        serving(Path(directory), COUNT) as (_pid, clusters),
    ):
        yield clusters


@pytest.fixture
def house(
    served: list[dict[str, str]], runtime: Runtime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> House:
    monkeypatch.setattr(manage, "runtime", lambda: runtime)
    return House(runtime, [register(**one) for one in served])


async def _meddle(kube: Kube) -> None:
    """Somebody sets the image by hand: the field is theirs from then on."""
    container = {"name": NAME, "image": f"{IMAGE}:v1.0.2"}
    obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    await kube.patch(
        DEPLOYMENTS, NAME, obj, "kube-system", kind="apply", field_manager="somebody", force=True
    )


def rows_now() -> QuerySet[Installation]:
    return Installation.objects.filter(component=NAME)


def _images(house: House, *clusters: Cluster) -> set[str]:
    """What the clusters themselves say."""

    async def image(kube: Kube) -> str:
        live = await kube.get(DEPLOYMENTS, NAME, "kube-system")
        return str(live["spec"]["template"]["spec"]["containers"][0]["image"])

    return {house.ask(cluster, image) for cluster in clusters}


def _states(upgrade: FleetUpgrade) -> list[set[str]]:
    """Per wave: the states of its members."""
    found: dict[int, set[str]] = {}
    for member in upgrade.members.all():
        found.setdefault(member.wave, set()).add(member.state)
    return [found[wave] for wave in sorted(found)]


def test_fifty_clusters_go_in_waves_of_ten_a_failure_stops_the_next_and_a_retry_ends_it(
    house: House,
) -> None:
    rows = house.install()
    broken = rows[15]
    house.ask(broken.cluster, _meddle)
    upgrade = fleet.start(house.clusters[0].team, NAME, NEW, rows, batch=10, actor="alice")

    house.settled(upgrade, "stopped")
    assert _states(upgrade) == [{"done"}, {"done"}, {"done", "failed"}, *[{"waiting"}] * 3]
    failed = upgrade.members.get(state="failed")
    assert (failed.installation_id, failed.wave) == (broken.pk, 2)
    assert "somebody" in failed.detail
    changed = Operation.objects.filter(kind="upgrade-component")
    assert changed.count() == 21
    assert _images(house, broken.cluster, rows[-1].cluster) == {f"{IMAGE}:v1.0.2", f"{IMAGE}:{OLD}"}

    house.repair(broken)
    fleet.resume(upgrade)
    house.settled(upgrade, "succeeded")
    assert _states(upgrade) == [{"done"}] * 6
    assert changed.count() == COUNT + 1
    assert set(rows_now().values_list("version", "state")) == {(NEW, "installed")}
    assert _images(house, *house.clusters) == {f"{IMAGE}:{NEW}"}
