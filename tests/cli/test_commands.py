"""What the commands print and how they end, against the real REST API."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from addons.models import Cluster, Installation, Operation, PodRow, VirtualNode
from console.cli import api
from providers.models import CloudAccount
from tests.cli.conftest import Say, sayer
from tests.console import cast as people
from tests.console.cast import Cast, Fleet

PRIVILEGED = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers: [{name: a, image: nginx, securityContext: {privileged: true}}]
"""


def test_lists_page_through_everything(
    say: Say, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_PAGE", 2)
    names = {fleet.pod.name, *(people.pod(fleet.node).name for _ in range(6))}
    said = say("pod", "list", "-o", "json")
    assert said.code == 0
    assert {row["name"] for row in json.loads(said.out)} == names


def test_a_table_is_what_kubectl_would_draw(say: Say, fleet: Fleet) -> None:
    heading, line = say("pod", "list").out.splitlines()
    assert heading.split()[:5] == ["CLUSTER", "NAMESPACE", "NAME", "READY", "STATUS"]
    assert line.index(fleet.pod.name) == heading.index("NAME", heading.index("NAMESPACE") + 9)
    [row] = json.loads(say("pod", "list", "-o", "json").out)
    assert row["price_per_hour"]
    assert line.endswith(f"{row['price_per_hour']} CNY/h")


def test_yaml_and_json_have_the_same_rows(say: Say, fleet: Fleet) -> None:
    for words in (("cluster", "list"), ("node", "list"), ("operation", "list")):
        as_json, as_yaml = (say(*words, "-o", form).out for form in ("json", "yaml"))
        rows = json.loads(as_json)
        assert len(rows) == 1
        assert [row["id"] for row in yaml.safe_load(as_yaml)] == [rows[0]["id"]]


def test_filters_reach_the_server(say: Say, fleet: Fleet) -> None:
    people.pod(fleet.node, "waits", phase="Pending", status="Pending", bare=True)
    found = say("pod", "list", "--phase", "Pending", "--cluster", fleet.cluster.slug, "-o", "json")
    assert [row["name"] for row in json.loads(found.out)] == ["waits"]
    assert json.loads(say("pod", "list", "--cluster", "none-such", "-o", "json").out) == []


def test_the_cluster_of_the_environment_is_meant(say: Say, fleet: Fleet) -> None:
    assert fleet.node.name in say("node", "list", SPILLWAY_CLUSTER=fleet.cluster.slug).out
    said = say("node", "list", SPILLWAY_CLUSTER="another")
    assert (said.out, said.err) == ("", "There are no virtual nodes.\n")


def test_what_is_not_there_ends_with_four(say: Say, fleet: Fleet) -> None:
    for words in (
        ("pod", "describe", "none-such"),
        ("node", "describe", "none-such"),
        ("cluster", "describe", "none-such"),
        ("operation", "show", "999999"),
        ("credential", "verify", "none-such"),
    ):
        said = say(*words)
        assert (said.code, said.out) == (4, ""), words
        assert said.err.startswith("Error: "), words


def test_what_another_team_has_is_not_there(
    env: dict[str, str], cast: Cast, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    charlie = sayer(env | {"SPILLWAY_TOKEN": people.token(cast.charlie)[1]}, capsys)
    assert charlie("pod", "list", "-o", "json").out == "[]\n"
    assert charlie("node", "cordon", fleet.node.name).code == 4
    assert charlie("operation", "cancel", str(fleet.operation.pk)).code == 4


def test_a_name_that_means_two_pods_is_refused_with_both(say: Say, fleet: Fleet) -> None:
    other = people.cluster(fleet.cluster.team)
    where = people.node(other, fleet.account)
    people.pod(where, fleet.pod.name, bare=True, uid="another")
    said = say("pod", "describe", fleet.pod.name)
    assert said.code == 2
    assert other.slug in said.err
    assert fleet.cluster.slug in said.err
    assert say("pod", "describe", fleet.pod.name, "--cluster", other.slug).code == 0


def test_a_token_that_may_only_read_is_refused(
    env: dict[str, str], cast: Cast, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = sayer(env | {"SPILLWAY_TOKEN": people.token(cast.alice, "read")[1]}, capsys)
    said = reader("node", "cordon", fleet.node.name)
    assert said.code == 3
    assert re.search(r"Request id: [0-9a-f]{32}", said.err)
    assert reader("node", "list").code == 0


def test_an_unknown_token_is_refused_and_says_what_to_do(say: Say) -> None:
    said = say("pod", "list", "-o", "json", SPILLWAY_TOKEN="spw_wrong")
    told = json.loads(said.err)
    assert (said.code, told["code"]) == (3, "authentication_failed")
    assert told["fix"]


def test_problems_show_what_to_do_and_the_request(say: Say, fleet: Fleet) -> None:
    Operation.objects.filter(pk=fleet.operation.pk).update(state="succeeded")
    said = say("operation", "retry", str(fleet.operation.pk))
    assert said.code == 3
    assert "Request id:" in said.err


def test_wrong_usage_ends_with_two(say: Say) -> None:
    assert say("pod", "list", "--nothing-such").code == 2
    assert say("operation", "show", "twelve").code == 2
    assert say("pod", "logs", "x", "--since", "yesterday").code == 2


def test_a_console_that_is_away_ends_with_five(env: dict[str, str], say: Say) -> None:
    waits: list[float] = []
    said = say("pod", "list", sleep=waits.append, SPILLWAY_URL="http://127.0.0.1:1")
    assert said.code == 5
    assert len(waits) == api.TRIES - 1
    assert "http://127.0.0.1:1" in said.err


def test_a_check_that_every_cloud_refuses_ends_with_one(
    say: Say, cast: Cast, tmp_path: Path
) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(PRIVILEGED)
    said = say("check", "-f", str(file), "--provider", "eci", "--region", "cn-hangzhou")
    assert said.code == 1
    assert "privileged (line 6)" in said.out
    assert "fix: " in said.out


def test_a_check_of_nothing_readable_says_where(say: Say, cast: Cast, tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text("kind: [")
    said = say("check", "-f", str(file), "-o", "json")
    assert said.code == 3
    assert json.loads(said.err)["line"] >= 1


def test_following_an_operation_prints_its_log_as_it_comes(say: Say, fleet: Fleet) -> None:
    mine = fleet.operation
    Operation.objects.filter(pk=mine.pk).update(state="running")
    looks: list[float] = []

    def later(seconds: float) -> None:
        looks.append(seconds)
        line = {"at": "2026-01-01T00:00:01+00:00", "text": "register: done", "level": "info"}
        log = [*mine.log, line]
        Operation.objects.filter(pk=mine.pk).update(state="succeeded", log=log)

    said = say("operation", "watch", str(mine.pk), sleep=later)
    assert (said.code, len(looks)) == (0, 1)
    assert [line.partition(" ")[2] for line in said.err.splitlines()] == [
        "preflight: ok",
        "register: done",
    ]


def test_an_operation_that_fails_ends_with_one_and_says_how_to_go_on(
    say: Say, fleet: Fleet
) -> None:
    Operation.objects.filter(pk=fleet.operation.pk).update(
        state="failed", error="No addresses are left.", fix="Choose another vSwitch."
    )
    said = say("operation", "watch", str(fleet.operation.pk))
    assert (said.code, said.out) == (1, "")
    assert "No addresses are left." in said.err
    assert "Choose another vSwitch." in said.err
    assert f"spillway operation retry {fleet.operation.pk}" in said.err


def test_watching_prints_what_changes_until_the_interrupt(say: Say, fleet: Fleet) -> None:
    def gone() -> None:
        raise KeyboardInterrupt

    steps = iter(
        [
            lambda: PodRow.objects.filter(pk=fleet.pod.pk).update(status="Terminating"),
            lambda: None,
            lambda: people.pod(fleet.node, "late"),
            lambda: PodRow.objects.filter(pk=fleet.pod.pk).delete(),
            gone,
        ]
    )

    def later(_seconds: float) -> None:
        next(steps)()

    said = say("pod", "watch", "-o", "json", sleep=later)
    assert said.code == 130
    events = [json.loads(line) for line in said.out.splitlines()]
    assert [(one["type"], one["object"]["name"]) for one in events] == [
        ("ADDED", fleet.pod.name),
        ("MODIFIED", fleet.pod.name),
        ("ADDED", "late"),
        ("DELETED", fleet.pod.name),
    ]


def test_watching_as_yaml_prints_a_document_for_each_change(say: Say, fleet: Fleet) -> None:
    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    said = say("pod", "watch", "-o", "yaml", sleep=stop)
    [event] = yaml.safe_load_all(said.out)
    assert (event["type"], event["object"]["name"]) == ("ADDED", fleet.pod.name)


def test_cordon_is_refused_by_a_cluster_that_is_away(say: Say, fleet: Fleet) -> None:
    said = say("node", "cordon", fleet.node.name)
    assert said.code != 0
    assert said.err.startswith("Error: ")
    assert not VirtualNode.objects.get(pk=fleet.node.pk).unschedulable


def test_secrets_are_not_taken_from_arguments(say: Say, cast: Cast) -> None:
    words = ("credential", "add", "new", "--provider", "eci", "--region", "cn-hangzhou")
    said = say(*words, "--field", "access_key_id=LTAI1", "--field", "access_key_secret=canary-1")
    assert said.code == 2
    assert "canary-1" not in said.err + said.out
    said = say(*words, "--field", "access_key_id=LTAI1")
    assert said.code == 2
    assert "access_key_secret" in said.err


def test_a_policy_comes_as_its_cloud_takes_it(say: Say, fleet: Fleet) -> None:
    eci, acs = say("credential", "policy", "eci"), say("credential", "policy", "acs")
    assert "eci:CreateContainerGroup" in json.loads(eci.out)["Statement"][0]["Action"]
    assert yaml.safe_load(acs.out)["kind"] == "List"
    addons = say("credential", "policy", "eci", "--use", "addons")
    assert "cs:InstallClusterAddons" in addons.out
    refused = say("credential", "policy", "acs", "--use", "users")
    assert (refused.code, "There are: pods." in refused.err) == (2, True)


def test_a_credential_is_rotated_by_a_file_and_removed_when_meant(
    say: Say, fleet: Fleet, cast: Cast, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary-2\n")
    name = fleet.account.name
    words = ("credential", "rotate", name, "--field", "access_key_id=LTAI5tNew")
    said = say(*words, "--field-file", f"access_key_secret={secret}")
    assert said.code != 0
    assert "canary-2" not in said.err + said.out
    fleet.account.refresh_from_db()
    assert fleet.account.access_key_id != "LTAI5tNew"
    said = say("credential", "remove", name)
    assert (said.code, "--yes" in said.err) == (2, True)
    said = say("credential", "remove", name, "--yes")
    assert said.code != 0, "it is in use"
    spare = people.account(cast.team, name="spare")
    said = say("credential", "remove", "spare", "--yes")
    assert (said.code, said.out) == (0, "Credential spare removed.\n")
    assert not CloudAccount.objects.filter(pk=spare.pk).exists()


def test_what_removes_asks_first(say: Say, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    said = say("cluster", "remove", fleet.cluster.slug)
    assert said.code == 2
    assert "--yes" in said.err
    said = say("cluster", "remove", fleet.cluster.slug, "--yes")
    assert said.code == 3


def test_no_command_shows_a_secret(
    say: Say, env: dict[str, str], fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []
    for words in (("whoami",), ("credential", "list"), ("cluster", "list"), ("pod", "list")):
        for form in ("table", "json"):
            said = say(*words, "-o", form)
            assert said.code == 0
            shown += [said.out, said.err]
    text = "".join(shown)
    assert env["SPILLWAY_TOKEN"] not in text
    assert "s3cret" not in text
    assert "t0ken" not in text


def _installed(of: Cluster) -> Installation:
    return Installation.objects.create(
        cluster=of,
        component="ack-virtual-node",
        delivery="in_cluster",
        release="ack-virtual-node",
        version="v2.9.7",
        state="installed",
    )


def test_a_fleet_upgrade_is_started_paused_resumed_and_cancelled(say: Say, fleet: Fleet) -> None:
    others = [people.cluster(fleet.cluster.team) for _ in range(4)]
    Cluster.objects.update(kind="ack")
    for one in others:
        _installed(one)
    words = ("fleet", "upgrade", "ack-virtual-node", "--version", "v2.13.0", "--batch", "2")
    said = say(*words, "--canary", others[2].slug, "-o", "json")
    assert said.code == 0, said.err
    made = json.loads(said.out)
    assert made["members"][0]["cluster"] == others[2].slug
    assert [one["wave"] for one in made["members"]] == [0, 1, 1, 2]
    number = str(made["id"])
    assert "Paused" in say("fleet", "pause", number).out
    assert say("fleet", "pause", "999").code == 4
    assert "Running" in say("fleet", "resume", number).out
    assert "Cancelled" in say("fleet", "cancel", number).out
    ended = say("fleet", "watch", number)
    assert (ended.code, "cancelled" in ended.err) == (1, True)
    assert number in say("fleet", "list", "--state", "cancelled").out
    assert say("fleet", "resume", number).code == 3


def test_an_addon_that_is_not_there_is_not_found(say: Say, fleet: Fleet) -> None:
    at = ("--cluster", fleet.cluster.slug)
    assert say("addon", "upgrade", "ack-virtual-node", *at).code == 4
    assert say("addon", "install", "none-such", *at).code == 4
    assert say("addon", "history", "ack-virtual-node", *at).code == 4


def test_the_catalogue_is_listed_and_a_cluster_says_why_not(say: Say, fleet: Fleet) -> None:
    assert "rbkci-virtual-kubelet" in say("addon", "list").out
    rows = json.loads(say("addon", "list", "--cluster", fleet.cluster.slug, "-o", "json").out)
    refused = [row for row in rows if not row["compatible"]]
    assert all(row["why"] for row in refused)
    assert {row["name"] for row in rows} >= {"ack-virtual-node", "hosted-virtual-node"}


def test_without_a_cluster_the_only_one_is_meant_and_several_are_named(
    say: Say, fleet: Fleet
) -> None:
    assert say("addon", "history", "ack-virtual-node").code == 4
    other = people.cluster(fleet.cluster.team)
    said = say("addon", "history", "ack-virtual-node")
    assert said.code == 2
    assert other.slug in said.err
    assert fleet.cluster.slug in said.err


def test_an_interrupt_says_that_the_operation_goes_on(say: Say, fleet: Fleet) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    said = say("operation", "watch", str(fleet.operation.pk), sleep=interrupt)
    assert said.code == 130
    assert f"spillway operation watch {fleet.operation.pk}" in said.err
    assert Operation.objects.get(pk=fleet.operation.pk).state == "queued"


def test_the_server_speaks_the_language_of_the_terminal(say: Say) -> None:
    english, chinese = (
        say("pod", "list", SPILLWAY_TOKEN="spw_wrong", LANG=name).err
        for name in ("en_US.UTF-8", "zh_CN.UTF-8")
    )
    assert english.isascii()
    assert re.search(r"[\u4e00-\u9fff]", chinese)


def test_completion_offers_the_clusters_there_are(env: dict[str, str], fleet: Fleet) -> None:
    words = f"spillway cluster describe {fleet.cluster.slug[:4]}"
    asked = {"_SPILLWAY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "console.cli"],
        check=True,
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
        env={**env, **asked},
    )
    assert done.stdout.split() == [f"plain,{fleet.cluster.slug}"]
