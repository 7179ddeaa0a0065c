"""Add-ons changed through the vendor's own API, by the real steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from addons import operations
from addons.components import asking, gates, manage, vendors
from addons.components.vendors import vendor_of
from addons.models import Installation, Operation
from addons.runtime.loop import Runtime
from addons.sentences import read
from kube import DEPLOYMENTS, NODES, Kube
from kube.secret import Secret
from providers import sealing
from providers.alibaba.cs import Cs
from providers.errors import Busy
from providers.vendor import AddonState
from tests.addons import cast
from tests.addons.components.conftest import Place
from tests.addons.pods.conftest import Control, registered
from tests.conftest import World, wait_until

API_SERVER = "kube-apiserver"
ADDON = "ack-virtual-node"
GATE = "ACSPodResourcesMutation=true"


class Ack(Place):
    """The ACK Pro cluster of the world; its account reaches Container Service."""

    def plant(self, action: str, **fault: Any) -> None:
        self.control.call("POST", "/aliyun/faults", {"action": action, **fault})

    def turn(self, **knobs: Any) -> None:
        self.control.call("PUT", "/aliyun/knobs", knobs)

    def planted(self, action: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = self.control.call("GET", "/aliyun/faults")
        return next(fault for fault in found if fault["action"] == action)

    def held(self) -> dict[str, Any]:
        """The API server's parameters at the vendor."""

        async def ask() -> dict[str, Any]:
            async with vendor_of(self.runtime, self.cluster) as vendor:
                return (await vendor.api.addon(vendor.cluster_id, API_SERVER)).config or {}

        return self.runtime.run(ask(), timeout=10)

    def write(self, config: dict[str, Any]) -> None:
        """As somebody else would, in the vendor's own console."""

        async def change() -> bool:
            async with vendor_of(self.runtime, self.cluster) as vendor:
                there = await vendor.api.addon(vendor.cluster_id, API_SERVER)
                if there.state is AddonState.READY and there.config == config:
                    return True
                if there.state is not AddonState.CHANGING:
                    with suppress(Busy):
                        await vendor.api.configure(vendor.cluster_id, API_SERVER, config)
                return False

        wait_until(lambda: self.runtime.run(change(), timeout=10))


def ack_of(world: World, runtime: Runtime) -> Ack:
    """The first cluster of a world, with the account that it belongs to."""
    cloud, eci = world.facts["clouds"]["aliyun"], world.facts["clouds"]["eci"]
    key = next(one for one in cloud["keys"] if one["note"] == "full access")
    account = cast.account(
        provider="eci",
        region="cn-hangzhou",
        endpoint=eci["endpoint"],
    )
    secret = Secret(key["access_key_secret"])
    sealing.seal_into(account, key_id=key["access_key_id"], secret=secret, token=Secret(""))
    account.save()
    cluster = registered(world, account)
    return Ack(runtime, cluster, account, Control(world.facts["control_url"]), cloud)


