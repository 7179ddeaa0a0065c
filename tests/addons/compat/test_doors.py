"""The three ways to ask: page, REST, command; and who may ask of what."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from addons.compat.documents import parse
from kube.errors import Forbidden, NotFound
from tests.addons.compat.manifests import AGENT, NODE_PORT, PLAIN, WEB
from tests.console import cast as make
from tests.console.cast import Cast, Fleet


def post(client: Client, body: dict[str, Any], **headers: str) -> Any:
    return client.post(
        reverse("api:compatibility"), json.dumps(body), "application/json", headers=headers
    )


def test_rest_tells_per_cloud_what_becomes_of_a_manifest(vera: Client, fleet: Fleet) -> None:
    answer = post(vera, {"yaml": WEB, "providers": ["eci"]})
    assert answer.status_code == 200
    [workload] = answer.json()["workloads"]
    [cloud] = workload["clouds"]
    assert (cloud["provider"], cloud["region"]) == ("eci", fleet.account.region)
    assert (cloud["outcome"], cloud["billed"]["size"]) == ("refused", "2-4Gi")
    assert cloud["price_per_hour"]


def test_a_virtual_node_is_asked_with_the_clouds_that_serve_it(vera: Client, fleet: Fleet) -> None:
    [workload] = post(vera, {"yaml": PLAIN, "node": fleet.node.pk}).json()["workloads"]
    assert [(c["provider"], c["node"]) for c in workload["clouds"]] == [("eci", fleet.node.name)]


def test_a_node_or_a_cluster_of_another_team_does_not_exist(people: Cast, fleet: Fleet) -> None:
    charlie = Client()
    charlie.force_login(people.charlie)
    assert post(charlie, {"yaml": PLAIN, "node": fleet.node.pk}).status_code == 404
    assert post(charlie, {**STORED, "cluster": fleet.cluster.slug}).status_code == 404


def test_a_token_that_may_only_read_may_ask(people: Cast) -> None:
    _row, text = make.token(people.vera, "read")
    answer = post(Client(), {"yaml": PLAIN}, authorization=f"Bearer {text}")
    assert answer.status_code == 200


STORED = {"cluster": "home", "kind": "Deployment", "namespace": "shop", "name": "web"}


@pytest.mark.parametrize(
    "body",
    [{}, {"yaml": PLAIN, **STORED}, {"cluster": "home"}, {"yaml": PLAIN, "providers": ["moon"]}],
)
def test_a_request_that_says_too_little_or_too_much_is_refused(
    vera: Client, body: dict[str, Any]
) -> None:
    answer = post(vera, body)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_bad_yaml_is_refused_with_the_line_and_the_fix(vera: Client) -> None:
    problem = post(vera, {"yaml": "kind: Pod\nmetadata: &a {}"}).json()
    assert (problem["status"], problem["code"]) == (422, "unreadable_manifest")
    assert (problem["reason"], problem["line"]) == ("alias", 2)
    assert problem["fix"]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the cluster answers: documents, or an error to raise."""
    answers: list[Any] = []

    def answer(_user: Any, _workload: Any) -> Any:
        [given] = answers
        if isinstance(given, Exception):
            raise given
        return given

    monkeypatch.setattr("console.api.compatibility.stored", answer)
    monkeypatch.setattr("console.views.compatibility.stored", answer)
    return answers


@pytest.mark.parametrize(("error", "status"), [(NotFound, 404), (Forbidden, 502)])
def test_a_cluster_that_does_not_show_the_workload_is_told_with_a_fix(
    vera: Client, fleet: Fleet, stored: list[Any], error: type[Exception], status: int
) -> None:
    stored.append(error("nothing to see", status=status, reason="x"))
    problem = post(vera, {**STORED, "cluster": fleet.cluster.slug})
    assert problem.status_code == status
    assert problem.json()["fix"]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_page_shows_a_matrix_of_fields_and_clouds(
    vera: Client, fleet: Fleet, language: str
) -> None:
    vera.cookies["django_language"] = language
    answer = vera.post(reverse("compatibility"), {"yaml": WEB + "---" + NODE_PORT})
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "spec.template.spec.hostNetwork" in text
    assert "Service shop/web" in text
    assert "2-4Gi" in text
    assert "style=" not in text


def test_the_page_of_a_workload_has_an_address(
    vera: Client, fleet: Fleet, stored: list[Any]
) -> None:
    stored.append(parse(AGENT))
    query = {**STORED, "cluster": fleet.cluster.slug}
    answer = vera.get(reverse("compatibility"), query)
    assert answer.status_code == 200
    assert "DaemonSet default/agent" in answer.content.decode()


def test_the_page_keeps_a_manifest_that_cannot_be_read(vera: Client) -> None:
    answer = vera.post(reverse("compatibility"), {"yaml": "kind: [unfinished"})
    assert answer.status_code == 422
    assert "kind: [unfinished" in answer.content.decode()


def run(path: Path, *options: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("compatibility", str(path), "--region", "cn-hangzhou", *options, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (PLAIN, 0, "2-4Gi"),
        (WEB, 1, "spec.template.spec.hostNetwork:12"),
        ("kind: [", 2, "Line 1"),
        (NODE_PORT, 2, "no workload"),
    ],
)
def test_the_command_ends_with_a_code_for_pipelines(
    tmp_path: Path, text: str, code: int, told: str
) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(text)
    ended, output = run(file, "--provider", "eci")
    assert ended == code
    assert told in output


def test_the_command_writes_the_same_data_as_rest(tmp_path: Path, vera: Client) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(WEB)
    _code, output = run(file, "--json")
    assert json.loads(output) == post(vera, {"yaml": WEB, "region": "cn-hangzhou"}).json()
