"""The browser reads only cells that the server sends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from console.api import shapes
from console.live.topics import TOPICS
from tests.console.cast import Fleet

COLUMNS = (Path(settings.BASE_DIR) / "static/js/columns.js").read_text()
ONE_KEY = re.compile(r'\b(?:plain|named|count|time)\(\s*"(\w+)"')
METER = re.compile(r'\bmeter\("\w+",.*?, "(\w+)", "(\w+)"')
SHAPES = {
    "pods": shapes.PodShape,
    "nodes": shapes.NodeShape,
    "clusters": shapes.ClusterShape,
    "operations": shapes.OperationShape,
    "orphans": shapes.OrphanShape,
}
# Read by every table: columns.js (status, price), vn-table.js, vn-rows.js.
SHARED = {"id", "status", "tone", "reason", "price_per_hour", "currency"}


def read_by_browser(topic: str) -> set[str]:
    block = re.search(rf"^const {topic} = \[\n(.*?)^\];", COLUMNS, re.MULTILINE | re.DOTALL)
    assert block
    keys = {*re.findall(r"\brow\.(\w+)", block[1]), *ONE_KEY.findall(block[1])}
    return keys | {key for pair in METER.findall(block[1]) for key in pair}


@pytest.mark.parametrize("topic", TOPICS)
def test_every_cell_of_a_column_is_sent_and_documented(fleet: Fleet, topic: str) -> None:
    objects = {
        "pods": fleet.pod,
        "nodes": fleet.node,
        "clusters": fleet.cluster,
        "operations": fleet.operation,
        "orphans": fleet.orphan,
    }
    [row] = TOPICS[topic].rows([objects[topic].pk]).values()
    wanted = read_by_browser(topic)
    assert len(wanted) > 4
    assert wanted - set(row) == set()
    shared = SHARED - ({"price_per_hour", "currency"} if topic == "operations" else set())
    assert shared - set(row) == set()
    assert set(row) == set(SHAPES[topic]().fields)


@pytest.mark.parametrize("topic", TOPICS)
def test_every_column_that_sorts_can_be_sorted_by(topic: str) -> None:
    block = re.search(rf"^const {topic} = \[\n(.*?)^\];", COLUMNS, re.MULTILINE | re.DOTALL)
    assert block
    asked = set(re.findall(r'\bsort: "(\w+)"', block[1]))
    assert asked <= set(TOPICS[topic].sortable)
