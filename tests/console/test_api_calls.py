"""Every page says which call of the API tells the same, and never with a token."""

from __future__ import annotations

import html
import json
import re
import shlex

import pytest
from django.test import Client
from django.urls import get_resolver, resolve, reverse

from console.parity import Call, call
from tests.console.cast import Fleet
from tests.console.test_matrix import QUERIES, _names, nowhere, url_of

# No resource: sign-in, documents and error pages, and what answers with fragments or files.
ALONE = {
    *("api-docs", "ui-kit", "login", "search", "tasks-tray", "javascript-catalog"),
    *("pods-export", "pod-log", "pod-log-download", "operation-log", "healthz", "readyz"),
    *(
        "node-cost",
        "node-supply",
        "component-gates",
        "component-resources",
        "component-plan",
        "ram-grants",
    ),
    *("component-change", "component-logs", "component-log-lines"),
}
LINE = re.compile(r'data-copy-text="([^"]*)"')


def _pages() -> list[str]:
    found = [name for name, _pattern in _names(list(get_resolver().url_patterns))]
    return [name for name in found if ":" not in name and name not in ALONE]


def _calls(text: str) -> list[str]:
    menu = text.partition('id="api-menu"')[2].partition("</div>")[0]
    return [html.unescape(found) for found in LINE.findall(menu)]


@pytest.mark.usefixtures(nowhere.__name__)
@pytest.mark.parametrize("name", _pages())
def test_page_names_a_call_that_the_api_answers(page: Client, fleet: Fleet, name: str) -> None:
    answer = page.get(url_of(name, fleet, 0) + QUERIES.get(f"GET {name}", ""))
    if answer.status_code != 200 or b"<html" not in answer.content:
        assert answer.status_code in {302, 404, 405}
        return
    line, curl = _calls(answer.content.decode())
    method, _space, address = line.partition(" ")
    words = shlex.split(curl)
    assert words[:2] == ["curl", "-sS"]
    assert "Authorization: Bearer $SPILLWAY_TOKEN" in words
    assert words[-1] == address
    path = re.sub(r"^https?://[^/]+", "", address).replace("{query}", "")
    if method == "GET":
        assert page.get(path).status_code in {200, 409, 502, 503}
    else:
        view = resolve(path).func
        actions = getattr(view, "actions", None) or vars(view.cls)  # type: ignore[attr-defined]
        assert method.lower() in actions


def test_filters_are_encoded_for_the_address_and_the_shell() -> None:
    made = call("installations-list", q="it's a & b", team="")
    assert made.path == "/api/v1/installations/?q=it%27s+a+%26+b"
    assert shlex.split(made.curl("https://x"))[-1] == f"https://x{made.path}"
    body = {"values": {"note": "it's"}}
    words = shlex.split(Call("/api/v1/x/", "POST", body).curl("https://x"))
    assert json.loads(words[words.index("-d") + 1]) == body


def test_review_offers_the_change_itself(page: Client, fleet: Fleet) -> None:
    slug, name = fleet.cluster.slug, fleet.installation.component
    step = reverse("component-step", args=[slug, name, "uninstall", "review"])
    line, _curl = _calls(page.get(step).content.decode())
    assert line.endswith(f"/api/v1/installations/{fleet.installation.pk}/uninstall/")
    assert line.startswith("POST ")


def test_palette_finds_components_and_where_they_are(page: Client, fleet: Fleet) -> None:
    def found(text: str) -> dict[str, list[str]]:
        groups = page.get(reverse("search"), {"q": text}).json()["groups"]
        return {group["label"]: [item["url"] for item in group["items"]] for group in groups}

    name, slug = fleet.installation.component, fleet.cluster.slug
    groups = found(name[:8])
    assert reverse("component-everywhere", args=[name]) in groups["Components"]
    assert groups["Installed components"] == [reverse("component", args=[slug, name])]
    page.cookies["django_language"] = "zh-hans"
    assert reverse("component-everywhere", args=[name]) in found("虚拟节点")["组件"]
