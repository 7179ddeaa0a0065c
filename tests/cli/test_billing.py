"""What `spillway billing` prints."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

from addons.models import Hold
from tests.cli.conftest import Say
from tests.console import cast as people
from tests.console.billing.lines import usage
from tests.console.cast import Cast

ON = ("--start", "2026-11-20", "--end", "2026-11-21")


def test_a_statement_is_a_table_with_its_totals(say: Say, cast: Cast) -> None:
    account = people.account(cast.team)
    usage(account)
    usage(account, namespace="web", per_hour="1.25")
    usage(account, namespace="web", currency="", amount=Decimal(0))
    said = say("billing", "statement", *ON)
    heading, *lines = said.out.splitlines()
    figures = ["COST", "VCPU-H", "GIB-H", "GPU-H", "PODS", "BILLED", "DIFFERENCE"]
    assert heading.split() == ["NAMESPACE", *figures]
    assert [line.split()[:3] for line in lines] == [
        ["web", "1.25", "CNY"],
        ["shop", "0.50", "CNY"],
        ["web", "unpriced", "2.00"],
    ]
    assert "In all 1.75 CNY." in said.err
    assert "1 usage lines have no price" in said.err


def test_a_statement_is_grouped_and_narrowed(say: Say, cast: Cast) -> None:
    account = people.account(cast.team)
    usage(account)
    usage(account, workload="Job/sum", labels={"team": "data"})
    more = ("-g", "workload,label:team", "-w", "label:team=data", "-o", "json")
    found = json.loads(say("billing", "statement", *ON, *more).out)
    assert [row["keys"] for row in found["rows"]] == [{"workload": "Job/sum", "label:team": "data"}]
    assert say("billing", "statement", "-w", "shop").code == 2
    assert say("billing", "statement", "-g", "colour").code == 2


def test_a_summary_says_that_nothing_was_spent(say: Say, cast: Cast) -> None:
    said = say("billing", "summary")
    assert (said.code, said.out) == (0, "")
    assert "Nothing was spent" in said.err
    assert json.loads(say("billing", "summary", "-o", "json").out)["month"] == {}


def test_budgets_are_listed_and_lifted_by_name(say: Say, cast: Cast) -> None:
    cluster = people.cluster(cast.team)
    budget = people.budget(cast.team, name="shop", spent=Decimal(80), action="hold")
    Hold.objects.create(
        cluster=cluster, source=f"budget:{budget.pk}", reason="x", placed_at=datetime.now(UTC)
    )
    line = say("billing", "budgets").out.splitlines()[1]
    assert line.split()[:5] == ["shop", "held", "80.00/100.00", "CNY", "80%"]
    said = say("billing", "lift", "shop")
    assert (said.code, said.out.strip()) == (0, "budget/shop: 1 holds lifted")
    assert Hold.objects.get().lifted_by == "alice"
    assert say("billing", "lift", "none").code == 4
