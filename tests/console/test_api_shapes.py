"""What the API answers is what its OpenAPI document says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from tests.console import cast as make
from tests.console.expectations import API, GOES
from tests.console.test_matrix import QUERIES, nowhere, url_of

__all__ = ["nowhere"]

Json = dict[str, Any]
# They answer something else than JSON, or what only a cloud or cluster knows.
JSON = "application/json"


def strict(schema: Any) -> Any:
    """As JSON Schema has it: `nullable` a type of its own, no field that is not written down."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items()}
    if isinstance(made.get("properties"), dict) and "type" in made:
        made.setdefault("additionalProperties", False)
    if made.pop("nullable", False):
        return {"anyOf": [made, {"type": "null"}]}
    return made


@pytest.fixture(scope="module")
def document() -> Json:
    made: Json = strict(SchemaGenerator().get_schema(public=True))
    return made


def shape_of(document: Json, url: str) -> Json | None:
    """The schema of a 200 to a GET; None: it is no JSON."""
    plain_first = sorted(document["paths"].items(), key=lambda item: item[0].count("{"))
    for path, operations in plain_first:
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), url):
            answers = operations["get"]["responses"]
            content: Json = answers.get("200", {}).get("content", {})
            return content.get(JSON, {}).get("schema")
    raise AssertionError(f"{url} is not in the document")


def gets() -> Iterator[str]:
    for line, (alice, *_others) in API.items():
        if line.startswith("GET ") and alice == GOES and line != "GET api:schema":
            yield line


@pytest.mark.django_db(transaction=True)
def test_every_answer_has_the_shape_that_the_document_says(nowhere: None, document: Json) -> None:
    cast = make.make_cast()
    fleet = make.make_fleet(cast.team)
    token, _text = make.token(cast.alice)
    client = Client()
    client.force_login(cast.alice)
    schemas = {"components": document["components"]}
    found: dict[str, list[str]] = {}
    for line in gets():
        url = url_of(line.partition(" ")[2], fleet, token.pk)
        answer = client.get(url + QUERIES.get(line, ""), headers={"accept": JSON})
        if answer.status_code != 200 or not answer["Content-Type"].startswith(JSON):
            continue
        shape = shape_of(document, url)
        if shape is None:
            found[line] = ["the document has no JSON for it"]
            continue
        validator = Draft202012Validator({**shape, **schemas})
        errors = [f"{e.json_path}: {e.message[:160]}" for e in validator.iter_errors(answer.json())]
        if errors:
            found[line] = errors[:4]
    assert found == {}, json.dumps(found, indent=1)
