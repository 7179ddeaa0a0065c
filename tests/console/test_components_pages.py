"""Pages of components on made-up rows: cards, tabs, the wizard's steps."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from addons.models import Installation
from tests.console.cast import Cast, Fleet

VK = "rbkci-virtual-kubelet"


@pytest.fixture
def installed(fleet: Fleet) -> Installation:
    return fleet.installation


def test_catalogue_groups_every_component_and_counts_where_it_is(
    page: Client, installed: Installation
) -> None:
    text = page.get(reverse("components")).content.decode()
    assert "Core virtual node" in text
    assert "rbkci-virtual-kubelet" in text
    assert "1 of 1" in text


def test_cluster_shows_each_component_with_its_next_action(page: Client, fleet: Fleet) -> None:
    text = page.get(reverse("cluster-components", args=[fleet.cluster.slug])).content.decode()
    assert (
        reverse("component-change", args=[fleet.cluster.slug, "hosted-virtual-node", "install"])
        in text
    )


@pytest.mark.parametrize("tab", ["overview", "versions", "configuration", "resources", "history"])
def test_every_tab_of_an_installation_is_there(
    page: Client, installed: Installation, tab: str
) -> None:
    slug = installed.cluster.slug
    answer = page.get(reverse("component-tab", args=[slug, VK, tab]))
    assert answer.status_code == 200
    assert 'aria-current="page"' in answer.content.decode()


def test_nobody_else_sees_it(cast: Cast, installed: Installation) -> None:
    client = Client()
    client.force_login(cast.charlie)
    slug = installed.cluster.slug
    assert client.get(reverse("component", args=[slug, VK])).status_code == 404
