"""Every address x every person: who gets in, who is told what they lack, who sees nothing.

The addresses come from the URL conf: one without an expectation here fails the first test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from addons.announce import blocking_client
from addons.runtime.loop import Runtime
from kube.errors import Unreachable
from providers.errors import Unavailable
from tests.console import cast as make
from tests.console.cast import Cast, Fleet
from tests.console.expectations import (
    ABSENT,
    API,
    FORBIDDEN,
    GOES,
    OPEN,
    PAGES,
    PEOPLE,
)

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
"""
KEY = {"access_key_id": "LTAI0000", "access_key_secret": "s"}
BUDGET = {"name": "all", "amount": "10", "currency": "CNY"}
BODIES: dict[str, Any] = {
    "POST api:tokens": {"name": "ci"},
    "POST api:ram-grants": {"addon": "ack-virtual-node"},
    "POST api:clusters-rotate": {"kubeconfig": KUBECONFIG},
    "POST api:clusters-list": {"kubeconfig": KUBECONFIG, "name": "x"},
    "POST api:clusters-parse": {"kubeconfig": KUBECONFIG},
    "POST api:clusters-check-new": {"kubeconfig": KUBECONFIG},
    "POST api:credentials-list": {
        "name": "x",
        "provider": "eci",
        "region": "cn-hangzhou",
        **KEY,
        "endpoint": "http://127.0.0.1:1",
    },
    "POST api:credentials-rotate": KEY,
    "POST api:budgets-list": BUDGET,
    "PUT api:budgets-detail": BUDGET,
    "POST api:exports-list": {"start": "2026-11-01", "end": "2026-11-02"},
    "POST api:channels-list": {"name": "mail", "kind": "email", "address": "a@example.com"},
    "POST pods-delete-many": {"ids": []},
    "POST orphans-delete": {"ids": []},
    "POST orphans-adopt": {"ids": []},
}
PRICE = {
    "provider": "eci",
    "item": "cpu",
    "amount": "0.3",
    "per": "hour",
    "currency": "CNY",
    "region": "eu-central-1",
    "valid_from": "2026-11-01T00:00:00+08:00",
}
BODIES |= {
    "POST api:billing-prices": PRICE,
    "POST api:billing-prices-import": {"csv": "provider\n"},
    "POST api:billing-discounts": {
        "name": "contract",
        "provider": "eci",
        "factor": "0.9",
        "valid_from": "2026-11-01T00:00:00+08:00",
    },
}
VK = "rbkci-virtual-kubelet"
QUERIES = {
    "GET cost-api:allocation": "?window=today",
    "GET cost-api:allocation-compute": "?window=today",
    "GET fleet-new": f"?component={VK}",
    "POST fleet-new": f"?component={VK}",
    "GET api:pods-logs": "?container=app",
    "GET api:pods-download": "?container=app",
}


