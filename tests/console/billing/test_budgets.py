"""Budgets: what is crossed and when, holds that follow, lifting, changing, periods."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from addons.announce import blocking_client
from addons.models import Cluster, Hold, Installation
from addons.runtime.loop import Runtime
from console.billing import live, posting
from console.billing.budgets import channels, manage, reach, watch, words
from console.billing.budgets.errors import BudgetError
from console.billing.budgets.manage import Wish
from console.billing.budgets.periods import period_of
from console.billing.budgets.scope import targets
from console.models import Budget, BudgetEvent, LiveMeter, UsageSum
from kube.secret import Secret
from providers.models import CloudAccount
from tests.console import cast as make
from tests.console.billing.books import RATE, life
from tests.console.cast import Cast

# Saturday noon in UTC+8.
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
TODAY = date(2026, 11, 21)
_keys = itertools.count()


@pytest.fixture(autouse=True)
def no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds poke pods; here nobody listens."""
    monkeypatch.setattr("addons.holds.poke", lambda *given, **named: None)


@pytest.fixture
def place(cast: Cast) -> tuple[CloudAccount, Cluster]:
    return make.account(cast.team), make.cluster(cast.team, slug="prod")


def spend(
    account: CloudAccount, cluster: Cluster, amount: str, day: date = TODAY, **fields: Any
) -> None:
    values: dict[str, Any] = {
        "key": str(next(_keys)),
        "team": account.team,
        "account": account,
        "provider": account.provider,
        "region": account.region,
        "cluster_uid": cluster.uid,
        "namespace": "shop",
        "kind": "running",
        "day": day,
        "currency": "CNY",
        "amount": Decimal(amount),
        "seconds": 3600,
    }
    stored = values | fields
    UsageSum.objects.create(**stored)
    place = ("key", "team", "account", "provider", "cluster_uid", "namespace", "day", "currency")
    meter = {name: stored[name] for name in place}
    LiveMeter.objects.create(**meter, amount=live.units(stored["amount"]))


def wish(**fields: Any) -> Wish:
    return replace(Wish("shop", Decimal(100), "CNY", forecast=False), **fields)


def budget(cast: Cast, **fields: Any) -> Budget:
    return manage.create(cast.team, wish(**fields), by="alice", now=NOW)


def thresholds(of: Budget) -> list[str]:
    return sorted(BudgetEvent.objects.filter(budget=of).values_list("threshold", flat=True))


def open_holds() -> list[tuple[int, int | None, str]]:
    rows = Hold.objects.filter(lifted_at=None).order_by("pk")
    return list(rows.values_list("cluster_id", "node_id", "namespace"))


def test_each_threshold_is_an_event_once_a_period(cast: Cast, place: Any) -> None:
    row = budget(cast)
    spend(*place, "49.99999999")
    assert watch.look_at(row, NOW) == []
    spend(*place, "0.00000001")
    assert [e.threshold for e in watch.look_at(row, NOW)] == ["50"]
    spend(*place, "60")
    assert [e.threshold for e in watch.look_at(row, NOW)] == ["80", "100"]
    assert watch.look_at(row, NOW) == []
    row.refresh_from_db()
    assert (row.spent, row.looked_at) == (Decimal(110), NOW)
    assert open_holds() == []


def test_other_scopes_currencies_teams_and_periods_do_not_count(cast: Cast, place: Any) -> None:
    account, cluster = place
    row = budget(cast, scope={"cluster": "prod", "namespace": "shop", "account": account.pk})
    other = make.account(cast.other)
    spend(account, cluster, "500", namespace="else")
    spend(account, cluster, "500", currency="USD")
    spend(account, cluster, "500", cluster_uid="another")
    spend(account, cluster, "500", day=date(2026, 10, 31))
    spend(other, make.cluster(cast.other), "500")
    spend(account, cluster, "7")
    assert watch.look_at(row, NOW) == []
    row.refresh_from_db()
    assert row.spent == Decimal(7)


def test_what_runs_counts_second_by_second_without_being_posted(cast: Cast, place: Any) -> None:
    account, _ = place
    row = budget(cast, amount=Decimal(1), scope={"namespace": "shop"})
    whole = budget(cast, name="by workload", scope={"workload": "Deployment/web"})
    begun = life(account, NOW - timedelta(hours=1))
    posting.post([begun.pk], NOW)
    for hours in (1, 2):
        at = NOW + timedelta(hours=hours - 1)
        for one in (row, whole):
            watch.look_at(one, at)
            one.refresh_from_db()
            assert one.spent == pytest.approx(RATE * hours, abs=Decimal("0.0000001"))
    assert thresholds(row) == ["50", "80"]