@pytest.fixture
def ack(world: World, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ack]:
    monkeypatch.setattr(manage, "runtime", lambda: runtime)
    monkeypatch.setattr(gates, "runtime", lambda: runtime)
    monkeypatch.setattr(vendors, "runtime", lambda: runtime)
    monkeypatch.setattr(asking, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(asking, "SHOWS_AFTER", timedelta(seconds=0.5))
    made = ack_of(world, runtime)
    account, cluster = made.account, made.cluster
    cluster.version, cluster.kind = "v1.36.1-aliyun.1", "ack"
    cluster.save()
    made.turn(stage_seconds=0.05, modify_shows_seconds=0.5, addon_versions={})
    yield made
    made.control.call("POST", "/reset", {})
    # What is put back here shows at once: no test meets the tasks of the one before.
    made.turn(stage_seconds=0.05, modify_shows_seconds=0.0, addon_versions={})
    cluster.account, cluster.team = account, account.team
    made.write({})
    made.control.call("POST", "/reset", {})


def configured(ack: Ack, **values: Any) -> Operation:
    action = "configure" if ack.row(API_SERVER) else "install"
    return ack.run(API_SERVER, action, values=values)


def test_feature_gates_are_set_beside_those_of_others_and_taken_back(ack: Ack) -> None:
    done = configured(ack, featureGates=GATE)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held()["featureGates"] == GATE
    ack.cluster.refresh_from_db()
    assert ack.cluster.vendor_facts["kind"] == "ack-pro"
    done = configured(ack, featureGates="Other=false", maxRequestsInflight="500")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held() == {"featureGates": "Other=false", "maxRequestsInflight": "500"}
    done = ack.run(API_SERVER, "rollback")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held() == {"featureGates": GATE}
    done = ack.run(API_SERVER, "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held() == {}
    assert ack.row(API_SERVER) is None


CALLS = (
    *("DescribeClustersV1", "DescribeClusterDetail", "DescribeAddon"),
    *("GetClusterAddonInstance", "ModifyClusterAddon"),
)


@pytest.mark.parametrize(
    "fault",
    [
        {"code": "InternalError"},
        {"code": "Throttling.User"},
        {"lost_request": True},
        {"lost_answer": True},
    ],
    ids=lambda fault: str(fault.get("code", *fault)),
)
def test_no_call_that_fails_or_is_lost_stops_a_change(ack: Ack, fault: dict[str, Any]) -> None:
    for call in CALLS:
        ack.plant(call, **fault)
    done = configured(ack, maxRequestsInflight="500")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held()["maxRequestsInflight"] == "500"
    assert [ack.planted(call)["hits"] for call in CALLS] == [1] * len(CALLS)


def test_an_install_whose_answer_was_lost_is_found_and_not_asked_for_again(ack: Ack) -> None:
    ack.plant("InstallClusterAddons", lost_answer=True)
    ack.turn(stage_seconds=1.0)
    done = ack.run("ack-virtual-node", "install", version="v2.10.5", delivery="managed")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert len(ack.control.call("GET", "/aliyun/calls?action=InstallClusterAddons")) == 1
    ack.turn(stage_seconds=0.05)
    assert ack.run("ack-virtual-node", "uninstall").state == Operation.State.SUCCEEDED


def test_what_others_put_into_the_cluster_is_recognised_though_the_cloud_does_not_list_it(
    ack: Ack,
) -> None:
    container = {
        "name": "virtual-node",
        "image": "registry-vpc.cn-hangzhou.aliyuncs.com/acs/virtual-nodes-eci:v2.10.5",
        "env": [{"name": "ECI_VSWITCH", "value": "vsw-1"}],
    }
    labels = {"app": "ack-virtual-node-controller"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "ack-virtual-node-controller", "namespace": "kube-system"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    ack.ask(lambda kube: kube.create(DEPLOYMENTS, deployment))
    plan = manage.plan(ack.cluster, ADDON, action="adopt")
    assert (plan.delivery, plan.version.version) == ("in_cluster", "v2.10.5")
    assert plan.values_after["ECI_VSWITCH"] == "vsw-1"
    ack.ask(lambda kube: kube.delete(DEPLOYMENTS, labels["app"], "kube-system"))


class Died(Exception):
    """What a worker that is killed leaves: the call is out, nobody keeps its answer."""


def test_a_worker_that_dies_after_a_request_leaves_it_to_the_next_one(
    ack: Ack, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead: list[str] = []

    def dying(method: str) -> Any:
        made = getattr(Cs, method)

        async def request(self: Cs, *args: Any, **kwargs: Any) -> str:
            task: str = await made(self, *args, **kwargs)
            if method not in dead:
                dead.append(method)
                raise Died
            return task

        return request

    for method in ("install", "upgrade", "uninstall"):
        monkeypatch.setattr(Cs, method, dying(method))
    for action, more in (
        ("install", {"version": "v2.10.5"}),
        ("upgrade", {"version": "v2.13.0"}),
        ("uninstall", {}),
    ):
        done = ack.run(ADDON, action, **more)
        assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert dead == ["install", "upgrade", "uninstall"]
    for call in ("InstallClusterAddons", "UpgradeClusterAddons", "UnInstallClusterAddons"):
        assert len(ack.control.call("GET", f"/aliyun/calls?action={call}")) == 1, call


def test_the_task_of_a_configuration_is_waited_for_though_it_shows_late(ack: Ack) -> None:
    ack.turn(modify_shows_seconds=10.0, stage_seconds=4.0)
    done = configured(ack, requestTimeout="60s")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert done.arguments["managed"]["task"].startswith("T-")
    assert ack.held() == {"requestTimeout": "60s"}
    ack.plant("task.rollout", code="AddonOperationFailed.Late", message="it came too late")
    failed = configured(ack, requestTimeout="30s")
    assert failed.state == Operation.State.FAILED, failed.log
    assert "it came too late" in read(failed.error)


def test_a_worker_that_dies_after_asking_for_a_configuration_finds_its_task(
    ack: Ack, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, dead = Cs.configure, []

    async def dying(self: Cs, *args: Any) -> None:
        await made(self, *args)
        if not dead:
            dead.append(True)
            raise Died

    monkeypatch.setattr(Cs, "configure", dying)
    ack.turn(modify_shows_seconds=1.0)
    monkeypatch.setattr(asking, "SHOWS_AFTER", timedelta(seconds=15))
    done = configured(ack, requestTimeout="60s")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert done.arguments["managed"]["task"].startswith("T-")
    assert len(ack.control.call("GET", "/aliyun/calls?action=ModifyClusterAddon")) == 1


def test_a_change_of_somebody_else_that_shows_first_is_not_taken_for_ours(
    ack: Ack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "SHOWS_AFTER", timedelta(seconds=15))
    ack.turn(modify_shows_seconds=1.0)
    ack.write({"maxRequestsInflight": "400"})
    done = configured(ack, requestTimeout="60s")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held() == {"maxRequestsInflight": "400", "requestTimeout": "60s"}
    ack.write({"maxRequestsInflight": "300"})
    ack.plant("task.apply", code="AddonOperationFailed.RenderError", message="the values are odd")
    failed = configured(ack, requestTimeout="30s")
    assert failed.state == Operation.State.FAILED, failed.log
    assert "the values are odd" in read(failed.error)
    operations.retry(failed)
    assert ack.ended(failed).state == Operation.State.SUCCEEDED
    assert ack.held()["requestTimeout"] == "30s"


def test_a_lost_request_is_made_again_though_a_change_of_somebody_else_shows(ack: Ack) -> None:
    ack.turn(modify_shows_seconds=1.0)
    ack.write({"maxRequestsInflight": "400"})
    ack.plant("ModifyClusterAddon", lost_request=True, times=1)
    done = configured(ack, requestTimeout="60s")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held() == {"maxRequestsInflight": "400", "requestTimeout": "60s"}


def test_a_task_that_fails_says_why_and_a_retry_asks_again(ack: Ack) -> None:
    ack.plant("task.apply", code="AddonOperationFailed.RenderError", message="the values are odd")
    failed = configured(ack, requestTimeout="60s")
    assert failed.state == Operation.State.FAILED
    assert "the values are odd" in read(failed.error)
    assert failed.fix
    operations.retry(failed)
    done = ack.ended(failed)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held() == {"requestTimeout": "60s"}


def test_a_key_without_the_right_fails_with_the_grant_that_it_lacks(ack: Ack) -> None:
    ack.plant("ModifyClusterAddon", code="Forbidden.RAM", message="cs:ModifyClusterAddon", times=1)
    failed = configured(ack, requestTimeout="60s")
    assert failed.state == Operation.State.FAILED
    assert "cs:ModifyClusterAddon" in read(failed.error)
    assert "permission" in failed.fix
    operations.retry(failed)
    assert ack.ended(failed).state == Operation.State.SUCCEEDED


def test_what_others_set_is_adopted_and_what_they_change_is_drift_that_repair_takes_back(
    ack: Ack,
) -> None:
    ack.write({"featureGates": "Theirs=true", "requestTimeout": "60s"})
    done = ack.run(API_SERVER, "adopt")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row = ack.row(API_SERVER)
    assert row is not None
    assert row.values == {"featureGates": "Theirs=true", "requestTimeout": "60s"}
    assert manage.drift(row) == []
    ack.write({"featureGates": "Theirs=true", "requestTimeout": "10s"})
    [found] = manage.drift(row)
    assert (found["field"], found["live"], found["wanted"]) == (
        "config.requestTimeout",
        "10s",
        "60s",
    )
    done = ack.run(API_SERVER, "repair")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held()["requestTimeout"] == "60s"


def test_acs_that_is_not_activated_blocks_with_the_step_that_mends_it(ack: Ack) -> None:
    ack.turn(acs_activated=False)
    plan = manage.plan(ack.cluster, "ack-virtual-node", action="install", delivery="managed")
    assert plan.blocking
    [check] = [one for one in plan.checks if one.code == "acs"]
    assert (check.state, "activate the service" in check.fix) == ("bad", True)


def test_what_the_clouds_say_before_an_install_names_region_quota_and_subnets(ack: Ack) -> None:
    plan = manage.plan(ack.cluster, "ack-virtual-node", action="install", delivery="managed")
    states = {check.code: check.state for check in plan.checks}
    assert {"vendor", "acs", "region", "quota", "subnet"} <= states.keys()
    assert set(states.values()) <= {"ok", "warn"}, plan.checks
    ack.cluster.region = "cn-nowhere"
    ack.cluster.save()
    plan = manage.plan(ack.cluster, "ack-virtual-node", action="install", delivery="in_cluster")
    [check] = [one for one in plan.checks if one.code == "region"]
    assert check.state == "bad", check
    assert "cn-hangzhou" in check.fix


def test_a_key_that_may_not_create_blocks_and_one_that_may_not_exec_only_warns(ack: Ack) -> None:
    for action, state in (("ExecContainerCommand", "warn"), ("CreateContainerGroup", "bad")):
        ack.account.capabilities = [{"action": action, "ok": False, "grant": f"eci:{action}"}]
        ack.account.save()
        plan = manage.plan(ack.cluster, ADDON, action="install", delivery="managed")
        [check] = [one for one in plan.checks if one.code == "permissions"]
        assert (check.state, f"eci:{action}" in check.detail) == (state, True)


def test_what_a_form_sends_along_stands_against_nothing(ack: Ack) -> None:
    """The credential that the pickers looked with, and what is as it would be anyway."""

    def refused(credential: int) -> list[str]:
        values = {"credential": credential, "vSwitchIds": "", "enableClusterIp": True}
        options = {"version": "v2.10.5", "values": values, "delivery": "managed"}
        plan = manage.plan(ack.cluster, ADDON, action="install", **options)
        return [check.detail for check in plan.checks if check.code == "settings"]

    assert refused(ack.account.pk) == []
    assert refused(ack.account.pk + 1) == ["The cloud's add-on has no such settings: credential."]


def test_what_only_the_clouds_own_delivery_asks_is_told_of_it_alone(ack: Ack) -> None:
    lacking = {"action": "DescribeClustersV1", "ok": False, "grant": "cs:GetClusters"}
    ack.account.capabilities = [
        {**lacking, "use": "addons"},
        {**lacking, "action": "DescribeInstanceBill", "grant": "bssapi:x", "use": "bills"},
    ]
    ack.account.save()
    told = {
        way: [
            check.detail
            for check in manage.plan(ack.cluster, ADDON, action="install", delivery=way).checks
            if check.code == "permissions"
        ]
        for way in ("managed", "in_cluster")
    }
    assert told == {"managed": ["The key may not: cs:GetClusters."], "in_cluster": []}


def test_a_cluster_that_no_key_of_the_team_reaches_says_what_to_do(ack: Ack) -> None:
    ack.cluster.account, ack.cluster.team = None, Group.objects.create(name="bob")
    ack.cluster.save()
    plan = manage.plan(ack.cluster, API_SERVER, action="install")
    [check] = [one for one in plan.checks if one.code == "vendor"]
    assert (check.state, bool(check.fix)) == ("bad", True)
    status = gates.look(ack.cluster)
    assert not status.settable
    assert status.why
    assert GATE in status.manual


def test_a_feature_gate_is_seen_working_by_a_pod_that_is_never_made(ack: Ack) -> None:
    before = gates.look(ack.cluster)
    assert (before.settable, before.works) == (True, False)
    assert configured(ack, featureGates=GATE).state == Operation.State.SUCCEEDED
    after = gates.look(ack.cluster)
    assert (after.works, after.gates) == (True, {"ACSPodResourcesMutation": "true"})


def test_a_cluster_id_set_by_hand_is_confirmed_by_the_vendor(ack: Ack) -> None:
    known = vendors.find(ack.cluster)
    assert known.startswith("c")
    with pytest.raises(vendors.NoVendor):
        vendors.choose(ack.cluster, "c0")
    vendors.choose(ack.cluster, known)
    ack.cluster.refresh_from_db()
    assert (ack.cluster.vendor_id, ack.cluster.vendor_facts["id"]) == (known, known)


def test_ack_virtual_node_comes_runs_a_canary_changes_and_goes_with_proof(ack: Ack) -> None:
    node = ADDON
    done = ack.run(node, "install", version="v2.10.5", values={})
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    nodes = [n["metadata"]["name"] for n in ack.ask(_virtual).items]
    assert nodes
    assert all(name.startswith("virtual-kubelet-cn-hangzhou-") for name in nodes)
    done = ack.run(node, "upgrade", version="v2.13.0")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row = ack.row(node)
    assert row is not None
    assert (row.version, row.delivery) == ("v2.13.0", "managed")
    assert [r.status for r in row.revisions.all()] == ["deployed", "superseded"]
    done = ack.run(node, "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert not ack.ask(_virtual).items
    assert done.arguments["proof"]["instances"] == []
    assert ack.row(node) is None


def test_what_the_cloud_offers_beyond_the_catalogue_is_installed_upgraded_to_and_adopted(
    ack: Ack,
) -> None:
    done = ack.run(ADDON, "install", version="v2.13.0", delivery="managed")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    ack.turn(addon_versions={ADDON: "v2.14.1"})
    ack.cluster.vendor_facts.pop("offered", None)
    ack.cluster.save()
    row = ack.row(ADDON)
    assert row is not None
    manage.drift(row)
    ack.cluster.refresh_from_db()
    [card] = [one for one in manage.offers(ack.cluster) if one.component.name == ADDON]
    assert (card.upgradable, card.latest.version) == (True, "v2.14.1")
    plan = manage.plan(ack.cluster, ADDON, action="upgrade", values={"enableLinuxArm64Node": False})
    assert not plan.blocking, plan.checks
    assert plan.version.version == "v2.14.1"
    done = ack.run(ADDON, "upgrade", values={"enableLinuxArm64Node": False, "vSwitchIds": ""})
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    Installation.objects.all().delete()
    ack.cluster.vendor_facts.pop("offered", None)
    ack.cluster.save()
    done = ack.run(ADDON, "adopt")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row = ack.row(ADDON)
    assert row is not None
    assert (row.version, row.values) == ("v2.14.1", {"enableLinuxArm64Node": False})
    assert ack.run(ADDON, "uninstall").state == Operation.State.SUCCEEDED


def test_a_version_that_only_the_cloud_has_comes_no_other_way(ack: Ack) -> None:
    ack.turn(addon_versions={ADDON: "v2.14.1"})
    plan = manage.plan(ack.cluster, ADDON, action="install", delivery="managed")
    assert plan.version.version == "v2.14.1"
    with pytest.raises(manage.ComponentError, match="no such version"):
        manage.plan(ack.cluster, ADDON, action="install", delivery="in_cluster", version="v2.14.1")


async def _virtual(kube: Kube) -> Any:
    return await kube.list(NODES, labels="type=virtual-kubelet")
