"""OpenCost's parameters and answers: windows, steps, keys, filters, and sums that are ours."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from console import tokens
from console.billing.allocation.filters import parse
from console.billing.allocation.keys import BadKey, aggregates
from console.billing.allocation.windows import BadWindow, Window, duration, sets, window
from console.billing.statements import Query, read
from console.models import UsageLine
from providers.calendar import day_of, day_start
from providers.models import CloudAccount
from tests.console import cast as make
from tests.console.billing.lines import day, usage
from tests.console.cast import Cast

# Saturday noon in UTC+8.
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
WHOLE = "2026-11-19T16:00:00Z,2026-11-20T16:00:00Z"


@pytest.fixture
def account(cast: Cast) -> CloudAccount:
    make.cluster(cast.team, slug="prod", uid="uid-of-prod")
    return make.account(cast.team)


def ask(api: APIClient, **given: str) -> Any:
    answer = api.get("/allocation/compute", {"window": WHOLE, **given})
    assert answer.status_code == 200, answer.json()
    return answer.json()


def costs(api: APIClient, **given: str) -> list[dict[str, float]]:
    sets = ask(api, **given)["data"]
    return [{name: one["totalCost"] for name, one in found.items()} for found in sets]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("today", "2026-11-20T16:00:00+00:00", "2026-11-21T16:00:00+00:00"),
        ("yesterday", "2026-11-19T16:00:00+00:00", "2026-11-20T16:00:00+00:00"),
        ("week", "2026-11-14T16:00:00+00:00", "2026-11-21T16:00:00+00:00"),
        ("lastweek", "2026-11-07T16:00:00+00:00", "2026-11-14T16:00:00+00:00"),
        ("month", "2026-10-31T16:00:00+00:00", "2026-11-21T16:00:00+00:00"),
        ("lastmonth", "2026-09-30T16:00:00+00:00", "2026-10-31T16:00:00+00:00"),
        ("24h", "2026-11-20T04:00:00+00:00", "2026-11-21T04:00:00+00:00"),
        ("90m", "2026-11-21T02:30:00+00:00", "2026-11-21T04:00:00+00:00"),
        ("7d", "2026-11-14T16:00:00+00:00", "2026-11-21T16:00:00+00:00"),
        ("2w", "2026-11-07T16:00:00+00:00", "2026-11-21T16:00:00+00:00"),
        ("1763600400,1763604000", "2025-11-20T01:00:00+00:00", "2025-11-20T02:00:00+00:00"),
        (
            "2026-11-20T08:00:00+08:00,2026-11-20T01:00:00Z",
            "2026-11-20T00:00:00+00:00",
            "2026-11-20T01:00:00+00:00",
        ),
    ],
)
def test_windows_are_those_of_opencost(text: str, start: str, end: str) -> None:
    found = window(text, NOW)
    assert (found.start.isoformat(), found.end.isoformat()) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "7", "0d", "999w", "2026-11-20,2026-11-21", "x,y", "5,4"),
        "2026-11-20T00:00:00,2026-11-21T00:00:00",
        "99999999999,99999999999",
        "0001-01-01T00:00:00+08:00,0001-01-02T00:00:00Z",
    ],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(BadWindow):
        window(text, NOW)


@pytest.mark.parametrize(
    ("step", "accumulate", "borders"),
    [
        ("", "", "2026-09-15 2026-11-21"),
        ("1d", "TRUE", "2026-09-15 2026-11-21"),
        ("1d", "all", "2026-09-15 2026-11-21"),
        ("4w", "none", "2026-09-15 2026-10-13 2026-11-10 2026-11-21"),
        ("month", "false", "2026-09-15 2026-10-01 2026-11-01 2026-11-21"),
        ("1d", "month", "2026-09-15 2026-10-01 2026-11-01 2026-11-21"),
        ("", "quarter", "2026-09-15 2026-10-01 2026-11-21"),
    ],
)
def test_sets_are_cut_as_opencost_does(step: str, accumulate: str, borders: str) -> None:
    span = Window(day_start(day("2026-09-15")), day_start(day("2026-11-21")))
    found = sets(span, step, accumulate)
    days = [*(day_of(one.start) for one in found), day_of(found[-1].end)]
    assert " ".join(map(str, days)) == borders
    assert all(a.end == b.start for a, b in itertools.pairwise(found))


def test_weeks_begin_on_sunday_and_hours_where_they_do() -> None:
    weeks = sets(window("2w", NOW), "", "week")
    assert [one.start.isoformat()[:10] for one in weeks] == ["2026-11-07", "2026-11-14"]
    hours = sets(window("90m", NOW), "hour", "")
    assert [one.start.minute for one in hours] == [30, 0]
    for step, accumulate in (("", "sometimes"), ("fast", ""), ("", "hour")):
        with pytest.raises(BadWindow):
            sets(window("400d", NOW), step, accumulate)


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_steps_cover_the_window_without_gap_or_overlap(minutes: int, step: int) -> None:
    span = window(f"{minutes}m", NOW)
    try:
        steps = span.steps(duration(f"{step}m"))
    except BadWindow:
        assert minutes / step > 1000
        return
    borders = [(one.start, one.end) for one in steps]
    assert (borders[0][0], borders[-1][1]) == (span.start, span.end)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(borders))
    assert all(start < end for start, end in borders)


def test_an_allocation_has_the_fields_of_opencost(account: CloudAccount, api: APIClient) -> None:
    line = usage(account, over_cpu_seconds=Decimal(1800))
    answer = ask(api)
    assert (answer["code"], answer["currency"], answer["unpriced"]) == (200, "CNY", 0)
    ((name, one),) = answer["data"][0].items()
    assert name == one["name"] == f"prod/vk-1/shop/{line.pod_name}"
    assert one["properties"] == {
        "cluster": "prod",
        "node": "vk-1",
        "namespace": "shop",
        "pod": line.pod_name,
    }
    assert one["window"] == {"start": "2026-11-19T16:00:00Z", "end": "2026-11-20T16:00:00Z"}
    assert (one["minutes"], one["cpuCoreHours"], one["ramByteHours"]) == (1440, 2.0, 4 * 2**30)
    assert one["cpuCores"] == pytest.approx(2 / 24)
    assert one["cpuCoreRequestAverage"] == pytest.approx(1.5 / 24)
    assert (one["totalCost"], one["cpuCost"], one["gpuCost"], one["pvCost"]) == (0.5, 0.5, 0, 0)
    parts = ("cpuCost", "ramCost", "gpuCost", "pvCost", "networkCost", "loadBalancerCost")
    assert sum(one[part] for part in parts) == one["totalCost"]


def test_machine_prices_are_of_the_gpu_where_there_is_one(
    account: CloudAccount, api: APIClient
) -> None:
    whole: dict[str, Any] = {"cpu_amount": Decimal(0), "machine_amount": Decimal("0.5")}
    usage(account, namespace="ai", gpu=1, gpu_seconds=3600, type="ecs.gn5", **whole)
    usage(account, namespace="ai", type="ecs.c6", **whole)
    (one,) = ask(api, aggregate="namespace")["data"][0].values()
    assert (one["gpuCost"], one["cpuCost"], one["gpuHours"]) == (0.5, 0.5, 1.0)


def test_keys_are_told_apart_as_asked(account: CloudAccount, api: APIClient) -> None:
    usage(account)
    usage(account, workload="Job/sum", labels={"team": "data"})
    usage(account, namespace="", workload="", labels={}, kind="orphan")
    assert costs(api, aggregate="namespace") == [{"shop": 1.0, "__unallocated__": 0.5}]
    assert costs(api, aggregate="cluster,namespace") == [
        {"prod/shop": 1.0, "prod/__unallocated__": 0.5}
    ]
    assert costs(api, aggregate="controllerKind") == [
        {"deployment": 0.5, "job": 0.5, "__unallocated__": 0.5}
    ]
    assert costs(api, aggregate="controller") == [
        {"deployment:web": 0.5, "job:sum": 0.5, "__unallocated__": 0.5}
    ]
    assert costs(api, aggregate="job") == [{"sum": 0.5, "__unallocated__": 1.0}]
    assert costs(api, aggregate="label:team") == [{"data": 0.5, "__unallocated__": 1.0}]
    (whole,) = ask(api, aggregate="providerid", filter='label[team]:"data"')["data"]
    ((name, one),) = whole.items()
    assert (one["properties"], one["totalCost"]) == ({"providerID": name}, 0.5)
    one = ask(api, aggregate="label:team,controller")["data"][0]["data/job:sum"]
    assert one["properties"] == {
        "labels": {"team": "data"},
        "controllerKind": "job",
        "controller": "sum",
    }


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ('namespace:"shop"', 0.5),
        ('namespace:"shop","web"', 1.0),
        ('namespace!:"shop"', 1.0),
        ('cluster:"prod"+namespace:"web"', 0.5),
        ('cluster:"prod" namespace:"web"', 0.5),
        ('cluster:"other"', 0),
        ('controllerKind:"job"', 0.5),
        ('controllerName:"web"', 1.0),
        ('label[app]:"db"', 0.5),
        ('label[app]!:"db"+namespace!:"shop"', 0.5),
        ('namespace:"__unallocated__"', 0.5),
        ('namespace~:"ho"', 0.5),
        ('namespace!~:"ho","we"', 0.5),
        ('namespace<~:"sh","we"', 1.0),
        ('namespace!<~:"sh"', 1.0),
        ('namespace~>:"b"', 0.5),
        ('namespace!~>:"b"', 1.0),
        ('namespace:"shop"|controllerKind:"job"', 1.0),
        ('cluster:"prod"+(namespace:"shop"|label[app]:"db")', 1.0),
        ('(namespace:"shop")', 0.5),
        ('NAMESPACE:"shop" , "web"', 1.0),
        ('namespace:"shop"+namespace:"web"', 0),
    ],
)
def test_filters_narrow(account: CloudAccount, api: APIClient, text: str, cost: float) -> None:
    usage(account)
    usage(account, namespace="web", workload="Job/sum", labels={"app": "db"})
    usage(account, namespace="")
    (found,) = costs(api, filter=text, aggregate="cluster")
    assert found == ({"prod": cost} if cost else {})


def test_steps_and_odd_windows_add_up_to_the_whole(account: CloudAccount, api: APIClient) -> None:
    start = datetime(2026, 11, 19, 15, 59, 30, tzinfo=UTC)
    usage(account, start=start + timedelta(seconds=30), seconds=7777, per_hour="0.123457")
    usage(account, start=start + timedelta(hours=3), seconds=86, per_hour="7.7")
    for step in ("7m", "1h", "6h", "1d", ""):
        sets = costs(api, aggregate="cluster", step=step)
        total = sum(found.get("prod", 0) for found in sets)
        assert total == pytest.approx(float(_amount(account)), abs=1e-9), step
    assert len(costs(api, step="6h")) == 4
    assert len(costs(api, step="6h", accumulate="true")) == 1
    assert len(costs(api, accumulate="hour")) == 24


def _amount(account: CloudAccount) -> Decimal:
    lines = UsageLine.objects.filter(account=account)
    return sum((line.amount for line in lines), Decimal(0))


def test_currencies_are_never_added_and_what_is_unpriced_is_counted(
    account: CloudAccount, api: APIClient
) -> None:
    usage(account)
    usage(account, currency="USD")
    usage(account, currency="", amount=Decimal(0))
    told = api.get("/allocation", {"window": WHOLE})
    assert (told.status_code, told.json()["code"]) == (400, 400)
    assert "CNY, USD" in told.json()["message"]
    answer = ask(api, currency="USD", aggregate="cluster")
    assert answer["data"] == [{"prod": answer["data"][0]["prod"]}]
    assert (answer["currency"], answer["unpriced"]) == ("USD", 1)


def test_other_teams_are_not_in_it(cast: Cast, account: CloudAccount) -> None:
    usage(account)
    client = APIClient()
    client.force_login(cast.charlie)
    assert ask(client)["data"] == [{}]


@pytest.mark.parametrize(
    "given",
    [
        {"window": ""},
        {"aggregate": "colour"},
        {"filter": 'namespace>~:"shop"'},
        {"filter": 'namespace:"a"|namespace:"b"+pod:"c"'},
        {"accumulate": "sometimes"},
        {"filter": "namespace"},
        {"step": "fast"},
        {"window": "30d", "step": "1m"},
    ],
)
def test_what_is_not_understood_is_refused_not_ignored(
    account: CloudAccount, api: APIClient, given: dict[str, str]
) -> None:
    told = api.get("/allocation", {"window": "today", **given})
    assert (told.status_code, told.json()["code"]) == (400, 400)
    assert told.json()["message"]


def test_a_token_that_may_only_read_is_enough(cast: Cast, account: CloudAccount) -> None:
    usage(account)
    expires = timezone.now() + timedelta(days=1)
    _, text = tokens.create(cast.vera, name="grafana", scope="read", expires_at=expires)
    client = APIClient(headers={"Authorization": f"Bearer {text}"})
    assert ask(client, aggregate="cluster")["data"][0]["prod"]["totalCost"] == 0.5
    assert APIClient().get("/allocation", {"window": "today"}).status_code == 401


def test_keys_and_filters_are_read_as_they_are_written() -> None:
    assert [key.group for key in aggregates("")] == ["cluster", "node", "namespace", "pod"]
    assert [key.name for key in aggregates("ControllerKind, NODE")] == ["controllerKind", "node"]
    (term,) = parse('label[app.kubernetes.io/name]:"a b","c+d"').terms()
    assert term.values == ("a b", "c+d")
    assert term.key.group == "label:app.kubernetes.io/name"
    bad = ('namespace:"a', "namespace:a", 'pod;drop:"x"', 'label[]:"x"', '(pod:"x"', 'pod:"x")')
    for text in (*bad, 'pod:"x"+', '+pod:"x"', "()", ',"x"', "(" * 30 + 'pod:"x"' + ")" * 30):
        with pytest.raises(BadKey):
            parse(text)


def test_the_sum_over_pods_is_the_statement(account: CloudAccount, api: APIClient) -> None:
    for seconds in (1, 59, 3601):
        usage(account, seconds=seconds, per_hour="0.777777")
    found = read(None, Query(day("2026-11-20"), day("2026-11-21"), ("pod",)), NOW)
    (pods,) = costs(api)
    assert sum(pods.values()) == pytest.approx(float(found.totals["CNY"].amount), abs=1e-9)
