"""Workers killed, clusters and clouds that fail, at every step of install, configure and uninstall:
the operation ends well once all is healed, and nothing is made twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from addons import operations
from addons.components import apply
from addons.models import Operation, Step
from addons.operations import RUNNING
from kube import NODES, Kube
from providers.kci.client import Kci
from tests.addons.components.conftest import Place, values
from tests.addons.components.test_in_cluster import NAME, running

CLUSTER = "ack-hangzhou"
OURS = {
    ("serviceaccounts", "virtual-kubelet-sa"),
    ("clusterrolebindings", "virtual-kubelet-rb"),
    ("secrets", "virtual-kubelet-keys"),
    ("deployments", "virtual-kubelet"),
}


class Killed(RuntimeError):
    """The worker is gone the moment after something was done."""


class Killer:
    """Dies once after each effect: each write of a cluster, each call of a cloud, each step."""

    def __init__(self) -> None:
        self.deaths: Counter[str] = Counter()

    def after(self, what: str) -> None:
        if what not in self.deaths:
            self.deaths[what] += 1
            raise Killed(what)


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    made = Killer()

    def deadly(owner: Any, name: str, label: Callable[..., str]) -> None:
        real = getattr(owner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            answer = await real(*args, **kwargs)
            if not kwargs.get("dry_run"):
                made.after(f"{name} {label(*args, **kwargs)}")
            return answer

        monkeypatch.setattr(owner, name, call)

    deadly(apply, "put", lambda _kube, obj, **_more: apply.name_of(obj))
    deadly(apply, "remove", lambda _kube, obj: apply.name_of(obj))
    deadly(Kube, "create", lambda _self, r, obj, *_more, **_k: _named(r, obj))
    deadly(Kube, "evict", lambda _self, _space, _pod, **_more: "a pod")
    deadly(Kci, "delete", lambda _self, _id: "an instance")
    real_done = operations._done

    def done(look: operations.Look, detail: str, now: Any) -> None:
        assert look.step
        made.after(f"step {look.operation.kind} {look.step.name}")
        real_done(look, detail, now)

    monkeypatch.setattr(operations, "_done", done)
    return made


def _named(resource: Any, obj: Any) -> str:
    """Reviews have no name and no effect."""
    return f"{resource.plural} {obj.get('metadata', {}).get('name', '')}"


def made(place: Place, since: int) -> Counter[tuple[str, str]]:
    """How often each of our objects was made anew, by the API server's own history."""
    lives = {
        (w["resource"].partition(".")[0], w["name"], w["uid"])
        for w in place.control.writes(CLUSTER, since)
    }
    return Counter(
        (resource, name)
        for resource, name, _uid in lives
        if (resource, name) in OURS or name.startswith(("sh.helm.release", "spillway-canary"))
    )


def now(place: Place) -> int:
    writes = place.control.writes(CLUSTER)
    return int(writes[-1]["seq"]) if writes else 0


def test_a_worker_killed_after_every_effect_does_everything_once(
    place: Place, killer: Killer
) -> None:
    since = now(place)
    given = values(place)
    for action, more in (
        ("install", {"values": given}),
        ("configure", {"values": {**given, "KCI_KUBE_PROXY": True}}),
    ):
        done = place.ended(place.start(NAME, action, **more), seconds=120)
        assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    created = made(place, since)
    assert created.keys() >= OURS
    assert set(created.values()) == {1}, created
    row = place.row(NAME)
    assert row
    assert [(r.number, r.status) for r in row.revisions.all()] == [
        (2, "deployed"),
        (1, "superseded"),
    ]
    done = place.ended(place.start(NAME, "uninstall"), seconds=120)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert running(place, given["KCI_CLUSTER_ID"]) == []
    assert place.get(NODES, given["nodename"]) is None
    steps = {name for name in killer.deaths if name.startswith("step")}
    assert len(steps) == 8 + 8 + 7, steps


@pytest.fixture
def healed(place: Place) -> Iterator[Place]:
    yield place
    place.control.call("DELETE", f"/clusters/{CLUSTER}/faults")
    place.control.call("DELETE", "/kci/faults")


def _step(operation: Operation) -> str:
    step = operation.steps.exclude(state=Step.State.DONE).first()
    return step.name if step else ""


def test_cluster_and_cloud_that_fail_at_every_step_only_delay_it(healed: Place) -> None:
    place = healed
    given = values(place)
    seen = []
    for action, more in (("install", {"values": given}), ("uninstall", {})):
        operation = place.start(NAME, action, **more)
        known = ""
        while operation.state in RUNNING:
            if _step(operation) != known:
                known = _step(operation)
                seen.append(known)
                place.control.call("PUT", f"/clusters/{CLUSTER}/faults", {"error_rate": 1.0})
                place.control.call("POST", "/kci/faults", {"http_status": 503, "times": 1})
                place.drain()
                place.control.call("DELETE", f"/clusters/{CLUSTER}/faults")
            place.drain()
            operation.refresh_from_db()
        assert operation.state == Operation.State.SUCCEEDED, (operation.error, operation.log)
        place.control.call("DELETE", "/kci/faults")
    assert running(place, given["KCI_CLUSTER_ID"]) == []
    assert {"preflight", "apply", "rollout", "canary", "drain", "instances", "proof"} <= set(seen)