def test_the_forecast_is_told_before_it_happens(cast: Cast, place: Any) -> None:
    row = budget(cast, forecast=True, thresholds=())
    # 36 hours were seen, 9.5 days are left: 30 more at this pace are 190 more.
    spend(*place, "30")
    assert [e.threshold for e in watch.look_at(row, NOW)] == ["forecast"]
    event = BudgetEvent.objects.get()
    assert event.spent == Decimal("30") + Decimal(30) * Decimal("9.5") / Decimal("1.5")
    assert watch.look_at(row, NOW) == []


def test_a_budget_used_up_refuses_new_instances_of_its_namespace(cast: Cast, place: Any) -> None:
    row = budget(
        cast, action="hold", thresholds=(50,), scope={"cluster": "prod", "namespace": "shop"}
    )
    spend(*place, "101")
    watch.look_at(row, NOW)
    assert thresholds(row) == ["100", "50"]
    assert open_holds() == [(place[1].pk, None, "shop")]
    watch.look_at(row, NOW)
    assert len(open_holds()) == 1
    assert manage.held([row]) == {row.pk: 1}


def test_what_joins_the_scope_later_is_held_too(cast: Cast, place: Any) -> None:
    row = budget(cast, action="hold")
    spend(*place, "101")
    watch.look_at(row, NOW)
    assert [hold[0] for hold in open_holds()] == [place[1].pk]
    late = make.cluster(cast.team)
    make.cluster(cast.other)
    watch.look_at(row, NOW)
    assert [hold[0] for hold in open_holds()] == [place[1].pk, late.pk]


def test_lifting_lasts_until_the_period_ends(cast: Cast, place: Any) -> None:
    row = budget(cast, action="hold", period="day")
    spend(*place, "101")
    watch.look_at(row, NOW)
    assert manage.lift(row, by="bob", now=NOW) == 1
    watch.look_at(row, NOW)
    assert open_holds() == []
    assert thresholds(row) == ["100", "50", "80", "lifted"]
    assert Hold.objects.get().lifted_by == "bob"
    assert BudgetEvent.objects.get(threshold="100").lifted_by == "bob"
    tomorrow = NOW + timedelta(days=1)
    spend(*place, "101", day=TODAY + timedelta(days=1))
    watch.look_at(row, tomorrow)
    assert len(open_holds()) == 1


def test_a_new_period_lifts_by_itself(cast: Cast, place: Any) -> None:
    row = budget(cast, action="hold", period="day")
    spend(*place, "101")
    watch.look_at(row, NOW)
    midnight = datetime(2026, 11, 21, 16, tzinfo=UTC)
    watch.look_at(row, midnight - timedelta(seconds=1))
    assert len(open_holds()) == 1
    watch.look_at(row, midnight)
    assert open_holds() == []


def test_a_larger_amount_lifts_and_its_events_come_again(cast: Cast, place: Any) -> None:
    row = budget(cast, action="hold")
    spend(*place, "101")
    watch.look_at(row, NOW)
    row.refresh_from_db()
    manage.update(row, wish(action="hold", amount=Decimal(150)), by="alice", now=NOW)
    assert open_holds() == []
    assert thresholds(row) == ["50"]
    spend(*place, "50")
    assert [e.threshold for e in watch.look_at(row, NOW)] == ["80", "100"]
    assert len(open_holds()) == 1


@pytest.mark.parametrize("how", ["disabled", "deleted", "notify only", "elsewhere"])
def test_a_hold_does_not_outlive_its_budget(cast: Cast, place: Any, how: str) -> None:
    row = budget(cast, action="hold", scope={"namespace": "shop"})
    spend(*place, "101")
    watch.look_at(row, NOW)
    row.refresh_from_db()
    if how == "deleted":
        manage.delete(row, by="alice", now=NOW)
    else:
        changes: dict[str, dict[str, Any]] = {
            "disabled": {"enabled": False},
            "notify only": {"action": "notify"},
            "elsewhere": {"scope": {"namespace": "else"}},
        }
        base = wish(action="hold", scope={"namespace": "shop"})
        manage.update(row, replace(base, **changes[how]), by="alice", now=NOW)
    watch.look_at_all(NOW)
    assert open_holds() == []


