"""Versions, ranges and defaults, by which everything else is decided."""

from __future__ import annotations

import pytest

from addons.components.base import compare, defaults_of, within


@pytest.mark.parametrize(
    ("left", "right", "sign"),
    [
        ("v2.13.0", "v2.9.7", 1),
        ("v2.9.7", "v2.13.0", -1),
        ("v1.36.1-aliyun.1", "1.36.1", 0),
        ("1.36", "1.36.0", 0),
        ("v2.0.0.102", "v2.0.0.90-15deb126e-aliyun", 1),
    ],
)
def test_versions_compare_as_numbers(left: str, right: str, sign: int) -> None:
    assert compare(left, right) == sign


@pytest.mark.parametrize(
    ("version", "wanted", "holds"),
    [
        ("v1.36.1", ">=1.26", True),
        ("v2.9.7", ">=2.13.0", False),
        ("1.28.3", ">=1.26, <1.30", True),
        ("1.30.0", ">=1.26,<1.30", False),
        ("1.30.0", "", True),
    ],
)
def test_every_bound_of_a_range_counts(version: str, wanted: str, holds: bool) -> None:
    assert within(version, wanted) is holds


def test_a_range_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="no bound"):
        within("1.30", "newer than 1.2")


def test_defaults_are_taken_from_every_level_of_a_schema() -> None:
    schema = {
        "properties": {
            "replicas": {"type": "integer", "default": 1},
            "token": {"type": "string"},
            "virtualNode": {
                "type": "object",
                "properties": {"image": {"type": "string", "default": "v2.13.0"}},
            },
        }
    }
    assert defaults_of(schema) == {"replicas": 1, "virtualNode": {"image": "v2.13.0"}}
