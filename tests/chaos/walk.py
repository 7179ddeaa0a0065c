"""Operations on components, each on a cluster of its own, all killed together at every step.

Steps are held by making their cluster and the clouds slow: the worker is killed while an answer
is on its way. A step that only writes to the database cannot be held; it is hit when the moment
happens to be right.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.house import Filler, House, call

Json = dict[str, Any]
# Longer than an answer takes, shorter than the dead worker's lease: what it sent last arrives
# before the next worker acts.
HOLD_MILLISECONDS = 3000
# Every answer takes so long meanwhile: a step does not pass before it is seen.
PACE_MILLISECONDS = 80
GATHER_SECONDS = 2.5
# What a step asks of the clouds, beside its cluster.
CLOUDS = {
    **dict.fromkeys(("ask", "poll", "read-back"), ("/aliyun/knobs",)),
    **dict.fromkeys(("instances", "proof"), ("/eci/knobs", "/kci/knobs")),
}
# Heartbeats, events, and the pods that virtual nodes run.
PASSING = ("leases", "events", "nodes", "pods")
# How a component comes there, and what is done with it: a cluster each.
IN, OWN, BY = "idc-hangzhou-in", "idc-hangzhou-own", "ack-hangzhou-by"
CLUSTERS = (
    *(f"{IN}-install", f"{IN}-upgrade", f"{IN}-configure", f"{IN}-remove"),
    *(f"{OWN}-install", f"{OWN}-configure", f"{OWN}-remove"),
    *(f"{BY}-install", f"{BY}-upgrade", f"{BY}-remove"),
)
RUNNING = {"queued", "running"}


class Keys(Filler):
    """Registers the keys and the clusters, and no virtual nodes."""

    def _fill(self) -> None:
        eci, kci = (self.world["clouds"][name] for name in ("eci", "kci"))
        for name, provider, cloud in (("aliyun", "eci", eci), ("ksyun", "kci", kci)):
            key = {f: cloud["keys"][0][f] for f in ("access_key_id", "access_key_secret")}
            body = {"name": name, "provider": provider, "region": cloud["region"], **key}
            self.call("POST", "/api/v1/credentials/", {**body, "endpoint": cloud["endpoint"]})
        for one in self.world["clusters"]:
            body = {"name": one["name"], "slug": one["name"], "region": one["region"]}
            body |= {"kubeconfig": Path(one["kubeconfig"]).read_text()}
            body |= {"credential": self._ids()["aliyun"]}
            self.call("POST", "/api/v1/clusters/", body)


@dataclass
class Going:
    """An operation under way; `hit` are the steps in which its worker was killed."""

    cluster: str
    pk: int
    since: int
    hit: set[str] = field(default_factory=set)


class Walk:
    """The house with what the walk asks and bends."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.world = house.world
        self.kills = 0
        self.accounts = house.filler._ids()

    # --- operations -----------------------------------------------------------------------------

    def begin(self, where: str, path: str, body: Json) -> Going:
        """Start what the POST starts."""
        since = self.written(where)
        made = self.house.rest(path, "POST", body)
        return Going(where, made["id"], since)

    def install(self, cluster: str, component: str, **more: Any) -> Going:
        body = {"cluster": cluster, "component": component, **more}
        return self.begin(cluster, "installations/", body)

    def change(self, cluster: str, component: str, action: str, **more: Any) -> Going:
        pk = self.row(cluster, component)["id"]
        return self.begin(cluster, f"installations/{pk}/{action}/", more)

    def row(self, cluster: str, component: str) -> Json:
        found = self.house.rest(f"installations/?cluster={cluster}&component={component}")
        [row] = found["results"]
        return dict(row)

    def rows(self, cluster: str) -> list[Json]:
        found: list[Json] = self.house.rest(f"installations/?cluster={cluster}")["results"]
        return found

    def operation(self, going: Going) -> Json:
        found: Json = self.house.rest(f"operations/{going.pk}/")
        return found

    def ended(self, all_of: Sequence[Going], *, seconds: float = 90.0) -> None:
        """Wait until they have, and all well."""
        end = time.monotonic() + seconds
        while open_ := [one for one in all_of if one.pk in self._states(RUNNING)]:
            assert time.monotonic() < end, self.told(open_)
            time.sleep(0.1)
        bad = [self.operation(one) for one in all_of if self.operation(one)["state"] != "succeeded"]
        assert not bad, [(one["title"], one["reason"], one["log"][-6:]) for one in bad]

    # --- killing --------------------------------------------------------------------------------

    def kill_at_every_step(
        self, begin: Callable[[], list[Going]], *, seconds: float
    ) -> list[Going]:
        """Kill the worker whenever steps that were not hit yet are under way, until all end."""
        end = time.monotonic() + seconds
        self.house.kill("worker")
        all_of = begin()
        self._release()
        self.house.restart("worker")
        while open_ := self._open(all_of):
            assert time.monotonic() < end, self.told(open_)
            if not self._gathered(open_, end):
                continue
            self.house.kill("worker")
            self.kills += 1
            steps = self._steps()
            for going in open_:
                if going.pk in steps:
                    going.hit.add(steps[going.pk])
            self._release()
            self.house.restart("worker")
        return all_of

    def _open(self, all_of: Sequence[Going]) -> list[Going]:
        running = self._states(RUNNING)
        return [going for going in all_of if going.pk in running]

    def _gathered(self, open_: Sequence[Going], end: float) -> bool:
        """Hold each operation in its next new step; whether one is held at last."""
        held: set[int] = set()
        until = end
        while time.monotonic() < until and len(held) < len(open_):
            steps = self._steps()
            for going in open_:
                step = steps.get(going.pk, "")
                if going.pk not in held and step not in {"", *going.hit}:
                    self._hold(going.cluster, step)
                    held.add(going.pk)
                    until = min(until, time.monotonic() + GATHER_SECONDS)
            if not held and not self._open(open_):
                return False
            time.sleep(0.005)
        return bool(held)

    def _hold(self, cluster: str, step: str) -> None:
        for path in (f"/clusters/{cluster}/faults", *CLOUDS.get(step, ())):
            self._turn(path, HOLD_MILLISECONDS)

    def _release(self) -> None:
        clusters = [f"/clusters/{one['name']}/faults" for one in self.world.facts["clusters"]]
        for path in {*clusters, *(path for paths in CLOUDS.values() for path in paths)}:
            self._turn(path, PACE_MILLISECONDS)

    def _turn(self, path: str, milliseconds: int) -> None:
        call("PUT", self.world.url + path, {"latency_ms": milliseconds})

    # --- witnesses ------------------------------------------------------------------------------

    def _rows(self, question: str) -> list[tuple[Any, ...]]:
        path = self.house.directory / "data" / "spillway.sqlite3"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as connection:
            return connection.execute(question).fetchall()

    def _states(self, wanted: set[str]) -> set[int]:
        rows = self._rows("select id, state from addons_operation")
        return {pk for pk, state in rows if state in wanted}

    def _steps(self) -> dict[int, str]:
        """Operation -> the step that it is in."""
        question = "select operation_id, name from addons_step where state = 'running'"
        return dict(self._rows(question))

    def written(self, cluster: str) -> int:
        writes = self.history(cluster)
        return int(writes[-1]["seq"]) if writes else 0

    def history(self, cluster: str, since: int = 0) -> list[Json]:
        found: list[Json] = self.world.get(f"/clusters/{cluster}/history?since={since}")
        return found

    def made(self, going: Going) -> Counter[tuple[str, str]]:
        """How often what is ours was written since the operation began, beside statuses: `patch`
        and `create` of each object, by the API server's own history."""
        written: Counter[tuple[str, str]] = Counter()
        for one in self.history(going.cluster, going.since):
            ours = one["user"] == "kubernetes-admin" and not one["subresource"]
            if ours and not one["resource"].startswith(PASSING):
                written[one["resource"].partition(".")[0], f"{one['name']} {one['verb']}"] += 1
        return written

    def asked(self, action: str) -> Counter[str]:
        """Cluster -> calls of Container Service that were taken."""
        names = {one["id"]: one["name"] for one in self.world.facts["clusters"]}
        calls = self.world.get(f"/aliyun/calls?action={action}")
        return Counter(
            next(name for number, name in names.items() if number in str(one))
            for one in calls
            if one["status"] < 300
        )

    def told(self, all_of: Sequence[Going]) -> str:
        """How they stand, for a failure's message."""
        return "\n".join(
            f"{one['title']} at {one['cluster']} {one['state']}: "
            + "; ".join(line["text"] for line in one["log"][-4:])
            for one in map(self.operation, all_of)
        )