def test_a_cordon_reaches_the_nodes_of_the_scope_alone(cast: Cast, place: Any) -> None:
    account, cluster = place
    ours = make.node(cluster, account)
    make.node(cluster, make.account(cast.team))
    make.node(make.cluster(cast.team), make.account(cast.team, provider="kci"))
    row = budget(cast, action="cordon", scope={"account": account.pk})
    assert [(t.cluster_id, t.node_id, t.namespace) for t in targets(row)] == [
        (cluster.pk, ours.pk, "")
    ]
    row.scope = {"provider": "kci"}
    assert len(targets(row)) == 1
    row.action, row.scope = "hold", {"node": ours.name, "namespace": "shop"}
    assert [(t.node_id, t.namespace) for t in targets(row)] == [(ours.pk, "shop")]


def vendor_run(cluster: Cluster, **fields: Any) -> Installation:
    """A component whose virtual nodes the vendor's own virtual kubelet runs."""
    return make.installation(cluster, **fields)


def full_event(row: Budget, account: CloudAccount, cluster: Cluster) -> BudgetEvent:
    spend(account, cluster, "101")
    watch.look_at(row, NOW)
    return BudgetEvent.objects.get(budget=row, threshold="100")


@pytest.mark.parametrize("action", ["hold", "cordon"])
def test_nobody_reads_that_something_stopped_where_nothing_can_be_held(
    cast: Cast, place: Any, action: str
) -> None:
    row = budget(cast, action=action)
    event = full_event(row, *place)
    assert event.action == "none"
    assert reach.limits(row) == [
        "There is no virtual node in its scope that can be held: nothing stops."
    ]
    text = words.notice_of(event).text
    assert text.startswith("Nothing was stopped. There is no virtual node")


def test_a_hold_says_that_a_vendors_nodes_do_not_refuse(cast: Cast, place: Any) -> None:
    account, cluster = place
    make.node(cluster, account)
    vendor_run(cluster)
    row = budget(cast, action="hold")
    event = full_event(row, *place)
    assert event.action == "hold"
    text = words.notice_of(event).text
    assert text.startswith("New instances are refused from now on")
    assert f"Virtual nodes that a vendor runs in {cluster.name} do not refuse" in text
    assert f"own virtual kubelet makes in {cluster.name} is not counted" in text
    row.action = "notify"
    assert len(reach.limits(row)) == 1


def test_vendor_run_components_count_by_their_scope(cast: Cast, place: Any) -> None:
    account, cluster = place
    kci = make.account(cast.team, provider="kci")
    ours = vendor_run(cluster, values={"credential": kci.pk, "nodename": "vk"})
    vendor_run(cluster, component="hosted-virtual-node", delivery="hosted")
    vendor_run(make.cluster(cast.other))
    reached: dict[str, dict[str, Any]] = {
        "team": {},
        "cluster": {"cluster": "prod"},
        "provider": {"provider": "kci"},
        "account": {"account": kci.pk},
        "node": {"node": "vk"},
    }
    for scope in reached.values():
        assert reach.vendor_run(Budget(team=cast.team, scope=scope)) == [ours]
    node = make.node(cluster, account)
    for other in ({"provider": "eci"}, {"account": account.pk}, {"node": node.name}):
        assert reach.vendor_run(Budget(team=cast.team, scope=other)) == []


def test_a_hold_of_a_budget_that_is_gone_is_let_go_at_the_next_look(cast: Cast, place: Any) -> None:
    row = budget(cast, action="hold")
    spend(*place, "101")
    watch.look_at(row, NOW)
    Budget.objects.filter(pk=row.pk).delete()
    watch.look_at_all(NOW)
    assert open_holds() == []


def test_a_second_lifting_in_a_period_is_told_too(cast: Cast, place: Any) -> None:
    row = budget(cast, action="hold")
    spend(*place, "101")
    seen = []
    for amount in (100, 101):
        manage.update(row, wish(action="hold", amount=Decimal(amount)), by="alice", now=NOW)
        watch.look_at(row, NOW)
        assert manage.lift(row, by="bob", now=NOW) == 1
        event = BudgetEvent.objects.get(threshold="lifted")
        assert event.told == {}
        seen.append(words.notice_of(event).id)
        BudgetEvent.objects.filter(pk=event.pk).update(told={"1": {"error": ""}})
        spend(*place, "1")
        manage.update(row, wish(action="hold", amount=Decimal(200)), by="alice", now=NOW)
    assert len(set(seen)) == 2


