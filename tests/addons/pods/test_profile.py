"""What eci-profile says, which pods it concerns, and what of it is faulty."""

from __future__ import annotations

import json
from typing import Any

import pytest

from addons.models import Cluster
from addons.pods.profile import RESOURCE_GROUP, Profile, effects, parse
from providers.models import Instance
from tests.addons.pods.conftest import Site
from tests.addons.pods.pods import pod

GPU = "k8s.aliyun.com/eci-use-specs"


def selector(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


def made(*selectors: Any, **data: str) -> Profile:
    found, faults = parse({"selectors": json.dumps(selectors), **data})
    assert faults == ()
    return found


def gives(found: Profile, labels: dict[str, str], space: dict[str, str] | None = None) -> Any:
    subject = pod(metadata={"labels": labels, "annotations": {"mine": "kept"}})
    given = effects(found, subject, space or {})
    return dict(given.annotations), dict(given.labels)


def test_the_earlier_selector_wins_and_nothing_of_the_pod_is_overwritten() -> None:
    found = made(
        selector(
            "first",
            objectSelector={"matchLabels": {"app": "web", "tier": "front"}},
            effect={"annotations": {GPU: "2-4Gi", "mine": "lost"}, "labels": {"app": "other"}},
        ),
        selector("second", effect={"annotations": {GPU: "4-8Gi", "more": "yes"}}),
    )
    both = {"app": "web", "tier": "front"}
    assert gives(found, both) == ({GPU: "2-4Gi", "more": "yes"}, {})
    assert gives(found, {"app": "web"}) == ({GPU: "4-8Gi", "more": "yes"}, {})


@pytest.mark.parametrize(
    ("expression", "labels", "matches"),
    [
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, {"a": "2"}, True),
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, {"a": "3"}, False),
        ({"key": "a", "operator": "In", "values": ["1"]}, {}, False),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {}, True),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {"a": "1"}, False),
        ({"key": "a", "operator": "Exists"}, {"a": ""}, True),
        ({"key": "a", "operator": "Exists"}, {}, False),
        ({"key": "a", "operator": "DoesNotExist"}, {}, True),
        ({"key": "a", "operator": "DoesNotExist"}, {"a": "1"}, False),
    ],
)
def test_expressions_match_as_kubernetes_defines_them(
    expression: dict[str, Any], labels: dict[str, str], matches: bool
) -> None:
    found = made(
        selector(
            "one",
            objectSelector={"matchExpressions": [expression]},
            effect={"annotations": {GPU: "x"}},
        )
    )
    assert bool(gives(found, labels)[0]) is matches


def test_namespace_and_pod_must_both_match() -> None:
    found = made(
        selector(
            "one",
            namespaceSelector={"matchLabels": {"team": "ai"}},
            objectSelector={"matchLabels": {"gpu": "yes"}},
            effect={"labels": {"alibabacloud.com/acs": "true"}},
        )
    )
    assert found.asks_for_namespaces
    given = ({}, {"alibabacloud.com/acs": "true"})
    assert gives(found, {"gpu": "yes"}, {"team": "ai"}) == given
    assert gives(found, {"gpu": "yes"}, {"team": "web"}) == ({}, {})
    assert gives(found, {}, {"team": "ai"}) == ({}, {})


def test_places_are_read_and_the_resource_group_is_an_annotation() -> None:
    found = made(
        vSwitchIds="vsw-1, vsw-2,", securityGroupId="sg-1", resourceGroupId="rg-1", vpcId="vpc-1"
    )
    assert (found.subnets, found.security_group) == (("vsw-1", "vsw-2"), "sg-1")
    assert gives(found, {}) == ({RESOURCE_GROUP: "rg-1"}, {})


GOOD = selector("good", effect={"annotations": {GPU: "2-4Gi"}})


