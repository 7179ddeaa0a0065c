from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from providers import registry
from providers.prices import Book, Discount, Entry, Item, Origin, Per, Place, shipped
from providers.told import Size

D = Decimal
T0 = datetime(2026, 3, 1, tzinfo=UTC)
HOME = Place("eci", 7, "cn-hangzhou", "cn-hangzhou-i")
PAIR = Size(D(2), D(4), "2-4Gi")
CPU = Entry("eci", Item.CPU, D("0.1"), Per.HOUR, "CNY", source="list", source_date="2026")
MEMORY = replace(CPU, item=Item.MEMORY, amount=D("0.01"))


def test_sizes_of_eci_and_acs_cost_what_their_clouds_publish() -> None:
    book = Book([e for name in ("eci", "acs") for e in registry.dialect(name).entries()])
    rate = book.rate(replace(PAIR, storage=10), HOME, T0)
    assert rate is not None
    assert rate.cpu == D("0.35280000")
    assert rate.memory == D("0.08827200")
    assert rate.storage == D("0.02124000")
    assert rate.total == rate.list_total == D("0.46231200")
    assert rate.currency == "CNY"
    acs = replace(PAIR, tier="general-purpose/default")
    told = book.rate(acs, Place("acs", 1, "cn-hongkong", ""), T0)
    assert told is not None
    assert told.total == D("0.35438400")


def test_what_lacks_one_price_has_none_at_all() -> None:
    entries = registry.dialect("eci").entries()
    book = Book(entries)
    assert book.rate(replace(PAIR, type="ecs.c6.large"), HOME, T0) is None
    assert book.rate(replace(PAIR, gpu=1), HOME, T0) is None
    assert book.rate(replace(PAIR, tier="spot"), HOME, T0) is None
    assert book.rate(PAIR, replace(HOME, region="us-west-1"), T0) is None
    assert book.rate(Size(D(0), D(0), ""), HOME, T0) is None
    without = Book([e for e in entries if e.item is not Item.STORAGE])
    assert without.rate(replace(PAIR, storage=1), HOME, T0) is None
    assert without.rate(PAIR, HOME, T0) is not None


def test_no_cloud_ships_a_price_without_source_and_date() -> None:
    every = [e for name in registry.PROVIDERS for e in registry.dialect(name).entries()]
    assert every
    assert all(e.source and e.source_date for e in every)
    assert not registry.dialect("kci").entries()


def test_row_without_a_source_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('[[price]]\nprovider="eci"\nitem="cpu"\namount="1"\nper="hour"\n')
    with pytest.raises(ValueError, match="price 1 lacks source or date"):
        shipped(path)


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ({"account": 7}, {"zone": "cn-hangzhou-i", "region": "cn-hangzhou"}),
        ({"zone": "cn-hangzhou-i"}, {"region": "cn-hangzhou"}),
        ({"region": "cn-hangzhou"}, {"region": "@mainland"}),
        ({"region": "@mainland"}, {}),
        ({"origin": Origin.OPERATOR}, {"region": "cn-hangzhou", "origin": Origin.QUOTE}),
        ({"origin": Origin.OPERATOR}, {"origin": Origin.QUOTE}),
        ({"origin": Origin.QUOTE}, {"region": "cn-hangzhou", "zone": "cn-hangzhou-i"}),
        ({"origin": Origin.OPERATOR}, {"region": "@mainland"}),
        ({"type": "2-4Gi"}, {"type": ""}),
        ({"type": ""}, {"type": "*"}),
        ({"valid_from": T0 - timedelta(days=1)}, {"valid_from": T0 - timedelta(days=2)}),
    ],
)
def test_more_specific_price_wins(winner: dict[str, object], loser: dict[str, object]) -> None:
    cheap, dear = replace(CPU, **loser), replace(CPU, amount=D(9), **winner)
    for entries in ([cheap, dear, MEMORY], [dear, cheap, MEMORY]):
        rate = Book(entries).rate(PAIR, HOME, T0)
        assert rate is not None
        assert rate.cpu == D(18)


