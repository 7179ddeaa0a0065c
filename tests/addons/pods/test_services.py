"""Services that select a pod on a virtual node: what does not reach it is said on the pod."""

from __future__ import annotations

import pytest

from addons.models import Decision
from addons.pods import reasons
from addons.pods.services import beside
from kube.resources import SERVICES
from providers.registry import PROVIDERS, dialect
from tests.addons.pods.conftest import Site
from tests.addons.pods.pods import pod

NODE_PORT = {
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]},
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_node_port_is_told_by_every_cloud_to_the_pods_it_selects(name: str) -> None:
    own = dialect(name)
    [found] = beside(pod(metadata={"labels": {"app": "web"}}), [NODE_PORT], own, {})
    assert found.path == "Service shop/web spec.type"
    assert found.fix_text
    assert not found.fatal
    assert beside(pod(metadata={"labels": {"app": "other"}}), [NODE_PORT], own, {}) == []
    elsewhere = pod(metadata={"labels": {"app": "web"}, "namespace": "other"})
    assert beside(elsewhere, [NODE_PORT], own, {}) == []


@pytest.mark.django_db(transaction=True)
def test_the_pod_of_a_node_port_runs_and_says_so_once(site: Site) -> None:
    service = {"apiVersion": "v1", "kind": "Service", **NODE_PORT, "metadata": {"name": "web"}}

    async def create() -> None:
        await (await site.kube()).create(SERVICES, service, site.namespace)

    site.runtime.run(create(), timeout=10)
    site.create("web", metadata={"labels": {"app": "web"}})
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    [said] = Decision.objects.filter(code=reasons.IGNORED)
    fields = [problem["field"] for problem in said.values["problems"]]
    assert fields == [f"Service {site.namespace}/web spec.type"]