def _names(patterns: list[Any], space: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            inner = f"{entry.namespace}:" if entry.namespace else space
            yield from _names(list(entry.url_patterns), inner)
        else:
            yield f"{space}{entry.name}", entry


def _methods(name: str, pattern: URLPattern) -> set[str]:
    actions = getattr(pattern.callback, "actions", None)
    if actions:
        return {method.upper() for method in actions} - {"HEAD", "OPTIONS"}
    view = getattr(pattern.callback, "cls", None)
    if view is not None:
        return {m.upper() for m in ("get", "post", "put", "patch", "delete") if hasattr(view, m)}
    return set()


def test_every_address_has_an_expectation() -> None:
    expected = {**PAGES, **API}
    named = {line.partition(" ")[2] for line in expected}
    missing = []
    for name, pattern in _names(list(get_resolver().url_patterns)):
        if name not in named | OPEN:
            missing.append(name)
        missing += [
            f"{method} {name}"
            for method in _methods(name, pattern)
            if f"{method} {name}" not in expected
        ]
    assert missing == []


class Nowhere(Runtime):
    """A runtime whose clusters and clouds do not answer."""

    async def kube(self, cluster_id: int) -> Any:
        raise Unreachable("nobody there", phase="connect")

    async def provider(self, account_id: int, region: str) -> Any:
        raise Unavailable("nobody there")


async def _nobody(*_given: Any) -> None:
    raise Unavailable("nobody there")


@pytest.fixture
def nowhere(redis_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("providers.accounts.probe", _nobody)
    blocking_client.cache_clear()
    broker = redis_server.url.replace("unix", "redis+socket")
    monkeypatch.setattr(current_app.conf, "broker_url", broker)
    made = Nowhere(redis_url=redis_server.url)
    made.start()
    for module in (
        *("addons.pods.inspect", "addons.pods.control", "addons.nodes.install"),
        *("addons.clusters.register", "addons.keys", "console.api.credentials"),
        *("console.supply", "console.pairs", "console.views.add_node"),
        *("console.views.change", "console.views.installation", "addons.components.manage"),
        *("addons.components.ram", "addons.components.gates", "addons.components.logs"),
        "addons.components.vendor_nodes",
        *("addons.holds", "console.billing.budgets.manage"),
    ):
        monkeypatch.setattr(f"{module}.runtime", lambda: made)
    yield
    made.stop()
    blocking_client.cache_clear()


def url_of(name: str, fleet: Fleet, token: int) -> str:
    """The address of a named page for the objects of a fleet."""
    here = {"slug": fleet.cluster.slug, "name": VK}
    objects = {
        "cluster": {"slug": fleet.cluster.slug},
        "node": {"pk": fleet.node.pk},
        "pod": {"pk": fleet.pod.pk},
        "operation": {"pk": fleet.operation.pk},
        "credential": {"pk": fleet.account.pk},
        "settings-token-revoke": {"pk": token},
        "cluster-tab": {"slug": fleet.cluster.slug, "tab": "settings"},
        "pod-tab": {"pk": fleet.pod.pk, "tab": "instance"},
        "api:token": {"pk": token},
        "api:view": {"topic": "pods"},
        "api:clusters": {"pk": fleet.cluster.slug},
        "api:nodes": {"pk": fleet.node.pk},
        "api:pods": {"pk": fleet.pod.pk},
        "api:operations": {"pk": fleet.operation.pk},
        "api:orphans": {"pk": fleet.orphan.pk},
        "api:credentials": {"pk": fleet.account.pk},
        "api:components": {"pk": VK},
        "api:ram-grants": {"pk": fleet.account.pk},
        "api:ram-grant": {"pk": fleet.account.pk, "addon": "ack-virtual-node"},
        "ram-grants": {"pk": fleet.account.pk},
        "ram-grant": {"pk": fleet.account.pk},
        "ram": {"pk": fleet.account.pk, "addon": "ack-virtual-node"},
        "api:fleet-upgrades": {"pk": fleet.fleet_upgrade.pk},
        "api:budgets": {"pk": fleet.budget.pk},
        "api:channels": {"pk": fleet.channel.pk},
        "api:exports": {"pk": fleet.export.pk},
        "api:billing-pod": {"uid": fleet.pod.uid},
        "api:billing-reconciliation": {"pk": fleet.bill_day.pk},
        "api:billing-price": {"pk": fleet.price.pk},
        "api:billing-discount": {"pk": fleet.discount.pk},
        "billing-bill": {"pk": fleet.bill_day.pk},
        "billing-budget": {"pk": fleet.budget.pk},
        "billing-channel": {"pk": fleet.channel.pk},
        "billing-price": {"pk": fleet.price.pk},
        "billing-discount": {"pk": fleet.discount.pk},
        "billing-export": {"pk": fleet.export.pk},
        "fleet": {"pk": fleet.fleet_upgrade.pk},
        "api:installations": {"pk": fleet.installation.pk},
        "cluster-components": {"slug": fleet.cluster.slug},
        "component": {"slug": fleet.cluster.slug, "name": VK},
        "component-everywhere": {"name": VK},
        "component-tab": {"slug": fleet.cluster.slug, "name": VK, "tab": "history"},
        "component-gates": {**here, "name": "kube-apiserver"},
        "component-change": {**here, "action": "configure"},
        "component-start": {**here, "action": "configure"},
        "component-step": {**here, "action": "configure", "step": "parameters"},
        "component-plan": {**here, "action": "configure", "step": "review"},
    }
    if name == "api:credentials-policy":
        return reverse(name, kwargs={"provider": "eci"})
    candidates = [name, name.rpartition("-")[0], name.split("-", maxsplit=1)[0]]
    for kwargs in ({}, *(objects[c] for c in candidates if c in objects)):
        try:
            return reverse(name, kwargs=kwargs)
        except LookupError:
            continue
        except Exception as error:
            last = error
    raise last


def _body(line: str, fleet: Fleet) -> dict[str, Any]:
    if line == "POST api:nodes-list":
        return _node_request(fleet)
    if line in {"POST api:installations-list", "POST api:installations-adopt"}:
        return {"cluster": fleet.cluster.slug, "component": VK}
    if line == "POST api:fleet-upgrades-list":
        return {"component": VK, "version": "v1.3.1", "clusters": []}
    return BODIES.get(line, {})


def _node_request(fleet: Fleet) -> dict[str, Any]:
    return {
        "cluster": fleet.cluster.slug,
        "credential": fleet.account.pk,
        "zone": "z",
        "placements": [{"zone": "z", "subnet": "v"}],
        "security_group": "sg",
    }


def _outcome(status: int) -> str:
    if status == 404:
        return ABSENT
    if status == 403:
        return FORBIDDEN
    assert status < 500 or status in {502, 503}, f"{status} is our own failure"
    return GOES


def _ask(client: Client, line: str, url: str, fleet: Fleet) -> int:
    method, _space, name = line.partition(" ")
    body = _body(line, fleet)
    plain = method == "GET" or not (name.startswith("api:") or "ids" in body)
    data = (body or None) if plain else json.dumps(body)
    kind = {} if plain else {"content_type": "application/json"}
    verb = getattr(client, method.lower())
    return int(verb(url + QUERIES.get(line, ""), data, **kind).status_code)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("person", PEOPLE)
def test_who_gets_in(nowhere: None, person: str) -> None:
    cast = make.make_cast()
    got: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    before = ""
    client = Client(raise_request_exception=False)
    if user := cast.person(person):
        client.force_login(user)
    fleet, status = None, 0
    for line, outcomes in {**PAGES, **API}.items():
        if fleet is None or (status < 400 and not before.startswith("GET")):
            fleet = make.make_fleet(cast.team)
            token, _text = make.token(cast.alice)
        before = line
        url = url_of(line.partition(" ")[2], fleet, token.pk)
        status = _ask(client, line, url, fleet)
        if person == "nobody":
            wanted[line] = 401 if "api:" in line else 302
            got[line] = status
        else:
            wanted[line] = outcomes[PEOPLE.index(person)]
            got[line] = _outcome(status)
    assert got == wanted


@pytest.mark.parametrize(
    ("name", "kind"), [("pods-delete-many", "pod"), ("orphans-delete", "orphan")]
)
@pytest.mark.parametrize("person", ["vera", "charlie"])
def test_bulk_call_refuses_each_row_that_is_not_theirs(
    cast: Cast, fleet: Fleet, name: str, kind: str, person: str
) -> None:
    client = Client()
    client.force_login(getattr(cast, person))
    row = getattr(fleet, kind)
    body = {"ids": [row.pk, 10**30, -1]}
    answer = client.post(reverse(name), json.dumps(body), content_type="application/json").json()
    assert answer["done"] == 0
    assert len(answer["failed"]) == 3
    row.refresh_from_db()
    assert getattr(row, "delete_asked_at", None) is None


def test_lists_of_another_team_are_empty(cast: Cast, fleet: Fleet) -> None:
    client = Client()
    client.force_login(cast.charlie)
    for name in ("clusters", "nodes", "pods", "operations", "orphans", "credentials"):
        assert client.get(reverse(f"api:{name}-list")).json()["results"] == [], name
    for topic in ("clusters", "nodes", "pods", "operations", "orphans"):
        ids = client.get(reverse("api:view-ids", args=[topic])).json()
        assert (ids["ids"], ids["total"]) == ([], 0)
        assert not any(ids["facets"].values())
        rows = client.get(reverse("api:view-rows", args=[topic]), {"ids": "1,2,3"}).json()
        assert rows == {"rows": []}
    text = client.get(reverse("pods-export")).content.decode()
    assert fleet.pod.name not in text
    assert client.get(reverse("search"), {"q": fleet.pod.name}).json() == {"groups": []}
    assert client.get(reverse("api:overview")).json()["pods_running"] == 0


def test_key_of_another_team_cannot_be_spent(cast: Cast, fleet: Fleet) -> None:
    """Charlie's cluster may not run on Alice's key, and a viewer may not spend it either."""
    theirs = make.make_fleet(cast.other)
    client = Client()
    client.force_login(cast.charlie)
    body = _node_request(theirs) | {"credential": fleet.account.pk}
    url = reverse("api:nodes-list")
    answer = client.post(url, json.dumps(body), content_type="application/json")
    assert answer.status_code == 404
    make.Membership.objects.create(user=cast.charlie, team=cast.team, role="viewer")
    answer = client.post(url, json.dumps(body), content_type="application/json")
    assert answer.status_code == 403
    patch = client.patch(
        reverse("api:clusters-detail", args=[theirs.cluster.slug]),
        json.dumps({"credential": fleet.account.pk}),
        content_type="application/json",
    )
    assert patch.status_code == 403
