"""Every knob and fault of the control API, seen through the official SDK."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from alibabacloud_eci20180808 import models as eci
from darabonba.exceptions import DaraException, UnretryableException

from sandbox.clouds.eci.control import EciControl
from sandbox.control import ControlServer

from .conftest import REGION, wait_until


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
    server.app.add_routes(EciControl({REGION: wire.cloud}).routes())
    await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        yield Control(server.url, session)
    await server.stop()


async def listed(wire, **filters):
    request = eci.DescribeContainerGroupsRequest(region_id=REGION, **filters)
    return (await wire.client().describe_container_groups_async(request)).body


async def test_a_planted_error_hits_so_many_calls_without_effect(wire, control):
    fault = {"action": "CreateContainerGroup", "code": "ServiceUnavailable", "times": 2}
    await control("POST", "/eci/faults", 201, **fault)
    for _ in range(2):
        with pytest.raises(DaraException) as refusal:
            await wire.create()
        assert (refusal.value.code, refusal.value.status_code) == ("ServiceUnavailable", 503)
    await wire.create()
    assert (await listed(wire)).total_count == 1
    assert (await control("GET", "/eci/faults"))[0]["hits"] == 2


async def test_an_error_after_the_effect_and_a_retry_with_the_token_make_one_instance(
    wire, control
):
    await control("POST", "/eci/faults", 201, action="CreateContainerGroup", when="after")
    with pytest.raises(DaraException):
        await wire.create(client_token="t")
    again = await wire.create(client_token="t")
    assert [g.container_group_id for g in (await listed(wire)).container_groups] == [again]


async def test_a_lost_answer_has_its_effect_and_cuts_the_connection(wire, control):
    await control(
        "POST", "/eci/faults", 201, action="CreateContainerGroup", lost_answer=True, times=1
    )
    with pytest.raises(UnretryableException, match="disconnected"):
        await wire.create(client_token="t")
    assert (await listed(wire)).total_count == 1
    await wire.create(client_token="t")
    assert (await listed(wire)).total_count == 1
    calls = await control("GET", "/eci/calls?action=CreateContainerGroup")
    assert [(c["status"], c["code"]) for c in calls] == [(0, "ConnectionLost"), (200, "")]
    assert calls[0]["container_group_id"] == calls[1]["container_group_id"]


async def test_a_list_can_be_empty_or_lose_one_page(wire, control):
    for index in range(3):
        await wire.create(f"g{index}")
    await control("POST", "/eci/faults", 201, action="DescribeContainerGroups", empty=True, times=1)
    assert (await listed(wire)).total_count == 0
    await control(
        "POST", "/eci/faults", 201, action="DescribeContainerGroups", fail_page=2, times=1
    )
    first = await listed(wire, limit=2)
    with pytest.raises(DaraException) as refusal:
        await listed(wire, limit=2, next_token=first.next_token)
    assert refusal.value.status_code == 500
    second = await listed(wire, limit=2, next_token=first.next_token)
    assert len(second.container_groups) == 1


async def test_a_fault_can_mean_only_calls_with_certain_parameters(wire, control):
    await control(
        "POST",
        "/eci/faults",
        201,
        action="*",
        code="OperationDenied.NoStock",
        http_status=403,
        message="sold out",
        times=None,
        match={"ContainerGroupName": "bad-*"},
    )
    await wire.create("good")
    for _ in range(3):
        with pytest.raises(DaraException) as refusal:
            await wire.create("bad-1")
        assert (refusal.value.code, refusal.value.status_code) == ("OperationDenied.NoStock", 403)
    await control("DELETE", "/eci/faults")
    await wire.create("bad-1")


async def test_throttling_with_a_retry_after_header_is_understood_by_the_sdk(wire, control):
    await control("POST", "/eci/faults", 201, code="Throttling", retry_after_ms=1500)
    with pytest.raises(DaraException) as refusal:
        await listed(wire)
    assert refusal.value.retry_after == 1500


async def test_a_new_instance_stays_invisible_for_the_consistency_time(wire, control):
    await control("PUT", "/eci/knobs", consistency_ms=4000)
    group_id = await wire.create()
    request = eci.DescribeContainerGroupStatusRequest(region_id=REGION)
    assert (await listed(wire, container_group_ids=json.dumps([group_id]))).total_count == 0
    wire.clock.shift += 5
    assert (await listed(wire)).total_count == 1
    status = (await wire.client().describe_container_group_status_async(request)).body
    assert status.data[0].container_group_id == group_id


async def test_knobs_refuse_unknown_names_and_wrong_types_and_keep_the_rest(wire, control):
    await control("PUT", "/eci/knobs", quota_cpu=5, stock={"cn-hangzhou-j": {"2-4Gi": False}})
    await control("PUT", "/eci/knobs", 400, nonsense=1)
    await control("PUT", "/eci/knobs", 400, quota_cpu="many")
    knobs = await control("GET", "/eci/knobs")
    assert (knobs["quota_cpu"], knobs["stock"]) == (5, {"cn-hangzhou-j": {"2-4Gi": False}})


async def test_an_instance_can_be_killed_as_a_whole_or_one_container_of_it(wire, control):
    whole, part = await wire.create("whole"), await wire.create("part")
    killed = await control("POST", f"/eci/instances/{whole}/die", reason="SystemFailureReboot")
    assert (killed["status"], killed["billed_to"]) == ("Failed", killed["ended_at"])
    await control(
        "POST", f"/eci/instances/{part}/die", container="main", reason="OOMKilled", exit_code=137
    )
    wire.clock.shift += 2
    groups = {g.container_group_id: g for g in (await listed(wire)).container_groups}
    assert groups[whole].containers[0].current_state.exit_code == 137
    assert "SystemFailureReboot" in {event.reason for event in groups[whole].events}
    main = groups[part].containers[0]
    assert (main.restart_count, main.previous_state.reason) == (1, "OOMKilled")
    spot = await wire.create("spot", spot_strategy="SpotAsPriceGo", cpu=2.0, memory=4.0)
    assert (await control("POST", f"/eci/instances/{spot}/die", reason="SpotReclaim"))[
        "status"
    ] == ("Expired")
    await control("POST", f"/eci/instances/{spot}/die", 409)
    await control("POST", "/eci/instances/eci-none/die", 404)


async def test_the_meter_lists_every_instance_ever_deleted_ones_too(wire, control):
    group_id = await wire.create(client_token="t", cpu=2.0, memory=4.0)
    wire.clock.shift += 30
    request = eci.DeleteContainerGroupRequest(region_id=REGION, container_group_id=group_id)
    await wire.client().delete_container_group_async(request)
    (row,) = await control("GET", "/eci/instances")
    assert (row["id"], row["status"], row["listed"]) == (group_id, "Deleted", False)
    assert (row["client_token"], row["cpu"], row["billed_to"]) == ("t", 2.0, row["deleted_at"])
    assert 30 <= row["billed_seconds"] <= 31
    assert float(row["billed_cny"]) == pytest.approx(row["billed_seconds"] * 0.00012252)


async def test_keys_can_be_disabled_and_single_actions_denied(wire, control):
    key = wire.key().access_key_id
    await control("PUT", f"/eci/keys/{key}", denied_actions=["CreateContainerGroup"])
    with pytest.raises(DaraException) as denied:
        await wire.create()
    assert denied.value.status_code == 403
    assert (await listed(wire)).total_count == 0
    await control("PUT", f"/eci/keys/{key}", disabled=True)
    with pytest.raises(DaraException) as disabled:
        await listed(wire)
    assert disabled.value.code == "InvalidAccessKeyId.Inactive"
    await control("PUT", f"/eci/keys/{key}", disabled=False, denied_actions=[])
    await wire.create()
    await control("PUT", f"/eci/keys/{key}", permission=False)
    assert (await listed(wire)).total_count == 0
    await control("PUT", f"/eci/keys/{key}", 400, secret="x")


async def test_the_ledger_is_read_from_a_sequence_number_on(wire, control):
    await wire.create("one")
    seq = (await control("GET", "/eci/calls"))[-1]["seq"]
    await listed(wire, container_group_name="one")
    (line,) = await control("GET", f"/eci/calls?since={seq}")
    assert line["action"] == "DescribeContainerGroups"
    assert line["parameters"] == {"RegionId": REGION, "ContainerGroupName": "one"}
    assert (line["access_key_id"], line["status"]) == (wire.key().access_key_id, 200)


async def test_latency_is_added_and_timers_fire_without_any_call(wire, control):
    await control("PUT", "/eci/knobs", latency_ms=80, schedule_seconds=0.2, pull_seconds=0.2)
    loop_time = aiohttp.helpers.asyncio.get_running_loop().time
    before = loop_time()
    group_id = await wire.create()
    assert loop_time() - before >= 0.08
    group = wire.cloud.groups[group_id]
    await wait_until(lambda: group.status == "Running")
