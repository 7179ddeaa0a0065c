"""What the cloud may do wrong, and that nothing is concluded from it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from kube.secret import Secret
from providers.base import ClusterAccess, Created, InstanceState
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
from providers.kci import lists
from providers.kingsoft.signing import Key
from providers.registry import dialect
from providers.stock import Stock
from providers.tags import CONSOLE as CONSOLE_TAG
from providers.tags import owner_of
from tests.conftest import RedisServer
from tests.providers.cloud import CONSOLE
from tests.providers.contract import name_of, until_state
from tests.providers.kci_cloud import Simulated, key_of

OURS = {CONSOLE_TAG: CONSOLE}
CREATE, DESCRIBE, DELETE = (
    "CreateContainerGroup",
    "DescribeContainerGroup",
    "DeleteContainerGroup",
)


async def make(kci: Simulated, count: int) -> list[str]:
    client = kci.client()
    return [
        (await client.create(kci.place.spec(f"pod-{n}"), token=secrets.token_hex(8))).id
        for n in range(count)
    ]


# --- lists ----------------------------------------------------------------------------------------


async def test_an_empty_list_that_is_true_is_given(kci: Simulated) -> None:
    assert (await kci.client().list(tags=OURS)).instances == ()


async def test_one_empty_list_between_full_ones_is_not_believed(kci: Simulated) -> None:
    ids = await make(kci, 2)
    kci.plant(DESCRIBE, empty=True, times=1)
    with pytest.raises(Unavailable):
        await kci.client().list(tags=OURS)
    assert {i.id for i in (await kci.client().list(tags=OURS)).instances} == set(ids)
    kci.plant(DESCRIBE, empty=True, times=1)
    assert (await kci.client().get(ids[0])).id == ids[0]


async def test_a_key_that_lost_the_permission_to_list_is_trouble_and_no_absence(
    kci: Simulated,
) -> None:
    ids = await make(kci, 1)
    kci.cloud.keys.by_id[kci.keys["full access"].id].denied_actions = [DESCRIBE, DELETE]
    with pytest.raises(AccountTrouble):
        await kci.client().list(tags=OURS)
    with pytest.raises(AccountTrouble):
        await kci.client().get(ids[0])
    with pytest.raises(AccountTrouble):
        await kci.client().delete(ids[0])


async def test_a_list_whose_second_page_fails_is_no_list(kci: Simulated) -> None:
    await make(kci, 11)
    kci.plant(DESCRIBE, match={"Marker": "5"}, times=None, code="InternalError")
    with pytest.raises(Unavailable):
        await kci.client(page=10).list(tags=OURS)
    kci.cloud.faults.clear()
    kci.plant(DESCRIBE, match={"Marker": "5"}, times=1, code="ServiceUnavailable")
    assert len((await kci.client(page=10).list(tags=OURS)).instances) == 11


class Groups:
    """A list cut by position, as KCI cuts it; `between` happens after each page."""

    def __init__(self, count: int, between: Any = None) -> None:
        self.ids = [f"g{n}" for n in range(count)]
        self.asked: list[int] = []
        self._between = between

    async def read(self, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        start, size = parameters["Marker"], parameters["MaxResults"]
        self.asked.append(start)
        page = self.ids[start : start + size]
        end = start + len(page)
        body = {
            "ContainerGroups": [{"ContainerGroupId": one} for one in page],
            "TotalCount": len(self.ids),
            "Marker": end if end < len(self.ids) else 0,
        }
        if self._between is not None:
            self._between(self)
        return body


async def test_what_is_deleted_between_two_pages_hides_nothing() -> None:
    def delete_three(groups: Groups) -> None:
        if len(groups.asked) == 1:
            del groups.ids[2:5]

    groups = Groups(250, delete_three)
    found = await lists.complete(groups.read, {})
    assert set(groups.ids) <= found.keys()
    assert groups.asked == [0, 90, 180]


async def test_when_too_much_is_deleted_the_list_is_read_again() -> None:
    def delete_many(groups: Groups) -> None:
        if len(groups.asked) == 1:
            del groups.ids[:40]

    groups = Groups(250, delete_many)
    found = await lists.complete(groups.read, {})
    assert set(groups.ids) <= found.keys()
    assert groups.asked.count(0) == 2


async def test_a_list_that_never_stands_still_is_no_list() -> None:
    def delete_always(groups: Groups) -> None:
        del groups.ids[:40]

    with pytest.raises(Unavailable) as caught:
        await lists.complete(Groups(900, delete_always).read, {})
    assert caught.value.code == "ListMoves"


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        (
            {"ContainerGroups": [{"ContainerGroupId": "a"}], "TotalCount": 9, "Marker": 1},
            "PageRepeats",
        ),
        ({"ContainerGroups": [], "TotalCount": 9, "Marker": 5}, "PageRepeats"),
        (
            {"ContainerGroups": [{"ContainerGroupId": "a"}], "TotalCount": 2, "Marker": 0},
            "ListMoves",
        ),
        ({"TotalCount": 0, "Marker": 0}, "NoList"),
        ({"ContainerGroups": [], "Marker": 0}, "NoList"),
    ],
)
async def test_pages_that_contradict_themselves_are_no_list(answers: Any, code: str) -> None:
    async def read(_action: str, _parameters: Mapping[str, Any]) -> dict[str, Any]:
        return dict(answers)

    with pytest.raises(Unavailable) as caught:
        await lists.complete(read, {})
    assert caught.value.code == code


async def test_two_hundred_who_look_for_theirs_share_two_lists(kci: Simulated) -> None:
    await make(kci, 3)
    client = kci.client()
    found = await asyncio.gather(*(client.list(tags=OURS) for _ in range(200)))
    assert {len(listing.instances) for listing in found} == {3}
    assert len(kci.calls(DESCRIBE)) <= 2


async def test_a_list_asked_for_while_one_is_under_way_begins_later(kci: Simulated) -> None:
    kci.turn(answer_ms=50)
    client = kci.client()
    await make(kci, 1)
    early = asyncio.ensure_future(client.list(tags=OURS))
    await asyncio.sleep(0.02)
    asked = client.wire.now()
    late = await client.list(tags=OURS)
    assert (await early).asked_at < asked <= late.asked_at


async def test_a_long_list_is_told_again_until_the_rate_allows_another(kci: Simulated) -> None:
    await make(kci, 4)
    client = kci.client(page=2, page_seconds=60.0)
    first = await client.changes(since_seconds=None)
    calls = len(kci.calls(DESCRIBE))
    again = await client.changes(since_seconds=5)
    assert again.asked_at == first.asked_at
    assert len(kci.calls(DESCRIBE)) == calls
    assert (await client.list(tags=OURS)).asked_at > first.asked_at


# --- creates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"lost_answer": True},
        {"code": "InternalError", "http_status": 500, "when": "after"},
        {"code": "ServiceUnavailable", "http_status": 503, "when": "after"},
    ],
)
async def test_a_create_without_an_answer_is_asked_once_and_found_by_its_name(
    kci: Simulated, fault: dict[str, Any]
) -> None:
    spec = kci.place.spec(name_of("lost"))
    kci.plant(CREATE, times=None, **fault)
    client = kci.client()
    with pytest.raises(UnknownOutcome):
        await client.create(spec, token="t")
    assert len(kci.calls(CREATE)) == 1
    (found,) = (await client.list(tags=spec.tags)).instances
    assert list(kci.cloud.groups) == [found.id]
    assert owner_of(found.tags) == owner_of(spec.tags)


async def test_a_request_that_was_cut_off_is_an_unknown_outcome_too(kci: Simulated) -> None:
    kci.plant(CREATE, lost_request=True)
    with pytest.raises(UnknownOutcome):
        await kci.client().create(kci.place.spec("cut"), token="t")
    assert not kci.cloud.groups


async def test_a_gateway_that_nobody_answers_at_was_not_reached(kci: Simulated) -> None:
    client = kci.client()
    await kci.gateway.stop()
    with pytest.raises(Unavailable) as caught:
        await client.create(kci.place.spec("off"), token="t")
    assert caught.value.code == "NoConnection"


async def test_what_the_cloud_refuses_made_nothing_and_names_its_code(kci: Simulated) -> None:
    with pytest.raises(InvalidSpec) as caught:
        await kci.client().create(kci.place.spec("wrong", restart_policy="Sometimes"), token="t")
    assert caught.value.code
    assert caught.value.request_id
    assert not kci.cloud.groups


async def test_a_throttled_call_slows_the_bucket_of_all_processes(kci: Simulated) -> None:
    told: list[tuple[str, float]] = []

    class Ears:
        async def take(self, action: str, priority: Priority) -> None:
            told.append((action, float(priority)))

        async def throttled(self, action: str, retry_after: float) -> None:
            told.append((action, retry_after))

        async def queue(self, action: str) -> tuple[bool, float]:
            return True, 0.0

        async def aclose(self) -> None:
            pass

    kci.plant(CREATE, code="LimitExceeded", http_status=409, retry_after_ms=7000)
    client = kci.client(limiter=Ears())
    spec = replace(kci.place.spec("fast"), placed=True)
    with pytest.raises(Throttled) as caught:
        await client.create(spec, token="t")
    assert caught.value.retry_after == 7.0
    assert told == [(CREATE, float(Priority.CREATE)), (CREATE, 7.0)]
    told.clear()
    await client.logs((await make(kci, 1))[0], "main")
    assert told == [("read", float(Priority.LOGS))]


async def test_without_stock_in_the_first_zone_the_second_is_used(kci: Simulated) -> None:
    first, second = kci.place.placements
    kci.turn(stock={first.zone: False})
    client = kci.client()
    created = await client.create(kci.place.spec("second"), token="t")
    seen = await until_state(client, created, {InstanceState.RUNNING}, seconds=10)
    assert (seen.zone, seen.subnet) == (second.zone, second.subnet)


async def test_without_stock_anywhere_the_zones_are_remembered_for_all_processes(
    kci: Simulated, redis_server: RedisServer
) -> None:
    kci.turn(stock={placement.zone: False for placement in kci.place.placements})

    def stock() -> Stock:
        return Stock(scope="1:cn-beijing-6", redis=lambda: Redis.from_url(redis_server.url))

    with pytest.raises(OutOfStock):
        await kci.client(stock=stock()).create(kci.place.spec("none"), token="t-1")
    calls = len(kci.calls(CREATE))
    with pytest.raises(OutOfStock) as caught:
        await kci.client(stock=stock()).create(kci.place.spec("none"), token="t-2")
    assert caught.value.code == "RememberedNoStock"
    assert len(kci.calls(CREATE)) == calls
    big = kci.place.spec(
        "big",
        options={"k8s.ksyun.com/kci-instance-cpu": "4", "k8s.ksyun.com/kci-instance-memory": "8"},
    )
    with pytest.raises(OutOfStock):
        await kci.client(stock=stock()).create(big, token="t-3")
    assert len(kci.calls(CREATE)) == calls + 1


async def test_stock_that_runs_out_later_is_a_failed_schedule(kci: Simulated) -> None:
    kci.turn(stock={placement.zone: "late" for placement in kci.place.placements})
    client = kci.client()
    created = await client.create(kci.place.spec("late"), token="t")
    seen = await until_state(client, created, {InstanceState.SCHEDULE_FAILED}, seconds=10)
    assert seen.reason == "CreateError"
    assert seen.billed_from is None


async def test_the_size_follows_the_packages_that_the_cloud_sells(kci: Simulated) -> None:
    zones = {placement.zone for placement in kci.place.placements}
    for zone in zones:
        kci.cloud.packages[zone, "HourlyInstantSettlement"] = {3: (7,)}
    client = kci.client()
    own = {"k8s.ksyun.com/kci-instance-cpu": "1", "k8s.ksyun.com/kci-instance-memory": "2"}
    spec = await client.placed(kci.place.spec("odd", options=own))
    assert dialect("kci").billed_size(spec).label == "3C7G"
    created = await client.create(spec, token="t")
    seen = await until_state(client, created, {InstanceState.RUNNING}, seconds=10)
    assert seen.size is not None
    assert seen.size.label == "3C7G"


async def test_in_cluster_mode_the_cloud_tells_the_state_and_no_containers(kci: Simulated) -> None:
    access = ClusterAccess(Secret("kubeconfig-text"), "default", "web", "n1", ("10.254.0.10",))
    spec = kci.place.spec("web", cluster=access, settings={"KCI_KUBE_PROXY": "true"})
    client = kci.client()
    created = await client.create(spec, token="t")
    seen = await until_state(client, created, {InstanceState.RUNNING}, seconds=10)
    assert seen.containers is None
    assert owner_of(seen.tags) == owner_of(spec.tags)
    (call,) = kci.calls(CREATE)
    assert "kubeconfig-text" not in repr(call)


# --- the rest -------------------------------------------------------------------------------------


async def test_deleting_what_is_gone_is_not_found_and_a_lost_answer_is_asked_again(
    kci: Simulated,
) -> None:
    client = kci.client()
    ids = await make(kci, 2)
    kci.plant(DELETE, lost_answer=True)
    with pytest.raises(NotFound):
        await client.delete(ids[0])
    assert await client.delete(ids[1])
    with pytest.raises(NotFound):
        await client.delete(ids[1])
    assert not kci.cloud.groups


async def test_details_tell_those_there_are_of_many(kci: Simulated) -> None:
    ids = await make(kci, 5)
    client = kci.client(page=2)
    asked = [*ids, "3d9c6f5e-0000-4b5e-9c1a-7d2b9e6a1000"]
    assert {i.id for i in (await client.details(asked)).instances} == set(ids)
    kci.plant(DESCRIBE, code="ContainerGroupNotFound", http_status=404, times=1)
    assert {i.id for i in (await client.details(asked[:2])).instances} == set(ids[:2])


async def test_a_log_of_the_run_before_cannot_be_had(kci: Simulated) -> None:
    (one,) = await make(kci, 1)
    with pytest.raises(NotFound):
        await kci.client().logs(one, "main", previous=True)


async def test_a_session_in_a_container_is_opened_at_the_address_told(kci: Simulated) -> None:
    client = kci.client()
    (one,) = await make(kci, 1)
    await until_state(client, Created(one, ""), {InstanceState.RUNNING}, seconds=10)
    address = await client.exec_url(one, "main", ["echo", "hello"], tty=False)
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        assert b"hello" in (await socket.receive(timeout=5)).data


def renewing(kci: Simulated, keys: list[Key | None]) -> Any:
    asked: list[int] = []

    async def refresh() -> Key | None:
        asked.append(1)
        return keys.pop(0)

    return asked, refresh


async def test_a_temporary_key_that_ended_is_replaced_once_for_all_callers(
    kci: Simulated,
) -> None:
    await make(kci, 1)
    old, new = kci.cloud.issue_temporary(-1), kci.cloud.issue_temporary(600)
    asked, refresh = renewing(kci, [key_of(new)])
    client = kci.client(key_of(old), refresh=refresh)
    subnets, regions, found = await asyncio.gather(
        client.subnets(), client.regions(), client.list(tags=OURS)
    )
    assert len(subnets) == 2
    assert regions
    assert len(found.instances) == 1
    assert len(asked) == 1
    assert await client.create(kci.place.spec("after"), token="t")
    assert len(kci.cloud.groups) == 2


async def test_a_create_refused_for_the_age_of_its_key_is_asked_again_and_made_once(
    kci: Simulated,
) -> None:
    old, new = kci.cloud.issue_temporary(-1), kci.cloud.issue_temporary(600)
    _asked, refresh = renewing(kci, [key_of(new)])
    client = kci.client(key_of(old), refresh=refresh)
    spec = replace(kci.place.spec("renewed"), placed=True)
    created = await client.create(spec, token="t")
    assert list(kci.cloud.groups) == [created.id]


@pytest.mark.parametrize("source", ["none", "same", "no source"])
async def test_without_another_key_an_ended_one_is_trouble(kci: Simulated, source: str) -> None:
    old = key_of(kci.cloud.issue_temporary(-1))
    keys: dict[str, list[Key | None]] = {"none": [None], "same": [old], "no source": []}
    _asked, refresh = renewing(kci, keys[source])
    given = {} if source == "no source" else {"refresh": refresh}
    with pytest.raises(AccountTrouble) as caught:
        await kci.client(old, **given).regions()
    assert caught.value.code == "SecurityTokenExpired"


async def test_a_disabled_key_and_a_wrong_secret_are_trouble(kci: Simulated) -> None:
    right = kci.keys["full access"]
    with pytest.raises(AccountTrouble):
        await kci.client(replace(right, secret=Secret("nonsense"))).list(tags=OURS)
    kci.cloud.keys.by_id[right.id].disabled = True
    with pytest.raises(AccountTrouble):
        await kci.client().verify()


async def test_the_doctor_names_what_to_grant_and_makes_nothing(kci: Simulated) -> None:
    seen = await kci.client(kci.keys["no permission"]).verify()
    refused = {c.action: c for c in seen.capabilities}
    assert not [c.action for c in seen.capabilities if c.ok]
    assert refused[CREATE].grant == "kci:CreateContainerGroup"
    assert refused["DescribeSubnets"].grant == "vpc:DescribeSubnets"
    assert not kci.cloud.groups


async def test_the_doctor_finds_the_one_action_that_is_missing(kci: Simulated) -> None:
    key = kci.cloud.keys.by_id[kci.keys["full access"].id]
    key.denied_actions = [DELETE]
    seen = await kci.client().verify()
    assert [c.grant for c in seen.capabilities if not c.ok] == ["kci:DeleteContainerGroup"]
    assert seen.account_id == kci.cloud.account_id


async def test_a_secret_never_shows_in_errors_or_reprs(kci: Simulated) -> None:
    key = kci.keys["no permission"]
    with pytest.raises(AccountTrouble) as caught:
        await kci.client(key).regions()
    secret = key.secret.reveal()
    assert secret not in repr(key) + str(caught.value) + repr(caught.value.__dict__)
