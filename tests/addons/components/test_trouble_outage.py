"""Clusters that are gone and clouds that answer 5xx while a component is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from addons import operations
from addons.models import Operation, VirtualNode
from addons.operations import retry
from addons.sentences import read
from kube import DEPLOYMENTS
from tests.addons.components.conftest import Json, Place
from tests.addons.components.test_hosted import Hosted, hosted
from tests.addons.components.test_in_cluster import NAME, installed
from tests.addons.components.test_managed import ADDON, Ack, ack
from tests.addons.components.test_trouble import CLUSTER, OURS, _step, healed, now

__all__ = ["ack", "healed", "hosted"]
SCHEDULER = "ack-co-scheduler"
FAULTS = f"/clusters/{CLUSTER}/faults"


def nothing() -> None:
    pass


@dataclass
class Looks:
    before: Callable[[], None] = nothing
    after: Callable[[], None] = nothing
    seen: list[tuple[int, str]] = field(default_factory=list)

    def steps(self, operation: Operation) -> list[str]:
        return [step for pk, step in self.seen if pk == operation.pk]


def down(place: Place, is_down: bool) -> None:
    place.control.call("PUT", FAULTS, {"down": is_down})


@pytest.fixture
def first_looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    """What happens around the first look at each step of each operation."""
    looks, real = Looks(), operations._run

    async def run(ctx: Any, look: operations.Look, function: Any) -> Any:
        assert look.step
        key = (look.operation.pk, look.step.name)
        if key in looks.seen:
            # Also when the first look was broken off between the two.
            await ctx.db(looks.after)
            return await real(ctx, look, function)
        looks.seen.append(key)
        try:
            await ctx.db(looks.before)
            return await real(ctx, look, function)
        finally:
            await ctx.db(looks.after)

    monkeypatch.setattr(operations, "_run", run)
    return looks


def written(place: Place, since: int) -> Counter[str]:
    """Writes of our objects that changed something, by the API server's own history."""
    names = {name for _resource, name in OURS} | {SCHEDULER}
    return Counter(
        f"{one['resource']} {one['name']}"
        for one in place.control.writes(CLUSTER, since)
        if one["name"] in names and one["user"] == "kubernetes-admin" and not one["subresource"]
    )


def test_an_outage_at_every_step_of_a_configuration_and_an_upgrade_only_delays_them(
    healed: Place, first_looks: Looks
) -> None:
    given = installed(healed)
    done = healed.run(SCHEDULER, "install", version="v1.0.1", delivery="in_cluster")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    for component, action, more in (
        (NAME, "configure", {"values": {**given, "KCI_KUBE_PROXY": True}}),
        (SCHEDULER, "upgrade", {"version": "v1.1.0"}),
    ):
        since = now(healed)
        first_looks.before = partial(down, healed, True)
        first_looks.after = partial(down, healed, False)
        done = healed.run(component, action, **more)
        assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
        assert len(first_looks.steps(done)) == 8
        assert set(written(healed, since).values()) == {1}, written(healed, since)
    row = healed.row(SCHEDULER)
    assert row
    assert (row.state, row.version, row.mark) == ("installed", "v1.1.0", "")


def test_an_outage_that_does_not_end_is_a_failure_with_its_cause_and_a_retry_mends_it(
    healed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, given = healed, installed(healed)
    changed = {**given, "KCI_KUBE_PROXY": True}
    operation = place.start(NAME, "configure", values=changed)
    place.work(lambda: _step(operation) == "rollout" or _step(operation) == "nodes-ready")
    down(place, True)
    monkeypatch.setattr(operations, "DEADLINE", timedelta(seconds=0.2))
    assert place.ended(operation, seconds=60).state == Operation.State.FAILED
    assert read(operation.error)
    assert "ten minutes" in read(operation.fix)
    back = Operation.objects.get(kind="rollback-component", cluster=place.cluster)
    assert place.ended(back, seconds=60).state == Operation.State.FAILED
    row = place.row(NAME)
    assert row
    assert (row.state, bool(row.mark)) == ("failed", True)
    down(place, False)
    monkeypatch.undo()
    retry(operation)
    done = place.ended(operation, seconds=60)
    assert done.state == Operation.State.SUCCEEDED, (read(done.error), done.log)
    row.refresh_from_db()
    assert (row.state, row.mark, row.values) == ("installed", "", changed)
    live = place.get(DEPLOYMENTS, "virtual-kubelet", "kube-system")
    assert live
    [container] = live["spec"]["template"]["spec"]["containers"]
    assert {"name": "KCI_KUBE_PROXY", "value": "true"} in container["env"]


@pytest.fixture(params=["before", "after"])
def fault(request: pytest.FixtureRequest) -> Json:
    """A 503 instead of the effect, or instead of the answer to it."""
    return {"code": "ServiceUnavailable", "http_status": 503, "times": 1, "when": request.param}


CHANGES = (
    ("install", "InstallClusterAddons", {"version": "v2.10.5", "delivery": "managed"}),
    ("upgrade", "UpgradeClusterAddons", {"version": "v2.13.0"}),
    ("uninstall", "UnInstallClusterAddons", {}),
)


@pytest.fixture
def calm(ack: Ack) -> Iterator[Ack]:
    yield ack
    ack.control.call("DELETE", "/aliyun/faults")


def test_a_cloud_that_fails_at_every_step_takes_each_change_once(
    calm: Ack, fault: Json, first_looks: Looks
) -> None:
    # Whatever is asked next, but for the stages of tasks.
    first_looks.before = partial(calm.plant, "[A-Z]*", **{**fault, "when": "before"})
    for action, call, more in CHANGES:
        calm.plant(call, **fault)
        done = calm.run(ADDON, action, **more)
        assert done.state == Operation.State.SUCCEEDED, (read(done.error), done.log)
        assert {"ask", "poll"} <= set(first_looks.steps(done))
        assert calm.planted(call)["hits"] == 1
        answers = [one["status"] for one in _calls(calm, call)]
        # The effect happened once, whatever was answered.
        assert len(answers) == (2 if fault["when"] == "before" else 1), answers
    assert calm.row(ADDON) is None


def _calls(place: Place, action: str) -> list[dict[str, Any]]:
    return list(place.control.call("GET", f"/aliyun/calls?action={action}"))


def test_an_outage_at_every_step_only_delays_hosted_nodes_too(
    hosted: Hosted, first_looks: Looks
) -> None:
    place = hosted.place
    first_looks.before = partial(down, place, True)
    first_looks.after = partial(down, place, False)
    for action, more in (
        ("install", {"values": hosted.values()}),
        ("configure", {"values": hosted.values(2)}),
        ("uninstall", {}),
    ):
        done = hosted.run(action, **more)
        assert done.state == Operation.State.SUCCEEDED, (read(done.error), done.log)
        assert len(first_looks.steps(done)) == done.steps.count()
    # The nodes' own operations had their outages as well.
    steps = {step for _pk, step in first_looks.seen}
    assert {"register", "ready", "drain", "unregister", "proof"} <= steps
    assert hosted.instances() == []
    assert not VirtualNode.objects.filter(cluster=place.cluster).exists()
