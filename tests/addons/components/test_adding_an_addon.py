"""The recipe of docs/adding-an-addon.md, followed: its file is imported and lived with."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from addons.components import manage
from addons.components.catalogue import CatalogueError, catalogue, import_file, say
from addons.models import Installation, Operation
from addons.operations import cancel, retry
from kube import CONFIGMAPS, DEPLOYMENTS, SECRETS
from tests.addons.components.conftest import Place
from tests.conftest import World

PAGE = Path(settings.BASE_DIR) / "docs/adding-an-addon.md"
SPACE = "kube-system"
MARKS = {"app.kubernetes.io/managed-by": "spillway"}
ELSEWHERE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "elsewhere", "namespace": SPACE, "labels": MARKS},
    "data": {"word": "hello"},
}


@pytest.fixture(autouse=True)
def greeter(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    file = tmp_path / "greeter.yaml"
    file.write_text(found[1])
    call_command("catalogue", "import", str(file), verbosity=0)
    return file


def helm(world: World, *words: str) -> str:
    program = Path(sys.executable).parent / "helm"
    kubeconfig = world.facts["clusters"][0]["kubeconfig"]
    done = subprocess.run(
        [program, "--kubeconfig", kubeconfig, *words], check=True, capture_output=True, text=True
    )
    return done.stdout


def image(place: Place) -> str:
    found = place.get(DEPLOYMENTS, "greeter", SPACE)
    assert found
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def installed(place: Place, **more: Any) -> Installation:
    done = place.run("greeter", "install", version="v1.0.0", **more)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row = place.row("greeter")
    assert row
    return row


def test_a_file_with_a_mistake_is_refused_with_its_place(greeter: Path) -> None:
    greeter.write_text(greeter.read_text().replace("vendor: example", "vender: example"))
    with pytest.raises(CatalogueError, match="vender"):
        import_file(greeter)
    assert say(catalogue()["greeter"].title) == "Greeter"


def test_from_install_to_upgrade_to_rollback_as_helm_shows_it(place: Place, world: World) -> None:
    row = installed(place, values={"word": "servus"})
    assert place.get(CONFIGMAPS, "greeter-old", SPACE)
    plan = manage.plan(place.cluster, "greeter", action="upgrade")
    assert not plan.blocking, plan.checks
    assert plan.values_after == {"greeting": {"word": "servus"}}
    states = {one.key: one.state for one in plan.rows}
    assert states == {
        "greeting.word": "renamed",
        "replicas": "added",
        "source": "added",
        "tag": "default_changed",
    }
    assert plan.surplus == ("ConfigMap kube-system/greeter-old",)
    changed = [(d.field, d.live, d.wanted) for d in plan.objects]
    path = "spec.template.spec.containers[greeter].image"
    assert (path, "nginx:1.25", "nginx:1.27") in changed

    done = place.run("greeter", "upgrade", version="v2.0.0")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert image(place) == "nginx:1.27"
    assert place.get(CONFIGMAPS, "greeter-old", SPACE) is None, "what is no longer part of it goes"
    listed = helm(world, "list", "-n", SPACE, "-o", "json")
    assert '"name":"greeter"' in listed
    assert '"app_version":"v2.0.0"' in listed

    done = place.run("greeter", "rollback", revision=1)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert image(place) == "nginx:1.25"
    row.refresh_from_db()
    assert (row.version, row.values) == ("v1.0.0", {"word": "servus"})
    told = [(r.number, r.action, r.status) for r in manage.history(row)]
    assert told == [
        (3, "rollback", "deployed"),
        (2, "upgrade", "superseded"),
        (1, "install", "superseded"),
    ]
    history = helm(world, "history", "greeter", "-n", SPACE)
    assert re.search(r"1\s.*superseded.*v1\.0\.0.*Install complete", history)
    assert re.search(r"3\s.*deployed.*v1\.0\.0.*Rollback to 1", history)


def test_drift_is_told_field_by_field_and_repaired(place: Place) -> None:
    row = installed(place)
    patch = {"spec": {"replicas": 3}}
    place.ask(lambda k: k.patch(DEPLOYMENTS, "greeter", patch, SPACE, field_manager="kubectl-edit"))
    place.ask(lambda k: k.delete(CONFIGMAPS, "greeter-old", SPACE))
    found = {(d["object"], d["field"], d["kind"]) for d in manage.drift(row)}
    assert found == {
        ("Deployment kube-system/greeter", "spec.replicas", "field"),
        ("ConfigMap kube-system/greeter-old", "", "missing"),
    }
    done = place.run("greeter", "repair")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert manage.drift(row) == []


def test_a_field_that_others_own_is_named_with_its_owner_before_anything_is_changed(
    place: Place,
) -> None:
    installed(place)
    patch = {"data": {"word": "theirs"}}
    place.ask(
        lambda k: k.patch(CONFIGMAPS, "greeter", patch, SPACE, field_manager="another-controller")
    )
    plan = manage.plan(place.cluster, "greeter", action="configure", values={"word": "ours"})
    assert plan.blocking
    told = [check.detail for check in plan.checks if check.state == "bad"]
    assert any("another-controller" in text and ".data.word" in text for text in told), told


def test_an_upgrade_that_fails_goes_back_by_itself_and_says_so(place: Place) -> None:
    row = installed(place)
    bad = {"source": "elsewhere"}
    plan = manage.plan(place.cluster, "greeter", action="upgrade", values=bad)
    assert plan.auto_rollback == 1, "said before it is started"
    operation = place.start("greeter", "upgrade", values=bad)
    place.work(lambda: _in_step(operation, "rollout"), about=operation)
    step = operation.steps.get(name="rollout")
    assert step.started_at
    step.started_at -= timedelta(minutes=11)
    step.save()
    place.ended(operation)
    assert operation.state == Operation.State.FAILED
    back = Operation.objects.get(kind="rollback-component", target="greeter")
    place.ended(back)
    assert back.state == Operation.State.SUCCEEDED, (back.error, back.log)
    row.refresh_from_db()
    assert (row.state, row.version, row.mark) == ("installed", "v1.0.0", "")
    assert image(place) == "nginx:1.25"


def _in_step(operation: Operation, name: str) -> bool:
    return operation.steps.filter(name=name, state="running").exists()


def test_a_second_operation_is_refused_and_told_which_one_runs(place: Place) -> None:
    first = place.start("greeter", "install", key="k-1")
    assert place.start("greeter", "install", key="k-1").pk == first.pk
    with pytest.raises(manage.ComponentError, match=f"Operation {first.pk} is at it") as told:
        place.start("greeter", "uninstall")
    assert told.value.code == "busy"
    assert told.value.operation == first
    place.ended(first)


def test_a_cancel_waits_for_a_safe_point_and_leaves_a_mark(place: Place) -> None:
    operation = place.start("greeter", "install", values={"source": "elsewhere"})
    place.work(lambda: _in_step(operation, "rollout"), about=operation)
    cancel(operation)
    place.ended(operation)
    assert operation.state == Operation.State.CANCELLED
    row = place.row("greeter")
    assert row
    assert row.state == "failed"
    assert "rollout" in row.mark
    place.ask(lambda k: k.create(CONFIGMAPS, ELSEWHERE))
    retry(operation)
    assert place.ended(operation).state == Operation.State.SUCCEEDED
    row.refresh_from_db()
    assert (row.state, row.mark) == ("installed", "")


def test_an_uninstall_leaves_nothing_and_proves_it(place: Place) -> None:
    installed(place)
    done = place.run("greeter", "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert place.row("greeter") is None
    assert place.get(DEPLOYMENTS, "greeter", SPACE) is None
    assert place.get(CONFIGMAPS, "greeter", SPACE) is None
    assert place.get(SECRETS, "sh.helm.release.v1.greeter.v1", SPACE) is None
    proof = done.arguments["proof"]
    assert (proof["objects"], proof["instances"], proof["asked"]) == ([], [], False)


def test_a_change_is_numbered_after_what_helm_did_meanwhile(place: Place, world: World) -> None:
    row = installed(place, values={"word": "servus"})
    done = place.run("greeter", "upgrade", version="v2.0.0")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    helm(world, "rollback", "greeter", "1", "-n", SPACE)
    assert image(place) == "nginx:1.25"
    written = place.get(SECRETS, "sh.helm.release.v1.greeter.v3", SPACE)

    given = {"greeting": {"word": "grias di"}}
    plan = manage.plan(place.cluster, "greeter", action="configure", values=given)
    conflicts = [check for check in plan.checks if check.code == "conflict"]
    assert any(".image: helm" in check.detail for check in conflicts), conflicts
    assert conflicts[0].fix.startswith("Repair takes the fields over")
    for action, more in (("repair", {}), ("configure", {"values": given})):
        done = place.run("greeter", action, **more)
        assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert image(place) == "nginx:1.27"
    history = helm(world, "history", "greeter", "-n", SPACE)
    for number, words in ((2, "superseded.*Upgrade"), (3, "superseded.*Rollback to 1")):
        assert re.search(rf"{number}\s.*{words}", history), history
    assert re.search(r"5\s.*deployed.*v2\.0\.0.*Upgrade complete", history), history
    after = place.get(SECRETS, "sh.helm.release.v1.greeter.v3", SPACE)
    assert written
    assert after
    assert after["metadata"]["uid"] == written["metadata"]["uid"]
    assert [r.number for r in manage.history(row)] == [5, 4, 2, 1]


def test_a_record_that_helm_writes_while_we_work_is_not_overwritten(
    place: Place, world: World
) -> None:
    row = installed(place)
    operation = place.start("greeter", "repair")
    place.work(lambda: operation.steps.filter(name="snapshot", state="done").exists())
    helm(world, "rollback", "greeter", "1", "-n", SPACE)
    place.ended(operation)
    assert operation.state == Operation.State.SUCCEEDED, (operation.error, operation.log)
    history = helm(world, "history", "greeter", "-n", SPACE)
    assert re.search(r"2\s.*superseded.*Rollback to 1", history), history
    assert re.search(r"3\s.*deployed.*v1\.0\.0.*Upgrade complete", history), history
    assert [r.number for r in manage.history(row)] == [3, 1]


def test_nothing_is_begun_while_helm_is_at_the_release(place: Place) -> None:
    installed(place)
    meta = {"labels": {"status": "pending-upgrade"}}
    record = "sh.helm.release.v1.greeter.v1"
    place.ask(lambda k: k.patch(SECRETS, record, {"metadata": meta}, SPACE))
    done = place.run("greeter", "upgrade", version="v2.0.0")
    assert done.state == Operation.State.FAILED
    assert "pending-upgrade" in done.error
    assert image(place) == "nginx:1.25", "nothing was changed"


def test_what_the_server_refuses_is_one_difference_with_its_words(place: Place) -> None:
    row = installed(place)
    live = place.get(DEPLOYMENTS, "greeter", SPACE)
    assert live
    labels = {"app": "another"}
    body = {
        **{key: live[key] for key in ("apiVersion", "kind")},
        "metadata": {"name": "greeter", "namespace": SPACE},
        "spec": {
            **live["spec"],
            "selector": {"matchLabels": labels},
            "template": {**live["spec"]["template"], "metadata": {"labels": labels}},
        },
    }
    place.ask(lambda k: k.delete(DEPLOYMENTS, "greeter", SPACE, propagation="Background"))
    place.ask(lambda k: k.create(DEPLOYMENTS, body))
    try:
        (found,) = (one for one in manage.drift(row) if one["object"].startswith("Deployment"))
    finally:
        place.ask(lambda k: k.delete(DEPLOYMENTS, "greeter", SPACE, propagation="Background"))
    assert (found["kind"], found["field"]) == ("refused", "spec.selector")
    assert "field is immutable" in found["wanted"]