def test_a_notice_names_the_period_by_the_billing_calendar(cast: Cast, place: Any) -> None:
    row = budget(cast)
    spend(*place, "60")
    (event,) = watch.look_at(row, NOW)
    notice = words.notice_of(event)
    assert ("Period", "Month, 2026-11-01") in notice.facts
    assert notice.data["period_start"] == "2026-11-01T00:00:00+08:00"
    assert notice.type == "budget.crossed"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "shop\nBcc: eve@example.com"}, "name"),
        ({"name": "shop\u2028"}, "name"),
        ({"scope": {"namespace": "shop\n"}}, "scope.namespace"),
        ({"scope": {"workload": "Deployment/web\n"}}, "scope.workload"),
        ({"amount": Decimal(0)}, "amount"),
        ({"currency": "cny"}, "currency"),
        ({"name": " "}, "name"),
        ({"period": "year"}, "period"),
        ({"action": "kill"}, "action"),
        ({"thresholds": (0,)}, "thresholds"),
        ({"thresholds": tuple(range(1, 12))}, "thresholds"),
        ({"scope": {"cluster": "unknown"}}, "scope.cluster"),
        ({"scope": {"pod": "x"}}, "scope"),
        ({"scope": {"account": 10**9}}, "scope.account"),
        ({"scope": {"account": "1; drop"}}, "scope.account"),
        ({"scope": {"workload": "web"}}, "scope.workload"),
        ({"scope": {"namespace": "Not A Name"}}, "scope.namespace"),
        ({"scope": {"provider": "aws"}}, "scope.provider"),
        ({"scope": {"workload": "Deployment/web"}, "action": "hold"}, "action"),
        ({"scope": {"namespace": "shop"}, "action": "cordon"}, "action"),
        ({"channels": (999,)}, "channels"),
    ],
)
def test_what_cannot_be_a_budget_is_refused(cast: Cast, fields: Any, field: str) -> None:
    with pytest.raises(BudgetError) as refused:
        budget(cast, **fields)
    assert refused.value.field == field
    assert not Budget.objects.exists()


def test_names_and_channels_are_of_the_team(cast: Cast) -> None:
    given = {"kind": "email", "address": "a@example.com", "secret": Secret(""), "now": NOW}
    theirs = channels.create(cast.other, name="mail", **given)  # type: ignore[arg-type]
    ours = channels.create(cast.team, name="mail", **given)  # type: ignore[arg-type]
    row = budget(cast, channels=(ours.pk,))
    assert list(row.channels.all()) == [ours]
    for fields in ({"name": "shop"}, {"name": "other", "channels": (theirs.pk,)}):
        with pytest.raises(BudgetError):
            budget(cast, **fields)
    with pytest.raises(BudgetError):
        channels.create(cast.team, name="mail", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("day", "2026-11-21T15:59:59+00:00", "2026-11-21", "2026-11-22"),
        ("day", "2026-11-21T16:00:00+00:00", "2026-11-22", "2026-11-23"),
        ("week", "2026-11-22T15:59:59+00:00", "2026-11-16", "2026-11-23"),
        ("week", "2026-11-22T16:00:00+00:00", "2026-11-23", "2026-11-30"),
        ("month", "2026-11-30T16:00:00+00:00", "2026-12-01", "2027-01-01"),
    ],
)
def test_periods_are_those_of_the_bills(period: str, now: str, start: str, end: str) -> None:
    span = period_of(Budget(period=period), datetime.fromisoformat(now))
    assert (span.start.isoformat(), span.end.isoformat()) == (start, end)


@pytest.mark.django_db(transaction=True)
def test_one_process_looks_at_a_time_and_a_broken_budget_hides_no_other(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocking_client.cache_clear()
    cast = make.make_cast()
    account, cluster = make.account(cast.team), make.cluster(cast.team)
    broken, good = budget(cast, name="a"), budget(cast, name="b")
    spend(account, cluster, "120")
    Budget.objects.filter(pk=broken.pk).update(amount=0)
    held = runtime.run(_hold_lease(runtime))
    assert runtime.run(watch.look(runtime)) == 0
    runtime.run(runtime.db(held.release))
    assert runtime.run(watch.look(runtime)) == 2
    good.refresh_from_db()
    assert good.spent == Decimal(120)
    blocking_client.cache_clear()


async def _hold_lease(runtime: Runtime) -> Any:
    found = await runtime.db(
        watch.acquire, watch.SHARD, holder="else", seconds=60.0, clock=runtime.clock
    )
    assert found is not None
    return found
