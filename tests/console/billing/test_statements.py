"""Statements: any grouping adds up to the total, to the last digit, what runs now included."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from console.billing import forecast, groups, series, statements
from console.billing.figures import NOTHING, Figures
from console.billing.models import UsageLine
from console.billing.series import Step
from console.billing.statements import Query, Statement
from providers.models import CloudAccount, Instance
from tests.console.billing.books import HOUR, NOON, RATE, life, lines, post, stray
from tests.console.cast import Cast, account, cluster

pytestmark = pytest.mark.django_db
DAY = 24 * HOUR
MONTH = Query(date(2026, 11, 1), date(2026, 12, 1))
EVERY = (*groups.GROUPS, *groups.LINE_GROUPS, "label:app", "label:app.kubernetes.io/part-of")


def months_lives(keys: Sequence[CloudAccount], dice: random.Random, number: int) -> None:
    """Lives of all kinds between the 5th and NOON; some go on, some are not posted."""
    for index in range(number):
        begin = NOON - timedelta(seconds=dice.randrange(13 * 86400))
        length = timedelta(seconds=dice.randrange(4 * 86400))
        end = begin + length if begin + length < NOON else None
        key = dice.choice(keys)
        life(
            key,
            begin,
            end,
            namespace=dice.choice(("shop", "data", "ml")),
            workload=dice.choice(("Deployment/web", "Job/train", "")),
            labels=dice.choice(({}, {"app": "a"}, {"app": "b", "app.kubernetes.io/part-of": "x"})),
            node_name=f"vk-{index % 3}",
            cluster_uid=dice.choice(("uid-a", "uid-b")),
            cpu=Decimal(dice.choice(("0.25", "0.333", "2", "7"))),
            memory=Decimal(dice.choice(("0.5", "1", "3.7", "13"))),
            tier=dice.choice(("", "", "economy", "spot")),
            started=dice.choice((begin + timedelta(seconds=31), None)),
        )


def ask(cast: Cast, query: Query = MONTH, *group: str, **where: Any) -> Statement:
    narrowed = {name.replace("_", ":", 1): (value,) for name, value in where.items()}
    return statements.statement(cast.alice, replace(query, group=group, where=narrowed), NOON)


def added(rows: Sequence[statements.Row], currency: str) -> Figures:
    return sum((row.figures for row in rows if row.currency == currency), NOTHING)


def test_any_grouping_adds_up_to_the_total_to_the_last_digit(cast: Cast) -> None:
    dice = random.Random(11)
    keys = [account(cast.team), account(cast.team, region="cn-beijing")]
    months_lives(keys, dice, 60)
    stray(keys[0], NOON - 3 * DAY, NOON - 2 * DAY)
    Instance.objects.filter(pk__in=Instance.objects.values_list("pk")[:30]).update(unposted=True)
    post(NOON - 2 * DAY)
    # Some facts come later: they are in no line yet, and in every statement.
    for row in Instance.objects.order_by("?")[:10]:
        row.billed_from, row.unposted = row.billed_from - timedelta(seconds=77), True
        row.save()
    whole = ask(cast)
    assert whole.totals["CNY"].amount > 0
    assert whole.unpriced.seconds > 0
    for name in EVERY:
        found = ask(cast, MONTH, name, "kind")
        assert added(found.rows, "CNY") == whole.totals["CNY"], name
        assert added(found.rows, "") == whole.unpriced, name
        for currency in ("CNY", ""):
            narrowed: list[statements.Row] = []
            for key in sorted({row.keys[0] for row in found.rows}):
                query = replace(MONTH, where={name: (key,)})
                narrowed += statements.statement(cast.alice, query, NOON).rows
            assert added(narrowed, currency) == added(whole.rows, currency), name


def test_what_runs_is_counted_once_before_and_after_it_is_posted(cast: Cast) -> None:
    months_lives([account(cast.team)], random.Random(7), 40)
    before = ask(cast, MONTH, "namespace", "day", "kind")
    assert not UsageLine.objects.exists()
    post(NOON)
    after = ask(cast, MONTH, "namespace", "day", "kind")
    assert {(r.keys, r.currency): r.figures for r in after.rows} == {
        (r.keys, r.currency): r.figures for r in before.rows
    }
    assert UsageLine.objects.exists()


def test_a_life_that_goes_on_costs_by_the_second(cast: Cast) -> None:
    life(account(cast.team), NOON - HOUR)
    assert ask(cast).totals["CNY"].amount == RATE.quantize(Decimal("0.00000001"))
    later = statements.statement(cast.alice, MONTH, NOON + timedelta(seconds=900))
    assert later.totals["CNY"].seconds == 3600 + 900
    assert later.totals["CNY"].starts == 1


def test_other_teams_see_nothing_and_admins_see_all(cast: Cast) -> None:
    life(account(cast.team), NOON - HOUR)
    life(account(cast.other), NOON - HOUR)
    post(NOON + DAY)
    assert ask(cast).totals["CNY"].starts == 1
    assert statements.statement(cast.charlie, MONTH, NOON).totals["CNY"].starts == 1
    cast.vera.is_superuser = True
    cast.vera.save()
    assert statements.statement(cast.vera, MONTH, NOON).totals["CNY"].starts == 2
    assert statements.read(frozenset(), MONTH, NOON).rows == ()


def test_names_narrow_like_keys_and_are_shown_for_them(cast: Cast) -> None:
    key = account(cast.team, name="prod")
    home = cluster(cast.team, slug="east", name="East")
    life(key, NOON - HOUR, cluster_uid=home.uid)
    life(key, NOON - HOUR)
    found = ask(cast, MONTH, "cluster", "account", cluster="east", account="prod")
    assert [found.title(row) for row in found.rows] == [("East", "prod")]
    assert found.totals["CNY"].starts == 1
    other = cluster(cast.other, slug="theirs")
    life(key, NOON - HOUR, cluster_uid=other.uid)
    assert not ask(cast, MONTH, cluster="theirs").rows


def test_currencies_are_never_added(cast: Cast) -> None:
    key = account(cast.team)
    stray(key, NOON - HOUR, NOON - HOUR, currency="USD")
    life(key, NOON - HOUR)
    found = ask(cast)
    assert {name: figures.starts for name, figures in found.totals.items()} == {"CNY": 1, "USD": 1}
    only = ask(cast, replace(MONTH, currency="USD"))
    assert set(only.totals) == {"USD"}


def test_hours_and_days_of_a_series_add_up_to_the_statement(cast: Cast) -> None:
    key = account(cast.team)
    months_lives([key], random.Random(3), 40)
    nobody_saw = {"cloud_id": "", "billed_from": None, "billed_to": None, "seen": {}}
    called = {"called_at": NOON - DAY, "close_reason": "not_made"}
    life(key, NOON - DAY, NOON - DAY + HOUR, **nobody_saw, **called)
    post(NOON - DAY)
    query = Query(date(2026, 11, 16), date(2026, 11, 19), ("namespace",))
    whole = statements.statement(cast.alice, query, NOON)
    assert added(whole.rows, "CNY").bound_seconds == 3600
    for step, number in ((Step.HOUR, 72), (Step.DAY, 3)):
        found = series.series(cast.alice, query, step, NOON)
        assert len(found.buckets) == number
        for currency in ("CNY", ""):
            total = sum((bucket.total(currency) for bucket in found.buckets), NOTHING)
            assert total == added(whole.rows, currency), step


def test_a_span_cut_anywhere_adds_up(cast: Cast) -> None:
    months_lives([account(cast.team)], random.Random(5), 30)
    post(NOON - DAY)
    dice = random.Random(8)
    teams = frozenset({cast.team.pk})
    start = NOON - 4 * DAY - timedelta(seconds=333)
    cuts = sorted(start + timedelta(seconds=dice.randrange(4 * 86400)) for _ in range(5))
    borders = [start, *cuts, NOON]
    whole = series.between(teams, MONTH, start, NOON, NOON)
    total: statements.Cells = {}
    for since, to in pairwise(borders):
        for (keys, currency), more in series.between(teams, MONTH, since, to, NOON).items():
            statements.add(total, keys, currency, more)
    for key, figures in whole.items():
        assert total[key].amount == figures.amount
        assert total[key].seconds == figures.seconds


def test_an_adopted_orphan_is_told_by_the_ledger_from_then_on(cast: Cast) -> None:
    key = account(cast.team)
    lost = stray(key, NOON - DAY, NOON - DAY, billed_from=NOON - DAY)
    post(NOON)
    life(key, NOON - DAY, cloud_id=lost.cloud_id)
    lost.closed_at, lost.close_reason = NOON, "adopted"
    lost.save()
    kinds = {
        row.keys[0]: row.figures.seconds
        for row in statements.statement(
            cast.alice, replace(MONTH, group=("kind",)), NOON + HOUR
        ).rows
    }
    assert kinds == {"orphan": 24 * 3600, "running": 3600}
    post(NOON + DAY)
    assert sum(one.seconds for one in lines(lost)) == 0


def test_movers_compare_with_as_much_of_the_month_before(cast: Cast) -> None:
    key = account(cast.team)
    month = timedelta(days=31)
    life(key, NOON - 2 * HOUR, NOON, namespace="grew")
    life(key, NOON - month - HOUR, NOON - month, namespace="grew")
    life(key, NOON - month, NOON - month + 5 * HOUR, namespace="later")
    life(key, NOON - month - 3 * HOUR, NOON - month, namespace="gone")
    found = forecast.movers(cast.alice, replace(MONTH, group=("namespace",)), NOON)
    assert [(row.keys, row.delta > 0) for row in found.rows] == [
        (("gone",), False),
        (("grew",), True),
    ]
    assert found.rows[1].ratio == 1
    assert found.rows[0].before == (3 * RATE).quantize(Decimal("0.00000001"))
