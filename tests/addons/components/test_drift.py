"""Drift found by workers themselves, a turn at a time."""

from __future__ import annotations

from addons.models import Installation, Operation
from addons.runtime.drain import drain
from addons.runtime.resync import DRIFT_SLICES, unfinished
from kube import DEPLOYMENTS
from kube.secret import Secret
from providers import sealing
from tests.addons.components.conftest import LIMITS, Json, Place
from tests.addons.components.test_in_cluster import NAME, SPACE, installed


def turns(row: Installation) -> list[int]:
    """The parts of a round of resyncs in which the installation is compared."""
    key = f"drift:{row.pk}"
    found = [unfinished(full=False, part=part) for part in range(DRIFT_SLICES)]
    return [part for part, keys in enumerate(found) if key in keys[f"cluster:{row.cluster_id}"]]


def look(place: Place, row: Installation) -> None:
    async def call() -> None:
        shard, key = f"cluster:{row.cluster_id}", f"drift:{row.pk}"
        await place.runtime.queue.add(shard, {key: place.runtime.clock.epoch()})
        await drain(place.runtime, shard, limits=LIMITS)

    place.runtime.run(call(), timeout=30)
    row.refresh_from_db()


def test_what_others_change_is_seen_at_the_next_turn_and_never_while_it_is_being_changed(
    place: Place,
) -> None:
    installed(place)
    row = place.row(NAME)
    assert row
    assert turns(row) == [row.pk % DRIFT_SLICES]
    look(place, row)
    assert row.drift_at is not None
    assert row.drift == []
    scaled = {"spec": {"replicas": 0}}
    place.ask(lambda kube: kube.patch(DEPLOYMENTS, "virtual-kubelet", scaled, SPACE))
    look(place, row)
    assert [(one["field"], one["live"], one["wanted"]) for one in row.drift] == [
        ("spec.replicas", 0, 1)
    ]
    Installation.objects.filter(pk=row.pk).update(state="changing", drift=[])
    assert turns(row) == []
    look(place, row)
    assert row.drift == []


def test_a_cluster_that_does_not_answer_leaves_the_last_comparison_with_its_date(
    place: Place,
) -> None:
    installed(place)
    row = place.row(NAME)
    assert row
    look(place, row)
    before = row.drift_at
    faults = "/clusters/ack-hangzhou/faults"
    place.control.call("PUT", faults, {"down": True})
    try:
        look(place, row)
    finally:
        place.control.call("DELETE", faults)
    assert row.drift_at == before


def revision(deployment: Json) -> int:
    """Which template its pods are of, as its controller counts them."""
    return int(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


def test_a_rotated_key_is_drift_and_a_repair_restarts_who_reads_it_once(place: Place) -> None:
    installed(place)
    row = place.row(NAME)
    assert row
    key = next(k for k in place.cloud["keys"] if k["note"] == "full access")
    sealing.seal_into(
        place.account, key_id=key["access_key_id"], secret=Secret("rotated"), token=Secret("")
    )
    place.account.save()
    look(place, row)
    assert [(one["object"], one["field"], one["live"]) for one in row.drift] == [
        (f"Secret {SPACE}/virtual-kubelet-keys", "data.KCI_SECRET_KEY", "***")
    ]
    before = place.get(DEPLOYMENTS, "virtual-kubelet", SPACE)
    operation = place.start(NAME, "repair")
    place.work(lambda: operation.steps.filter(name="rollout", state="running").exists())
    sealing.seal_into(
        place.account,
        key_id=key["access_key_id"],
        secret=Secret(key["access_key_secret"]),
        token=Secret(""),
    )
    place.account.save()
    place.ended(operation, seconds=60)
    done = place.run(NAME, "repair")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    look(place, row)
    assert row.drift == []
    after = place.get(DEPLOYMENTS, "virtual-kubelet", SPACE)
    assert before
    assert after
    # Once for the key that does not work, once for the one that does.
    assert revision(after) == revision(before) + 2
