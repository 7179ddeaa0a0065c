"""Several clouds side by side: each pod shows its own, a node shows all that may serve it."""

from __future__ import annotations

import html
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from rest_framework.test import APIClient

from addons.models import PodRow
from addons.pods import profile
from console.live.topics import TOPICS
from providers import registry
from providers.base import Size
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


def test_overview_and_cluster_count_instances_by_cloud(
    api: APIClient, page: Client, mixed: dict[str, PodRow]
) -> None:
    kci = mixed["kci"]
    unpriced = make.instance(
        kci.node, "unpriced", provider="kci", account=kci.node.account, price_per_hour=None,
        currency="",
    )  # fmt: skip
    make.pod(kci.node, "unpriced", bare=True, instance=unpriced)
    told = {one["provider"]: one for one in api.get("/api/v1/overview/").json()["providers"]}
    assert set(told) == {"eci", "acs", "kci"}
    assert told["acs"]["spend_per_hour"] == {"CNY": "0.5"}
    assert (told["kci"]["pods"], told["kci"]["unpriced"], told["kci"]["spend_per_hour"]) == (
        *(1, 1, {}),
    )
    for url in (reverse("overview"), reverse("cluster", args=[kci.cluster.slug])):
        text = page.get(url).content.decode()
        assert "Instances by cloud" in text
        assert "?provider=acs" in text


def test_pod_page_names_its_ids_and_what_the_cloud_had_written(
    page: Client, mixed: dict[str, PodRow]
) -> None:
    text = page.get(reverse("pod-tab", args=[mixed["acs"].pk, "instance"])).content.decode()
    for word in ("acs-2ze9dd20c1", "sw-abc", "alibabacloud.com/pod-use-spec", "2-4Gi"):
        assert word in text


def test_pod_without_an_instance_yet_shows_what_is_asked_for(
    page: Client, mixed: dict[str, PodRow]
) -> None:
    text = page.get(reverse("pod-tab", args=[mixed["wanted"].pk, "instance"])).content.decode()
    assert '<span class="pv acs"' in text
    assert "¥0.5000" in text


def test_price_is_told_with_its_source_or_said_to_be_unknown(page: Client, cast: Cast) -> None:
    home, key = make.cluster(cast.team), make.account(cast.team)
    node = make.node(home, key)
    size = Size(Decimal(2), Decimal(4), "2-4Gi")
    price = registry.dialect("eci").list_price(size, region="cn-hangzhou")
    assert price is not None
    listed = make.instance(
        node, "listed", price_per_hour=price.per_hour, spec="2-4Gi", told={"size": size}
    )
    away = {"region": "eu-central-1", "price_per_hour": None, "currency": ""}
    unknown = make.instance(node, "unknown", **away)
    pods = [make.pod(node, made.pod_name, bare=True, instance=made) for made in (listed, unknown)]
    texts = [
        page.get(reverse("pod-tab", args=[pod.pk, "instance"])).content.decode() for pod in pods
    ]
    assert price.source in texts[0]
    assert "¥0.4411" in texts[0]
    assert "unpriced" in texts[1]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_profile_of_a_cluster_is_shown_as_read_with_its_faults(
    page: Client, cast: Cast, language: str
) -> None:
    page.cookies["django_language"] = language
    data = {"vSwitchIds": "vsw-1,,", "enablePrivateZone": "true", "selectors": "[{]"}
    _profile, faults = profile.parse(data)
    home = make.cluster(
        cast.team,
        profile=data,
        profile_problems=[fault.as_dict() for fault in faults],
        profile_seen_at=timezone.now(),
    )
    text = html.unescape(page.get(reverse("cluster", args=[home.slug])).content.decode())
    assert len(faults) >= 2
    for fault in faults:
        with translation.override(language):
            assert translation.gettext(fault.message) % fault.values in text
    assert "kubectl -n kube-system edit configmap eci-profile" in text
    other = make.cluster(cast.team)
    assert "eci-profile" not in page.get(reverse("cluster", args=[other.slug])).content.decode()
    make.node(other, make.account(cast.team))
    text = page.get(reverse("cluster", args=[other.slug])).content.decode()
    assert "create configmap eci-profile" in text
