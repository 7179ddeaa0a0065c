"""What an uninstall says of the pods on a vendor's own virtual nodes: their size and their cost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from addons.components import affected
from addons.components.kits import kit_of
from addons.models import Cluster
from console.billing.book import NewDiscount, add_discount

pytestmark = pytest.mark.django_db
KIT = kit_of("ack-virtual-node")
D = Decimal


@pytest.fixture
def cluster() -> Cluster:
    team = Group.objects.create(name="blue")
    return Cluster(name="shop", slug="shop", team=team, region="cn-hangzhou")


def pod(
    asked: dict[str, str] | None = None, phase: str = "Running", **meta: dict[str, str]
) -> dict[str, Any]:
    resources = {"requests": asked} if asked else {}
    return {
        "metadata": {"namespace": "shop", "name": "web-1", "uid": "u", **meta},
        "spec": {"containers": [{"name": "web", "image": "web", "resources": resources}]},
        "status": {"phase": phase},
    }


def told(cluster: Cluster, one: dict[str, Any]) -> tuple[str, D | None, str]:
    (row,) = affected.in_cluster([one], KIT, cluster)
    return row.spec, row.price_per_hour, row.currency


def test_pod_of_acs_costs_its_rounded_size_in_its_own_class(cluster: Cluster) -> None:
    small = {"cpu": "1500m", "memory": "3500Mi"}
    acs = {"alibabacloud.com/acs": "true"}
    assert told(cluster, pod(small, labels=acs)) == ("1.5-4Gi", D("0.21013200"), "CNY")
    better = {**acs, "alibabacloud.com/compute-class": "performance"}
    assert told(cluster, pod(small, labels=better)) == ("1.5-4Gi", D("0.27313200"), "CNY")


def test_what_the_virtual_kubelet_wrote_wins_over_what_the_pod_asks(cluster: Cluster) -> None:
    written = {
        "alibabacloud.com/instance-id": "acs-2ze1",
        "alibabacloud.com/pod-use-spec": "2-4Gi",
    }
    assert told(cluster, pod({"cpu": "1"}, annotations=written))[:2] == ("2-4Gi", D("0.24019200"))
    eci = {
        "k8s.aliyun.com/eci-instance-id": "eci-2ze1",
        "k8s.aliyun.com/eci-instance-spec": "2.0-4.0Gi",
    }
    assert told(cluster, pod({"cpu": "1"}, annotations=eci))[:2] == ("2-4Gi", D("0.44107200"))


def test_size_that_nothing_tells_is_the_one_that_the_cloud_rounds_to(cluster: Cluster) -> None:
    assert told(cluster, pod())[0] == "2-4Gi"
    assert told(cluster, pod({"cpu": "1100m", "memory": "1Gi"}))[0] == "2-1Gi"
    assert told(cluster, pod({"cpu": "900"})) == ("", None, "")
    assert told(cluster, pod({"cpu": "nonsense"})) == ("", None, "")
    assert told(cluster, pod(phase="Succeeded")) == ("", None, "")


def test_it_is_the_teams_own_price(cluster: Cluster) -> None:
    now = timezone.now()
    half = NewDiscount("half", "eci", D("0.5"), valid_from=now - timedelta(days=1))
    add_discount(cluster.team, half, by="alice", now=now)
    assert told(cluster, pod())[1] == D("0.22053600")
