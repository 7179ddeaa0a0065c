"""Every knob and fault of the control API, seen through the official SDK."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from ksyun.client.kci.v20200702 import models as kci
from ksyun.common.exception.ksyun_sdk_exception import KsyunSDKException

from sandbox.clouds.kci.control import KciControl
from sandbox.control import ControlServer


class Control:
    """A client of the control API."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session = url, session

    async def __call__(self, method: str, path: str, status: int = 200, **body):
        json_body = body or None
        async with self.session.request(method, self.url + path, json=json_body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()


@pytest.fixture
async def control(wire) -> AsyncIterator[Control]:
    server = ControlServer()
    server.app.add_routes(KciControl(wire.cloud).routes())
    await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        yield Control(server.url, session)
    await server.stop()


async def create(wire, name="demo", **params):
    answer = await wire.call(kci.CreateContainerGroupRequest, wire.wanted(name, **params))
    return answer["ContainerGroupId"]


async def listed(wire, **params):
    return await wire.call(kci.DescribeContainerGroupRequest, params)


async def refused(call):
    """Return the code of the refusal that a call ends in."""
    with pytest.raises(KsyunSDKException) as refusal:
        await call
    return json.loads(refusal.value.message)["Error"]["Code"]


async def test_a_planted_error_hits_so_many_calls_without_effect(wire, control):
    fault = {"action": "CreateContainerGroup", "code": "ServiceUnavailable", "times": 2}
    await control("POST", "/kci/faults", 201, **fault)
    for _ in range(2):
        assert await refused(create(wire)) == "ServiceUnavailable"
    await create(wire)
    assert (await listed(wire))["TotalCount"] == 1
    assert (await control("GET", "/kci/faults"))[0]["hits"] == 2
    await control("DELETE", "/kci/faults")
    assert await control("GET", "/kci/faults") == []


@pytest.mark.parametrize(("how", "groups"), [("lost_answer", 1), ("lost_request", 0)])
async def test_a_connection_is_cut_after_the_effect_or_before_it(wire, control, how, groups):
    fault = {"action": "CreateContainerGroup", how: True, "times": 1}
    await control("POST", "/kci/faults", 201, **fault)
    with pytest.raises(KsyunSDKException) as lost:
        await create(wire)
    assert lost.value.code == "ClientNetworkError"
    assert (await listed(wire))["TotalCount"] == groups
    (line,) = await control("GET", "/kci/calls?action=CreateContainerGroup")
    assert (line["status"], line["code"]) == (0, "ConnectionLost")
    assert bool(line["container_group_id"]) == bool(groups)


async def test_a_repeat_after_a_refusal_with_effect_makes_a_second_billed_group(wire, control):
    await control("POST", "/kci/faults", 201, action="CreateContainerGroup", when="after")
    assert await refused(create(wire)) == "InternalError"
    await create(wire)
    rows = await control("GET", "/kci/instances")
    assert [row["billed_to"] for row in rows] == [None, None]


async def test_a_list_can_be_empty_or_lose_one_page(wire, control):
    for index in range(3):
        await create(wire, f"g-{index}")
    plant = {"action": "DescribeContainerGroup", "times": 1}
    await control("POST", "/kci/faults", 201, **plant, empty=True)
    assert (await listed(wire))["ContainerGroups"] == []
    await control("POST", "/kci/faults", 201, **plant, fail_page=2)
    first = await listed(wire, MaxResults=2)
    assert await refused(listed(wire, MaxResults=2, Marker=first["Marker"])) == "InternalError"
    second = await listed(wire, MaxResults=2, Marker=first["Marker"])
    assert len(second["ContainerGroups"]) == 1


async def test_calls_above_the_rate_are_refused_and_a_retry_time_can_be_told(wire, control):
    await control("PUT", "/kci/knobs", calls_per_second=3)
    frozen = wire.clock()
    wire.cloud.now = lambda: frozen
    for _ in range(3):
        await listed(wire)
    assert await refused(listed(wire)) == "LimitExceeded"
    await control("PUT", "/kci/knobs", limits=False)
    await listed(wire)
    fault = {"code": "LimitExceeded", "http_status": 409, "retry_after_ms": 1500}
    await control("POST", "/kci/faults", 201, **fault)
    assert await refused(listed(wire)) == "LimitExceeded"


async def test_a_new_instance_stays_invisible_for_the_consistency_time(wire, control):
    await control("PUT", "/kci/knobs", consistency_ms=4000)
    group_id = await create(wire)
    assert (await listed(wire, ContainerGroupId=[group_id]))["TotalCount"] == 0
    wire.clock.shift += 5
    assert (await listed(wire))["TotalCount"] == 1
    await control("PUT", "/kci/knobs", 400, nonsense=1)
    assert (await control("GET", "/kci/knobs"))["consistency_ms"] == 4000


async def test_an_instance_can_be_killed_as_a_whole_or_one_container_of_it(wire, control):
    whole, part = await create(wire, "whole"), await create(wire, "part")
    killed = await control("POST", f"/kci/instances/{whole}/die", reason="Evicted")
    assert (killed["status"], killed["billed_to"]) == ("Failed", killed["ended_at"])
    await control(
        "POST", f"/kci/instances/{part}/die", container="main", reason="OOMKilled", exit_code=137
    )
    wire.clock.shift += 2
    groups = {g["ContainerGroupId"]: g for g in (await listed(wire))["ContainerGroups"]}
    assert groups[whole]["Containers"][0]["CurrentState"]["ExitCode"] == 137
    (main,) = groups[part]["Containers"]
    assert (main["RestartCount"], main["PreviousState"]["Reason"]) == (1, "OOMKilled")
    spot = await create(wire, "spot", ChargeType="Spot")
    reclaimed = await control("POST", f"/kci/instances/{spot}/die", reason="SpotReclaim")
    assert (reclaimed["status"], reclaimed["charge_type"]) == ("Failed", "Spot")
    await control("POST", f"/kci/instances/{spot}/die", 409)
    await control("POST", "/kci/instances/none/die", 404)


async def test_the_meter_lists_every_instance_ever_deleted_ones_too(wire, control):
    group_id = await create(wire)
    wire.clock.shift += 30
    await wire.call(kci.DeleteContainerGroupRequest, {"ContainerGroupId": group_id})
    (row,) = await control("GET", "/kci/instances")
    assert (row["id"], row["status"], row["listed"]) == (group_id, "Deleted", False)
    assert (row["cpu"], row["memory"], row["instance_type"]) == (1.0, 2.0, "N3.1B")
    assert row["billed_from"] == row["created_at"]
    assert 30 <= row["billed_seconds"] <= 31


async def test_keys_can_be_disabled_denied_limited_to_projects_and_made_for_a_time(wire, control):
    path = f"/kci/keys/{wire.key().access_key_id}"
    await control("PUT", path, denied_actions=["CreateContainerGroup"])
    assert await refused(create(wire)) == "AccessDenied"
    await control("PUT", path, denied_actions=[], projects=[101])
    await create(wire)
    assert (await listed(wire))["TotalCount"] == 0
    await control("PUT", path, disabled=True)
    assert await refused(listed(wire)) == "InvalidClientTokenId"
    await control("PUT", path, 400, secret="x")
    given = await control("POST", "/kci/temporary", 201, seconds=60)
    assert given["token"]
    known = {key["access_key_id"] for key in await control("GET", "/kci/keys")}
    assert given["access_key_id"] in known


async def test_the_ledger_names_service_action_and_parameters_without_secrets(wire, control):
    wanted = wire.wanted(
        ImageRegistryCredential=[{"Server": "hub", "Username": "u", "Password": "p"}]
    )
    await wire.call(kci.CreateContainerGroupRequest, wanted)
    seq = (await control("GET", "/kci/calls"))[-1]["seq"]
    await listed(wire, Search="demo")
    (line,) = await control("GET", f"/kci/calls?since={seq}")
    assert (line["service"], line["action"]) == ("kci", "DescribeContainerGroup")
    assert line["parameters"] == {"Service": "kci", "Search": "demo"}
    (made,) = await control("GET", "/kci/calls?action=CreateContainerGroup")
    assert made["parameters"]["ImageRegistryCredential.0.Password"] == "***"
    assert "Accesskey" not in made["parameters"]
    assert "p" not in json.dumps(wire.cloud.groups[made["container_group_id"]].request).split('"')


async def test_latency_is_added_before_and_after_the_effect(wire, control):
    await control("PUT", "/kci/knobs", latency_ms=60, answer_ms=60)
    clock = aiohttp.helpers.asyncio.get_running_loop().time
    before = clock()
    await listed(wire)
    assert clock() - before >= 0.12
