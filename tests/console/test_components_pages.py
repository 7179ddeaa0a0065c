"""Pages of components on made-up rows: cards, tabs, the wizard's steps."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from addons.models import Installation
from tests.console import cast as make
from tests.console.cast import Cast, Fleet

VK = "rbkci-virtual-kubelet"


@pytest.fixture
def installed(fleet: Fleet) -> Installation:
    return fleet.installation


def test_catalogue_groups_every_component_and_counts_where_it_is(
    page: Client, installed: Installation
) -> None:
    text = page.get(reverse("components")).content.decode()
    assert "Core virtual node" in text
    assert "rbkci-virtual-kubelet" in text
    assert "1 of 1" in text


def test_cluster_shows_each_component_with_its_next_action(page: Client, fleet: Fleet) -> None:
    at = [fleet.cluster.slug, "hosted-virtual-node"]
    address = reverse("cluster-components", args=[fleet.cluster.slug])
    text = page.get(address).content.decode()
    assert reverse("component-change", args=[*at, "adopt"]) in text
    assert "1 virtual node<" in text
    assert "Recognised" in text
    assert fleet.node.name in page.get(reverse("component", args=at)).content.decode()
    fleet.node.delete()
    assert reverse("component-change", args=[*at, "install"]) in page.get(address).content.decode()


@pytest.mark.parametrize(
    "tab", ["overview", "versions", "configuration", "resources", "history", "logs"]
)
def test_every_tab_of_an_installation_is_there(
    page: Client, installed: Installation, tab: str
) -> None:
    slug = installed.cluster.slug
    answer = page.get(reverse("component-tab", args=[slug, VK, tab]))
    assert answer.status_code == 200
    assert 'aria-current="page"' in answer.content.decode()


def test_nobody_else_sees_it(cast: Cast, installed: Installation) -> None:
    client = Client()
    client.force_login(cast.charlie)
    slug = installed.cluster.slug
    assert client.get(reverse("component", args=[slug, VK])).status_code == 404


def address(fleet: Fleet, action: str, step: str) -> str:
    return reverse("component-step", args=[fleet.cluster.slug, VK, action, step])


def test_wizard_keeps_its_draft_from_step_to_step(page: Client, fleet: Fleet) -> None:
    network, parameters = (address(fleet, "configure", s) for s in ("network", "parameters"))
    answer = page.post(network, {"KCI_REGION": "cn-beijing-6"})
    assert (answer.status_code, answer["Location"]) == (302, parameters)
    given = {"KCI_CLUSTER_ID": "c-2", "nodename": "vk-9", "rbac": "least-privilege"}
    answer = page.post(parameters, given)
    assert answer["Location"] == address(fleet, "configure", "preflight")
    text = page.get(f"{parameters}?as=yaml").content.decode()
    assert "nodename: vk-9" in text
    assert "rbac: least-privilege" in text


def test_wizard_says_at_the_field_what_is_wrong(page: Client, fleet: Fleet) -> None:
    answer = page.post(address(fleet, "configure", "parameters"), {"nodename": "NOT A NAME"})
    assert answer.status_code == 422
    assert "This does not have the form that is asked for." in answer.content.decode()


def test_credential_of_another_team_cannot_be_named(page: Client, cast: Cast, fleet: Fleet) -> None:
    theirs = make.account(cast.other, provider="kci")
    step = address(fleet, "configure", "network")
    answer = page.post(f"{step}?as=yaml", {"as": "yaml", "yaml": f"credential: {theirs.pk}"})
    assert answer.status_code == 404
    body = {"cluster": fleet.cluster.slug, "component": VK, "values": {"credential": theirs.pk}}
    answer = page.post("/api/v1/installations/", body, content_type="application/json")
    assert answer.status_code == 404


def test_operation_shows_its_log_from_a_cursor_on(page: Client, fleet: Fleet) -> None:
    url = reverse("operation-log", args=[fleet.operation.pk])
    first = page.get(url).json()
    assert [line.partition(" ")[2] for line in first["lines"]] == ["preflight: ok"]
    assert page.get(url, {"cursor": first["cursor"]}).json()["lines"] == []
    entry = {"at": "2026-01-01T00:00:00+00:00", "text": "ready: no", "level": "warn"}
    fleet.operation.log = [*fleet.operation.log, entry]
    fleet.operation.save()
    assert len(page.get(url, {"cursor": first["cursor"]}).json()["lines"]) == 1


def test_rest_lists_catalogue_installations_and_revisions(page: Client, fleet: Fleet) -> None:
    slug = fleet.cluster.slug
    rows = page.get("/api/v1/components/", {"cluster": slug, "group": "core"}).json()["results"]
    mine = next(row for row in rows if row["name"] == VK)
    assert (mine["installed"], mine["compatible"]) == ("v1.3.1", True)
    whole = page.get(f"/api/v1/components/{VK}/").json()
    assert whole["versions"][0]["schema"]["properties"]["KCI_REGION"]["title"] == "Region"
    listed = page.get("/api/v1/installations/", {"component": VK}).json()["results"]
    assert [row["cluster"] for row in listed] == [slug]
    revisions = page.get(f"/api/v1/installations/{listed[0]['id']}/revisions/").json()["results"]
    assert [row["number"] for row in revisions] == [2, 1]


def test_rest_refuses_with_a_reason_and_a_fix(page: Client, fleet: Fleet) -> None:
    body = {"cluster": fleet.cluster.slug, "component": VK}
    answer = page.post("/api/v1/installations/", body, content_type="application/json")
    told = answer.json()
    assert (answer.status_code, told["code"]) == (409, "component_installed")
    assert told["fix"]
    body["component"] = "nothing"
    answer = page.post("/api/v1/installations/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (404, "component_unknown")


def behind(fleet: Fleet, version: str = "v1.0.1", **of_cluster: str) -> Installation:
    where = make.cluster(fleet.cluster.team, kind="ack", **of_cluster) if of_cluster else None
    return Installation.objects.create(
        cluster=where or fleet.cluster,
        component="ack-co-scheduler",
        delivery="in_cluster",
        release="ack-co-scheduler",
        version=version,
        state=Installation.State.INSTALLED,
    )


def test_cells_that_are_behind_may_be_ticked_and_start_a_batch(page: Client, fleet: Fleet) -> None:
    rows = [behind(fleet), behind(fleet, name="old"), behind(fleet, "v1.1.0", name="new")]
    text = page.get(reverse("components-fleet")).content.decode()
    ticks = [f'name="i" value="{row.pk}"' in text for row in rows]
    assert ticks == [True, True, False]
    answer = page.get(reverse("fleet-new"), {"i": [row.pk for row in (rows[1], rows[2])]})
    form = answer.context["form"]
    assert form["clusters"].initial == [str(rows[1].pk)]
    assert [row.pk for row, _why in answer.context["left_out"]] == [rows[2].pk]
    assert "It has this version already." in answer.content.decode()


def test_viewer_has_nothing_to_tick(cast: Cast, fleet: Fleet) -> None:
    behind(fleet)
    client = Client()
    client.force_login(cast.vera)
    assert 'name="i"' not in client.get(reverse("components-fleet")).content.decode()


def test_values_read_as_in_yaml_and_credentials_by_name(page: Client, fleet: Fleet) -> None:
    row = fleet.installation
    key = make.account(row.cluster.team, provider="kci", name="ksyun-prod")
    row.values = {**row.values, "credential": key.pk, "KCI_KUBE_PROXY": True}
    row.save()
    slug = row.cluster.slug
    text = page.get(reverse("component-tab", args=[slug, VK, "configuration"])).content.decode()
    assert "ksyun-prod" in text
    assert ">true" in text
    assert "True" not in text
