"""A preview takes the cheapest zone's price, and asks the cloud where the book has none."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from console.billing.models import PriceEntry
from providers.models import CloudAccount
from tests.conftest import World
from tests.console.billing.charged import credential
from tests.console.cast import Cast, price

pytestmark = pytest.mark.django_db(transaction=True)
TYPE = "ecs.c6.large"
MANIFEST = """
apiVersion: v1
kind: Pod
metadata:
  name: train
  annotations: {%s}
spec:
  containers:
  - name: main
    image: busybox
    resources: {requests: {cpu: 2, memory: 4Gi}}
"""


@pytest.fixture
def eci(world: World, cast: Cast, settings: Any) -> CloudAccount:
    settings.DIAL_ALLOW = ["127.0.0.0/8"]
    cloud = world.facts["clouds"]["eci"]
    key = cloud["keys"][0]
    pair = (key["access_key_id"], key["access_key_secret"])
    return credential(cast.team, "eci", cloud["endpoint"], pair, account_id=cloud["account_id"])


def offer(api: APIClient, annotations: str) -> dict[str, Any]:
    given = {"yaml": MANIFEST % annotations, "providers": ["eci"], "region": "cn-hangzhou"}
    answer = api.post(reverse("api:billing-preview"), given, format="json")
    assert answer.status_code == 200, answer.content
    [workload] = answer.json()["workloads"]
    [found] = workload["offers"]
    assert isinstance(found, dict)
    return found


def test_machine_type_without_a_price_is_asked_of_the_cloud_and_not_kept(
    eci: CloudAccount, api: APIClient
) -> None:
    found = offer(api, f"k8s.aliyun.com/eci-use-specs: {TYPE}")
    assert Decimal(found["per_hour"]) > 0
    assert "DescribeContainerGroupPrice" in found["price_source"]
    assert not PriceEntry.objects.exists()


def test_cloud_that_does_not_answer_leaves_the_offer_unpriced(
    eci: CloudAccount, api: APIClient
) -> None:
    eci.endpoint = "http://127.0.0.1:9"
    eci.rotated_at = timezone.now() + timedelta(seconds=1)
    eci.save()
    assert offer(api, f"k8s.aliyun.com/eci-use-specs: {TYPE}")["per_hour"] is None


def test_spot_is_priced_by_its_cheapest_zone(cast: Cast, api: APIClient) -> None:
    for zone, amount in (("cn-hangzhou-i", "0.09"), ("cn-hangzhou-k", "0.05")):
        price(
            cast.team,
            region="cn-hangzhou",
            zone=zone,
            item="instance",
            type="*",
            tier="spot",
            amount=Decimal(amount),
        )
    found = offer(api, "k8s.aliyun.com/eci-spot-strategy: SpotAsPriceGo")
    assert (Decimal(found["per_hour"]), found["zone"]) == (Decimal("0.05"), "cn-hangzhou-k")
