"""A cluster is forgotten with nothing left behind, or by a choice that says what is left."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from addons.models import Cluster, Operation
from console.models import AuditEntry
from providers.models import Instance, Orphan
from tests.console.cast import Fleet


@pytest.fixture
def at_rest(fleet: Fleet) -> Fleet:
    Operation.objects.update(state="succeeded")
    return fleet


def address(fleet: Fleet) -> str:
    return f"/api/v1/clusters/{fleet.cluster.slug}/"


def test_it_is_refused_while_components_and_nodes_are_there(api: APIClient, at_rest: Fleet) -> None:
    answer = api.delete(address(at_rest))
    assert (answer.status_code, answer.json()["code"]) == (409, "cluster_in_use")
    assert at_rest.installation.component in answer.json()["detail"]
    assert at_rest.node.name in answer.json()["detail"]
    assert "Uninstall" in answer.json()["fix"]
    assert answer.json()["held"] == api.get(address(at_rest) + "holdings/").json()
    assert Cluster.objects.filter(pk=at_rest.cluster.pk).exists()


def test_what_is_left_is_on_the_orphan_list_and_in_the_audit(
    api: APIClient, at_rest: Fleet
) -> None:
    row = at_rest.pod.instance
    assert row
    Instance.objects.filter(pk=row.pk).update(price_per_hour=Decimal("0.5"), currency="CNY")
    assert api.delete(address(at_rest) + "?leave=true").status_code == 204
    assert not Cluster.objects.filter(pk=at_rest.cluster.pk).exists()
    row.refresh_from_db()
    assert (row.state, row.close_reason) == ("closed", "LeftByChoice")
    left = Orphan.objects.get(cloud_id=row.cloud_id, closed_at=None)
    assert (left.price_per_hour, left.cluster_uid) == (Decimal("0.5"), at_rest.cluster.uid)
    entry = AuditEntry.objects.get(action="cluster.remove", result="ok")
    assert entry.detail["left"]["instances"] == 1
    assert entry.detail["left"]["cost_per_hour"] == {"CNY": "0.5"}
    assert entry.detail["left"]["nodes"] == [at_rest.node.name]


def test_what_is_under_way_is_never_left(api: APIClient, fleet: Fleet) -> None:
    Operation.objects.update(state="running", cluster=fleet.cluster)
    busy = api.delete(address(fleet) + "?leave=true")
    assert (busy.status_code, busy.json()["code"]) == (409, "cluster_busy")
    Operation.objects.update(state="succeeded")
    Instance.objects.filter(pk=fleet.pod.instance_id).update(state="creating", cloud_id="")
    making = api.delete(address(fleet) + "?leave=true")
    assert (making.status_code, making.json()["code"]) == (409, "cluster_busy")
    assert "Try again" in making.json()["fix"]


def test_the_page_lists_what_would_be_left_and_asks_for_the_choice(
    page: Client, at_rest: Fleet
) -> None:
    slug = at_rest.cluster.slug
    text = page.get(reverse("cluster-tab", args=[slug, "settings"])).content.decode()
    assert 'name="leave" value="yes"' in text
    assert reverse("component", args=[slug, at_rest.installation.component]) in text
    assert at_rest.node.name in text
    there = page.post(reverse("cluster-remove", args=[slug]), follow=True)
    assert "Still there" in there.content.decode()
    left = page.post(reverse("cluster-remove", args=[slug]), {"leave": "yes"})
    assert left["Location"] == reverse("orphans")
    assert not Cluster.objects.filter(slug=slug).exists()


def test_one_that_is_empty_goes_without_a_choice(page: Client, at_rest: Fleet) -> None:
    at_rest.cluster.installations.all().delete()
    at_rest.cluster.nodes.all().delete()
    Instance.objects.update(state="closed")
    slug = at_rest.cluster.slug
    text = page.get(reverse("cluster-tab", args=[slug, "settings"])).content.decode()
    assert 'name="leave"' not in text
    page.post(reverse("cluster-remove", args=[slug]))
    assert not Cluster.objects.filter(slug=slug).exists()
