"""The power `Bills` through the real clients, against the simulated accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kube.secret import Secret
from providers.alibaba import bss
from providers.alibaba.endpoints import endpoint
from providers.alibaba.signing import Key as AlibabaKey
from providers.base import Bills
from providers.eci.client import Eci
from providers.eci.wire import Wire as EciWire
from providers.errors import AccountTrouble, InvalidSpec, Unavailable
from providers.kci.client import Kci
from providers.kingsoft import bills
from providers.kingsoft.signing import Key as KingsoftKey
from providers.kingsoft.wire import Wire as KciWire
from sandbox.clouds.eci import meter as eci_meter
from sandbox.clouds.groups import meter
from sandbox.clouds.groups.faults import Fault
from tests.providers.cloud import LOOPBACK
from tests.sandbox_bills.clouds import (
    Aliyun,
    Kingsoft,
    aliyun_account,
    kingsoft_account,
    yesterday,
)


async def at_once(_seconds: float) -> None:
    pass


@pytest.fixture
async def aliyun(tmp_path: Path) -> AsyncIterator[Aliyun]:
    async with aliyun_account(tmp_path) as made:
        yield made


@pytest.fixture
async def kingsoft() -> AsyncIterator[Kingsoft]:
    async with kingsoft_account() as made:
        yield made


def eci(aliyun: Aliyun, note: str = "full access") -> Eci:
    key, secret = aliyun.pair(note)
    wire = EciWire(
        AlibabaKey(key, Secret(secret), Secret("")),
        region="cn-hangzhou",
        override=aliyun.url,
        policy=LOOPBACK,
    )
    return Eci(wire, sleep=at_once)


def kci(kingsoft: Kingsoft, note: str = "full access") -> Kci:
    key, secret = kingsoft.pair(note)
    wire = KciWire(
        KingsoftKey(key, Secret(secret), Secret("")),
        region=kingsoft.cloud.region,
        override=kingsoft.gateway.url,
        policy=LOOPBACK,
    )
    return Kci(wire, sleep=at_once)


async def test_eci_and_acs_come_in_one_bill_with_their_seconds(aliyun: Aliyun) -> None:
    group = aliyun.ran(yesterday(10, 20, 34), 5000, Cpu=2.0, Memory=4.0)
    pod = aliyun.pod(yesterday(14), 3600)
    client = eci(aliyun)
    assert isinstance(client, Bills)
    bill = await client.bill(aliyun.day)
    found = {(line.cloud_id, line.item): line for line in bill.lines}
    assert set(found) == {(group.id, "cpu"), (group.id, "mem"), (pod.id, "cpu"), (pod.id, "mem")}
    cpu = found[group.id, "cpu"]
    assert cpu.seconds == eci_meter.billed_seconds(group, aliyun.clock())
    assert (cpu.amount, cpu.currency, cpu.product) == (Decimal("0.49"), "CNY", "eci")
    assert (cpu.usage, cpu.day, cpu.zone) == (Decimal(10000), aliyun.day, group.zone)
    assert found[pod.id, "mem"].product == "acs"
    again = await client.bill(aliyun.day)
    assert {line.key for line in again.lines} == {line.key for line in bill.lines}
    assert len({line.key for line in bill.lines}) == 4
    await client.aclose()


async def test_every_page_comes_or_none(aliyun: Aliyun, monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in range(5):
        aliyun.ran(yesterday(hour), 3600)
    monkeypatch.setattr(bss, "_PAGE", 3)
    client = eci(aliyun)
    assert len((await client.bill(aliyun.day)).lines) == 10
    fault = Fault(action="DescribeInstanceBill", match={"NextToken": "at-6"}, times=None)
    aliyun.account.cloud.cs.faults.plant(fault)
    with pytest.raises(Unavailable):
        await client.bill(aliyun.day)
    await client.aclose()


async def test_a_key_without_the_grant_is_told_so(aliyun: Aliyun, kingsoft: Kingsoft) -> None:
    ours, theirs = eci(aliyun, "no permission"), kci(kingsoft, "no permission")
    with pytest.raises(AccountTrouble):
        await ours.bill(aliyun.day)
    with pytest.raises(AccountTrouble):
        await theirs.bill(kingsoft.day)
    client = eci(aliyun)
    key = aliyun.pair()[0]
    aliyun.eci.first.keys[key].denied_actions = ["DescribeInstanceBill"]
    tried = {c.action: c for c in (await client.verify()).capabilities}
    assert not tried["DescribeInstanceBill"].ok
    assert tried["DescribeInstanceBill"].grant == bss.GRANT
    for each in (ours, theirs, client):
        await each.aclose()


async def test_kci_days_come_in_chinese_yuan_with_seconds(kingsoft: Kingsoft) -> None:
    group = kingsoft.ran(yesterday(10, 30), 3600)
    client = kci(kingsoft)
    (line,) = (await client.bill(kingsoft.day)).lines
    assert (line.cloud_id, line.product, line.currency) == (group.id, "KCI", "CNY")
    assert line.seconds == meter.billed_seconds(group, kingsoft.clock())
    assert (line.list_amount, line.amount) == (Decimal("0.4608"), Decimal("0.46"))
    tried = {c.action: c.ok for c in (await client.verify()).capabilities}
    assert tried["QueryInstanceConsume"]
    await client.aclose()


async def _reads(**answers: Any) -> Any:
    async def read(action: str, _parameters: Any, **_: str) -> Any:
        return answers[action]

    return read


async def test_a_bill_that_changes_while_it_is_read_counts_for_nothing() -> None:
    day, now = date(2026, 3, 1), datetime(2026, 3, 2, tzinfo=UTC)
    short = {"Success": True, "Data": {"Items": [], "TotalCount": 7, "NextToken": ""}}
    with pytest.raises(Unavailable, match="changed"):
        await bss.bill(await _reads(DescribeInstanceBill=short), day, now=now)
    listed = {"Success": True, "Data": {"Bills": [], "Total": 3}}
    read = await _reads(QueryInstanceConsume=listed)
    with pytest.raises(Unavailable, match="changed"):
        await bills.bill(read, day, now=now, code="KCI")


async def test_refusals_with_status_200_are_sorted() -> None:
    day, now = date(2026, 3, 1), datetime(2026, 3, 2, tzinfo=UTC)
    denied = {"Success": False, "Code": "NotAuthorized", "Message": "no"}
    with pytest.raises(AccountTrouble):
        await bss.bill(await _reads(DescribeInstanceBill=denied), day, now=now)
    with pytest.raises(AccountTrouble):
        await bss.allowed(await _reads(DescribeInstanceBill=denied), now)
    small = {"Success": False, "requestId": "r-1", "error": {"code": "AccessDenied"}}
    with pytest.raises(AccountTrouble) as refused:
        await bills.bill(await _reads(QueryInstanceConsume=small), day, now=now, code="KCI")
    assert (refused.value.code, refused.value.request_id) == ("AccessDenied", "r-1")
    nothing = {"Data": [], "ProductGroupSet": [{"Key": "KEC", "Value": "x"}]}
    with pytest.raises(InvalidSpec):
        await bills.product_code(
            await _reads(ListProductGroups=nothing, DescribeProductCode=nothing)
        )


async def test_a_month_is_final_at_noon_of_the_third_day_of_the_next() -> None:
    empty = {"Success": True, "Data": {"Items": [], "TotalCount": 0}}
    read, day = await _reads(DescribeInstanceBill=empty), date(2026, 2, 28)
    before = await bss.bill(read, day, now=datetime(2026, 3, 3, 3, 59, tzinfo=UTC))
    after = await bss.bill(read, day, now=datetime(2026, 3, 3, 4, 0, tzinfo=UTC))
    assert (before.final, after.final) == (False, True)
    early = await bss.bill(read, day, now=datetime(2026, 3, 1, 15, 59, tzinfo=UTC))
    assert (early.complete, before.complete) == (False, True)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [({"duration": "3600"}, 3600), ({"duration": "1.5小时"}, 5400), ({"duration": "2 天"}, 172800)],
)
def test_durations_are_read_with_and_without_unit(told: dict[str, str], seconds: int) -> None:
    assert bills._seconds(told) == seconds
    assert bills._seconds({"duration": "1 个"}) is None


@pytest.mark.parametrize("answered", [True, False])
async def test_bills_are_asked_on_the_site_where_the_account_was_opened(
    monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    asked: list[str] = []
    refusal = {"Code": "NotApplicable", "Message": "This API is not applicable for caller."}

    async def at(_wire: EciWire, base: str, _sent: Any) -> dict[str, Any]:
        asked.append(base)
        if "ap-southeast" not in base:
            return {"Data": {}}
        if answered:
            return {**refusal, "Success": False}
        raise AccountTrouble(refusal["Message"], code=refusal["Code"])

    monkeypatch.setattr(EciWire, "_at", at)
    abroad, at_home = (
        "https://business.ap-southeast-1.aliyuncs.com",
        "https://business.aliyuncs.com",
    )
    key = AlibabaKey("a", Secret("b"), Secret(""))
    wire = EciWire(key, region="us-east-1", override="eci-vpc.us-east-1.aliyuncs.com")
    for _ in range(2):
        assert await wire.call("DescribeInstanceBill", {}, product="bssapi") == {"Data": {}}
    assert asked == [abroad, at_home, at_home]


def test_a_host_of_alibaba_serves_its_own_product_and_any_other_all() -> None:
    own = "https://eci-vpc.cn-hangzhou.aliyuncs.com/"
    assert endpoint("eci", "cn-hangzhou", override=own) == own.rstrip("/")
    assert endpoint("cs", "cn-hangzhou", override=own) == "https://cs.cn-hangzhou.aliyuncs.com"
    assert endpoint("bssapi", "cn-hongkong", override=own) == "https://business.aliyuncs.com"
    assert endpoint("bssapi", "x", override="http://127.0.0.1:1/") == "http://127.0.0.1:1"
