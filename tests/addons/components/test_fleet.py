"""Fleet upgrades over real clusters, many of them, through the queue and its leases."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import QuerySet

from addons import operations
from addons.components import fleet
from addons.models import FleetUpgrade, Installation, Operation
from addons.runtime.loop import Runtime
from tests.addons.components.fleet_house import IMAGE, NAME, NEW, OLD, House, register, serving

COUNT = 50


@pytest.fixture(scope="module")
def served() -> Iterator[list[dict[str, str]]]:
    with (
        tempfile.TemporaryDirectory(prefix="sp-fleet-") as directory,
        serving(Path(directory), COUNT) as (_pid, clusters),
    ):
        yield clusters


@pytest.fixture
def house(served: list[dict[str, str]], runtime: Runtime) -> House:
    return House(runtime, [register(**one) for one in served])


def rows_now() -> QuerySet[Installation]:
    return Installation.objects.filter(component=NAME)


def _states(upgrade: FleetUpgrade) -> list[set[str]]:
    """Per wave: the states of its members."""
    found: dict[int, set[str]] = {}
    for member in upgrade.members.all():
        found.setdefault(member.wave, set()).add(member.state)
    return [found[wave] for wave in sorted(found)]


@pytest.mark.slow
def test_fifty_clusters_go_in_waves_of_ten_a_failure_stops_the_next_and_a_retry_ends_it(
    house: House,
) -> None:
    rows = house.put()
    broken = rows[15]
    house.meddle(broken.cluster)
    upgrade = fleet.start(house.clusters[0].team, NAME, NEW, rows, batch=10, actor="alice")

    house.settled(upgrade, "stopped")
    assert _states(upgrade) == [{"done"}, {"done"}, {"done", "failed"}, *[{"waiting"}] * 3]
    failed = upgrade.members.get(state="failed")
    assert (failed.installation_id, failed.wave) == (broken.pk, 2)
    assert "somebody" in failed.detail
    changed = Operation.objects.filter(kind="upgrade-component")
    assert changed.count() == 21
    assert house.images(broken.cluster, rows[-1].cluster) == {f"{IMAGE}:v1.0.2", f"{IMAGE}:{OLD}"}

    house.repair(broken)
    fleet.resume(upgrade)
    house.settled(upgrade, "succeeded")
    assert _states(upgrade) == [{"done"}] * 6
    assert changed.count() == COUNT + 1
    assert set(rows_now().values_list("version", "state")) == {(NEW, "installed")}
    assert house.images(*house.clusters) == {f"{IMAGE}:{NEW}"}


def test_a_retry_after_the_rollback_applies_everything_again(
    served: list[dict[str, str]], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(runtime, [register(**served[0])])
    (row,) = house.put()
    monkeypatch.setattr(operations, "DEADLINE", timedelta(seconds=1))
    house.cordon(row.cluster, True)
    upgrade = fleet.start(row.cluster.team, NAME, NEW, [row], actor="alice")
    house.settled(upgrade, "stopped")
    failed = upgrade.members.get().operation
    assert failed is not None
    house.idle()
    row.refresh_from_db()
    assert (row.version, house.images(row.cluster)) == (OLD, {f"{IMAGE}:{OLD}"})

    monkeypatch.undo()
    house.cordon(row.cluster, False)
    operations.retry(failed)
    house.idle()
    row.refresh_from_db()
    assert (row.version, row.state) == (NEW, "installed")
    assert house.images(row.cluster) == {f"{IMAGE}:{NEW}"}
    statuses = list(row.revisions.values_list("status", flat=True))
    assert statuses == ["deployed", "superseded", "failed", "superseded"]
