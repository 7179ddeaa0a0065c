"""Rounding to the sizes that ACS sells, by a table of edges."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from .conftest import CLASS, MODEL, Acs

EDGES = tomllib.loads(Path(__file__).with_name("sizes.toml").read_text())["size"]
Obj = dict[str, Any]


def containers(asks: list[Obj], prefix: str) -> list[Obj]:
    return [
        {"name": f"{prefix}{number}", "image": "nginx", "resources": resources}
        for number, resources in enumerate(asks)
    ]


@pytest.mark.parametrize("edge", EDGES, ids=[edge["why"] for edge in EDGES])
def test_a_pod_gets_the_size_of_the_table(acs: Acs, edge: Obj) -> None:
    acs.turn(large_sizes=edge.get("large", False))
    model = edge.get("model")
    made = acs.create(
        "edge",
        labels={CLASS: "gpu", MODEL: model} if model else {},
        annotations={"alibabacloud.com/pod-required-spec": edge["required"]}
        if "required" in edge
        else {},
        containers=containers(edge["asks"], "c"),
        initContainers=containers(edge.get("init", []), "i"),
    )
    if "first" in edge:
        assert made["spec"]["containers"][0]["resources"] == edge["first"]
    written = acs.annotated("edge")
    assert written["alibabacloud.com/pod-use-spec"] == edge["size"]
    assert acs.instance("edge").spec == edge["size"]
