"""Taking over the fields of installers, against what the API server then makes of the object."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from addons.components import apply, ownership
from addons.components.kits import manifests as m
from kube import DEPLOYMENTS, Kube
from kube.errors import Conflict
from tests.addons.components.conftest import Json, Place

NAME, SPACE = "taken-over", "default"
LABELS = {"app": NAME}


def manifest(env: list[Json], **more: Any) -> Json:
    container = {"name": "c", "image": "nginx:1.25", "env": env, **more}
    made = m.deployment(NAME, SPACE, LABELS, account="default", containers=[container], replicas=0)
    return copy.deepcopy(made)


@pytest.fixture
def theirs(place: Place) -> Iterator[Place]:
    """Installed with Helm, edited with kubectl; a controller has added things of its own."""
    ports = [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]
    made = manifest([m.env("KEY", "plain"), m.env("GONE", "1")], ports=ports)
    made["metadata"]["annotations"] = {"meta.helm.sh/release-name": "x"}
    made["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    place.ask(lambda k: k.create(DEPLOYMENTS, made, field_manager="helm"))
    pod = {"containers": [{"name": "c", "env": [m.env("ADDED", "2"), m.env("SHARED", "3")]}]}
    theirs: Json = {
        "metadata": {"annotations": {"controller.example/seen": "1"}},
        "spec": {"template": {"spec": pod}},
    }
    edited = {"spec": {"replicas": 0, "paused": True}, "metadata": {"labels": {"edited": "yes"}}}
    for manager, body in (("a-controller", theirs), ("kubectl-edit", edited)):
        place.ask(
            lambda k, manager=manager, body=body: k.patch(
                DEPLOYMENTS, NAME, body, SPACE, kind="strategic", field_manager=manager
            )
        )
    yield place
    place.ask(lambda k: k.delete(DEPLOYMENTS, NAME, SPACE, propagation="Background"))


WANTED = manifest(
    [m.env_secret("KEY", "keys", "k"), m.env("SHARED", "3"), m.env("NEW", "4")],
    ports=[{"containerPort": 53}, {"containerPort": 54}],
)


async def taken(kube: Kube, wanted: Json) -> Json:
    await apply.take_over(kube, wanted)
    return await apply.put(kube, wanted, force=True)


def test_the_preview_is_what_comes_of_it_and_changes_nothing(theirs: Place) -> None:
    before = theirs.get(DEPLOYMENTS, NAME, SPACE)
    assert before
    would = theirs.ask(lambda k: apply.would_be(k, WANTED, before, moves=True))
    assert theirs.get(DEPLOYMENTS, NAME, SPACE) == before
    after = theirs.ask(lambda k: taken(k, WANTED))
    for one in (would, after):
        meta = one["metadata"]
        pod = one["spec"]["template"]["spec"]
        env = {entry["name"]: entry for entry in pod["containers"][0]["env"]}
        assert env.keys() == {"KEY", "SHARED", "NEW", "ADDED"}, "a controller keeps what is its own"
        assert "value" not in env["KEY"]
        ports = [(p["containerPort"], p["protocol"]) for p in pod["containers"][0]["ports"]]
        assert sorted(ports) == [(53, "TCP"), (54, "TCP")]
        assert "nodeSelector" not in pod
        assert meta["annotations"].get("controller.example/seen") == "1"
        assert "meta.helm.sh/release-name" not in meta["annotations"]
        assert "edited" not in meta["labels"]
        assert not one["spec"].get("paused")


def test_afterwards_a_change_meets_no_owner_but_for_what_a_controller_set(theirs: Place) -> None:
    theirs.ask(lambda k: taken(k, WANTED))
    live = theirs.get(DEPLOYMENTS, NAME, SPACE)
    assert live
    assert ownership.installers(live) == []
    assert ownership.move(live, WANTED) is None
    changed = copy.deepcopy(WANTED)
    container = changed["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "nginx:1.27"
    container["env"][1]["value"] = "shared no more"
    theirs.ask(lambda k: apply.put(k, changed))
    container["env"].append(m.env("ADDED", "ours"))
    with pytest.raises(apply.Conflicts, match="a-controller"):
        theirs.ask(lambda k: apply.put(k, changed))


def test_a_write_in_between_is_a_conflict_and_not_lost(theirs: Place) -> None:
    live = theirs.get(DEPLOYMENTS, NAME, SPACE)
    assert live
    patch = ownership.move(live, WANTED)
    newer = {"metadata": {"annotations": {"newer": "1"}}}
    theirs.ask(lambda k: k.patch(DEPLOYMENTS, NAME, newer, SPACE, field_manager="a-controller"))
    with pytest.raises(Conflict):
        theirs.ask(lambda k: k.patch(DEPLOYMENTS, NAME, patch, SPACE, kind="json"))
    after = theirs.get(DEPLOYMENTS, NAME, SPACE)
    assert after
    assert after["metadata"]["annotations"]["newer"] == "1"
