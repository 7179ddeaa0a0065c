"""Pods of a simulated cluster on instances of a simulated cloud, through the real clients."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from addons.models import Decision, PodRow
from addons.pods import accounts
from kube import CONFIGMAPS
from providers.base import Listing
from providers.eci.client import Eci
from providers.models import Instance, LogTail
from tests.addons.pods import invariants
from tests.addons.pods.conftest import Site

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_pod_runs_on_one_instance_and_goes_when_the_cloud_says_so(site: Site) -> None:
    made = site.create("web", metadata={"labels": {"app": "web"}})
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    pod = site.get("web")
    assert pod is not None
    notes = pod["metadata"]["annotations"]
    (instance,) = site.instances()
    assert notes["ProviderCreate"] == "done"
    assert notes["k8s.aliyun.com/eci-instance-id"] == instance["id"]
    assert pod["status"]["podIP"]
    ready = {c["type"]: c["status"] for c in pod["status"]["conditions"]}
    assert ready["Ready"] == "True"
    assert instance["tags"]["spillway-pod-uid"] == made["metadata"]["uid"]

    site.remove("web")
    assert site.phase("web") == "Running"
    site.queue("web")
    site.work(lambda: site.phase("web") == "gone", seconds=40)
    assert site.instances()[0]["deleted_at"]
    assert [row.state for row in site.rows()] == [Instance.State.CLOSED]
    codes = list(Decision.objects.order_by("at", "pk").values_list("code", flat=True))
    assert codes[:2] == ["InstanceRequested", "InstanceCreated"]
    assert codes[-2:] == ["InstanceGone", "PodDeleted"]
    assert LogTail.objects.filter(instance=site.rows()[0]).exists()


def test_a_job_completes_and_its_instance_is_deleted_while_the_pod_stays(site: Site) -> None:
    site.control.knobs(run_seconds=0.2)
    site.create(
        "job",
        restartPolicy="Never",
        containers=[{"name": "app", "image": "busybox:1", "command": ["echo", "done"]}],
    )
    site.queue("job")
    site.work(lambda: site.phase("job") == "Succeeded", seconds=30)
    site.queue("job")
    site.work(lambda: site.rows()[0].state == Instance.State.CLOSED, seconds=30)
    assert site.phase("job") == "Succeeded"
    assert site.rows()[0].close_reason == "finished"
    assert len(site.instances()) == 1


def test_a_missing_configmap_is_named_and_waited_for(site: Site) -> None:
    site.create(
        "waits",
        containers=[
            {"name": "app", "image": "nginx:1", "envFrom": [{"configMapRef": {"name": "conf"}}]}
        ],
    )
    site.queue("waits")
    site.drain(sweep=False)
    pod = site.get("waits")
    assert pod is not None
    waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert waiting["message"] == 'configmap "conf" not found'
    assert site.instances() == []
    row = PodRow.objects.get(name="waits")
    assert row.blocker == "MissingReference"
    assert row.next_try_at is not None
    assert row.next_try_at - datetime.now(UTC) < timedelta(seconds=6)
    assert f"configmaps/{site.namespace}/conf" in row.references

    async def appear() -> None:
        kube = await site.kube()
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {}}
        await kube.create(CONFIGMAPS, body, site.namespace)

    site.runtime.run(appear(), timeout=10)
    site.queue("waits")
    site.work(lambda: site.phase("waits") == "Running")


def test_what_the_cloud_can_never_run_fails_with_the_field_and_the_fix(site: Site) -> None:
    site.create("host", hostNetwork=True)
    site.queue("host")
    site.work(lambda: site.phase("host") == "Failed", sweep=False)
    pod = site.get("host")
    assert pod is not None
    assert pod["status"]["reason"] == "ProviderFailed"
    assert "spec.hostNetwork" in pod["status"]["message"]
    assert site.instances() == []


@pytest.mark.parametrize(
    ("code", "blocker"),
    [
        ("Throttling.User", "Throttled"),
        ("OperationDenied.NoStock", "NoStock"),
        ("QuotaExceeded", "QuotaExceeded"),
        ("Account.Arrearage", "AccountTrouble"),
    ],
)
def test_a_refusal_is_the_reason_to_wait_and_fails_nothing(
    site: Site, code: str, blocker: str
) -> None:
    site.control.fault(
        action="CreateContainerGroup", code=code, http_status=400, times=50, when="before"
    )
    site.create("web", restartPolicy="Never")
    site.queue("web")
    site.work(lambda: PodRow.objects.get(name="web").blocker == blocker, sweep=False)
    assert site.phase("web") == "Pending"
    assert PodRow.objects.get(name="web").next_try_at is not None
    assert site.instances() == []


@pytest.mark.parametrize("point", ["before the call", "after the cloud accepted"])
def test_a_crash_around_the_create_leaves_one_instance(
    site: Site, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    create = Eci.create

    async def dies(self: Eci, spec: Any, *, token: str) -> Any:
        if point == "after the cloud accepted":
            await create(self, spec, token=token)
        raise asyncio.CancelledError

    made = site.create("web")
    site.queue("web")
    with monkeypatch.context() as patch:
        patch.setattr(Eci, "create", dies)
        with contextlib.suppress(BaseException):
            site.drain(sweep=False)
    assert [row.state for row in site.rows()] == [Instance.State.CREATING]
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running", seconds=40)
    (instance,) = site.instances()
    assert instance["tags"]["spillway-pod-uid"] == made["metadata"]["uid"]


def test_a_lost_answer_is_found_by_its_tags(site: Site) -> None:
    site.control.fault(action="CreateContainerGroup", lost_answer=True, times=1)
    site.create("web")
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running", seconds=40)
    assert len(site.instances()) == 1


def test_a_pod_removed_by_force_takes_its_instance_along(site: Site) -> None:
    site.create("web")
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    site.remove("web", grace_seconds=0)
    site.queue("web")
    site.work(lambda: site.rows()[0].state == Instance.State.CLOSED, seconds=40)
    assert site.instances()[0]["deleted_at"]


def test_a_vanished_instance_fails_its_pod_after_two_lists(site: Site) -> None:
    site.create("web", restartPolicy="Never")
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    Instance.objects.update(cloud_created_at=datetime.now(UTC) - timedelta(minutes=5))
    provider = site.runtime.run(site.runtime.provider(site.account.pk, site.node.region))
    site.runtime.run(provider.delete(site.rows()[0].cloud_id), timeout=10)
    site.work(lambda: site.phase("web") == "Failed", seconds=60)
    pod = site.get("web")
    assert pod is not None
    assert pod["status"]["reason"] == "InstanceGone"


def test_an_empty_list_harms_nothing(site: Site) -> None:
    names = [f"web-{n}" for n in range(3)]
    for name in names:
        site.create(name)
    site.queue(*names)
    site.work(lambda: all(site.phase(name) == "Running" for name in names))
    Instance.objects.update(cloud_created_at=datetime.now(UTC) - timedelta(minutes=5))
    site.control.fault(action="DescribeContainerGroups", empty=True, times=1000)
    for _ in range(8):
        site.queue(*names)
        site.drain()
    assert [row.missing_count for row in site.rows()] == [0, 0, 0]
    assert all(site.phase(name) == "Running" for name in names)
    assert not any(i["deleted_at"] for i in site.instances())


@pytest.mark.slow
def test_many_pods_at_once_get_one_instance_each(site: Site) -> None:
    names = [f"web-{n}" for n in range(150)]
    uids = {site.create(name)["metadata"]["uid"] for name in names}
    site.queue(*names)
    rows = Instance.objects.filter(namespace=site.namespace, state=Instance.State.ACTIVE)
    site.work(lambda: rows.count() == len(names), sweep=False)
    site.work(lambda: PodRow.objects.filter(instance__cloud_state="Running").count() == 150)
    found = site.instances()
    assert {i["tags"]["spillway-pod-uid"] for i in found} == uids
    assert invariants.twice_billed(found) == []
    assert invariants.leaked(found, uids) == []
    assert invariants.without_intent(found) == []
    assert invariants.untagged(found) == []
    assert invariants.leaked(found, set()) == [i["id"] for i in found]


def test_a_repeated_create_asks_word_for_word_though_token_and_configmap_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Eci.create

    async def dies(self: Eci, spec: Any, *, token: str) -> Any:
        await create(self, spec, token=token)
        raise asyncio.CancelledError

    async def lists_nothing_yet(self: Eci, *, tags: Any) -> Listing:
        return Listing((), datetime.now(UTC))

    async def write(value: str) -> None:
        kube = await site.kube()
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}}
        if value == "old":
            await kube.create(CONFIGMAPS, {**body, "data": {"a": value}}, site.namespace)
        else:
            await kube.patch(CONFIGMAPS, "conf", {"data": {"a": value}}, site.namespace)

    site.runtime.run(write("old"), timeout=10)
    app = {"name": "app", "image": "nginx:1", "envFrom": [{"configMapRef": {"name": "conf"}}]}
    site.create("web", containers=[app], automountServiceAccountToken=True)
    site.queue("web")
    with monkeypatch.context() as patch:
        patch.setattr(Eci, "create", dies)
        with contextlib.suppress(BaseException):
            site.drain(sweep=False)
    (row,) = site.rows()
    assert row.state == Instance.State.CREATING
    assert row.sealed_request.startswith("v1.")

    site.runtime.run(write("new"), timeout=10)
    before = max(call["seq"] for call in site.control.calls())
    with monkeypatch.context() as patch:
        patch.setattr(Eci, "list", lists_nothing_yet)
        site.queue("web")
        site.work(lambda: site.rows()[0].cloud_id, sweep=False)
    assert [
        (call["action"], call["code"])
        for call in site.control.calls(before)
        if call["action"] == "CreateContainerGroup"
    ] == [("CreateContainerGroup", "")]
    assert site.rows()[0].sealed_request == ""
    assert len(site.instances()) == 1


def test_a_good_list_does_not_end_the_trouble_of_a_refused_create(site: Site) -> None:
    site.control.fault(
        action="CreateContainerGroup", code="Account.Arrearage", http_status=400, times=None
    )
    site.create("web")
    site.queue("web")
    site.work(lambda: PodRow.objects.get(name="web").blocker == "AccountTrouble", sweep=False)
    for _ in range(3):
        site.drain()
    site.account.refresh_from_db()
    assert (site.account.trouble, site.account.trouble_source) == ("Account.Arrearage", "create")
    site.control.call("DELETE", "/eci/faults")
    accounts._probed.clear()
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    site.account.refresh_from_db()
    assert site.account.trouble == ""


def test_a_variable_out_of_a_file_of_the_pod_is_refused_and_not_left_out(site: Site) -> None:
    source = {"fileKeyRef": {"volumeName": "out", "path": "app.env", "key": "KEY"}}
    app = {"name": "app", "image": "nginx:1", "env": [{"name": "KEY", "valueFrom": source}]}
    site.create("file", containers=[app], volumes=[{"name": "out", "emptyDir": {}}])
    site.queue("file")
    site.work(lambda: site.phase("file") == "Failed", sweep=False)
    pod = site.get("file")
    assert pod is not None
    assert pod["status"]["reason"] == "ProviderFailed"
    assert "spec.containers[0].env[0].valueFrom.fileKeyRef: KEY" in pod["status"]["message"]
    assert site.instances() == []
