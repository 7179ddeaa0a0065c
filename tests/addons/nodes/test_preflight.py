"""What is refused before a virtual node is registered, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from addons.nodes import preflight
from addons.operations import StepFailed
from addons.sentences import read_in_english
from providers import registry
from providers.base import Dialect, Field, FieldKind
from providers.models import CloudAccount

IP_PORT = r"\d+(\.\d+){3}:\d+"


class Toy:
    """A dialect as far as preflight reads it."""

    name, title, vendor = "toy", "Toy Cloud", "toys"
    node_settings: Sequence[Field] = (
        Field("server", "Server", "ip:port", pattern=IP_PORT),
        Field("proxy", "Proxy", kind=FieldKind.FLAG, default="false"),
        Field("mode", "Mode", kind=FieldKind.CHOICE, choices=("a", "b")),
        Field("id", "Id", "any text", required=True),
    )


class Roomy(Toy):
    security_groups_max = 3


@dataclass
class Account:
    region: str = "here"


def said(error: pytest.ExceptionInfo[StepFailed]) -> str:
    return read_in_english(error.value.error)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"id": "x", "server": "10.0.0.1:6443", "proxy": "true", "mode": "b"}, ""),
        ({"id": "x"}, ""),
        ({}, "The setting id is needed."),
        ({"id": "x", "server": "10.0.0.1"}, "10.0.0.1 is no value for the setting server."),
        ({"id": "x", "proxy": "yes"}, "yes is no value for the setting proxy."),
        ({"id": "x", "mode": "c"}, "c is no value for the setting mode."),
        ({"id": "x\ny"}, "x\ny is no value for the setting id."),
        ({"id": "x", "colour": "red"}, "There is no setting colour."),
    ],
)
def test_settings_are_what_the_fields_of_the_dialect_allow(
    given: dict[str, str], complaint: str
) -> None:
    toy: Any = Toy()
    if not complaint:
        preflight.check_settings(given, [toy])
        return
    with pytest.raises(StepFailed) as error:
        preflight.check_settings(given, [toy])
    assert said(error) == complaint


def test_one_node_is_served_by_two_products_of_one_vendor_in_one_region() -> None:
    eci, toy = registry.dialect("eci"), Toy()
    pairs: list[tuple[Any, Any, str]] = [
        (eci, toy, "Alibaba Cloud ECI and Toy Cloud cannot serve one virtual node."),
        (eci, eci, "Both credentials are for Alibaba Cloud ECI."),
    ]
    here: Any = [Account(), Account()]
    for first, second, complaint in pairs:
        with pytest.raises(StepFailed) as error:
            preflight._go_together(here, [first, second])
        assert said(error) == complaint
    other: Any = Toy()
    other.name = "toy-two"
    preflight._go_together(here, [Toy(), other])  # type: ignore[list-item]
    there: Any = [CloudAccount(region="here"), CloudAccount(region="there")]
    with pytest.raises(StepFailed):
        preflight._go_together(there, [Toy(), other])  # type: ignore[list-item]


def test_a_cloud_takes_as_many_security_groups_as_it_says() -> None:
    one, three = Toy(), Roomy()
    preflight._check_groups("sg-1", _dialect(one))
    preflight._check_groups("", _dialect(one))
    preflight._check_groups("sg-1,sg-2,sg-3", _dialect(three))
    for text, dialect in (("sg-1,sg-2", one), ("a,b,c,d", three)):
        with pytest.raises(StepFailed) as error:
            preflight._check_groups(text, _dialect(dialect))
        assert "are too many" in said(error)


def _dialect(toy: Any) -> Dialect:
    return toy  # type: ignore[no-any-return]
