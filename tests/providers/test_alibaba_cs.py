"""Container Service and RAM through the real clients, against the simulated account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kube.secret import Secret
from providers.alibaba.cs import Cs
from providers.alibaba.errors import COMMON, by_status
from providers.alibaba.ram import Ram
from providers.alibaba.signing import Key
from providers.alibaba.wire import Wire
from providers.base import Use
from providers.errors import (
    AccountTrouble,
    Busy,
    NotFound,
    QuotaExceeded,
    Throttled,
    Unavailable,
    UnknownOutcome,
)
from providers.vendor import AddonState, TaskState
from tests.providers.aliyun_cloud import PRO, REGION, REGISTERED, Simulated, simulated
from tests.providers.cloud import LOOPBACK

NODE = "ack-virtual-node"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Simulated]:
    async with simulated(tmp_path) as made:
        yield made


async def until(holds: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await holds()):
            await asyncio.sleep(0.02)
    return found


async def done(cs: Cs, task_id: str) -> TaskState:
    async def over() -> TaskState | None:
        task = await cs.task(task_id)
        return None if task.state is TaskState.RUNNING else task.state

    found: TaskState = await until(over)
    return found


async def test_clusters_come_with_their_kind_and_the_address_of_their_api_server(
    cloud: Simulated,
) -> None:
    cs = cloud.cs()
    found = {cluster.id: cluster for cluster in await cs.clusters()}
    pro, registered = found[PRO.id], found[REGISTERED.id]
    assert (pro.kind, pro.control_plane, pro.endpoints) == ("ack-pro", True, ("https://a:6443",))
    assert (registered.kind, registered.control_plane) == ("ack-registered", False)
    assert await cs.cluster(PRO.id) == pro
    with pytest.raises(NotFound):
        await cs.cluster("c0")


async def test_an_addon_is_installed_upgraded_configured_and_uninstalled(cloud: Simulated) -> None:
    cs = cloud.cs()
    with pytest.raises(NotFound):
        await cs.addon(PRO.id, NODE)
    task = await cs.install(PRO.id, NODE, version="v2.9.7", config={"vSwitchIds": "vsw-1"})
    assert [running.id for running in await cs.busy(PRO.id)] == [task]
    assert await done(cs, task) is TaskState.DONE
    there = await cs.addon(PRO.id, NODE)
    assert (there.version, there.state) == ("v2.9.7", AddonState.READY)
    assert there.config == {"vSwitchIds": "vsw-1"}
    task = await cs.upgrade(PRO.id, NODE, current="v2.9.7", version="v2.13.0", config=there.config)
    assert await done(cs, task) is TaskState.DONE
    await cs.configure(PRO.id, NODE, {"vSwitchIds": "vsw-1,vsw-2"})

    async def configured() -> bool:
        now = await cs.addon(PRO.id, NODE)
        return now.state is AddonState.READY and now.config == {"vSwitchIds": "vsw-1,vsw-2"}

    await until(configured)
    assert NODE in {addon.name for addon in await cs.installed(PRO.id)}
    assert await done(cs, await cs.uninstall(PRO.id, NODE)) is TaskState.DONE
    with pytest.raises(NotFound):
        await cs.addon(PRO.id, NODE)


async def test_a_product_may_answer_at_an_address_of_its_own(cloud: Simulated) -> None:
    nobody = "http://127.0.0.1:9"
    wire = Wire(
        cloud.key(), region=REGION, override=nobody, endpoints={"cs": cloud.url}, policy=LOOPBACK
    )
    assert await Cs(wire).clusters()
    with pytest.raises(Unavailable):
        await wire.call("GetCallerIdentity", {}, product="sts")
    await wire.aclose()


async def test_what_is_offered_has_its_schema(cloud: Simulated) -> None:
    cs = cloud.cs()
    offered = await cs.offered(await cs.cluster(PRO.id), "kube-apiserver")
    assert "featureGates" in offered.schema["properties"]
    assert offered.managed


async def test_a_failed_task_says_why(cloud: Simulated) -> None:
    cs = cloud.cs()
    cloud.plant("task.apply", code="AddonOperationFailed.HelmInstallFailed")
    task = await cs.install(PRO.id, NODE, version="v2.13.0", config={})
    assert await done(cs, task) is TaskState.FAILED
    assert (await cs.task(task)).code == "AddonOperationFailed.HelmInstallFailed"


async def test_a_lost_answer_is_an_unknown_outcome(cloud: Simulated) -> None:
    cs = cloud.cs()
    cloud.plant("InstallClusterAddons", lost_answer=True)
    with pytest.raises(UnknownOutcome):
        await cs.install(PRO.id, NODE, version="v2.13.0", config={})
    assert await cs.busy(PRO.id)


async def test_acs_that_is_not_activated_is_trouble_with_the_account(cloud: Simulated) -> None:
    assert await cloud.cs().activated("acs")
    cloud.turn(acs_activated=False)
    assert await cloud.cs().activated("acs") is False
    with pytest.raises(AccountTrouble):
        await cloud.cs().install(PRO.id, NODE, version="v2.13.0", config={})


async def test_roles_that_are_missing_are_told(cloud: Simulated) -> None:
    cloud.turn(roles=["AliyunCSDefaultRole"])
    found = await cloud.cs().roles(["AliyunCSDefaultRole", "AliyunServiceRoleForECI"])
    assert found["AliyunCSDefaultRole"] == ""
    assert found["AliyunServiceRoleForECI"]


async def test_a_wrong_key_is_trouble_with_the_account(cloud: Simulated) -> None:
    right = cloud.key()
    wrong = Key(right.id, Secret("not it"), Secret(""))
    with pytest.raises(AccountTrouble):
        await cloud.cs(wrong).clusters()
    with pytest.raises(AccountTrouble):
        await cloud.ram(wrong).keys("somebody")


async def test_a_user_is_made_granted_and_taken_back(cloud: Simulated) -> None:
    ram = cloud.ram()
    document = {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Action": "eci:*", "Resource": "*"}],
    }
    for _again in range(2):
        await ram.ensure_user("ack-one-user-0123456789", comment="Spillway")
        await ram.ensure_policy("a-policy", document)
        await ram.attach("a-policy", "ack-one-user-0123456789")
    assert list(await ram.attached("ack-one-user-0123456789")) == ["a-policy"]
    key = await ram.create_key("ack-one-user-0123456789")
    assert "ack-one-user-0123456789" in await ram.who(key)
    await ram.set_key("ack-one-user-0123456789", key.id, active=False)
    with pytest.raises(AccountTrouble):
        await ram.who(key)
    for _again in range(2):
        await ram.delete_key("ack-one-user-0123456789", key.id)
        await ram.detach("a-policy", "ack-one-user-0123456789")
        await ram.delete_policy("a-policy")
        await ram.delete_user("ack-one-user-0123456789")
    with pytest.raises(NotFound):
        await ram.attached("ack-one-user-0123456789")
    assert not cloud.account.cloud.ram.state.policies


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("EntityNotExist.User", NotFound),
        ("EntityAlreadyExists.Policy", Busy),
        ("LimitExceeded.User.AccessKey", QuotaExceeded),
        ("Throttling.User", Throttled),
        ("Forbidden.RAM", AccountTrouble),
        ("StatusForbidden", AccountTrouble),
        ("ErrorClusterNotFound", NotFound),
        ("InternalError", Unavailable),
    ],
)
def test_codes_are_sorted_by_what_to_do_next(code: str, kind: type[Exception]) -> None:
    assert COMMON.kind(code) is kind


def test_a_code_that_nobody_knows_is_judged_by_its_status() -> None:
    assert COMMON.kind("Strange") is None
    assert [by_status(s) for s in (429, 403, 404, 500)] == [
        Throttled,
        AccountTrouble,
        NotFound,
        Unavailable,
    ]


async def test_the_least_policies_are_enough_for_addons_and_their_users(cloud: Simulated) -> None:
    """By the names that RAM has for the actions, which are not all those of the API."""
    nobody, addons = cloud.user("without"), cloud.user("addons", Use.ADDONS)
    users = cloud.user("users", Use.USERS)
    for refused in (cloud.cs(nobody).clusters(), cloud.cs(users).clusters()):
        with pytest.raises(AccountTrouble):
            await refused
    cs = cloud.cs(addons)
    assert len(await cs.clusters()) == 2
    await cs.offered(await cs.cluster(PRO.id), NODE)
    assert await cs.roles(["AliyunCSDefaultRole"])
    assert await cs.activated("acs")
    task = await cs.install(PRO.id, NODE, version="v2.9.7", config={})
    assert await done(cs, task) is TaskState.DONE
    task = await cs.upgrade(PRO.id, NODE, current="v2.9.7", version="v2.13.0", config={})
    assert await done(cs, task) is TaskState.DONE
    await cs.configure(PRO.id, NODE, {"vSwitchIds": "vsw-1"})

    async def configured() -> bool:
        return bool(await cs.configurations(PRO.id)) and not await cs.busy(PRO.id)

    await until(configured)
    assert (await cs.addon(PRO.id, NODE)).name in {row.name for row in await cs.installed(PRO.id)}
    assert await done(cs, await cs.uninstall(PRO.id, NODE)) is TaskState.DONE
    with pytest.raises(AccountTrouble):
        await cloud.ram(addons).keys("somebody")
    await everything(cloud.ram(users))


async def everything(ram: Ram) -> None:
    """Each call of a grant, a rotation and a revocation."""
    await ram.ensure_user("ack-one-user-1", comment="x")
    for action in ("eci:*", "eci:Describe*"):
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        document = {"Version": "1", "Statement": [statement]}
        await ram.ensure_policy("ack-one-registered-cluster-policy-x", document)
    await ram.attach("ack-one-registered-cluster-policy-x", "ack-one-user-1")
    assert await ram.attached("ack-one-user-1")
    key = await ram.create_key("ack-one-user-1")
    await ram.set_key("ack-one-user-1", key.id, active=False)
    assert await ram.keys("ack-one-user-1")
    await ram.delete_key("ack-one-user-1", key.id)
    await ram.detach("ack-one-registered-cluster-policy-x", "ack-one-user-1")
    await ram.delete_user("ack-one-user-1")
    await ram.delete_policy("ack-one-registered-cluster-policy-x")