def test_prices_of_others_do_not_fit() -> None:
    for other in ({"account": 8}, {"zone": "x"}, {"region": "@abroad"}, {"type": "8-16Gi"}):
        assert Book([replace(CPU, **other), MEMORY]).rate(PAIR, HOME, T0) is None


def test_price_of_a_whole_size_and_price_of_its_parts_win_by_rank() -> None:
    whole = replace(CPU, item=Item.INSTANCE, amount=D("0.3"), type="2-4Gi", origin=Origin.QUOTE)
    quoted = Book([CPU, MEMORY, whole]).rate(PAIR, HOME, T0)
    assert quoted is not None
    assert (quoted.machine, quoted.cpu, quoted.total) == (D("0.3"), D(0), D("0.3"))
    entered = [replace(e, origin=Origin.OPERATOR) for e in (CPU, MEMORY)]
    parts = Book([*entered, whole]).rate(PAIR, HOME, T0)
    assert parts is not None
    assert (parts.machine, parts.total) == (D(0), D("0.24"))


def test_cards_are_paid_beside_vcpus_and_memory() -> None:
    cards = Size(D(2), D(4), "2-4Gi", gpu=2, type="T4", tier="gpu/default")
    entries = [replace(e, type="*", tier="gpu/default") for e in (CPU, MEMORY)]
    gpu = replace(CPU, item=Item.GPU, amount=D(5), type="T4", tier="gpu/default")
    rate = Book([*entries, gpu]).rate(cards, HOME, T0)
    assert rate is not None
    assert (rate.machine, rate.total) == (D(10), D("10.24"))
    assert Book(entries).rate(cards, HOME, T0) is None


def test_two_currencies_are_never_added() -> None:
    book = Book([CPU, replace(MEMORY, currency="USD")])
    assert book.rate(PAIR, HOME, T0) is None


def test_newer_price_takes_over_and_falls_back_when_it_ends() -> None:
    later = replace(
        CPU, amount=D(1), valid_from=T0 + timedelta(hours=1), valid_to=T0 + timedelta(hours=2)
    )
    book = Book([CPU, MEMORY, later])
    totals = [book.rate(PAIR, HOME, T0 + timedelta(hours=h)) for h in (0, 1, 2)]
    assert [t.total if t else None for t in totals] == [D("0.24"), D("2.04"), D("0.24")]
    changes = book.changes(PAIR, HOME, T0, T0 + timedelta(days=1))
    assert changes == (T0 + timedelta(hours=1), T0 + timedelta(hours=2))
    assert book.changes(PAIR, HOME, T0 + timedelta(hours=1), T0 + timedelta(hours=2)) == ()


def test_change_that_changes_nothing_splits_nothing() -> None:
    same = replace(CPU, valid_from=T0)
    other = replace(CPU, amount=D(5), valid_from=T0, region="us-west-1")
    book = Book([CPU, MEMORY, same, other])
    assert book.changes(PAIR, HOME, T0 - timedelta(days=9), T0 + timedelta(days=9)) == ()


def test_closest_discount_applies_and_none_to_a_quote() -> None:
    general = Discount(D("0.9"), "eci", name="all")
    cpu = Discount(D("0.5"), "eci", item="cpu", region="cn-hangzhou", name="vCPUs")
    ended = Discount(D("0.1"), "eci", account=7, valid_to=T0, name="old")
    book = Book([CPU, MEMORY], [general, cpu, ended])
    rate = book.rate(PAIR, HOME, T0)
    assert rate is not None
    assert (rate.cpu, rate.memory) == (D("0.1"), D("0.036"))
    assert rate.list_total == D("0.24")
    before = book.rate(PAIR, HOME, T0 - timedelta(seconds=1))
    assert before is not None
    assert before.total == D("0.024")
    quote = replace(CPU, item=Item.INSTANCE, type="2-4Gi", amount=D(1), origin=Origin.QUOTE)
    quoted = Book([quote], [general]).rate(PAIR, HOME, T0)
    assert quoted is not None
    assert quoted.total == D(1)
