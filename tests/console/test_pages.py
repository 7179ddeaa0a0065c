"""Every page renders, in both languages, with and without data, in a bounded number of queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.console import cast as make
from tests.console.cast import Cast, Fleet

LISTS = ("overview", "clusters", "nodes", "pods", "orphans", "operations", "credentials")
FORMS = (
    *("credential-new", "cluster-new", "node-new", "settings-profile", "settings-tokens"),
    *("api-docs", "tasks-tray"),
)


@pytest.fixture(params=["en", "zh-hans"])
def reader(request: Any, page: Client) -> Client:
    page.cookies["django_language"] = request.param
    return page


@pytest.mark.parametrize("name", [*LISTS, *FORMS])
def test_empty_page_renders(reader: Client, name: str) -> None:
    assert reader.get(reverse(name)).status_code == 200


def test_design_system_is_for_staff(cast: Cast, page: Client) -> None:
    assert page.get(reverse("ui-kit")).status_code == 404
    User.objects.filter(pk=cast.alice.pk).update(is_staff=True)
    assert page.get(reverse("ui-kit")).status_code == 200


@pytest.mark.parametrize("name", LISTS)
def test_page_with_data_renders(reader: Client, fleet: Fleet, name: str) -> None:
    assert reader.get(reverse(name)).status_code == 200


def test_page_names_language_of_its_reader(page: Client) -> None:
    page.cookies["django_language"] = "zh-hans"
    assert 'lang="zh-Hans"' in page.get(reverse("overview")).content.decode()


@pytest.mark.parametrize("tab", ["overview", "checks", "settings"])
def test_cluster_tab_renders(reader: Client, fleet: Fleet, tab: str) -> None:
    answer = reader.get(reverse("cluster-tab", args=[fleet.cluster.slug, tab]))
    assert fleet.cluster.name in answer.content.decode()


@pytest.mark.parametrize("part", ["", "?part=body"])
def test_node_renders_whole_and_in_part(reader: Client, fleet: Fleet, part: str) -> None:
    url = reverse("node", args=[fleet.node.pk]) + part
    answer = reader.get(url, headers={"HX-Request": "true"} if part else {})
    text = answer.content.decode()
    assert fleet.node.zone in text
    assert ("<!doctype html>" in text) is not bool(part)


def test_operation_shows_steps_and_log(reader: Client, fleet: Fleet) -> None:
    text = reader.get(reverse("operation", args=[fleet.operation.pk])).content.decode()
    assert "preflight: ok" in text


def test_credential_shows_what_is_missing_and_why_it_is_halted(page: Client, fleet: Fleet) -> None:
    fleet.account.halted_at = fleet.account.rotated_at
    fleet.account.halt_reason, fleet.account.halt_detail = "EmptyList", {"known": 7}
    fleet.account.save()
    text = page.get(reverse("credential", args=[fleet.account.pk])).content.decode()
    assert "none of 7 instances" in text
    assert "vpc:DescribeVpcs" in text


def test_overview_says_what_needs_attention(page: Client, fleet: Fleet) -> None:
    make.pod(fleet.node, phase="Pending", status="Pending", blocker="WaitingForSchedule")
    make.operation(fleet.cluster, state="failed", error="no such zone")
    fleet.operation.refresh_from_db()
    text = page.get(reverse("overview")).content.decode()
    assert "The scheduler has not chosen a node for it yet." in text
    assert fleet.orphan.cloud_id in text


COUNTED = (
    *("overview", "clusters", "nodes", "pods", "orphans", "operations", "credentials"),
    *("api:clusters-list", "api:nodes-list", "api:pods-list", "api:operations-list"),
    *("api:orphans-list", "api:credentials-list", "pods-export"),
)


@pytest.mark.parametrize("name", COUNTED)
def test_queries_of_a_list_do_not_grow_with_its_rows(
    page: Client, cast: Cast, name: str, django_assert_max_num_queries: Any
) -> None:
    make.make_fleet(cast.team)
    with django_assert_max_num_queries(50) as first:
        assert page.get(reverse(name)).status_code == 200
    few = len(first.captured_queries)
    for _ in range(4):
        make.make_fleet(cast.team)
    with django_assert_max_num_queries(few):
        assert page.get(reverse(name)).status_code == 200


def test_page_of_an_unknown_address_keeps_the_shell_and_the_request_id(page: Client) -> None:
    answer = page.get("/nothing/", headers={"X-Request-Id": "req-12345678"})
    text = answer.content.decode()
    assert answer.status_code == 404
    assert "req-12345678" in text
    assert 'id="side"' in text


def test_role_that_is_missing_is_named(cast: Cast, fleet: Fleet) -> None:
    client = Client()
    client.force_login(cast.vera)
    answer = client.post(reverse("cluster-pause", args=[fleet.cluster.slug]))
    assert answer.status_code == 403
    assert "Operator" in answer.content.decode()


def test_old_form_is_refused_with_a_way_out(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    answer = client.post(reverse("settings-appearance"), {"theme": "dark"})
    assert answer.status_code == 403
    assert "Reload the page" in answer.content.decode()


@pytest.mark.parametrize("path", ["/", "/api/v1/pods/"])
def test_failure_of_ours_gives_a_request_id(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def break_down(*_given: object) -> None:
        raise RuntimeError("wires crossed")

    monkeypatch.setattr("console.overview.numbers", break_down)
    monkeypatch.setattr("console.api.base.TopicViewSet.get_queryset", break_down)
    client = Client(raise_request_exception=False)
    client.force_login(cast.alice)
    answer = client.get(path, headers={"X-Request-Id": "req-12345678"})
    assert answer.status_code == 500
    assert "req-12345678" in answer.content.decode()
    assert "wires crossed" not in answer.content.decode()
    kind = "application/problem+json" if path.startswith("/api") else "text/html"
    assert answer.headers["Content-Type"].startswith(kind)


def test_headers_of_every_page_are_strict(page: Client) -> None:
    headers = page.get("/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
