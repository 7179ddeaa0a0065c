"""What is wrong with values is said to people, in their language."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.translation import override

from addons.components.catalogue import catalogue
from addons.components.checks import Check
from addons.components.judge import wrong
from addons.components.planning import Plan, told

GIVEN = {"credential": 1, "KCI_CLUSTER_ID": "c-1", "KCI_REGION": "cn-beijing-6"}


def said(values: dict[str, Any], language: str = "en") -> list[str]:
    schema = catalogue()["rbkci-virtual-kubelet"].latest.schema
    with override(language):
        return [one.message for one in wrong(schema, values)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, None),
        ({"credential": None}, "One of these must be set: credential, TEMP_AKSK_CM."),
        ({"TEMP_AKSK_CM": "x"}, "Only one of these may be set: credential, TEMP_AKSK_CM."),
        ({"KCI_REGION": None}, "KCI_REGION is missing."),
        ({"KCI_REGION": ""}, "KCI_REGION must not be empty."),
        ({"KCI_REGIO": "x"}, "This version has no parameter KCI_REGIO."),
        ({"KCI_KUBE_PROXY": "yes"}, "KCI_KUBE_PROXY must be true or false."),
        ({"rbac": "none"}, "rbac must be one of: cluster-admin, least-privilege."),
    ],
)
def test_each_fault_is_one_sentence(changes: dict[str, Any], sentence: str | None) -> None:
    values = {k: v for k, v in {**GIVEN, **changes}.items() if v is not None}
    assert said(values) == ([sentence] if sentence else [])


def test_path_of_a_missing_key_is_the_key() -> None:
    schema = catalogue()["rbkci-virtual-kubelet"].latest.schema
    found = wrong(schema, {"credential": 1, "KCI_REGION": "r"})
    assert [one.path for one in found] == ["KCI_CLUSTER_ID"]


def test_sentence_is_translated_when_it_is_read() -> None:
    [text] = said({k: v for k, v in GIVEN.items() if k != "credential"}, "zh-hans")
    assert "credential" in text
    assert "必须" in text


def test_checks_of_a_plan_are_told_in_the_readers_language() -> None:
    component = catalogue()["rbkci-virtual-kubelet"]
    check = Check("versions", "ok", "Version and kind of the cluster")
    made = Plan("install", component, component.latest, "in_cluster", (check,), {}, {})
    with override("zh-hans"):
        assert [one.title for one in told(made).checks] == ["集群的版本与类型"]
