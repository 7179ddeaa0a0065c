"""Forecasts, rises against last week, and what could be saved."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from console.billing import anomalies, forecast, hints
from console.billing.forecast import Basis
from console.billing.hints import Code
from console.billing.statements import Query, statement
from tests.console.billing.books import HOUR, NOON, RATE, life, post, stray
from tests.console.cast import Cast, account

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
MONTH = Query(date(2026, 11, 1), date(2026, 12, 1))
MIDNIGHT = NOON - 12 * HOUR


def test_a_steady_load_goes_on_at_its_pace_with_no_band_to_speak_of(cast: Cast) -> None:
    life(account(cast.team), MIDNIGHT - 17 * DAY)
    post(NOON)
    found = forecast.forecast(cast.alice, MONTH, NOON)["CNY"]
    assert found.basis is Basis.DAYS
    assert abs(found.expected - 30 * 24 * RATE) < 1
    assert found.high - found.low < 1
    assert found.so_far == statement(cast.alice, MONTH, NOON).totals["CNY"].amount


def test_days_that_scatter_widen_the_band_and_so_does_the_distance(cast: Cast) -> None:
    key = account(cast.team)
    for day in range(1, 18):
        for _ in range(1 + 3 * (day % 2)):
            life(key, MIDNIGHT - day * DAY, MIDNIGHT - day * DAY + 20 * HOUR)
    found = forecast.forecast(cast.alice, MONTH, NOON)["CNY"]
    assert found.low < found.expected < found.high
    near = forecast.forecast(cast.alice, replace(MONTH, end=date(2026, 11, 20)), NOON)["CNY"]
    assert near.high - near.low < found.high - found.low


def test_what_is_spent_now_raises_the_forecast_at_once(cast: Cast) -> None:
    key = account(cast.team)
    life(key, MIDNIGHT - 17 * DAY)
    before = forecast.forecast(cast.alice, MONTH, NOON)["CNY"].expected
    for _ in range(4):
        life(key, NOON - HOUR)
    after = forecast.forecast(cast.alice, MONTH, NOON)["CNY"].expected
    assert after > before + 12 * 24 * RATE


def test_the_first_day_is_told_by_its_pace_alone(cast: Cast) -> None:
    life(account(cast.team), NOON - HOUR)
    found = forecast.forecast(cast.alice, MONTH, NOON)["CNY"]
    assert found.basis is Basis.RATE
    assert abs(found.expected - RATE * (1 + 12 + 12 * 24)) < 1


def test_a_period_that_is_over_is_certain_and_nothing_is_forecast_from_nothing(cast: Cast) -> None:
    assert forecast.forecast(cast.alice, MONTH, NOON) == {}
    life(account(cast.team), NOON - DAY, NOON - DAY + HOUR)
    past = Query(date(2026, 11, 17), date(2026, 11, 18))
    found = forecast.forecast(cast.alice, past, NOON)["CNY"]
    assert found.basis is Basis.FINAL
    assert found.low == found.expected == found.high == found.so_far


def test_a_rise_against_the_same_hours_last_week_is_found_where_it_is(cast: Cast) -> None:
    key = account(cast.team)
    life(key, NOON - 9 * DAY, namespace="steady")
    life(key, NOON - 8 * DAY, NOON - 6 * DAY, namespace="nightly")
    life(key, NOON - 5 * HOUR, NOON - 2 * HOUR, namespace="burst")
    asked = replace(MONTH, group=("namespace",))
    found = anomalies.anomalies(cast.alice, asked, NOON)
    assert found.compared
    assert [(one.keys, one.start, one.end, one.before) for one in found.rows] == [
        (("burst",), NOON - 5 * HOUR, NOON - 2 * HOUR, 0)
    ]
    assert abs(found.rows[0].amount - 3 * RATE) < Decimal("0.0001")


def test_without_a_week_of_history_nothing_is_called_a_rise(cast: Cast) -> None:
    life(account(cast.team), NOON - DAY)
    assert not anomalies.anomalies(cast.alice, MONTH, NOON).compared


def test_hints_name_what_was_wasted_with_its_figures(cast: Cast) -> None:
    key = account(cast.team)
    life(key, NOON - 10 * HOUR, workload="Deployment/web")
    life(key, NOON - 3 * HOUR, NOON, started=None, workload="Job/train")
    stray(key, NOON - 2 * HOUR, NOON - 2 * HOUR, billed_from=NOON - 2 * HOUR)
    found = {hint.code: hint for hint in hints.hints(cast.alice, MONTH, NOON).rows}
    assert abs(found[Code.WAITING].amount - RATE * (3 + Decimal(20) / 3600)) < Decimal("0.0001")
    assert found[Code.WAITING].top[0].keys[2] == "Job/train"
    assert found[Code.ORPHANS].amount == 1
    # Asked 1.5 of 2 vCPU and 3 of 4 GiB: a quarter of each.
    assert abs(found[Code.ROUNDING].amount - 13 * RATE / 4) < Decimal("0.0001")
    assert found[Code.SPOT].saving is None
    assert not found[Code.IDLE].measured
