"""Forms made of a schema: what is shown, what comes back, what the schema refuses."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict

from console.schema_form import SchemaForm, ValuesError, from_yaml, to_yaml
from providers.models import CloudAccount
from tests.console import cast as make
from tests.console.cast import Cast

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["cluster"],
    "properties": {
        "cluster": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "replicas": {"type": "integer", "default": 1, "minimum": 1, "maximum": 3},
        "proxy": {"type": "boolean", "default": True},
        "hybrid": {"type": "boolean"},
        "credential": {"type": "integer", "x-credential": "kci"},
        "groups": {"type": "string", "x-picker": "security-groups"},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
        "places": {
            "type": "array",
            "x-picker": "subnet",
            "items": {
                "type": "object",
                "properties": {"zone": {"type": "string"}, "subnet": {"type": "string"}},
            },
        },
        "dns": {"type": "object", "properties": {"domain": {"type": "string"}}},
    },
}
OFFERS = {
    "subnets": [{"id": "vsw-1", "zone": "z-a", "cidr": "10.0.0.0/24", "free_ips": 9, "name": ""}],
    "security_groups": [{"id": "sg-1", "name": "web"}, {"id": "sg-2", "name": "db"}],
}


def filled(text: str, values: dict[str, Any] | None = None, **more: Any) -> SchemaForm:
    return SchemaForm(SCHEMA, values or {}, QueryDict(text), **more)


def test_only_what_differs_from_the_defaults_is_kept(db: None) -> None:
    form = filled("cluster=c-1&replicas=1&proxy=on&dns.domain=a.b&tags=x%3D1%0Ay%3D2")
    assert form.is_valid(), form.errors
    wanted = {"cluster": "c-1", "dns": {"domain": "a.b"}, "tags": {"x": "1", "y": "2"}}
    assert form.values == wanted


def test_a_switch_that_nobody_touched_says_nothing(db: None) -> None:
    typed = "cluster=c-1&replicas=1&proxy=on"
    untouched, on = filled(typed), filled(f"{typed}&hybrid=on")
    off = filled(typed, {"hybrid": True})
    assert untouched.is_valid()
    assert "hybrid" not in untouched.values
    assert on.is_valid()
    assert on.values["hybrid"] is True
    assert off.is_valid()
    assert off.values["hybrid"] is False


def test_ticked_boxes_are_rows_and_lists(cast: Cast) -> None:
    kci = make.account(cast.team, provider="kci")
    accounts = CloudAccount.objects.all()
    text = f"cluster=c&proxy=on&credential={kci.pk}&groups=sg-1&groups=sg-2&places=z-a+vsw-1"
    form = filled(text, accounts=accounts, offers=OFFERS)
    assert form.is_valid(), form.errors
    assert form.values["groups"] == "sg-1,sg-2"
    assert form.values["places"] == [{"zone": "z-a", "subnet": "vsw-1"}]
    assert form.values["credential"] == kci.pk


def test_credential_of_another_cloud_is_not_offered(cast: Cast) -> None:
    eci = make.account(cast.team, provider="eci")
    form = filled(f"cluster=c&credential={eci.pk}", accounts=CloudAccount.objects.all())
    assert "credential" in form.errors


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("cluster=NO", "cluster"),
        ("cluster=", "cluster"),
        ("cluster=c&replicas=9", "replicas"),
        ("cluster=c&tags=nothing", "tags"),
        ("cluster=c&places=a+b+c", "places"),
    ],
)
def test_what_the_schema_refuses_is_said_at_its_field(db: None, text: str, field: str) -> None:
    assert set(filled(text).errors) == {field}


def test_a_step_leaves_the_values_of_other_steps_alone(db: None) -> None:
    form = filled("proxy=", {"cluster": "c-1", "replicas": 2}, keys=["proxy"])
    assert form.is_valid(), form.errors
    assert form.values == {"cluster": "c-1", "replicas": 2, "proxy": False}


def test_form_and_yaml_say_the_same() -> None:
    values = {"cluster": "c-1", "replicas": 2, "places": [{"zone": "z", "subnet": "s"}]}
    assert from_yaml(to_yaml(values)) == values
    assert from_yaml("") == {}


@pytest.mark.parametrize("text", ["- a", "a: &x 1\nb: *x", "a: !!python/object x", "a: [", "1: x"])
def test_what_is_no_mapping_of_values_is_refused(text: str) -> None:
    with pytest.raises(ValuesError):
        from_yaml(text)
