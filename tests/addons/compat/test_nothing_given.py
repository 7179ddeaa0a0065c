"""YAML leaves much empty (`env:`): each field of a rich pod, one after the other, without value."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from addons.compat import documents, targets
from addons.compat.check import check
from addons.compat.report import as_data
from providers.registry import PROVIDERS
from tests.addons.compat.manifests import RICH


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in children:
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from _places(child, (*path, key))


@pytest.mark.parametrize("name", PROVIDERS)
def test_any_field_may_be_left_empty(name: str) -> None:
    whole = yaml.safe_load(RICH)
    asked = targets.of_providers([name], region="cn-hangzhou")
    told = 0
    for path in _places(whole["spec"], ("spec",)):
        body = copy.deepcopy(whole)
        holder = body
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = None
        report = check(documents.parse(yaml.safe_dump(body)), targets=asked)
        [subject] = as_data(report)["workloads"]
        # Either no pod for Kubernetes, or judged by the cloud.
        assert bool(subject["faults"]) is not bool(subject["clouds"]), path
        told += bool(subject["clouds"])
    assert told > 40
