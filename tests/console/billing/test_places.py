"""Cost where one looks: on the page of a virtual node, of a component, and in their rows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from addons.models import Installation, PodRow, VirtualNode
from console import overview
from console.billing import rates
from console.billing.models import DiscountRule
from console.billing.statements import Query, statement
from providers.calendar import day_of
from tests.console.billing import books, weeks
from tests.console.cast import Cast, account

pytestmark = pytest.mark.django_db
HOSTED = "hosted-virtual-node"


@pytest.fixture
def node(cast: Cast) -> VirtualNode:
    pod: PodRow = weeks.seed(cast.team, timezone.now())
    assert pod.node
    return pod.node


def installation(node: VirtualNode, component: str, delivery: str) -> Installation:
    return Installation.objects.create(
        cluster=node.cluster,
        component=component,
        delivery=delivery,
        release=component,
        namespace="kube-system",
        version="v1",
        state=Installation.State.INSTALLED,
        created_at=timezone.now(),
    )


def test_cost_of_a_node_is_that_of_the_statement_and_leads_to_it(
    cast: Cast, page: Client, node: VirtualNode
) -> None:
    other = node.account
    books.life(other, timezone.now() - timedelta(hours=1), node_name="vk-2", namespace="far")
    assert reverse("node-cost", args=[node.pk]) in page.get(reverse("node", args=[node.pk])).text
    answer = page.get(reverse("node-cost", args=[node.pk]))
    assert "node=vk-1" in answer.text
    assert "far" not in answer.text
    today = day_of(timezone.now())
    where = {"cluster": (node.cluster.slug,), "node": (node.name,)}
    week = Query(today - timedelta(days=6), today + timedelta(days=1), (), where)
    drawn = answer.context["week"]["chart"]["bars"].columns
    total = statement(cast.alice, week, timezone.now()).totals["CNY"].amount
    assert abs(sum(column.bucket.total for column in drawn) - total) < Decimal("0.01")
    [charlie, at] = [Client(), reverse("node-cost", args=[node.pk])]
    charlie.force_login(cast.charlie)
    assert charlie.get(at).status_code == 404


def test_a_hosted_component_costs_what_its_nodes_cost(page: Client, node: VirtualNode) -> None:
    found = installation(node, HOSTED, "hosted")
    at = reverse("component-tab", args=[node.cluster.slug, HOSTED, "cost"])
    answer = page.get(at)
    assert answer.context["asked"].where == {
        "cluster": (node.cluster.slug,),
        "node": (node.name,),
    }
    of_node = page.get(f"/api/v1/nodes/{node.pk}/").json()["cost"]
    of_component = page.get(f"/api/v1/installations/{found.pk}/").json()["cost"]
    rate = of_node["currencies"]["CNY"]["per_hour"]
    assert Decimal(rate) > 0
    assert of_component["currencies"]["CNY"]["per_hour"] == rate
    node.delete()
    assert "no virtual node" in page.get(at).text
    assert page.get(f"/api/v1/installations/{found.pk}/").json()["cost"] is None


def test_instances_of_a_vendors_nodes_are_said_not_to_be_metered(
    page: Client, node: VirtualNode
) -> None:
    found = installation(node, "ack-virtual-node", "in_cluster")
    shown = page.get(reverse("component-tab", args=[node.cluster.slug, found.component, "cost"]))
    assert "Not metered here" in shown.text
    assert page.get(f"/api/v1/installations/{found.pk}/").json()["cost"] is None


def test_tables_tell_the_rate_of_the_book_and_not_the_list_price(
    cast: Cast, page: Client, node: VirtualNode
) -> None:
    pod = PodRow.objects.get()
    assert pod.instance
    fresh = page.get(f"/api/v1/pods/{pod.pk}/").json()
    assert Decimal(fresh["price_per_hour"]) == books.RATE
    type(pod.instance).objects.filter(pk=pod.instance.pk).update(price_per_hour=9, currency="USD")
    DiscountRule.objects.create(
        team=cast.team,
        provider="eci",
        name="half",
        factor=Decimal("0.5"),
        valid_from=timezone.now() - timedelta(days=1),
        entered_at=timezone.now(),
    )
    type(pod.instance).objects.filter(pk=pod.instance.pk).update(unposted=True)
    books.post(timezone.now())
    rate = books.RATE / 2
    for path in (f"pods/{pod.pk}", f"nodes/{node.pk}", f"clusters/{node.cluster.slug}"):
        row = page.get(f"/api/v1/{path}/").json()
        assert (Decimal(row["price_per_hour"]), row["currency"]) == (rate, "CNY"), path
    [load] = overview.providers(PodRow.objects.all())
    assert load.spend_per_hour == {"CNY": rate}
    assert page.get("/api/v1/pods/", {"sort": "-price_per_hour"}).status_code == 200


def test_an_instance_that_no_meter_has_yet_is_told_by_the_book(cast: Cast) -> None:
    now = timezone.now()
    row = books.life(account(cast.team), now, price_per_hour=Decimal(9), currency="USD")
    assert rates.of_instances([row], now) == {row.pk: (books.RATE, "CNY")}
    unknown = books.life(account(cast.team, region="eu-central-1"), now)
    books.post(now + timedelta(seconds=30))
    assert rates.of_instances([unknown], now) == {unknown.pk: (None, "")}
