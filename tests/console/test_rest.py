"""REST: tokens, problem details, idempotency, pages, filters, the OpenAPI document."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from addons.models import Cluster
from console.live import views
from console.live.topics import TOPICS
from console.models import ApiToken, IdempotencyKey
from console.views.pods import _safe
from tests.console import cast as make
from tests.console.cast import Cast, Fleet


def program(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


# --- tokens --------------------------------------------------------------------------------------


def test_token_opens_what_its_owner_may_see(cast: Cast, fleet: Fleet) -> None:
    row, text = make.token(cast.alice, "read")
    answer = program(text).get("/api/v1/pods/")
    assert [pod["name"] for pod in answer.json()["results"]] == [fleet.pod.name]
    row.refresh_from_db()
    assert row.last_used_ip == "127.0.0.1"
    assert text not in json.dumps(list(ApiToken.objects.values()), default=str)


def test_read_token_may_not_write(cast: Cast, fleet: Fleet) -> None:
    _row, text = make.token(cast.alice, "read")
    answer = program(text).patch(f"/api/v1/clusters/{fleet.cluster.slug}/", {"name": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("how", ["expired", "revoked", "unknown", "of a person who left"])
def test_token_that_is_over_opens_nothing(cast: Cast, how: str) -> None:
    row, text = make.token(cast.alice)
    rows = ApiToken.objects.filter(pk=row.pk)
    past = timezone.now() - timedelta(seconds=1)
    ways: dict[str, Any] = {
        "expired": lambda: rows.update(expires_at=past),
        "revoked": lambda: rows.update(revoked_at=past),
        "unknown": rows.delete,
        "of a person who left": lambda: type(cast.alice).objects.update(is_active=False),
    }
    ways[how]()
    answer = program(text).get("/api/v1/me/")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["fix"]


def test_token_is_shown_once_and_revoked_by_its_owner(api: APIClient, cast: Cast) -> None:
    made = api.post("/api/v1/tokens/", {"name": "ci", "scope": "write"}).json()
    assert program(made["token"]).get("/api/v1/me/").json()["username"] == "alice"
    assert "token" not in api.get("/api/v1/tokens/").json()[0]
    assert api.delete(f"/api/v1/tokens/{made['id']}/").status_code == 204
    assert program(made["token"]).get("/api/v1/me/").status_code == 401


# --- problems ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("get", "/api/v1/pods/999/", None, 404, "not_found"),
        ("get", "/api/v1/pods/abc/", None, 404, "not_found"),
        ("get", f"/api/v1/pods/{10**18 - 1}/", None, 404, "not_found"),
        ("get", "/api/v1/nothing/", None, 404, "not_found"),
        ("put", "/api/v1/me/", {}, 405, "method_not_allowed"),
        ("post", "/api/v1/tokens/", {"scope": "all"}, 400, "invalid"),
        ("get", f"/api/v1/views/pods/rows/?ids={10**30}", None, 400, "bad_ids"),
        ("get", "/api/v1/views/nothing/ids/", None, 404, "not_found"),
        ("get", "/api/v1/pods/?cursor=x", None, 404, "not_found"),
        ("get", "/api/v1/credentials/policy/nothing/", None, 404, "unknown_provider"),
        ("get", "/api/v1/credentials/policy/kci/?use=users", None, 400, "invalid"),
        ("post", "/api/v1/clusters/parse/", {"kubeconfig": ""}, 400, "invalid"),
    ],
)
def test_refusal_says_what_why_and_how_to_fix(
    api: APIClient, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = getattr(api, method)(path, body, headers={"X-Request-Id": "req-12345678"})
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert told["type"] == f"urn:spillway:problem:{code}"
    assert told["title"]
    assert told["detail"]
    assert told["request_id"] == answer.headers["X-Request-Id"] == "req-12345678"


def test_fields_that_are_wrong_are_named(api: APIClient) -> None:
    told = api.post("/api/v1/tokens/", {"scope": "all", "days": 0}).json()
    assert {row["field"] for row in told["errors"]} == {"name", "scope", "days"}


def test_broken_json_is_a_problem_too(api: APIClient) -> None:
    answer = api.post("/api/v1/tokens/", "{", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


def test_too_many_calls_are_told_to_wait(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.api.throttling.PerToken.get_rate", lambda _self: "2/min")
    client = program(make.token(cast.alice)[1])
    answers = [client.get("/api/v1/me/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_calls_are_served_while_nothing_can_be_counted(cast: Cast, settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "unix:///nowhere/redis.sock",
        }
    }
    assert program(make.token(cast.alice)[1]).get("/api/v1/me/").status_code == 200


# --- idempotency ---------------------------------------------------------------------------------


def _rename(client: APIClient, slug: str, name: str, key: str) -> Any:
    path = f"/api/v1/clusters/{slug}/"
    return client.patch(path, {"name": name}, headers={"Idempotency-Key": key})


def test_repeated_request_gets_the_same_answer(api: APIClient, fleet: Fleet) -> None:
    first = _rename(api, fleet.cluster.slug, "one", "k1")
    Cluster.objects.update(name="changed since")
    again = _rename(api, fleet.cluster.slug, "one", "k1")
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    fleet.cluster.refresh_from_db()
    assert fleet.cluster.name == "changed since"


def test_key_with_another_body_is_refused(api: APIClient, fleet: Fleet) -> None:
    _rename(api, fleet.cluster.slug, "one", "k1")
    answer = _rename(api, fleet.cluster.slug, "two", "k1")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")


def test_key_of_another_person_is_another_key(cast: Cast, api: APIClient, fleet: Fleet) -> None:
    _rename(api, fleet.cluster.slug, "one", "k1")
    bob = APIClient()
    bob.force_login(cast.bob)
    assert _rename(bob, fleet.cluster.slug, "two", "k1").status_code == 200


def test_refused_request_may_be_corrected_under_its_key(api: APIClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    assert api.post("/api/v1/tokens/", {}, headers=headers).status_code == 400
    assert api.post("/api/v1/tokens/", {"name": "ci"}, headers=headers).status_code == 201


def test_secret_of_the_first_answer_is_not_kept(api: APIClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = api.post("/api/v1/tokens/", {"name": "ci"}, headers=headers).json()
    again = api.post("/api/v1/tokens/", {"name": "ci"}, headers=headers).json()
    assert ApiToken.objects.count() == 1
    assert again == {name: value for name, value in first.items() if name != "token"}
    assert first["token"] not in json.dumps(list(IdempotencyKey.objects.values()), default=str)


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tstop"])
def test_bad_key_is_refused(api: APIClient, key: str) -> None:
    answer = api.post("/api/v1/tokens/", {"name": "ci"}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


@pytest.mark.django_db(transaction=True)
def test_fifty_requests_at_once_have_one_effect() -> None:
    text = make.token(make.make_cast().alice)[1]

    def ask(_number: int) -> int:
        try:
            headers = {"Idempotency-Key": "k1"}
            answer = program(text).post("/api/v1/tokens/", {"name": "one"}, headers=headers)
            return int(answer.status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(50)))
    assert ApiToken.objects.filter(name="one").count() == 1
    assert set(statuses) <= {201, 409}
    assert 201 in statuses


# --- lists ---------------------------------------------------------------------------------------


def test_pages_cover_every_row_once(api: APIClient, fleet: Fleet) -> None:
    for _ in range(6):
        make.pod(fleet.node)
    url, seen = "/api/v1/pods/?limit=3", []
    while url:
        page = api.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen, reverse=True)


FILTERS = (
    *("phase=Running", "phase=Failed&phase=Pending", "namespace=default", "view=problems"),
    *("view=pending", "view=gone", "provider=eci", "zone=cn-hangzhou-k", "q=web", "q=ns%3Adefault"),
    *("q=label%3Aapp%3Dweb", "q=label%3Aapp.kubernetes.io%2Fname%3Dshop", "q=label%3Aapp"),
    *("q=label%3Aisnull%3Dx", "q=label%3Acontains%3Dx", "q=label%3Aa__b%3Dx", "q=label%3A"),
    *("q=restarts%3A%3E3", "q=age%3A%3C1h", "q=age%3Anonsense", "q=%22open", "phase=%00", "q=%00"),
    *(f"q=restarts%3A{10**30}", f"q=age%3A%3E{10**30}d", "sort=-name", "sort=nothing", "name="),
)


@pytest.mark.parametrize("query", FILTERS)
def test_rest_and_live_table_agree_on_every_filter(
    api: APIClient, cast: Cast, fleet: Fleet, query: str
) -> None:
    make.pod(fleet.node, phase="Failed", status="Error", restarts=5)
    make.pod(fleet.node, phase="Pending", labels={}, bare=True, node_name="")
    make.pod(fleet.node, gone_at=timezone.now())
    listed = api.get(f"/api/v1/pods/?{query}").json()["results"]
    live = api.get(f"/api/v1/views/pods/ids/?{query}").json()
    assert {row["id"] for row in listed} == set(live["ids"])
    assert live["total"] == len(live["ids"])
    view = views.read(live["view"])
    assert view is not None
    assert set(TOPICS["pods"].ids(cast.alice, view.params)) == set(live["ids"])
    page = Client()
    page.force_login(cast.alice)
    assert page.get(f"/pods/?{query}").status_code == 200


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=label:app=web", {"a", "b"}),
        ("q=label:app.kubernetes.io/name=shop", {"a"}),
        ("q=label:isnull=x", {"b"}),
        ("q=restarts:>3", {"b"}),
        ("q=phase:failed", {"b"}),
        ("view=problems", {"b"}),
        ("phase=Running&phase=Failed", {"a", "b"}),
        ("q=ns:elsewhere", set()),
    ],
)
def test_words_of_the_filter_box_find_what_they_say(
    api: APIClient, fleet: Fleet, query: str, names: set[str]
) -> None:
    fleet.pod.delete()
    make.pod(fleet.node, "a")
    labels = {"app": "web", "isnull": "x"}
    make.pod(fleet.node, "b", phase="Failed", status="Error", restarts=5, labels=labels)
    listed = api.get(f"/api/v1/pods/?{query}").json()["results"]
    assert {row["name"] for row in listed} == names


def test_rows_of_a_view_keep_the_order_asked(api: APIClient, fleet: Fleet) -> None:
    ids = [make.pod(fleet.node).pk, fleet.pod.pk, make.pod(fleet.node).pk]
    rows = api.get("/api/v1/views/pods/rows/", {"ids": ",".join(map(str, ids))}).json()["rows"]
    assert [row["id"] for row in rows] == ids


def test_load_of_node_and_cluster_counts_what_is_billed(api: APIClient, fleet: Fleet) -> None:
    make.pod(fleet.node, "b")
    ended = make.pod(fleet.node, "c", phase="Succeeded")
    ended.instance.billed_to = timezone.now()
    ended.instance.save()
    node = api.get(f"/api/v1/nodes/{fleet.node.pk}/").json()
    assert (node["pods_used"], node["cpu_used"], node["memory_used"]) == (2, 4.0, 8 * 2**30)
    assert (node["price_per_hour"], node["currency"]) == ("1", "CNY")
    cluster = api.get(f"/api/v1/clusters/{fleet.cluster.slug}/").json()
    assert (cluster["pods"], cluster["nodes_ready"], cluster["nodes_total"]) == (2, 1, 1)
    make.pod(fleet.node, "d").instance.__class__.objects.filter(pod_name="d").update(currency="USD")
    node = api.get(f"/api/v1/nodes/{fleet.node.pk}/").json()
    assert (node["price_per_hour"], node["currency"]) == (None, "")


# --- exports -------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_cell_of_an_export_is_a_formula(start: str) -> None:
    assert _safe(f"{start}cmd|' /C calc'!A0").startswith("'")


def test_export_holds_what_the_filter_shows(page: Client, fleet: Fleet) -> None:
    fleet.pod.reason = '=HYPERLINK("http://evil.example")'
    fleet.pod.save()
    make.pod(fleet.node, "other", phase="Failed")
    text = page.get("/pods/export/?phase=Running").content.decode()
    [row] = csv.DictReader(io.StringIO(text))
    assert row["name"] == fleet.pod.name
    assert row["reason"].startswith("'=")


def test_log_is_a_file_with_a_harmless_name(page: Client, fleet: Fleet) -> None:
    fleet.pod.instance.state = "closed"
    fleet.pod.instance.save()
    url = reverse("pod-log-download", args=[fleet.pod.pk])
    answer = page.get(url, {"container": "app"})
    assert answer.content == b"2026 x"
    assert answer.headers["Content-Disposition"].endswith('-app.log"')
    assert page.get(url, {"container": 'a"\r\nX-Evil: 1'}).status_code == 302


# --- document ------------------------------------------------------------------------------------


def test_openapi_document_is_valid_and_without_warnings(tmp_path: Path) -> None:
    file = tmp_path / "openapi.yaml"
    command = [sys.executable, "manage.py", "spectacular", "--validate", "--fail-on-warn"]
    done = subprocess.run(
        [*command, "--file", str(file)],
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    text = file.read_text()
    for name in ("namespace", "phase", "Idempotency-Key", "application/problem+json"):
        assert name in text, name
