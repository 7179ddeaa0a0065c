"""Rollouts that cannot succeed: told early, in plain words, with a way on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from addons.components.steps import obstacles
from addons.components.steps.obstacles import Obstacle, obstacle_of, stands
from addons.models import Operation
from addons.operations import RUNNING, retry
from addons.sentences import read
from kube import DEPLOYMENTS
from tests.addons.components.conftest import Json, Place, values
from tests.addons.components.test_in_cluster import NAME, SPACE, installed, rekey

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOWHERE = "registry.example.com/does-not-exist/rbkci-virtual-kubelet"


def pod(reason: str, *, restarts: int = 0, message: str = "", **meta: str) -> Json:
    waiting = {"reason": reason, "message": message}
    status = {"name": "main", "restartCount": restarts, "state": {"waiting": waiting}}
    return {
        "metadata": {"name": "vk-1", "namespace": SPACE, **meta},
        "spec": {"containers": [{"name": "main", "image": "here/vk:v1"}]},
        "status": {"containerStatuses": [status]},
    }


@pytest.mark.parametrize(
    ("reason", "restarts", "kind"),
    [
        ("ContainerCreating", 0, ""),
        ("CrashLoopBackOff", 1, ""),
        ("CrashLoopBackOff", 2, "crash"),
        ("ErrImagePull", 0, "image"),
        ("ImagePullBackOff", 0, "image"),
        ("InvalidImageName", 0, "name"),
        ("CreateContainerConfigError", 0, "making"),
        ("RunContainerError", 4, "making"),
    ],
)
def test_the_kubelets_reason_says_what_kind_of_obstacle_it_is(
    reason: str, restarts: int, kind: str
) -> None:
    found = obstacle_of(pod(reason, restarts=restarts))
    assert (found.kind if found else "") == kind
    assert not found or found.image == "here/vk:v1"


def test_a_pod_that_is_going_is_no_obstacle() -> None:
    assert obstacle_of(pod("ErrImagePull", deletionTimestamp="2026-01-01T00:00:00Z")) is None


def test_an_obstacle_stands_from_its_first_sight_whatever_the_back_off_calls_it() -> None:
    first = obstacle_of(pod("ErrImagePull", message="not found"))
    later = obstacle_of(pod("ImagePullBackOff", message="Back-off pulling image"))
    assert first
    assert later
    note = stands({}, first, NOW)
    after = stands(note, later, NOW + timedelta(seconds=50))
    assert after == {"key": first.key, "since": NOW.isoformat(), "words": "not found"}
    other = Obstacle("image", "vk-2", SPACE, "main", "here/vk:v1", "ErrImagePull", "gone")
    assert stands(after, other, NOW + timedelta(seconds=60))["since"] > after["since"]


def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obstacles, "STANDS", timedelta(seconds=1))


def test_an_image_that_nobody_has_fails_the_install_and_the_next_one_is_not_held_up_by_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _brief(monkeypatch)
    given = values(place, image=NOWHERE)
    done = place.run(NAME, "install", values=given)
    assert done.state == Operation.State.FAILED
    assert f"{NOWHERE}:v1.3.1 cannot be pulled" in read(done.error)
    assert "not found" in read(done.error)
    assert done.steps.get(state="failed").name == "rollout"
    row = place.row(NAME)
    assert row
    assert (row.state, row.mark) == ("failed", done.error)
    del given["image"]
    again = place.run(NAME, "install", values=given)
    assert again.state == Operation.State.SUCCEEDED, (again.error, again.log)


def test_a_change_to_such_an_image_is_taken_back_as_it_was_announced(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _brief(monkeypatch)
    given = installed(place)
    changed = place.run(NAME, "configure", values={**given, "image": NOWHERE})
    assert changed.state == Operation.State.FAILED
    assert changed.arguments["auto_rollback"] == 1
    back = Operation.objects.get(kind="rollback-component", state__in=RUNNING)
    assert place.ended(back).state == Operation.State.SUCCEEDED, (back.error, back.log)
    row = place.row(NAME)
    assert row
    assert (row.state, row.mark, row.values) == ("installed", "", given)
    live = place.get(DEPLOYMENTS, "virtual-kubelet", SPACE)
    assert live
    assert NOWHERE not in str(live["spec"])


def test_a_key_put_right_after_a_crash_is_what_the_retry_applies(place: Place) -> None:
    operation = place.start(NAME, "install", values=values(place))
    place.work(lambda: operation.steps.filter(name="preflight", state="done").exists())
    rekey(place, "AKLTnobody", "wrong")
    assert place.ended(operation, seconds=60).state == Operation.State.FAILED
    right = next(k for k in place.cloud["keys"] if k["note"] == "full access")
    rekey(place, right["access_key_id"], right["access_key_secret"])
    retry(operation)
    done = place.ended(operation, seconds=60)
    assert done.state == Operation.State.SUCCEEDED, "\n".join(
        [done.error, *(str(line["text"]) for line in done.log)]
    )
