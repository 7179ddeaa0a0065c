"""What people may do with a fleet upgrade, and how a worker's looks follow; no cluster answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from addons.components import fleet, manage
from addons.components.manage import ComponentError
from addons.components.matrix import matrix
from addons.models import FleetUpgrade, Installation, Operation
from addons.operations import RUNNING
from addons.runtime import resync
from addons.runtime.drain import Limits, drain
from addons.runtime.loop import Runtime
from addons.sentences import read
from tests.addons import cast
from tests.conftest import RedisServer

NAME, OLD, NEW = "ack-co-scheduler", "v1.0.1", "v1.1.0"
LIMITS = Limits(concurrency=4, slice_seconds=0.3, lease_seconds=15.0)


def installed(**fields: object) -> Installation:
    cluster = cast.cluster(kind="self-managed", version="v1.36.1")
    values: dict[str, object] = {
        "component": NAME,
        "delivery": "in_cluster",
        "release": NAME,
        "version": OLD,
        "state": Installation.State.INSTALLED,
    }
    return Installation.objects.create(cluster=cluster, **values | fields)


@pytest.fixture
def rows(transactional_db: None) -> list[Installation]:
    return [installed() for _ in range(5)]


@pytest.fixture
def look(runtime: Runtime) -> Callable[[FleetUpgrade], FleetUpgrade]:
    """One look of a worker that finds the keys of this upgrade by the resync alone."""

    def call(upgrade: FleetUpgrade) -> FleetUpgrade:
        async def work() -> None:
            await resync.resync(runtime)
            key = resync.fleet_key(upgrade.pk)
            if await runtime.queue.next_due(key) is not None:
                await runtime.queue.add(key, {key: runtime.clock.epoch()})
            await drain(runtime, key, limits=LIMITS)

        runtime.run(work(), timeout=20)
        upgrade.refresh_from_db()
        return upgrade

    return call


def begun(rows: list[Installation], **more: object) -> FleetUpgrade:
    team = rows[0].cluster.team
    return fleet.start(team, NAME, NEW, rows, batch=2, actor="alice", **more)  # type: ignore[arg-type]


def end(state: str, *, error: str = "") -> int:
    """Every operation under way ends so; how many there were."""
    ending = Operation.objects.filter(state__in=RUNNING)
    if state == Operation.State.SUCCEEDED:
        for operation in ending:
            row = Installation.objects.filter(pk=operation.arguments["installation"])
            row.update(version=NEW, state=Installation.State.INSTALLED)
    return ending.update(state=state, error=error)


def states(upgrade: FleetUpgrade) -> list[str]:
    return list(upgrade.members.values_list("state", flat=True))


Look = Callable[[FleetUpgrade], FleetUpgrade]


def test_a_look_that_is_repeated_begins_nothing_twice(rows: list[Installation], look: Look) -> None:
    upgrade = begun(rows)
    for _ in range(3):
        look(upgrade)
    assert states(upgrade) == ["running", *["waiting"] * 4]
    assert Operation.objects.count() == 1


def test_nothing_is_forgotten_when_redis_is(
    rows: list[Installation], look: Look, redis_server: RedisServer
) -> None:
    upgrade = look(begun(rows))
    for wave in (1, 2, 2):
        redis_server.empty()
        assert end("succeeded") == wave
        look(upgrade)
        look(upgrade)
    assert (upgrade.state, states(upgrade)) == ("succeeded", ["done"] * 5)


def test_a_crash_while_a_wave_begins_costs_neither_a_cluster_nor_a_second_operation(
    rows: list[Installation], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = look(begun(rows))
    end("succeeded")
    real, begins = manage.start, itertools.count(1)

    def dies_at_the_second(*args: Any, **given: Any) -> Operation:
        started = real(*args, **given)
        if next(begins) == 2:
            raise MemoryError
        return started

    monkeypatch.setattr(manage, "start", dies_at_the_second)
    look(upgrade)
    assert states(upgrade) == ["done", "running", *["waiting"] * 3]
    assert Operation.objects.count() == 2
    look(upgrade)
    assert states(upgrade) == ["done", "running", "running", "waiting", "waiting"]
    assert Operation.objects.count() == 3


def test_a_pause_begins_nothing_and_a_cancel_leaves_the_rest_out(
    rows: list[Installation], look: Look
) -> None:
    upgrade = look(begun(rows))
    fleet.pause(upgrade)
    end("succeeded")
    look(look(upgrade))
    assert states(upgrade) == ["done", *["waiting"] * 4]
    fleet.resume(upgrade)
    look(upgrade)
    fleet.cancel(upgrade)
    assert states(look(upgrade)) == ["done", "running", "running", "skipped", "skipped"]
    assert upgrade.ended_at is None
    end("succeeded")
    assert look(upgrade).ended_at
    assert (upgrade.state, Operation.objects.count()) == ("cancelled", 3)
    with pytest.raises(ComponentError):
        fleet.resume(upgrade)


def test_the_pause_between_waves_is_kept(rows: list[Installation], look: Look) -> None:
    upgrade = look(begun(rows, pause_seconds=3600))
    end("succeeded")
    look(look(upgrade))
    assert states(upgrade) == ["done", *["waiting"] * 4]
    assert fleet.waves_of(upgrade)[1].begins_at


def test_what_failed_is_tried_again_or_left(rows: list[Installation], look: Look) -> None:
    upgrade = look(begun(rows))
    end("failed", error="No room.")
    assert look(upgrade).state == "stopped"
    assert upgrade.members.get(wave=0).detail == "No room."
    fleet.retry(upgrade)
    look(upgrade)
    assert states(upgrade)[0] == "running"
    end("failed", error="Still no room.")
    look(upgrade)
    fleet.resume(upgrade, failed="leave")
    assert states(look(upgrade)) == ["skipped", "running", "running", "waiting", "waiting"]
    assert Operation.objects.count() == 4


def test_failures_that_stop_nothing_are_told_at_the_end(
    rows: list[Installation], look: Look
) -> None:
    upgrade = look(begun(rows, stop_on_failure=False))
    end("failed")
    for _ in range(3):
        look(upgrade)
        end("succeeded")
    assert look(upgrade).state == "stopped"
    assert states(upgrade) == ["failed", *["done"] * 4]
    assert rows[0].cluster.slug in read(upgrade.reason)


def test_an_operation_that_runs_already_is_waited_for(rows: list[Installation], look: Look) -> None:
    other = Operation.objects.create(
        team=rows[0].cluster.team,
        cluster=rows[0].cluster,
        kind="configure-component",
        target=NAME,
        actor="bob",
        arguments={"installation": rows[0].pk, "delivery": "in_cluster", "action": "configure"},
    )
    upgrade = look(begun(rows))
    member = upgrade.members.get(wave=0)
    assert (member.state, str(other.pk) in member.detail) == ("waiting", True)
    end("cancelled")
    look(upgrade)
    assert states(upgrade)[0] == "running"


def test_a_chosen_canary_goes_first_and_a_cluster_that_has_it_already_costs_nothing(
    rows: list[Installation], look: Look
) -> None:
    Installation.objects.filter(pk=rows[3].pk).update(version=NEW)
    upgrade = begun(rows, canary=Installation.objects.get(pk=rows[3].pk))
    look(look(upgrade))
    assert upgrade.members.get(wave=0).installation_id == rows[3].pk
    assert states(upgrade) == ["done", "running", "running", "waiting", "waiting"]


def test_only_clusters_that_may_have_it_are_taken(rows: list[Installation]) -> None:
    team = rows[0].cluster.team
    old = installed()
    type(old.cluster).objects.filter(pk=old.cluster_id).update(version="v1.16.9")
    old.cluster.refresh_from_db()
    unfinished = installed(version="", state="failed")
    found = fleet.eligible(team, NAME, NEW)
    assert {row.pk for row in found} == {row.pk for row in rows}
    for wrong in ([], [old], [unfinished], [*rows, installed(component="kube-apiserver")]):
        with pytest.raises(ComponentError):
            fleet.start(team, NAME, NEW, wrong, actor="alice")
    with pytest.raises(ComponentError) as unknown:
        fleet.start(team, NAME, "v9", rows, actor="alice")
    assert unknown.value.code == "unknown"
    assert not FleetUpgrade.objects.exists()


def test_a_cluster_is_in_one_open_fleet_upgrade_at_most(rows: list[Installation]) -> None:
    upgrade = begun(rows[:3])
    with pytest.raises(ComponentError) as busy:
        begun(rows[2:])
    assert busy.value.code == "busy"
    fleet.cancel(upgrade)
    assert begun(rows[2:]).members.count() == 3


def test_the_matrix_tells_versions_and_skew_with_few_queries(
    rows: list[Installation], django_assert_max_num_queries: Callable[[int], object]
) -> None:
    for row, version in zip(rows, [OLD, NEW, "v0.0.1", ""], strict=False):
        Installation.objects.filter(pk=row.pk).update(version=version)
    with django_assert_max_num_queries(2):  # type: ignore[attr-defined]
        table = matrix(rows[0].cluster.team)
    skew = {line.cluster.pk: line.cells[NAME].skew for line in table}
    assert [skew[row.cluster_id] for row in rows] == ["behind", "ok", "unsupported", "", "behind"]
    assert table[0].cells["ack-virtual-node"].installation is None
