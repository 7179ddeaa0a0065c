"""Virtual nodes: added with what their clouds offer, shown with what those have left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from redis.asyncio import Redis
from rest_framework.test import APIClient

from addons.models import Cluster, Operation, VirtualNode
from addons.runtime.loop import Runtime
from providers import registry
from providers.models import CloudAccount
from providers.stock import Stock, scope_of
from tests.console import cast as make
from tests.console import toy
from tests.console.cast import Cast, Fleet

NODES = "/api/v1/nodes/"


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "PROVIDERS", registry.PROVIDERS | toy.LINE)
    yield
    registry.dialect.cache_clear()


@pytest.fixture
def asking(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    for module in ("supply", "pairs", "views.add_node", "api.credentials"):
        monkeypatch.setattr(f"console.{module}.runtime", lambda: runtime)
    return runtime


@pytest.fixture
def home(cast: Cast) -> Cluster:
    return make.cluster(cast.team)


@pytest.fixture
def key(cast: Cast) -> CloudAccount:
    return make.account(cast.team, provider="toy", region="toyland", name="toys")


def started() -> dict[str, Any]:
    operation = Operation.objects.get()
    return {"target": operation.target, **operation.arguments}


def test_wizard_offers_what_the_cloud_tells_and_its_settings(
    asking: Runtime, page: Client, home: Cluster, key: CloudAccount
) -> None:
    where = {"cluster": home.slug, "account": key.pk}
    text = page.get(reverse("node-new"), where).content.decode()
    for word in ("net-z1", "net-z2", "DNS server", "vCPU quota: 25 of 100 used", "Subnets"):
        assert word in text
    assert "vSwitch" not in text


def test_wizard_adds_the_node_as_it_was_filled(
    asking: Runtime, page: Client, home: Cluster, key: CloudAccount
) -> None:
    where = f"{reverse('node-new')}?cluster={home.slug}&account={key.pk}"
    given = {
        "zone": "z2",
        "subnets": ["net-z1", "net-z2"],
        "security_groups": "sg-1, sg-2",
        "dns": "10.0.0.9",
        "proxy": "on",
    }
    assert page.post(where, given).status_code == 302
    assert started() == {
        "target": "toy-z2",
        "account": key.pk,
        "second_account": None,
        "settings": {"dns": "10.0.0.9", "proxy": "true"},
        "zone": "z2",
        "placements": [{"zone": "z2", "subnet": "net-z2"}, {"zone": "z1", "subnet": "net-z1"}],
        "security_group": "sg-1,sg-2",
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"subnets": ["net-z1"]}, "at least one in the zone"),
        ({"subnets": ["net-z2", "else"]}, "Choose among those"),
        ({"security_groups": "a,b,c,d"}, "at most 3 security groups"),
        ({"dns": "here"}, "does not have the form"),
    ],
)
def test_wizard_says_what_is_wrong(
    asking: Runtime,
    page: Client,
    home: Cluster,
    key: CloudAccount,
    wrong: dict[str, Any],
    said: str,
) -> None:
    where = f"{reverse('node-new')}?cluster={home.slug}&account={key.pk}"
    given = {"zone": "z2", "subnets": ["net-z2"], "security_groups": "", "dns": "1.1.1.1"}
    answer = page.post(where, given | wrong)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Operation.objects.exists()


def test_places_are_written_where_the_cloud_tells_none(
    asking: Runtime, page: Client, home: Cluster, key: CloudAccount
) -> None:
    CloudAccount.objects.update(region="quiet")
    where = f"{reverse('node-new')}?cluster={home.slug}&account={key.pk}"
    assert "does not tell its quota" in page.get(where).content.decode()
    assert page.post(where, {"zone": "z9", "subnets": "n1 n2", "name": "mine"}).status_code == 302
    made = started()
    assert made["placements"] == [{"zone": "z9", "subnet": name} for name in ("n1", "n2")]
    assert made["target"] == "mine"


def test_second_credential_is_of_the_same_vendor(
    page: Client, cast: Cast, home: Cluster, key: CloudAccount
) -> None:
    eci, acs = (make.account(cast.team, provider=name) for name in ("eci", "acs"))
    url = reverse("node-new")
    assert 'name="second"' in page.get(url).content.decode()
    where = {"cluster": home.slug, "account": eci.pk, "second": key.pk}
    assert "two products of a vendor" in page.get(url, where).content.decode()
    body = {
        "cluster": home.slug,
        "credential": eci.pk,
        "second_credential": key.pk,
        "zone": "cn-hangzhou-k",
        "placements": [{"zone": "cn-hangzhou-k", "subnet": "vsw-1"}],
        "security_group": "sg-1",
    }
    client = APIClient()
    client.force_login(cast.alice)
    told = client.post(NODES, body, format="json").json()
    assert [row["field"] for row in told["errors"]] == ["second_credential"]
    answer = client.post(NODES, body | {"second_credential": acs.pk}, format="json")
    assert answer.status_code == 202, answer.json()
    assert started()["second_account"] == acs.pk


def test_rest_takes_settings_and_several_security_groups(
    asking: Runtime, api: APIClient, home: Cluster, key: CloudAccount
) -> None:
    body: dict[str, Any] = {
        "cluster": home.slug,
        "credential": key.pk,
        "zone": "z1",
        "security_groups": ["sg-1", "sg-2"],
        "settings": {"proxy": True},
    }
    told = api.post(NODES, body, format="json").json()
    assert [row["field"] for row in told["errors"]] == ["placements"]
    body["placements"] = [{"zone": "z1", "subnet": "net-z1"}]
    wrong = api.post(NODES, body | {"settings": {"colour": "red"}}, format="json").json()
    assert [row["field"] for row in wrong["errors"]] == ["settings.colour"]
    assert api.post(NODES, body, format="json").status_code == 202
    assert started()["security_group"] == "sg-1,sg-2"
    assert started()["settings"] == {"proxy": "true"}


def test_key_of_another_team_is_no_second_credential(
    api: APIClient, cast: Cast, fleet: Fleet
) -> None:
    theirs = make.account(cast.other, provider="acs")
    body = {
        "cluster": fleet.cluster.slug,
        "credential": fleet.account.pk,
        "second_credential": theirs.pk,
        "zone": "z",
        "placements": [{"zone": "z", "subnet": "v"}],
    }
    assert api.post(NODES, body, format="json").status_code == 404


# --- what is left --------------------------------------------------------------------------------


@pytest.fixture
def toy_node(home: Cluster, key: CloudAccount) -> VirtualNode:
    places = [{"zone": "z1", "subnet": "net-z1"}, {"zone": "z2", "subnet": "net-z2"}]
    return make.node(
        *(home, key), provider="toy", region="toyland", zone="z1", placements=places,
        settings={"dns": "10.0.0.9"},
    )  # fmt: skip


def test_stock_and_quota_are_told_by_zone_and_what_ran_short_counts_down(
    asking: Runtime, api: APIClient, page: Client, toy_node: VirtualNode, redis_server: Any
) -> None:
    def connect() -> Redis:
        return Redis.from_url(redis_server.url)

    async def ran_short() -> None:
        stock = Stock(scope=scope_of(toy_node.account_id, "toyland"), redis=connect)
        await stock.remember(["z1"], "2c4g")
        await stock.aclose()

    async_to_sync(ran_short)()
    [told] = api.get(f"{NODES}{toy_node.pk}/supply/").json()
    assert (told["cpu_used"], told["cpu_max"], told["problems"]) == ("25", "100", [])
    cells = {(cell["size"], cell["zone"]): cell for cell in told["stock"]}
    assert {size for size, _zone in cells} == {"2c4g", "4c8g", "8c16g"}
    assert (cells["4c8g", "z1"]["state"], cells["4c8g", "z2"]["state"]) == ("available", "none")
    assert cells["4c8g", "z1"]["short_until"] is None
    until = timezone.datetime.fromisoformat(cells["2c4g", "z1"]["short_until"])
    assert timedelta() < until - timezone.now() <= timedelta(minutes=3)
    text = page.get(reverse("node-supply", args=[toy_node.pk])).content.decode()
    assert "<!doctype html>" not in text
    for word in ("ran short", "in stock", "data-left", "25 / 100"):
        assert word in text


def test_cloud_that_tells_neither_is_said_to(
    asking: Runtime, page: Client, toy_node: VirtualNode
) -> None:
    VirtualNode.objects.update(region="quiet")
    text = page.get(reverse("node-supply", args=[toy_node.pk])).content.decode()
    assert "Stock is not told by this cloud" in text
    assert "not told by this cloud</span>" in text


def test_node_of_a_cloud_that_is_gone_is_still_shown(
    asking: Runtime, page: Client, toy_node: VirtualNode
) -> None:
    VirtualNode.objects.update(provider="gone")
    CloudAccount.objects.update(provider="gone")
    for name in ("node", "nodes", "node-supply"):
        args = [] if name == "nodes" else [toy_node.pk]
        assert page.get(reverse(name, args=args)).status_code == 200
    text = page.get(reverse("node-supply", args=[toy_node.pk])).content.decode()
    assert "does not know the provider" in text


def test_cloud_that_does_not_answer_holds_up_only_its_own_part(
    asking: Runtime, page: Client, fleet: Fleet
) -> None:
    """The seeded endpoint answers nothing; the page of the node does not ask it."""
    whole = page.get(reverse("node", args=[fleet.node.pk])).content.decode()
    assert reverse("node-supply", args=[fleet.node.pk]) in whole
    text = page.get(reverse("node-supply", args=[fleet.node.pk])).content.decode()
    assert "note warn" in text


def test_node_page_says_how_to_come_here_and_what_it_was_set_to(
    page: Client, api: APIClient, toy_node: VirtualNode
) -> None:
    text = page.get(reverse("node", args=[toy_node.pk])).content.decode()
    assert "type: toy-node" in text
    assert "key: toys/only" in text
    assert "DNS server" in text
    detail = api.get(f"{NODES}{toy_node.pk}/").json()
    assert detail["settings"] == {"dns": "10.0.0.9"}
    assert "toys/only" in detail["snippet"]
    VirtualNode.objects.update(settings={"proxy": "true"})
    assert "tolerations" not in api.get(f"{NODES}{toy_node.pk}/").json()["snippet"]
