"""kill -9 of the worker in the middle of waves: each cluster is upgraded once, and all are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.house import wait_until
from tests.chaos.walk import BY, CLUSTERS, Walk

pytestmark = pytest.mark.chaos
NAME, OLD, NEW = "ack-co-scheduler", "v1.0.1", "v1.1.0"
FLEET = [name for name in CLUSTERS if not name.startswith(BY)][:6]


def states(walk: Walk, pk: int) -> list[tuple[int, str]]:
    members: list[dict[str, Any]] = walk.house.rest(f"fleet-upgrades/{pk}/")["members"]
    return [(one["wave"], one["state"]) for one in members]


def test_a_worker_killed_in_the_canary_and_in_both_waves_finishes_them(walk: Walk) -> None:
    walk.ended(
        [walk.install(one, NAME, delivery="in_cluster", version=OLD) for one in FLEET], seconds=60
    )
    since = {one: walk.written(one) for one in FLEET}
    body = {"component": NAME, "version": NEW, "clusters": FLEET, "batch": 3}
    pk = walk.house.rest("fleet-upgrades/", "POST", body)["id"]
    for wave in (0, 1, 2):
        wait_until(
            lambda: (wave, "running") in states(walk, pk),  # noqa: B023
            seconds=90,
            what=f"wave {wave} runs",
        )
        walk.house.kill("worker")
        assert (wave, "running") in states(walk, pk)
        walk.house.restart("worker")
    wait_until(
        lambda: walk.house.rest(f"fleet-upgrades/{pk}/")["state"] == "succeeded",
        seconds=180,
        what="the fleet upgrade ends",
    )
    assert {state for _wave, state in states(walk, pk)} == {"done"}
    for one in FLEET:
        assert walk.row(one, NAME)["version"] == NEW
        begun = walk.house.rest(f"operations/?cluster={one}&kind=upgrade-component")["results"]
        assert [row["state"] for row in begun if row["target"] == NAME] == ["succeeded"]
        written = [
            line
            for line in walk.history(one, since[one])
            if (line["name"], line["user"]) == (NAME, "kubernetes-admin")
            and line["resource"] == "deployments.apps"
        ]
        assert len(written) == 1, written
