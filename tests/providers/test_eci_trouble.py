"""What the cloud may do wrong, and that nothing is concluded from it."""

from __future__ import annotations

import contextlib
import secrets
import uuid

import pytest
from redis.asyncio import Redis

from providers.base import Container, InstanceState
from providers.buckets import Priority
from providers.errors import (
    AccountTrouble,
    InvalidSpec,
    NotFound,
    OutOfStock,
    Throttled,
    Unavailable,
    UnknownOutcome,
)
from providers.stock import Stock
from providers.tags import CONSOLE as CONSOLE_TAG
from tests.conftest import RedisServer
from tests.providers.cloud import CONSOLE, Simulated
from tests.providers.contract import name_of, until_state

OURS = {CONSOLE_TAG: CONSOLE}


async def make(eci: Simulated, count: int) -> list[str]:
    client = eci.client()
    return [
        (await client.create(eci.place.spec(f"pod-{n}"), token=secrets.token_hex(8))).id
        for n in range(count)
    ]


async def test_an_empty_list_that_is_true_is_given(eci: Simulated) -> None:
    assert (await eci.client().list(tags=OURS)).instances == ()


async def test_one_empty_list_between_full_ones_is_not_believed(eci: Simulated) -> None:
    await make(eci, 2)
    eci.plant("DescribeContainerGroups", empty=True, times=1)
    with pytest.raises(Unavailable):
        await eci.client().list(tags=OURS)
    assert len((await eci.client().list(tags=OURS)).instances) == 2


async def test_lists_that_stay_empty_while_cpus_are_in_use_are_not_believed(
    eci: Simulated,
) -> None:
    ids = await make(eci, 1)
    await until_state(
        eci.client(), type("C", (), {"id": ids[0]})(), {InstanceState.RUNNING}, seconds=10
    )
    for action in ("DescribeContainerGroups", "DescribeContainerGroupStatus"):
        eci.plant(action, empty=True, times=None)
    with pytest.raises(Unavailable, match="in use"):
        await eci.client().list(tags=OURS)
    with pytest.raises(Unavailable):
        await eci.client().get(ids[0])


async def test_a_key_that_lost_the_permission_to_list_is_trouble_and_no_absence(
    eci: Simulated,
) -> None:
    ids = await make(eci, 1)
    key = eci.cloud.keys[eci.keys["full access"].id]
    key.permission = False
    with pytest.raises(AccountTrouble):
        await eci.client().list(tags=OURS)
    with pytest.raises(AccountTrouble):
        await eci.client().get(ids[0])
    with pytest.raises(AccountTrouble):
        await eci.client().delete(ids[0])


async def test_a_disabled_key_and_a_wrong_secret_are_trouble(eci: Simulated) -> None:
    right = eci.keys["full access"]
    wrong = type(right)(right.id, type(right.secret)("nonsense"), right.token)
    with pytest.raises(AccountTrouble):
        await eci.client(wrong).list(tags=OURS)
    eci.cloud.keys[right.id].disabled = True
    with pytest.raises(AccountTrouble):
        await eci.client().verify()


async def test_a_list_whose_second_page_fails_is_no_list(eci: Simulated) -> None:
    await make(eci, 21)
    eci.plant("DescribeContainerGroups", fail_page=2, times=None, code="InternalError")
    with pytest.raises(Unavailable):
        await eci.client().list(tags=OURS)
    eci.cloud.faults.clear()
    assert len((await eci.client().list(tags=OURS)).instances) == 21


async def test_a_page_that_fails_once_is_asked_for_again(eci: Simulated) -> None:
    await make(eci, 21)
    eci.plant("DescribeContainerGroups", fail_page=2, times=1, code="ServiceUnavailable")
    assert len((await eci.client().list(tags=OURS)).instances) == 21


@pytest.mark.parametrize(
    "fault",
    [
        {"lost_answer": True},
        {"code": "InternalError", "http_status": 500, "when": "after"},
        {"code": "ServiceUnavailable", "http_status": 503, "when": "after"},
        {"code": "ServiceUnavailable", "http_status": 503},
    ],
)
async def test_a_create_without_an_answer_is_repeated_and_makes_one_instance(
    eci: Simulated, fault: dict[str, object]
) -> None:
    eci.plant("CreateContainerGroup", times=1, **fault)
    created = await eci.client().create(eci.place.spec("once"), token="t-once")
    calls = eci.calls("CreateContainerGroup")
    assert len(calls) == 2
    assert {call.parameters["ClientToken"] for call in calls} == {"t-once"}
    assert list(eci.cloud.groups) == [created.id]


async def test_a_create_that_never_gets_an_answer_is_an_unknown_outcome(eci: Simulated) -> None:
    eci.plant("CreateContainerGroup", times=None, lost_answer=True)
    with pytest.raises(UnknownOutcome):
        await eci.client().create(eci.place.spec("lost"), token="t-lost")
    assert len(eci.cloud.groups) == 1
    eci.cloud.faults.clear()
    created = await eci.client().create(eci.place.spec("lost"), token="t-lost")
    assert list(eci.cloud.groups) == [created.id]


async def test_a_throttled_repetition_after_a_lost_answer_stays_unknown(eci: Simulated) -> None:
    eci.plant("CreateContainerGroup", times=1, lost_answer=True)
    eci.plant("CreateContainerGroup", times=None, code="Throttling.User")
    with pytest.raises(UnknownOutcome):
        await eci.client().create(eci.place.spec("doubt"), token="t-doubt")


