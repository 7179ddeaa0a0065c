"""What must hold whatever was killed, asked of the cloud's meter and the cluster's history."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any

from tests.chaos.house import UID_TAG, House, World, wait_until

Json = dict[str, Any]
ORDER = {"Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}
LEASE_GAP = 40.0
TAGS = ("console", "cluster", "node", "namespace", "pod", "pod-uid", "generation")


class Watched:
    """The pods of one test, from `since` on."""

    def __init__(self, house: House, app: str) -> None:
        self.house = house
        self.app = app
        self.calls_from, self.writes_from = house.world.now()

    def pods(self) -> list[Json]:
        return self.house.pods(self.app)

    def uids(self) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.pods()}

    def phases(self) -> list[str]:
        return [pod["status"]["phase"] for pod in self.pods()]

    def wait_running(self, count: int, *, seconds: float) -> None:
        running = ["Running"] * count
        wait_until(lambda: self.phases() == running, seconds=seconds, what="all Running")

    def instances(self) -> list[Json]:
        uids = self.uids()
        return [i for i in self.house.world.instances() if i["tags"].get(UID_TAG) in uids]

    def made(self) -> list[Json]:
        """All instances ever made for pods of this app, also of pods that are gone."""
        return self.house.world.made(f"{self.app}-")

    def unharmed(self) -> None:
        """One billed instance per pod, all tagged, none leaked or deleted, no phase lost."""
        world, uids = self.house.world, self.uids()
        billed = [i for i in self.instances() if i["billed_from"]]
        assert sorted(i["tags"][UID_TAG] for i in billed) == sorted(uids)
        assert not [i for i in billed if i["deleted_at"] or i["ended_at"]]
        assert all(i["tags"].get(f"spillway-{tag}") for i in billed for tag in TAGS)
        assert {i["tags"][UID_TAG] for i in self.made() if not i["deleted_at"]} == uids
        deleted = {
            call["container_group_id"]
            for call in world.calls("DeleteContainerGroup", self.calls_from)
        }
        assert not deleted & {i["id"] for i in billed}
        assert not list(regressions(world, self.writes_from, uids))
        rows = {uid: self.house.row(uid) for uid in uids}
        assert {row and row["status"] for row in rows.values()} == {"Running"}
        by_uid = {i["tags"][UID_TAG]: i["id"] for i in billed}
        assert {uid: row and row["instance_id"] for uid, row in rows.items()} == by_uid


def regressions(world: World, since: int, uids: Collection[str]) -> Iterator[str]:
    """Phases that went back, or failed."""
    last: dict[str, str] = {}
    for write in world.history(since):
        uid, phase = write["uid"], write["phase"]
        if write["resource"] != "pods" or uid not in uids or not phase:
            continue
        before = last.get(uid, "Pending")
        if phase == "Failed" or ORDER[phase] < ORDER[before]:
            yield f"{write['name']}: {before} -> {phase} at {write['time']}"
        last[uid] = phase


def lease_gaps(world: World, since: int) -> dict[str, float]:
    """Per virtual node, the longest time between two renewals of its Lease."""
    times: dict[str, list[float]] = defaultdict(list)
    for write in world.history(since):
        if write["resource"].startswith("leases") and write["name"].startswith("virtual-"):
            times[write["name"]].append(write["time"])
    return {
        name: max((b - a for a, b in pairwise(found)), default=0.0) for name, found in times.items()
    }


def ledger_rows(house: House) -> dict[str, int]:
    """The product's own ledger, read beside it: how many rows in each state."""
    path = house.directory / "data" / "spillway.sqlite3"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return dict(
            connection.execute("select state, count(*) from providers_instance group by state")
        )
