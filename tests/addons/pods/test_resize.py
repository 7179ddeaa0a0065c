"""A pod that asks for another size than its instance has, and what the status tells of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from addons.models import Decision
from addons.pods.diff import status_patch
from addons.pods.features import kept
from addons.pods.resize import Asked
from addons.pods.status import failed, status_of
from addons.watch.mirror import write
from addons.watch.rows import row_of
from kube import EVENTS, PODS, Pod
from providers.base import ContainerState, ContainerStatus, Instance, InstanceState, RunState
from tests.addons import cast
from tests.addons.pods.conftest import Site
from tests.addons.pods.pods import pod

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SMALL = {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
LARGE = {"requests": {"cpu": "3", "memory": "2Gi"}, "limits": {"cpu": "3", "memory": "2Gi"}}
ASKED = Asked(Decimal(1), Decimal(2))
RUNNING = Instance(
    id="eci-1",
    name="shop-web",
    state=InstanceState.RUNNING,
    raw_state="Running",
    region="cn-hangzhou",
    containers=(
        ContainerStatus("app", "i", True, 0, ContainerState(RunState.RUNNING, started_at=NOW)),
    ),
    ip="10.1.2.3",
)


def of(own: dict[str, Any], generation: int, status: Any = None, **spec: Any) -> Any:
    container = {"name": "app", "image": "i", "resources": own}
    meta = {"generation": generation}
    return pod(containers=[container], metadata=meta, status=status or {"phase": "Pending"}, **spec)


def told(obj: Any, *, asked: Asked | None = ASKED, now: datetime = NOW) -> dict[str, Any]:
    return status_of(obj, RUNNING, now=now, provider="eci", asked=asked)


def conditions(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["type"]: one for one in status["conditions"]}


def test_the_status_tells_what_the_instance_was_made_with_and_of_which_spec() -> None:
    status = told(of(SMALL, 1))
    (container,) = status["containerStatuses"]
    assert container["resources"] == SMALL
    assert container["allocatedResources"] == SMALL["requests"]
    assert status["resources"] == SMALL
    assert status["allocatedResources"] == SMALL["requests"]
    assert status["observedGeneration"] == 1
    assert {one["observedGeneration"] for one in status["conditions"]} == {1}
    assert "PodResizePending" not in conditions(status)


def test_before_an_instance_is_asked_for_nothing_is_allocated() -> None:
    status = status_of(of(SMALL, 1), None, now=NOW)
    assert "resources" not in status["containerStatuses"][0]
    assert "allocatedResources" not in status


def test_a_resize_is_infeasible_until_it_is_taken_back() -> None:
    first = told(of(SMALL, 1))
    resized = of(LARGE, 2, first)
    status = told(resized, now=NOW + timedelta(seconds=9))
    waits = conditions(status)["PodResizePending"]
    assert (waits["status"], waits["reason"], waits["observedGeneration"]) == (
        "True",
        "Infeasible",
        2,
    )
    assert status["containerStatuses"][0]["resources"] == SMALL
    assert status["resources"] == SMALL

    back = of(SMALL, 3, status)
    patch = status_patch(back, told(back))
    assert patch is not None
    assert {"type": "PodResizePending", "$patch": "delete"} in patch["status"]["conditions"]


def test_another_instance_is_made_with_what_the_pod_asks_for_then() -> None:
    waits = told(of(LARGE, 2, told(of(SMALL, 1))))
    asked = Asked(Decimal(3), Decimal(2))
    status = status_of(of(LARGE, 2, waits), None, now=NOW, asked=asked, fresh=True)
    assert "PodResizePending" not in conditions(status)
    assert status["containerStatuses"][0]["allocatedResources"]["cpu"] == "3"
    assert status["allocatedResources"]["cpu"] == "3"


def test_an_amount_that_is_spelled_differently_is_no_resize() -> None:
    first = told(of(SMALL, 1))
    same = {side: {"cpu": "1000m", "memory": "2048Mi"} for side in ("requests", "limits")}
    assert "PodResizePending" not in conditions(told(of(same, 2, first)))


def test_a_resize_of_the_pod_as_a_whole_is_infeasible_too() -> None:
    whole = {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}
    asked = Asked(Decimal(2), Decimal(2))
    first = told(of(SMALL, 1, resources=whole), asked=asked)
    assert first["allocatedResources"] == {"cpu": "2", "memory": "2Gi"}
    more = {"requests": {"cpu": "4"}, "limits": {"cpu": "4"}}
    status = told(of(SMALL, 2, first, resources=more), asked=asked)
    assert conditions(status)["PodResizePending"]["reason"] == "Infeasible"
    assert status["allocatedResources"] == {"cpu": "2", "memory": "2Gi"}


def test_a_pod_that_changed_before_its_allocation_was_told_is_judged_by_the_ledger() -> None:
    status = told(of(LARGE, 2))
    assert conditions(status)["PodResizePending"]["reason"] == "Infeasible"
    assert "resources" not in status["containerStatuses"][0]


def test_a_pod_that_is_over_waits_for_no_resize() -> None:
    status = told(of(LARGE, 2, told(of(SMALL, 1))))
    ended = failed(of(LARGE, 2, status), reason="x", message="", now=NOW)
    assert "PodResizePending" not in conditions(ended)


@pytest.mark.parametrize(
    ("version", "gone"),
    [
        ("", set()),
        ("v1.36.1-aliyun.1", set()),
        ("v1.35.0", {"resources", "allocatedResources"}),
        ("v1.33.3", {"resources", "allocatedResources", "observedGeneration"}),
    ],
)
def test_what_an_older_api_server_does_not_keep_is_not_written(
    version: str, gone: set[str]
) -> None:
    status = told(of(SMALL, 1))
    assert status.keys() - kept(status, version).keys() == gone
    old = kept(status, "v1.32.1")
    assert "resources" not in old["containerStatuses"][0]
    assert "observedGeneration" not in old["conditions"][0]


def test_the_watch_sees_a_spec_that_its_status_does_not_tell_of_yet() -> None:
    def row(generation: int, observed: int) -> Any:
        status = {"phase": "Running", "observedGeneration": observed}
        obj = of(SMALL, generation, status)
        obj["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z"
        return row_of(msgspec.convert(obj, Pod))

    assert [row(1, 1).unseen, row(2, 1).unseen, row(2, 0).unseen] == [False, True, False]


@pytest.mark.django_db
def test_a_resize_queues_the_pod_although_no_column_of_its_row_changes() -> None:
    node = cast.node(cast.cluster())

    def seen(generation: int, version: str) -> Any:
        status = {"phase": "Running", "observedGeneration": 1}
        obj = of(SMALL, generation, status)
        obj["spec"]["nodeName"] = node.name
        moved = {"creationTimestamp": "2026-01-02T03:04:05Z", "resourceVersion": version}
        obj["metadata"] |= moved
        return write(node.cluster_id, [row_of(msgspec.convert(obj, Pod))], NOW)

    assert [touched.node_id for touched in seen(1, "8")] == [node.pk]
    assert seen(1, "9") == []
    assert [touched.node_id for touched in seen(2, "10")] == [node.pk]


@pytest.mark.django_db(transaction=True)
def test_a_resized_pod_says_so_once_and_keeps_its_size_and_its_price(site: Site) -> None:
    container = {"name": "app", "image": "nginx:1.25", "resources": SMALL}
    site.create("web", containers=[container])
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    row = site.rows()[0]
    size = (row.spec, row.price_per_hour)
    body = {"spec": {"containers": [{"name": "app", "resources": LARGE}]}}

    async def resize() -> Any:
        kube = await site.kube()
        return await kube.patch(
            PODS, "web", body, site.namespace, kind="strategic", subresource="resize"
        )

    assert site.runtime.run(resize(), timeout=10)["metadata"]["generation"] == 2
    site.queue("web")
    site.work(lambda: "PodResizePending" in conditions(site.get("web")["status"]))  # type: ignore[index]
    site.queue("web")
    site.drain()
    now = site.get("web")
    assert now is not None
    assert now["status"]["observedGeneration"] == 2
    assert now["status"]["containerStatuses"][0]["allocatedResources"]["cpu"] == "1"
    assert now["metadata"]["annotations"]["k8s.aliyun.com/eci-instance-spec"] == "1.0-2.0Gi"
    row = site.rows()[0]
    assert (row.spec, row.price_per_hour) == size

    async def events() -> Any:
        return (await (await site.kube()).list(EVENTS, site.namespace)).items

    said = [e for e in site.runtime.run(events(), timeout=10) if e["reason"] == "ResizeInfeasible"]
    assert [(e["type"], e["count"]) for e in said] == [("Warning", 1)]
    assert "1-2Gi" in said[0]["message"]
    assert Decision.objects.filter(code="ResizeInfeasible").count() == 1