async def test_a_gateway_that_nobody_answers_at_was_not_reached(eci: Simulated) -> None:
    client = eci.client()
    await eci.gateway.stop()
    with pytest.raises(Unavailable) as caught:
        await client.create(eci.place.spec("off"), token="t-off")
    assert caught.value.code == "NoConnection"


async def test_throttling_is_told_apart_though_it_comes_with_400(eci: Simulated) -> None:
    eci.plant("CreateContainerGroup", code="Throttling.User", http_status=400)
    with pytest.raises(Throttled) as caught:
        await eci.client().create(eci.place.spec("fast"), token="t-fast")
    assert caught.value.request_id
    eci.plant("CreateContainerGroup", code="Throttling", retry_after_ms=7000)
    with pytest.raises(Throttled) as caught:
        await eci.client().create(eci.place.spec("fast"), token="t-fast")
    assert caught.value.retry_after == 7.0


async def test_a_throttled_action_slows_the_bucket_of_all_processes(eci: Simulated) -> None:
    told: list[tuple[str, float]] = []

    class Ears:
        async def take(self, action: str, priority: Priority) -> None:
            told.append((action, float(priority)))

        async def throttled(self, action: str, retry_after: float) -> None:
            told.append((action, retry_after))

        async def aclose(self) -> None:
            pass

    eci.plant("DeleteContainerGroup", code="Throttling.User")
    with pytest.raises(Throttled):
        await eci.client(limiter=Ears()).delete("eci-bp1x")
    assert told == [("DeleteContainerGroup", 0.0), ("DeleteContainerGroup", 1.0)]


async def test_without_stock_in_the_first_zone_the_second_is_used(eci: Simulated) -> None:
    first, second = eci.place.placements[:2]
    eci.turn(stock={first.zone: False})
    client = eci.client()
    created = await client.create(eci.place.spec("second"), token="t-second")
    seen = await until_state(client, created, {InstanceState.RUNNING}, seconds=10)
    assert (seen.zone, seen.subnet) == (second.zone, second.subnet)


async def test_without_stock_anywhere_the_zones_are_remembered_for_all_processes(
    eci: Simulated, redis_server: RedisServer
) -> None:
    eci.turn(stock={placement.zone: False for placement in eci.place.placements})

    def stock() -> Stock:
        return Stock(scope="1:cn-hangzhou", redis=lambda: Redis.from_url(redis_server.url))

    with pytest.raises(OutOfStock):
        await eci.client(stock=stock()).create(eci.place.spec("none"), token="t-1")
    calls = len(eci.calls("CreateContainerGroup"))
    with pytest.raises(OutOfStock) as caught:
        await eci.client(stock=stock()).create(eci.place.spec("none"), token="t-2")
    assert caught.value.code == "RememberedNoStock"
    assert len(eci.calls("CreateContainerGroup")) == calls
    big = Container("main", eci.place.image, cpu=None, memory=None)
    spec = eci.place.spec(
        "big", containers=(big,), options={"k8s.aliyun.com/eci-use-specs": "4-8Gi"}
    )
    with pytest.raises(OutOfStock):
        await eci.client(stock=stock()).create(spec, token="t-3")
    assert len(eci.calls("CreateContainerGroup")) == calls + 1


async def test_stock_that_runs_out_later_is_a_failed_schedule(eci: Simulated) -> None:
    eci.turn(stock={placement.zone: "late" for placement in eci.place.placements})
    client = eci.client()
    created = await client.create(eci.place.spec("late"), token="t-late")
    seen = await until_state(client, created, {InstanceState.SCHEDULE_FAILED}, seconds=10)
    assert seen.reason
    assert not seen.state.billed
    assert seen.billed_from is None


async def test_what_the_cloud_refuses_names_its_code_and_request(eci: Simulated) -> None:
    with pytest.raises(InvalidSpec) as caught:
        await eci.client().create(
            eci.place.spec("wrong", restart_policy="Sometimes"), token="t-wrong"
        )
    assert caught.value.code
    assert uuid.UUID(caught.value.request_id)


async def test_deleting_what_is_gone_is_not_found_and_deleting_twice_is_safe(
    eci: Simulated,
) -> None:
    client = eci.client()
    created = await client.create(eci.place.spec(name_of("twice")), token="t-del")
    eci.plant("DeleteContainerGroup", lost_answer=True)
    with contextlib.suppress(NotFound):
        await client.delete(created.id)
    assert eci.calls("DeleteContainerGroup")
    with pytest.raises(NotFound):
        await client.delete("eci-bp100000000000000000")


async def test_a_secret_never_shows_in_errors_or_reprs(eci: Simulated) -> None:
    key = eci.keys["no permission"]
    client = eci.client(key)
    with pytest.raises(AccountTrouble) as caught:
        await client.delete("eci-bp1x")
    secret = key.secret.reveal()
    assert secret not in repr(key) + str(caught.value) + repr(caught.value.__dict__)


async def test_verification_of_a_key_without_grants_names_what_to_grant(eci: Simulated) -> None:
    seen = await eci.client(eci.keys["no permission"]).verify()
    refused = {c.action: c for c in seen.capabilities if not c.ok}
    assert refused["DescribeContainerGroups"].grant == "eci:DescribeContainerGroups"
    assert refused["CreateContainerGroup"].request_id
    assert not [
        c
        for c in seen.capabilities
        if c.ok and c.action.startswith("Describe") and c.action != "DescribeRegions"
    ]
    assert not eci.cloud.groups
