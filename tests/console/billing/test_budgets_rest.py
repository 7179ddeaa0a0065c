"""Budgets and channels over REST: what is kept, refused, and never shown."""

from __future__ import annotations

import json

import pytest
from rest_framework.test import APIClient

from console.models import AuditEntry, Budget, BudgetEvent, Channel
from tests.console import cast as make
from tests.console.cast import Cast

BUDGET = {
    "name": "shop",
    "amount": "1000",
    "currency": "CNY",
    "scope": {"namespace": "shop"},
    "action": "hold",
}


def test_a_budget_is_made_changed_and_removed(cast: Cast, api: APIClient) -> None:
    made = api.post("/api/v1/billing/budgets/", BUDGET)
    assert made.status_code == 201, made.json()
    row = made.json()
    assert (row["thresholds"], row["state"], row["spent"]) == ([50, 80, 100], "ok", "0")
    assert made["Location"] == f"/api/v1/billing/budgets/{row['id']}/"
    changed = api.put(made["Location"], {**BUDGET, "amount": "2000", "thresholds": [90]})
    assert (changed.json()["amount"], changed.json()["thresholds"]) == ("2000.0000", [90])
    assert [b["name"] for b in api.get("/api/v1/billing/budgets/").json()["results"]] == ["shop"]
    assert api.get(made["Location"]).json()["events"] == []
    assert api.delete(made["Location"]).status_code == 204
    assert not Budget.objects.exists()
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["budget.create", "budget.change", "budget.remove"]


def test_a_refusal_names_the_field(cast: Cast, api: APIClient) -> None:
    given = {**BUDGET, "scope": {"workload": "Deployment/web"}}
    told = api.post("/api/v1/billing/budgets/", given).json()
    assert told["code"] == "invalid"
    assert [error["field"] for error in told["errors"]] == ["action"]


def test_an_answer_says_what_the_action_does_not_reach(cast: Cast, api: APIClient) -> None:
    cluster = make.cluster(cast.team)
    made = api.post("/api/v1/billing/budgets/", BUDGET).json()
    assert made["limits"] == [
        "There is no virtual node in its scope that can be held: nothing stops."
    ]
    make.node(cluster, make.account(cast.team))
    address = f"/api/v1/billing/budgets/{made['id']}/"
    assert api.get(address).json()["limits"] == []
    make.installation(cluster)
    told = api.put(address, BUDGET).json()["limits"]
    assert [cluster.name in text for text in told] == [True, True]


def test_a_name_of_several_lines_is_refused(cast: Cast, api: APIClient) -> None:
    name = "ops\nBcc: eve@example.com"
    mail = {"name": name, "kind": "email", "address": "a@example.com"}
    for path, given in (("budgets", {**BUDGET, "name": name}), ("channels", mail)):
        answer = api.post(f"/api/v1/billing/{path}/", given)
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == ["name"]


def test_the_address_and_secret_of_a_channel_are_never_shown(cast: Cast, api: APIClient) -> None:
    given = {
        "name": "ops",
        "kind": "dingtalk",
        "address": "https://oapi.dingtalk.com/robot/send?access_token=canary",
        "secret": "SECcanary",
    }
    made = api.post("/api/v1/billing/channels/", given)
    assert made.status_code == 201, made.json()
    shown = [made, api.get("/api/v1/billing/channels/"), api.get("/api/v1/billing/budgets/")]
    shown.append(api.get(f"/api/v1/billing/channels/{made.json()['id']}/"))
    assert not any("canary" in json.dumps(answer.json()) for answer in shown)
    assert (made.json()["shown"], made.json()["signed"]) == ("oapi.dingtalk.com", True)
    assert not any("canary" in json.dumps(e.detail) for e in AuditEntry.objects.all())


@pytest.mark.parametrize("who", ["vera", "charlie"])
def test_only_operators_of_the_team_lift(cast: Cast, who: str) -> None:
    budget = make.budget(cast.team, action="hold")
    client = APIClient()
    client.force_login(getattr(cast, who))
    status = client.post(f"/api/v1/billing/budgets/{budget.pk}/lift/").status_code
    assert status == (403 if who == "vera" else 404)


def test_the_detail_tells_what_happened(cast: Cast, api: APIClient) -> None:
    budget = make.budget(cast.team, spent="60")
    BudgetEvent.objects.create(
        budget=budget,
        period_start=budget.created_at,
        threshold="50",
        at=budget.created_at,
        spent="60",
        amount="100",
    )
    told = api.get(f"/api/v1/billing/budgets/{budget.pk}/").json()
    assert told["state"] == "near"
    assert [event["threshold"] for event in told["events"]] == ["50"]


def test_a_removed_channel_leaves_its_budgets(cast: Cast, api: APIClient) -> None:
    channel = make.channel(cast.team)
    budget = make.budget(cast.team)
    budget.channels.add(channel)
    assert api.delete(f"/api/v1/billing/channels/{channel.pk}/").status_code == 204
    assert list(budget.channels.all()) == []
    assert not Channel.objects.exists()
