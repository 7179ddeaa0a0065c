"""Several clouds side by side: each pod shows its own, a node shows all that may serve it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from addons.models import PodRow
from console.live.topics import TOPICS
from tests.console import cast as make
from tests.console.cast import Cast


@pytest.fixture
def mixed(cast: Cast) -> dict[str, PodRow]:
    """A node of two credentials with pods on each, some without instance yet; a node of one."""
    eci, acs, kci = (
        make.account(cast.team, provider=name, name=name) for name in ("eci", "acs", "kci")
    )
    cluster = make.cluster(cast.team)
    both = make.node(cluster, eci, second_account=acs)
    alone = make.node(cluster, kci, provider="kci", zone="cn-beijing-6a")
    on_acs = make.instance(
        both,
        "acs-web",
        account=acs,
        provider="acs",
        zone="cn-hangzhou-j",
        cloud_id="sw-abc",
        told={"shown_id": "acs-2ze9dd20c1", "written": {"alibabacloud.com/pod-use-spec": "2-4Gi"}},
        asked_cpu=Decimal("1.5"),
        asked_memory=Decimal(3),
    )
    make.instance(
        both, "wanted-web", account=acs, provider="acs", state="creating", cloud_id="", seen={}
    )
    return {
        "wanted": make.pod(both, "wanted-web", bare=True),
        "eci": make.pod(both, "eci-web"),
        "acs": make.pod(both, "acs-web", bare=True, instance=on_acs),
        "open": make.pod(both, "open-web", bare=True),
        "kci": make.pod(alone, "kci-web", bare=True),
    }


def test_pod_shows_the_provider_of_its_instance_and_what_people_call_it(
    mixed: dict[str, PodRow],
) -> None:
    rows = TOPICS["pods"].rows(pod.pk for pod in mixed.values())
    told = {name: rows[pod.pk]["provider"] for name, pod in mixed.items()}
    assert told == {"eci": "eci", "acs": "acs", "wanted": "acs", "open": "", "kci": "kci"}
    acs = rows[mixed["acs"].pk]
    assert (acs["instance_id"], acs["zone"]) == ("acs-2ze9dd20c1", "cn-hangzhou-j")
    assert (acs["asked"], acs["spec"]) == ("1.5 / 3Gi", "2 / 4Gi")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"provider": "acs"}, {"acs-web", "wanted-web"}),
        ({"provider": ["eci", "kci"]}, {"eci-web", "kci-web"}),
        ({"q": "provider:acs"}, {"acs-web", "wanted-web"}),
        ({"zone": "cn-hangzhou-j"}, {"acs-web"}),
        ({"q": "zone:cn-beijing-6a"}, {"kci-web"}),
        ({"instance": "acs-2ze9dd20c1"}, {"acs-web"}),
        ({"instance": "sw-abc"}, {"acs-web"}),
        ({"q": "2ze9dd"}, {"acs-web"}),
    ],
)
def test_pods_are_found_by_the_cloud_they_run_in(
    api: APIClient, mixed: dict[str, PodRow], query: dict[str, object], found: set[str]
) -> None:
    listed = api.get("/api/v1/pods/", query).json()["results"]
    assert {pod["name"] for pod in listed} == found
    ids = api.get("/api/v1/views/pods/ids/", query).json()["ids"]
    assert set(PodRow.objects.filter(pk__in=ids).values_list("name", flat=True)) == found


def test_facet_counts_what_the_column_shows_and_sorts_by_it(
    api: APIClient, mixed: dict[str, PodRow]
) -> None:
    answer = api.get("/api/v1/views/pods/ids/", {"sort": "-provider"}).json()
    assert answer["facets"]["provider"] == {"eci": 1, "acs": 2, "kci": 1}
    names = [PodRow.objects.get(pk=pk).name for pk in answer["ids"]]
    assert names == ["kci-web", "eci-web", "acs-web", "wanted-web", "open-web"]


def test_node_of_two_credentials_is_found_by_either(
    api: APIClient, page: Client, mixed: dict[str, PodRow]
) -> None:
    [row] = api.get("/api/v1/nodes/", {"provider": "acs"}).json()["results"]
    assert row["providers"] == ["eci", "acs"]
    facets = api.get("/api/v1/views/nodes/ids/").json()["facets"]
    assert facets["provider"] == {"eci": 1, "acs": 1, "kci": 1}
    text = page.get(reverse("node", args=[row["id"]])).content.decode()
    assert '<span class="pv eci"' in text
    assert '<span class="pv acs"' in text


def test_chart_draws_each_cloud_by_itself(page: Client, mixed: dict[str, PodRow]) -> None:
    for pod in mixed.values():
        pod.running_at = pod.created_at
        pod.save()
    chart = page.get(reverse("overview"), {"part": "running"}).json()
    assert [(one["label"], one["colour"]) for one in chart["series"]] == [
        ("–", "--accent"),
        ("ACS", "--acs"),
        ("ECI", "--eci"),
        ("KCI", "--kci"),
    ]
