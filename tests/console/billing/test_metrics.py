"""`/metrics` as Prometheus reads it: values, labels, teams, bounds."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient

from addons.runtime.clock import SYSTEM
from console import tokens
from console.billing.metrics import MOST, OTHER, Values, bounded
from console.billing.posting import post_due
from console.billing.statements import Query, read
from console.billing.used import this_month
from console.models import UsageSum
from providers.calendar import month_of, month_start, next_month
from tests.console import cast as make
from tests.console.billing import books
from tests.console.cast import Cast

USED = ("amount", "cpu_seconds", "memory_seconds", "gpu_seconds", "starts")
# Metric -> the values of its labels, in the order of the labels' names.
Samples = dict[str, dict[tuple[str, ...], float]]


def scrape(client: APIClient) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    return {
        family.name: {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for sample in family.samples
        }
        for family in text_string_to_metric_families(answer.content.decode())
    }


def month(cast: Cast, **fields: object) -> None:
    account = make.account(cast.team)
    cluster = make.cluster(cast.team, slug="prod")
    values = {
        "key": "1",
        "team": cast.team,
        "account": account,
        "provider": "eci",
        "region": "cn-hangzhou",
        "cluster_uid": cluster.uid,
        "namespace": "shop",
        "kind": "running",
        "day": timezone.now().date().replace(day=1),
        "currency": "CNY",
        "amount": Decimal("12.5"),
        "cpu_seconds": Decimal(7200),
        "starts": 3,
    }
    UsageSum.objects.create(**values | fields)


def test_spend_and_usage_are_told_apart_by_place(cast: Cast, api: APIClient) -> None:
    month(cast)
    found = scrape(api)
    key = ("prod", "CNY", "shop", "eci")
    assert found["spillway_month_spend"] == {key: 12.5}
    assert found["spillway_month_cpu_core_seconds"] == {key: 7200}
    assert found["spillway_month_instance_starts"] == {key: 3}


def test_what_has_no_price_has_no_spend(cast: Cast, api: APIClient) -> None:
    month(cast, currency="", amount=Decimal(0), lines=2)
    found = scrape(api)
    assert found["spillway_month_spend"] == {}
    assert found["spillway_month_unpriced_lines"] == {(): 2}
    assert list(found["spillway_month_cpu_core_seconds"]) == [("prod", "", "shop", "eci")]


def test_instances_orphans_and_budgets_are_counted(cast: Cast, api: APIClient) -> None:
    fleet = make.make_fleet(cast.team)
    found = scrape(api)
    assert found["spillway_instances"] == {("eci", "active"): 1}
    assert found["spillway_orphans"] == {("eci",): 1}
    key = (fleet.budget.name, "CNY", "month", "blue")
    assert found["spillway_budget_amount"] == {key: 100}
    assert found["spillway_budget_held"] == {key: 0}
    assert found["spillway_budget_expected"] == {}


def test_another_team_sees_nothing_of_it(cast: Cast) -> None:
    make.make_fleet(cast.team)
    month(cast)
    client = APIClient()
    client.force_login(cast.charlie)
    values = [value for found in scrape(client).values() for value in found.values()]
    assert set(values) <= {0.0}


def test_a_token_that_may_only_read_is_enough(cast: Cast) -> None:
    expires = timezone.now() + timedelta(days=1)
    _, text = tokens.create(cast.vera, name="prometheus", scope="read", expires_at=expires)
    client = APIClient(headers={"Authorization": f"Bearer {text}"})
    assert "spillway_spend_per_hour" in scrape(client)
    assert APIClient().get("/metrics").status_code == 401


PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (PROMETHEUS_3, "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0"),
        ("text/plain", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("", "text/plain; version=0.0.4"),
    ],
)
def test_a_scraper_gets_the_format_it_reads(
    cast: Cast, api: APIClient, accept: str, media_type: str
) -> None:
    odd = 'a"b\\c\nd'
    month(cast, namespace=odd)
    answer = api.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith(media_type)
    text = answer.content.decode()
    assert text.endswith("# EOF\n") is media_type.startswith("application/openmetrics")
    read = openmetrics_parser if text.endswith("# EOF\n") else parser
    families = {one.name: one for one in read.text_string_to_metric_families(text)}
    (sample,) = families["spillway_month_spend"].samples
    assert (sample.labels["namespace"], sample.value) == (odd, 12.5)
    assert {one.type for one in families.values()} == {"gauge"}


def test_small_namespaces_are_added_up_beyond_the_bound() -> None:
    labels = ("currency", "namespace")
    values: Values = {("CNY", f"ns-{n}"): float(n) for n in range(MOST + 50)}
    found = bounded(values, labels)
    assert len(found) == MOST + 1
    assert found["CNY", OTHER] == sum(range(50))
    assert sum(found.values()) == pytest.approx(sum(values.values()))
    assert bounded(found, ("team", "budget")) == found


def test_what_runs_now_has_a_rate(cast: Cast, api: APIClient) -> None:
    row = make.make_fleet(cast.team).pod.instance
    assert row is not None
    changed = {"unposted": True, "billed_from": timezone.now() - timedelta(minutes=1)}
    sizes = {"asked_cpu": Decimal(2), "asked_memory": Decimal(4), "spec": "2-4Gi"}
    type(row).objects.filter(pk=row.pk).update(**changed, **sizes)
    post_due(holder="test", clock=SYSTEM)
    found = scrape(api)
    ((labels, rate),) = found["spillway_spend_per_hour"].items()
    assert labels[1:] == ("CNY", "default", "eci")
    assert rate > 0
    ((_, today),) = found["spillway_spend_today"].items()
    assert 0.99 * rate / 60 < today < rate / 50


def test_the_month_is_that_of_the_statement(cast: Cast) -> None:
    now = timezone.now().replace(microsecond=0)
    account = make.account(cast.team)
    begin = max(now - timedelta(hours=30), month_start(month_of(now)) + timedelta(seconds=1))
    for n in range(3):
        books.life(account, begin, namespace=f"ns-{n}")
    books.life(account, begin, begin + (now - begin) / 2)
    books.life(account, begin, tier="no such tier", type="no.such.type", spec="no.such.type")
    for turn in range(2):
        post_due(holder=f"test-{turn}", clock=SYSTEM)
    query = Query(month_of(now), next_month(month_of(now)), ("namespace",))
    later = now + timedelta(minutes=7)
    told = {(row.currency, row.keys[0]): row.figures for row in read(None, query, later).rows}
    sums: dict[tuple[str, str], list[float]] = {}
    for (currency, _, _, namespace), one in this_month(None, later).items():
        sums[currency, namespace] = [getattr(one, name) for name in USED]
    assert (
        sums.keys()
        == told.keys()
        == {("CNY", f"ns-{n}") for n in range(3)}
        | {
            ("CNY", "shop"),
            ("", "shop"),
        }
    )
    for key, figures in told.items():
        wanted = [float(getattr(figures, name)) for name in USED]
        assert sums[key] == pytest.approx(wanted, rel=1e-4), key
    stranger = make.account(cast.other)
    assert this_month(frozenset({stranger.team_id}), later) == {}
