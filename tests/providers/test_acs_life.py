"""Stock, eviction, bills and sizes of ACS, against the simulated cluster's own reading of them."""

from __future__ import annotations

import secrets
import tomllib
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from addons.pods.references import Resolved
from addons.pods.translate import Site, translate
from providers.acs import keys
from providers.base import Created, Instance, InstanceSpec, InstanceState
from providers.errors import OutOfStock
from providers.registry import dialect
from providers.stock import Stock
from providers.tags import Owner, tags_of
from tests.conftest import RedisServer
from tests.providers.acs_cloud import Simulated
from tests.providers.cloud import CONSOLE
from tests.providers.contract import until, until_state
from tests.providers.test_edges import FOLDER, _pod


def numbered(acs: Simulated, number: int, **changes: Any) -> InstanceSpec:
    return acs.place.spec(f"pod-{number}", **changes)


async def test_the_second_zone_is_used_and_sold_out_zones_are_remembered(
    acs: Simulated, redis_server: RedisServer
) -> None:
    first, second = acs.place.placements[:2]
    everywhere = {placement.zone: False for placement in acs.place.placements}
    acs.turn(stock={**everywhere, second.zone: True})
    client = acs.client()
    made = await client.create(numbered(acs, 1), token="t-1")
    seen = await until_state(client, made, {InstanceState.RUNNING}, seconds=10)
    assert (seen.zone, seen.subnet) == (second.zone, second.subnet)
    acs.turn(stock=everywhere)

    def stock() -> Stock:
        return Stock(scope="1:cn-hangzhou", redis=lambda: Redis.from_url(redis_server.url))

    waiting = acs.client(stock=stock())
    made = await waiting.create(numbered(acs, 2), token="t-2")

    async def sold_out() -> Instance | None:
        seen = await waiting.get(made.id)
        return seen if seen.reason == "NoStock" else None

    seen = await until(sold_out, seconds=10)
    assert seen.state is InstanceState.SCHEDULING
    assert seen.billed_from is None
    assert "out of stock" in seen.message
    with pytest.raises(OutOfStock) as caught:
        await acs.client(stock=stock()).create(numbered(acs, 3), token="t-3")
    assert caught.value.code == "RememberedNoStock"
    assert not caught.value.request_id
    better = numbered(acs, 4, labels={keys.CLASS: "performance"})
    assert await acs.client(stock=stock()).create(better, token="t-4")
    elsewhere = replace(numbered(acs, 5), options={keys.VSWITCHES: first.subnet})
    assert await acs.client(stock=stock()).create(elsewhere, token="t-5")
    acs.turn(stock={})
    await until_state(waiting, made, {InstanceState.RUNNING}, seconds=10)


async def test_an_evicted_best_effort_pod_has_failed_and_says_why(acs: Simulated) -> None:
    client = acs.client()
    spec = numbered(acs, 1, labels={keys.QOS: "best-effort"})
    made = await client.create(spec, token="t")
    seen = await until_state(client, made, {InstanceState.RUNNING}, seconds=10)
    assert seen.size is not None
    assert seen.size.tier == "general-purpose/best-effort"
    instance = acs.cloud.instances[seen.shown_id]
    evictions = acs.cloud.clusters["acs-hangzhou"].evictions
    assert evictions is not None
    await evictions.announce(instance, 0.3)
    ended = await until_state(client, made, {InstanceState.FAILED}, seconds=10)
    assert ended.reason == "Evicted"
    assert ended.ended_at is not None
    assert "SpotToBeReleased" in {event.reason for event in await client.events(made.id)}


async def test_what_is_billed_from_when_agrees_with_the_meter(acs: Simulated) -> None:
    client = acs.client()
    made = await client.create(numbered(acs, 1), token="t")
    seen = await until_state(client, made, {InstanceState.RUNNING}, seconds=10)
    meter = acs.cloud.instances[seen.shown_id]
    assert seen.billed_from is not None
    assert seen.billed_from.timestamp() == meter.billed_from
    assert seen.written[keys.REQUEST_ID] == meter.request_id
    assert seen.written[keys.CLIENT_TOKEN] == meter.client_token
    assert seen.written[keys.USER_ID] == acs.cloud.account_id


def _sized() -> list[dict[str, Any]]:
    """The edges that have a size of the table and cards that the simulated nodes have."""
    edges = tomllib.loads((FOLDER / "acs.toml").read_text("utf-8"))["edge"]
    return [e for e in edges if "size" in e and not {"gpu-hpn", "P16EN"} & _marks(e)]


def _marks(edge: dict[str, Any]) -> set[str]:
    return set(edge.get("labels", {}).values())


async def test_the_cluster_bills_what_the_tables_say(acs: Simulated) -> None:
    """Two readings of the same page: ours and the simulated cluster's."""
    acs.turn(large_sizes=True)
    client, own = acs.client(), dialect("acs")
    for edge in _sized():
        site = Site(acs.cloud.region, acs.place.placements, acs.place.security_group, {})
        spec = translate(_pod(edge), Resolved(), site=site, tags={})
        tags = tags_of(Owner(CONSOLE, "c1", "n1", "default", "edge", secrets.token_hex(8), 1))
        made = await client.create(replace(spec, tags=tags), token=secrets.token_hex(8))

        async def told(made: Created = made) -> Instance | None:
            seen = await client.get(made.id)
            return seen if seen.size else None

        seen = await until(told, seconds=10)
        assert seen.size == own.billed_size(spec), edge["source"]
