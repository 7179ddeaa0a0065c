"""Workloads as a cluster has them, read with no more than the role that Spillway asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import yaml
from django.test import Client
from django.urls import reverse

from addons.clusters import rbac
from addons.compat import targets
from addons.compat.check import check
from addons.compat.documents import parse
from addons.compat.fetch import RESOURCES, fetch
from addons.compat.report import Outcome
from addons.runtime.loop import Runtime
from kube import Kube, errors, parse_kubeconfig
from kube.resources import CLUSTER_ROLES, SERVICES
from sandbox.cluster.cluster import Cluster
from tests.addons.compat.manifests import AGENT, NODE_PORT, REPORTS
from tests.addons.pods.conftest import registered
from tests.conftest import World
from tests.console import cast as make
from tests.console.cast import Cast
from tests.kube.world import LOOPBACK


@pytest.fixture
async def kube() -> AsyncIterator[Kube]:
    cluster = Cluster("test", controllers=False, seed=1)
    await cluster.start()
    target = parse_kubeconfig(cluster.kubeconfig()).target("test")
    async with Kube(target, policy=LOOPBACK) as client:
        yield client
    await cluster.stop()


async def test_a_workload_comes_with_the_services_beside_it(kube: Kube) -> None:
    await kube.create(RESOURCES["DaemonSet"], dict(parse(AGENT)[0].body), "default")
    service = NODE_PORT.replace("shop", "default").replace("app: web", "app: agent")
    await kube.create(SERVICES, dict(parse(service)[0].body), "default")
    found = await fetch(kube, kind="DaemonSet", namespace="default", name="agent")
    [subject] = check(found, targets=targets.of_providers(["eci"], region="cn-hangzhou")).subjects
    [verdict] = subject.verdicts
    assert verdict.outcome is Outcome.REFUSED
    assert {finding.code for finding in verdict.findings} == {
        "DaemonSetNotSupported",
        "NodePortNotServed",
    }
    assert subject.faults == ()


async def test_what_the_api_server_filled_in_is_no_finding(kube: Kube) -> None:
    await kube.create(RESOURCES["CronJob"], dict(parse(REPORTS)[0].body), "default")
    found = await fetch(kube, kind="CronJob", namespace="default", name="reports")
    [subject] = check(found, targets=targets.of_providers(["eci"], region="cn-hangzhou")).subjects
    assert subject.replicas == 4
    assert {f.code for f in subject.verdicts[0].findings} == {"TolerationMissing"}


async def test_a_workload_that_is_not_there_is_not_found(kube: Kube) -> None:
    with pytest.raises(errors.NotFound):
        await fetch(kube, kind="Deployment", namespace="default", name="none")


def test_the_role_lets_every_kind_be_read() -> None:
    documents = list(yaml.safe_load_all(rbac.manifest()))
    [role] = [d for d in documents if d["kind"] == CLUSTER_ROLES.kind]
    readable = {
        (group, resource)
        for rule in role["rules"]
        if "get" in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert {(r.group, r.plural) for r in RESOURCES.values()} <= readable


@pytest.mark.django_db(transaction=True)
def test_the_page_asks_the_cluster_itself(
    world: World,
    runtime: Runtime,
    people: Cast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("console.api.compatibility.runtime", lambda: runtime)
    cluster = registered(world, make.account(people.team))
    cluster.team = people.team
    cluster.save()

    async def create() -> None:
        client = await runtime.kube(cluster.pk)
        await client.create(RESOURCES["CronJob"], dict(parse(REPORTS)[0].body), "default")

    runtime.run(create())
    client = Client()
    client.force_login(people.vera)
    workload = {"cluster": cluster.slug, "kind": "CronJob", "namespace": "default"}
    answer = client.get(reverse("compatibility"), {**workload, "name": "reports"})
    assert answer.status_code == 200
    assert "CronJob default/reports" in answer.content.decode()
    missing = client.get(reverse("compatibility"), {**workload, "name": "missing"})
    assert missing.status_code == 422
    assert "no such workload" in missing.content.decode()
