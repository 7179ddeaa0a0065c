"""A pod that would take several sizes gets the first that is in stock, and one instance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from providers.models import Instance, LogTail
from providers.seen import decode, encode
from tests.addons.pods.conftest import Site

pytestmark = pytest.mark.django_db(transaction=True)
SHORT = {"2-4Gi": False, "4-8Gi": False}
WISHES = {"k8s.aliyun.com/eci-use-specs": "2-4Gi,4-8Gi,ecs.c6.xlarge"}


@pytest.fixture
def short(site: Site) -> Iterator[None]:
    zones = {placement["zone"] for placement in site.node.placements}
    site.control.knobs(stock=dict.fromkeys(zones, SHORT))
    yield
    site.control.knobs(stock={})


@pytest.mark.usefixtures("short")
def test_sizes_are_tried_in_order_each_under_a_token_of_its_own(site: Site) -> None:
    before = len(site.control.calls())
    site.create("web", metadata={"annotations": WISHES})
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running", seconds=15)
    (instance,) = site.instances()
    assert instance["instance_type"] == "ecs.c6.xlarge"
    asked = [
        (call["parameters"].get("Cpu"), call["parameters"].get("InstanceType"))
        for call in site.control.calls()[before:]
        if call["action"] == "CreateContainerGroup"
    ]
    assert asked == [("2.0", None), ("4.0", None), (None, "ecs.c6.xlarge")]
    rows = site.rows()
    assert [row.generation for row in rows] == [1, 2, 3]
    assert len({row.token for row in rows}) == 3
    assert [row.close_reason for row in rows] == ["refused", "refused", ""]
    notes = site.work(lambda: _told(site), seconds=20)
    assert notes["k8s.aliyun.com/eci-instance-spec"] == "ecs.c6.xlarge"
    assert notes["k8s.aliyun.com/eci-vpc"].startswith("vpc-")
    assert notes["k8s.aliyun.com/eni-instance-id"].startswith("eni-")


def _told(site: Site) -> dict[str, str] | None:
    """The pod's annotations once the cloud has told of its instance."""
    pod = site.get("web")
    assert pod is not None
    notes: dict[str, str] = pod["metadata"]["annotations"]
    return notes if "k8s.aliyun.com/eci-instance-spec" in notes else None


@pytest.mark.usefixtures("short")
def test_a_lost_answer_to_a_later_choice_makes_one_instance(site: Site) -> None:
    site.control.fault(
        action="CreateContainerGroup",
        match={"InstanceType": "ecs.c6.xlarge"},
        lost_answer=True,
        times=3,
    )
    site.create("web", metadata={"annotations": WISHES})
    site.queue("web")
    # Stock of what was refused comes back while the outcome of the third choice is unknown.
    site.work(site.instances, seconds=15)
    site.control.knobs(stock={})
    site.work(lambda: site.phase("web") == "Running", seconds=40)
    assert [i["instance_type"] for i in site.instances()] == ["ecs.c6.xlarge"]
    assert [row.state for row in site.rows()][-1] == Instance.State.ACTIVE


GPU_JOB = {
    "name": "gpu-pod",
    "image": "registry.example/vectoradd:cuda11",
    "resources": {"limits": {"nvidia.com/gpu": "1"}},
}


def test_a_gpu_job_ends_completed_and_its_log_stays(site: Site) -> None:
    wishes = {"k8s.aliyun.com/eci-use-specs": "ecs.gn5-c4g1.xlarge"}
    meta = {"labels": {"alibabacloud.com/eci": "true"}, "annotations": wishes}
    site.create("gpu", metadata=meta, restartPolicy="Never", containers=[GPU_JOB])
    site.queue("gpu")
    site.work(lambda: site.phase("gpu") == "Succeeded", seconds=30)
    site.queue("gpu")
    site.work(lambda: site.rows()[0].state == Instance.State.CLOSED, seconds=30)
    (instance,) = site.instances()
    assert (instance["instance_type"], site.rows()[0].gpu) == ("ecs.gn5-c4g1.xlarge", 1)
    pod = site.get("gpu")
    assert pod is not None
    (status,) = pod["status"]["containerStatuses"]
    assert status["state"]["terminated"]["reason"] == "Completed"
    assert "Test PASSED" in LogTail.objects.get(instance=site.rows()[0]).text


def test_gpus_without_a_type_that_has_them_are_refused_with_the_types(site: Site) -> None:
    site.create("gpu", restartPolicy="Never", containers=[GPU_JOB])
    site.queue("gpu")
    site.work(lambda: site.phase("gpu") == "Failed", seconds=15)
    pod = site.get("gpu")
    assert pod is not None
    assert pod["status"]["reason"] == "ProviderFailed"
    assert "ecs.gn5i-c2g1.large" in pod["status"]["message"]
    assert not site.instances()


@pytest.mark.usefixtures("short")
def test_a_pod_that_fails_fast_tries_every_choice_and_then_fails(site: Site) -> None:
    before = len(site.control.calls())
    wishes = {"k8s.aliyun.com/eci-use-specs": "2-4Gi,4-8Gi"}
    fast = {"k8s.aliyun.com/eci-fail-strategy": "fail-fast"}
    site.create("web", metadata={"annotations": wishes | fast})
    site.queue("web")
    site.work(lambda: site.phase("web") == "Failed", seconds=15)
    asked = [c for c in site.control.calls()[before:] if c["action"] == "CreateContainerGroup"]
    assert [call["parameters"]["Cpu"] for call in asked] == ["2.0", "4.0"]
    assert not site.instances()


def test_an_instance_that_does_not_start_within_the_pods_limit_is_given_up(site: Site) -> None:
    site.control.knobs(image_pull_hang=["nginx:*"])
    try:
        limit = {"k8s.aliyun.com/eci-max-pending-minute": "10"}
        site.create("web", metadata={"annotations": limit}, restartPolicy="Never")
        site.queue("web")
        site.work(lambda: [row for row in site.rows() if row.billed_from], seconds=15)
        row = site.rows()[0]
        assert row.billed_from is not None
        seen = decode(row.seen)
        assert seen is not None
        row.billed_from -= timedelta(minutes=9)
        row.seen = encode(replace(seen, billed_from=row.billed_from))
        row.save(update_fields=["billed_from", "seen"])
        site.queue("web")
        site.drain(sweep=False)
        assert site.phase("web") == "Pending"
        row.seen = encode(replace(seen, billed_from=row.billed_from - timedelta(minutes=1)))
        row.save(update_fields=["seen"])
        site.queue("web")
        site.work(lambda: site.phase("web") == "Failed", seconds=15, sweep=False)
        pod = site.get("web")
        assert pod is not None
        assert "10 minutes" in pod["status"]["message"]
        site.work(lambda: site.rows()[0].state == Instance.State.CLOSED, seconds=30)
        assert site.instances()[0]["deleted_at"]
    finally:
        site.control.knobs(image_pull_hang=[])
