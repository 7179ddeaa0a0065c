from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.pods.expansion import expand
from addons.pods.quantity import BadQuantity, gib, in_units, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1500m", "1.5"),
        ("2Gi", "2147483648"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1000000000000000000"),
        (".5", "0.5"),
        (2, "2"),
        ("100n", "1E-7"),
        ("0", "0"),
    ],
)
def test_a_quantity_is_read_exactly(text: str, value: str) -> None:
    assert parse(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "2 Gi", "1Kb", "ki", "1e", "--1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(BadQuantity):
        parse(text)


def test_memory_is_counted_in_gib() -> None:
    assert gib("1536Mi") == Decimal("1.5")


def test_a_resource_field_is_rounded_up_to_its_divisor() -> None:
    assert in_units(parse("1500m"), parse("1")) == "2"
    assert in_units(parse("1500m"), parse("1m")) == "1500"
    assert in_units(parse("1Gi"), parse("1Mi")) == "1024"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"),
        ("x$(A)$(B)y", "x12y"),
        ("$$(A)", "$(A)"),
        ("$(MISSING)", "$(MISSING)"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("a$", "a$"),
        ("$$$$", "$$"),
        ("$(C)", "$(A)"),
    ],
)
def test_variables_are_expanded_as_the_kubelet_does(text: str, result: str) -> None:
    assert expand(text, {"A": "1", "B": "2", "C": "$(A)"}) == result


@given(st.text(alphabet=st.characters(exclude_characters="$"), max_size=50))
def test_text_without_a_dollar_stays_as_it_is(text: str) -> None:
    assert expand(text, {"A": "1"}) == text
