"""The menu of every page copies its call; the matrix of components takes ticks of one column."""

from __future__ import annotations

import shlex

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from addons.models import Installation
from tests.browser.conftest import OpenPage, axe_problems
from tests.console import cast

pytestmark = pytest.mark.browser


def copied(page: Page, label: str) -> str:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("button", name=label).click()
    expect(page.locator("#api-menu")).to_be_hidden()
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


@pytest.fixture
def people(transactional_db: None) -> cast.Cast:
    return cast.make_cast()


def test_copied_call_has_the_filter_that_was_typed_after_loading(
    console_url: str, open_page: OpenPage, people: cast.Cast
) -> None:
    cast.make_fleet(people.team)
    page = open_page(f"{console_url}/pods/", user=people.alice).page
    page.wait_for_load_state("networkidle")
    page.fill("#filter [name=q]", "it's ns:web & more")
    expect(page).to_have_url(f"{console_url}/pods/?q=it%27s+ns%3Aweb+%26+more")
    words = shlex.split(copied(page, "Copy as curl"))
    assert words[-1].endswith("/api/v1/pods/?q=it%27s+ns%3Aweb+%26+more")
    assert "Authorization: Bearer $SPILLWAY_TOKEN" in words
    assert copied(page, "Copy as API call").startswith("GET http")


def behind(people: cast.Cast, component: str, version: str) -> Installation:
    return Installation.objects.create(
        cluster=cast.cluster(people.team, kind="ack"),
        component=component,
        delivery="in_cluster",
        release=component,
        version=version,
        state=Installation.State.INSTALLED,
    )


def test_ticks_of_one_column_lead_to_a_batch_of_just_those(
    console_url: str, open_page: OpenPage, people: cast.Cast
) -> None:
    nodes = [behind(people, "ack-virtual-node", "v2.10.4") for _each in range(3)]
    behind(people, "ack-co-scheduler", "v1.0.1")
    page = open_page(f"{console_url}/components/fleet/", user=people.alice).page
    page.get_by_label("Select ack-virtual-node wherever it is behind").check()
    bar = page.locator(".vt-bar")
    expect(bar).to_contain_text("ack-virtual-node in 3 clusters")
    expect(page.get_by_label("Select ack-co-scheduler wherever it is behind")).to_be_disabled()
    assert axe_problems(page) == []
    page.get_by_label(f"Select ack-virtual-node in {nodes[1].cluster.name}").uncheck()
    expect(bar).to_contain_text("ack-virtual-node in 2 clusters")
    bar.get_by_role("button", name="Upgrade in batches").click()
    chosen = page.locator("input[name=clusters]:checked")
    expect(chosen).to_have_count(2)
    expect(page.locator("input[name=clusters]")).to_have_count(3)


def test_palette_leads_to_a_component_and_to_where_it_is(
    console_url: str, open_page: OpenPage, people: cast.Cast
) -> None:
    row = behind(people, "ack-virtual-node", "v2.10.4")
    page = open_page(f"{console_url}/", user=people.alice).page
    page.keyboard.press("Control+k")
    page.keyboard.type("ack-virtual")
    expect(page.locator("#palette-list")).to_contain_text(row.cluster.name)
    page.locator("#palette-list [role=option]", has_text=row.cluster.name).click()
    expect(page).to_have_url(f"{console_url}/c/{row.cluster.slug}/components/ack-virtual-node/")


def test_administrator_without_a_team_sees_the_matrix_too(
    console_url: str, open_page: OpenPage, staff: User
) -> None:
    page = open_page(f"{console_url}/components/fleet/", user=staff).page
    expect(page.get_by_role("heading", name="Components")).to_be_visible()