@pytest.mark.parametrize(
    ("data", "path", "text"),
    [
        ({"vSwitchIds": "vsw-1,?"}, "vSwitchIds", "? is no id. Write ids, comma separated."),
        ({"securityGroupId": "sg-1,sg-2"}, "securityGroupId", "2 ids are given."),
        ({"enableClusterIp": "yes"}, "enableClusterIp", "yes is neither true nor false."),
        ({"enableClusterIp": "true", "enablePrivateZone": "true"}, "enablePrivateZone", "not do"),
        ({"vswitchIds": "vsw-1"}, "vswitchIds", "not known"),
        ({"selectors": "[{}, // a comment\n]"}, "selectors", "It is no JSON"),
        ({"selectors": "{}"}, "selectors", "It is no JSON array."),
        ({"selectors": json.dumps([{"effect": {}}])}, "selectors[0].name", "has no name"),
        (
            {"selectors": json.dumps([GOOD, selector("x", objectSelectors={})])},
            "selectors[1].objectSelectors",
            "Known are: name, namespaceSelector, objectSelector, effect.",
        ),
        (
            {"selectors": json.dumps([GOOD, selector("x", effect={"labels": {"a": 1}})])},
            "selectors[1] (x).effect.labels.a",
            "Put it in quotes.",
        ),
        (
            {
                "selectors": json.dumps(
                    [
                        selector(
                            "x",
                            objectSelector={"matchExpressions": [{"key": "a", "operator": "Is"}]},
                        )
                    ]
                )
            },
            "selectors[0] (x).objectSelector.matchExpressions[0].operator",
            "Is is no operator. Known are: In, NotIn, Exists, DoesNotExist.",
        ),
    ],
)
def test_each_fault_is_named_and_the_rest_counts(
    data: dict[str, str], path: str, text: str
) -> None:
    found, (fault,) = parse({"resourceGroupId": "rg-1", **data})
    assert fault.path == path
    assert text in fault.text
    assert found.resource_group == "rg-1"
    assert len(found.selectors) == ("good" in data.get("selectors", ""))


# --- on the way to the cloud --------------------------------------------------------------------


def _set(site: Site, **data: str) -> None:
    Cluster.objects.filter(pk=site.cluster.pk).update(profile=data)


def _create_call(site: Site) -> dict[str, str]:
    calls = [c for c in site.control.calls() if c["action"] == "CreateContainerGroup"]
    return dict(calls[-1]["parameters"])


def test_a_new_pod_takes_subnets_group_and_effects_and_later_edits_are_for_later_pods(
    site: Site,
) -> None:
    first, second = (p["subnet"] for p in site.node.placements[:2])
    rules = [
        selector(
            "small",
            objectSelector={"matchLabels": {"size": "small"}},
            effect={"annotations": {GPU: "2-4Gi"}, "labels": {"by": "profile"}},
        )
    ]
    _set(site, vSwitchIds=f"{second},{first}", selectors=json.dumps(rules))
    site.create("web", metadata={"labels": {"size": "small"}})
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    seen = site.get("web")
    assert seen is not None
    assert seen["metadata"]["annotations"][GPU] == "2-4Gi"
    assert seen["metadata"]["labels"] == {"size": "small", "by": "profile"}
    # The node's own zone first, whatever the order in the profile.
    assert _create_call(site)["VSwitchId"].split(",") == [first, second]
    version = seen["metadata"]["resourceVersion"]

    rules[0]["effect"]["annotations"][GPU] = "4-8Gi"
    _set(site, vSwitchIds=second, selectors=json.dumps(rules))
    for _ in range(2):
        site.queue("web")
        site.drain()
    again = site.get("web")
    assert again is not None
    assert again["metadata"]["resourceVersion"] == version
    assert len(site.instances()) == 1

    site.create("new", metadata={"labels": {"size": "small"}})
    site.queue("new")
    site.work(lambda: site.phase("new") == "Running")
    row = Instance.objects.get(pod_name="new")
    assert row.spec == "4-8Gi"
    assert _create_call(site)["VSwitchId"] == second


def test_a_pods_own_annotations_win_over_the_profile(site: Site) -> None:
    first, second = (p["subnet"] for p in site.node.placements[:2])
    _set(site, vSwitchIds=first, resourceGroupId="rg-profile")
    own = {"k8s.aliyun.com/eci-vswitch": second, RESOURCE_GROUP: "rg-own"}
    site.create("web", metadata={"annotations": own})
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    asked = _create_call(site)
    assert (asked["VSwitchId"], asked["ResourceGroupId"]) == (second, "rg-own")
