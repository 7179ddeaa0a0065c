"""What is asked of ECI, in which order, and what of it is remembered as short."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from providers.base import InstanceState, OnFailure, Size, StockState, Waiting
from providers.eci import ecs, request
from providers.eci.choices import billed_size, choices
from providers.errors import InvalidSpec, OutOfStock
from providers.registry import dialect
from tests.providers.cloud import Simulated
from tests.providers.contract import until_state
from tests.providers.full import FULL

PREFIX = "k8s.aliyun.com/"
SPOT = {"eci-spot-strategy": "SpotAsPriceGo"}


def annotated(**own: str) -> dict[str, str]:
    return {PREFIX + key.replace("_", "-"): value for key, value in own.items()}


PLAIN = replace(FULL, options={})
WISHES = [
    {},
    {"eci-use-specs": "2-4Gi,4-8Gi,ecs.c6.xlarge,ecs.g6.xlarge,8-16Gi"},
    {"eci-use-specs": "ecs.c6.large,2-4Gi", **SPOT, "eci-spot-fallback": "true"},
    {"eci-use-specs": "4-8Gi,8-16Gi,16-32Gi", "eci-compute-category": "general,economy"},
    {"eci-instance-generation": "-5,-4", "eci-instance-family": "-ecs.hfg6", **SPOT},
    {"eci-cpu": "3", "eci-memory": "6Gi"},
]


@pytest.mark.parametrize("own", WISHES)
def test_a_narrowed_spec_has_that_choice_alone(own: dict[str, str]) -> None:
    spec = replace(PLAIN, options={PREFIX + key: value for key, value in own.items()})
    found = choices(spec)
    assert found
    for choice in found:
        alone = choice.narrowed(spec)
        assert choices(alone) == (choice,)
        assert billed_size(alone) == choice.size
        again = request.create(alone, token="t")
        asked = {key: value for key, value in choice.fields(alone).items() if value is not None}
        assert {key: again[key] for key in asked} == asked
        assert ("SpotStrategy" in again) is choice.spot


def test_mixed_entries_are_asked_for_in_their_order() -> None:
    options = annotated(eci_use_specs="2-4Gi,ecs.c6.large,ecs.g6.large,4-8Gi")
    found = choices(replace(PLAIN, options=options))
    assert [choice.types or choice.size.label for choice in found] == [
        "2-4Gi",
        ("ecs.c6.large", "ecs.g6.large"),
        "4-8Gi",
    ]


def test_after_every_spot_choice_comes_pay_as_you_go() -> None:
    own = {"eci-use-specs": "2-6Gi,ecs.c6.large", **SPOT, "eci-spot-fallback": "true"}
    options = {PREFIX + key: value for key, value in own.items()}
    found = choices(replace(PLAIN, options=options))
    shown = [(choice.size.label, choice.size.tier) for choice in found]
    assert shown == [
        ("2-8Gi", "spot"),
        ("ecs.c6.large", "spot"),
        ("2-6Gi", ""),
        ("ecs.c6.large", ""),
    ]


def test_several_classes_of_one_size_are_one_request_and_impossible_ones_are_left_out() -> None:
    options = annotated(
        eci_use_specs="4-8Gi,8-16Gi,16-32Gi", eci_compute_category="general,economy"
    )
    found = choices(replace(PLAIN, options=options))
    assert [(choice.size.label, choice.categories) for choice in found] == [
        ("4-8Gi", ("general", "economy")),
        ("8-16Gi", ("general", "economy")),
        ("16-32Gi", ("general",)),
    ]


@pytest.mark.parametrize(
    ("own", "types"),
    [
        ({"eci-instance-family": "ecs.c6, ecs.g6"}, ("ecs.c6.large", "ecs.g6.large")),
        ({"eci-instance-family": "ecs.c8y"}, ("ecs.c8y.large",)),
        (
            {"eci-instance-family": "ecs.c6,ecs.c5", "eci-instance-generation": "5"},
            ("ecs.c5.large",),
        ),
    ],
)
def test_families_become_their_smallest_types_that_hold_the_size(
    own: dict[str, str], types: tuple[str, ...]
) -> None:
    options = {PREFIX + key: value for key, value in own.items()}
    (choice,) = choices(replace(PLAIN, options=options))
    assert choice.types == types


def test_excluded_families_and_generations_never_come() -> None:
    options = annotated(eci_instance_generation="-5,-4", eci_instance_family="-ecs.hfg6")
    types = [name for c in choices(replace(PLAIN, options=options)) for name in c.types]
    assert types
    assert "ecs.hfg6" not in {name.rpartition(".")[0] for name in types}
    assert {ecs.FAMILIES[ecs.family_of(name)].generation for name in types} == {"8", "7", "6"}
    assert all(len(c.types) <= 5 for c in choices(replace(PLAIN, options=options)))


@pytest.mark.parametrize(
    ("own", "named"),
    [
        ({"eci-use-specs": "ecs.gn5-c4g1.xlarge,2-4Gi"}, "GPU"),
        ({"eci-use-specs": "ecs.i2.xlarge,ecs.c6.large"}, "local disk"),
        ({"eci-spot-strategy": "SpotWithPriceLimit"}, "eci-spot-price-limit"),
        ({**SPOT, "eci-compute-category": "economy"}, "eci-compute-category"),
        (
            {"eci-instance-family": "ecs.c6", "eci-compute-category": "economy"},
            "eci-instance-family",
        ),
        ({"eci-instance-family": "ecs.nimbus"}, "ecs.nimbus"),
        ({"eci-instance-family": "ecs.c6", "eci-use-specs": "64-512Gi"}, "ecs.c6"),
        ({"eci-use-specs": "65-64Gi"}, "64-512Gi"),
        ({"eci-cpu": "12", "eci-memory": "24Gi", "eci-compute-category": "economy"}, "8-64Gi"),
    ],
)
def test_wishes_that_contradict_or_are_too_large_are_refused_by_name(
    own: dict[str, str], named: str
) -> None:
    options = {PREFIX + key: value for key, value in own.items()}
    with pytest.raises(InvalidSpec, match=named):
        choices(replace(PLAIN, options=options))


def test_how_long_a_pod_may_wait_is_read_off_its_annotations() -> None:
    own = dialect("eci")
    assert own.waiting(PLAIN) == Waiting()
    spec = replace(
        PLAIN, options=annotated(eci_max_pending_minute="30", eci_fail_strategy="fail-fast")
    )
    assert own.waiting(spec) == Waiting(on_failure=OnFailure.FAST, starting=timedelta(minutes=30))
    assert own.waiting(replace(PLAIN, options=annotated(eci_fail_strategy="x"))) == Waiting()


async def test_a_choice_without_stock_gives_way_to_the_next_until_none_is_left(
    eci: Simulated,
) -> None:
    zones = [placement.zone for placement in eci.place.placements]
    eci.turn(stock={zone: {"2-4Gi": False, "ecs.c6.large": False} for zone in zones})
    client = eci.client()
    spec = eci.place.spec("web", options=annotated(eci_use_specs="2-4Gi,4-8Gi,ecs.c6.large"))
    first = await client.placed(spec)
    assert (first.left, first.placed) == (2, True)
    with pytest.raises(OutOfStock) as refused:
        await client.create(first, token="t-1")
    assert refused.value.request_id
    second = await client.placed(spec)
    assert (billed_size(second).label, second.left) == ("4-8Gi", 1)
    created = await client.create(second, token="t-2")
    assert (await client.create(second, token="t-2")).id == created.id
    eci.turn(stock=dict.fromkeys(zones, False))
    for token in ("t-3", "t-4"):
        with pytest.raises(OutOfStock):
            await client.create(await client.placed(spec), token=token)
    with pytest.raises(OutOfStock) as remembered:
        await client.placed(spec)
    assert not remembered.value.request_id


async def test_the_regions_default_vswitch_is_a_place_like_any_other(eci: Simulated) -> None:
    client = eci.client()
    options = annotated(eci_use_specs="2-4Gi,4-8Gi")
    spec = eci.place.spec("web", placements=(), options=options)
    eci.turn(stock={placement.zone: {"2-4Gi": False} for placement in eci.place.placements})
    with pytest.raises(OutOfStock):
        await client.create(await client.placed(spec), token="t-1")
    created = await client.create(await client.placed(spec), token="t-2")
    size = (await client.get(created.id)).size
    assert size is not None
    assert size.label == "4-8Gi"


async def test_one_zone_without_stock_leaves_the_other_and_the_annotations_vswitches_count(
    eci: Simulated,
) -> None:
    first, second = eci.place.placements
    client = eci.client()
    await client.ran_short([first.zone], "2-4Gi")
    left = await client.placed(eci.place.spec("web"))
    assert left.placements == (second,)
    own = annotated(eci_vswitch=f"{first.subnet},{second.subnet}")
    left = await client.placed(eci.place.spec("web", options=own))
    assert left.options[PREFIX + "eci-vswitch"] == second.subnet


async def test_spot_falls_back_to_pay_as_you_go_when_it_is_short(eci: Simulated) -> None:
    eci.turn(stock={placement.zone: {"spot": False} for placement in eci.place.placements})
    client = eci.client()
    own = {**annotated(eci_use_specs="ecs.c6.large", eci_spot_fallback="true")}
    spec = eci.place.spec("web", options=own | {PREFIX + key: text for key, text in SPOT.items()})
    with pytest.raises(OutOfStock):
        await client.create(await client.placed(spec), token="t-1")
    created = await client.create(await client.placed(spec), token="t-2")
    size = (await client.get(created.id)).size
    assert size is not None
    assert (size.type, size.tier) == ("ecs.c6.large", "")


async def test_a_spot_limit_below_the_market_is_out_of_stock(eci: Simulated) -> None:
    own = annotated(
        eci_use_specs="ecs.c5.large",
        eci_spot_strategy="SpotWithPriceLimit",
        eci_spot_price_limit="0.01",
    )
    with pytest.raises(OutOfStock):
        await eci.client().create(eci.place.spec("cheap", options=own), token="t-1")


async def test_quotes_follow_the_tier_and_stock_is_told_by_zone(eci: Simulated) -> None:
    client = eci.client()
    zone, other = (placement.zone for placement in eci.place.placements)
    pair = Size(Decimal(2), Decimal(4), "2-4Gi")
    kind = ecs.size_of("ecs.c5.large")
    assert (await client.price(pair, zone=zone)).per_hour == Decimal("0.441072")
    economy = await client.price(replace(pair, tier="economy"), zone=zone)
    assert economy.per_hour == Decimal("0.282672")
    listed = dialect("eci").list_price(replace(pair, tier="economy"), region="cn-hangzhou")
    assert listed is not None
    assert listed.per_hour == economy.per_hour
    spot = await client.price(replace(kind, tier="spot"), zone=zone)
    assert (spot.per_hour, spot.currency) == (Decimal("0.056"), "CNY")
    assert dialect("eci").list_price(replace(pair, tier="spot"), region="cn-hangzhou") is None

    eci.turn(stock={zone: {"ecs.c5.large": "low"}, other: False})
    assert await client.stock(kind, [zone, other]) == {
        zone: StockState.LOW,
        other: StockState.NONE,
    }
    assert await client.stock(pair, [zone]) == {zone: StockState.AVAILABLE}
    small = Size(Decimal("0.25"), Decimal(1), "0.25-1Gi")
    assert await client.stock(small, [zone]) == {zone: StockState.UNKNOWN}


async def test_what_the_cloud_tells_is_written_back_on_the_pod(eci: Simulated) -> None:
    client = eci.client()
    await client.ask(
        "CreateImageCache",
        {"RegionId": client.region, "ImageCacheName": "warm", "Image": [eci.place.image]},
    )
    (cache,) = eci.cloud.caches.by_id.values()
    cache.ready_at = 0.0
    own = annotated(
        eci_auto_imc="true",
        eci_enable_ipv6="true",
        eci_with_eip="true",
        eci_compute_category="economy",
    )
    spec = eci.place.spec("web", options=own)
    created = await client.create(spec, token="t-1")
    seen = await until_state(client, created, {InstanceState.RUNNING}, seconds=10)
    notes = dialect("eci").annotations(spec, instance=seen, created=created)
    assert notes["k8s.aliyun.com/eci-instance-spec"] == "2.0-4.0Gi"
    assert notes["k8s.aliyun.com/eci-instance-compute-category"] == "economy"
    assert notes["k8s.aliyun.com/eci-matched-image-cache"] == cache.id
    assert notes["k8s.aliyun.com/eci-vpc"] == eci.cloud.network.vpc_id
    assert notes["k8s.aliyun.com/allocated-eipAddress"].startswith("47.")
    assert notes["k8s.aliyun.com/allocated-ipv6Address"].startswith("2408:")
