"""Selectors, paging, watches and patches, as the official client sees them."""

import json
import time
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client import ApiException

from .serving import Obj, Served, config_map, deployment, pod
from .test_api_objects import body_of, failure


def names(found: Any) -> list[str]:
    return [item.metadata.name for item in found.items]


@pytest.fixture
def four(core: client.CoreV1Api, ns: str) -> str:
    labels: dict[str, Obj] = {
        "a": {"tier": "web", "env": "prod"},
        "b": {"tier": "web", "env": "test"},
        "c": {"tier": "db"},
        "d": {},
    }
    for name, found in labels.items():
        body = pod(name)
        body["metadata"]["labels"] = found
        core.create_namespaced_pod(ns, body)
    return ns


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=web", ["a", "b"]),
        ("tier!=web", ["c", "d"]),
        ("tier in (web,db),env", ["a", "b"]),
        ("tier in (web, db)", ["a", "b", "c"]),
        ("env notin (prod)", ["b", "c", "d"]),
        ("!tier", ["d"]),
        ("tier,env!=prod", ["b", "c"]),
    ],
)
def test_label_selectors_choose(
    core: client.CoreV1Api, four: str, selector: str, expected: list[str]
) -> None:
    assert names(core.list_namespaced_pod(four, label_selector=selector)) == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=a", ["a"]),
        ("metadata.name!=a", ["b", "c", "d"]),
        ("spec.nodeName=n1", ["b"]),
        ("spec.nodeName=", ["a", "c", "d"]),
        ("spec.nodeName=n1,status.phase!=Succeeded,status.phase!=Failed", []),
        ("status.phase=Succeeded", ["b"]),
    ],
)
def test_field_selectors_choose(
    core: client.CoreV1Api, four: str, selector: str, expected: list[str]
) -> None:
    core.create_namespaced_binding(four, _binding("b", "n1"), _preload_content=False)
    core.patch_namespaced_pod_status("b", four, {"status": {"phase": "Succeeded"}})
    assert names(core.list_namespaced_pod(four, field_selector=selector)) == expected


def _binding(name: str, node: str) -> Obj:
    return {
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }


@pytest.mark.parametrize("selector", ["spec.colour=red", "nonsense"])
def test_an_unknown_field_selector_is_a_400(core: client.CoreV1Api, ns: str, selector: str) -> None:
    with failure(400):
        core.list_namespaced_pod(ns, field_selector=selector)


def test_a_bad_label_selector_is_a_400(core: client.CoreV1Api, ns: str) -> None:
    with failure(400):
        core.list_namespaced_pod(ns, label_selector="a in web")


def test_pages_are_of_one_moment(core: client.CoreV1Api, ns: str) -> None:
    for number in range(7):
        core.create_namespaced_config_map(ns, config_map(f"m{number}"))
    first = core.list_namespaced_config_map(ns, limit=3)
    core.delete_namespaced_config_map("m5", ns)
    assert first.metadata.remaining_item_count == 4
    second = core.list_namespaced_config_map(ns, limit=3, _continue=first.metadata._continue)
    third = core.list_namespaced_config_map(ns, limit=3, _continue=second.metadata._continue)
    found = names(first) + names(second) + names(third)
    assert found == [f"m{number}" for number in range(7)]
    assert {p.metadata.resource_version for p in (first, second, third)} == {
        first.metadata.resource_version
    }
    assert not third.metadata._continue


def churn(served: Served, ns: str, writes: int) -> None:
    async def work() -> None:
        for number in range(writes):
            body = {"data": {"n": str(number)}}
            await served.cluster.client.patch("configmaps", "churn", ns, body)

    served.run(served.cluster.client.create("configmaps", config_map("churn"), ns))
    served.run(work())


def test_an_old_continue_token_is_expired(core: client.CoreV1Api, served: Served, ns: str) -> None:
    for name in ("a", "b"):
        core.create_namespaced_config_map(ns, config_map(name))
    token = core.list_namespaced_config_map(ns, limit=1).metadata._continue
    churn(served, ns, 1_100)
    with failure(410) as caught:
        core.list_namespaced_config_map(ns, limit=1, _continue=token)
    assert body_of(caught)["reason"] == "Expired"


def test_a_broken_continue_token_is_a_400(core: client.CoreV1Api, ns: str) -> None:
    with failure(400):
        core.list_namespaced_config_map(ns, limit=1, _continue="garbage")


def events(method: Any, *words: Any, **options: Any) -> list[tuple[str, str]]:
    options.setdefault("timeout_seconds", 1)
    stream = watch.Watch().stream(method, *words, **options)
    return [(e["type"], e["object"].metadata.name) for e in stream]


def test_a_watch_replays_from_its_resource_version(core: client.CoreV1Api, ns: str) -> None:
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    core.create_namespaced_config_map(ns, config_map("a"))
    core.patch_namespaced_config_map("a", ns, {"data": {"k": "v"}})
    core.delete_namespaced_config_map("a", ns)
    seen = events(core.list_namespaced_config_map, ns, resource_version=start)
    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_without_a_version_begins_with_what_is_there(
    core: client.CoreV1Api, ns: str
) -> None:
    core.create_namespaced_config_map(ns, config_map("a"))
    assert ("ADDED", "a") in events(core.list_namespaced_config_map, ns)


def test_leaving_a_selector_is_a_deletion(core: client.CoreV1Api, ns: str) -> None:
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    body = config_map("a")
    body["metadata"]["labels"] = {"in": "yes"}
    core.create_namespaced_config_map(ns, body)
    core.patch_namespaced_config_map("a", ns, {"metadata": {"labels": {"in": None}}})
    core.patch_namespaced_config_map("a", ns, {"metadata": {"labels": {"in": "yes"}}})
    seen = events(
        core.list_namespaced_config_map, ns, resource_version=start, label_selector="in=yes"
    )
    assert seen == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]


def test_a_watch_ends_at_its_timeout(core: client.CoreV1Api, ns: str) -> None:
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    begun = time.monotonic()
    assert not events(core.list_namespaced_config_map, ns, resource_version=start)
    assert 0.9 < time.monotonic() - begun < 3


def raw_events(core: client.CoreV1Api, ns: str, **options: Any) -> list[Obj]:
    answer = core.list_namespaced_config_map(
        ns, watch=True, timeout_seconds=1, _preload_content=False, **options
    )
    return [json.loads(line) for line in answer.data.decode().splitlines()]


def test_an_old_watch_is_expired(core: client.CoreV1Api, served: Served, ns: str) -> None:
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    churn(served, ns, 1_100)
    (event,) = raw_events(core, ns, resource_version=start)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_bookmarks_carry_the_newest_version(core: client.CoreV1Api, ns: str) -> None:
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    core.create_namespaced_service_account(ns, {"metadata": {"name": "other"}})
    seen = raw_events(core, ns, resource_version=start, allow_watch_bookmarks=True)
    assert [event["type"] for event in seen] == ["BOOKMARK"]
    assert int(seen[0]["object"]["metadata"]["resourceVersion"]) > int(start)


def test_a_watch_list_ends_its_initial_events_with_a_bookmark(
    core: client.CoreV1Api, ns: str
) -> None:
    core.create_namespaced_config_map(ns, config_map("a"))
    seen = raw_events(
        core,
        ns,
        send_initial_events=True,
        resource_version_match="NotOlderThan",
        allow_watch_bookmarks=True,
    )
    assert [event["type"] for event in seen[:2]] == ["ADDED", "BOOKMARK"]
    assert seen[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_strategic_patch_merges_lists_by_their_keys(apps: client.AppsV1Api, ns: str) -> None:
    apps.create_namespaced_deployment(ns, deployment())
    spec = {
        "containers": [
            {"name": "web", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]},
            {"name": "side", "image": "busybox:1"},
        ],
        "$setElementOrder/containers": [{"name": "side"}, {"name": "web"}],
    }
    patched = apps.patch_namespaced_deployment("web", ns, {"spec": {"template": {"spec": spec}}})
    found = patched.spec.template.spec.containers
    assert [item.name for item in found] == ["side", "web"]
    assert found[1].image == "nginx:1.27"
    gone = {"containers": [{"name": "side", "$patch": "delete"}]}
    patched = apps.patch_namespaced_deployment("web", ns, {"spec": {"template": {"spec": gone}}})
    assert [item.name for item in patched.spec.template.spec.containers] == ["web"]


def test_retain_keys_drops_the_other_strategy(apps: client.AppsV1Api, ns: str) -> None:
    apps.create_namespaced_deployment(ns, deployment())
    strategy = {"$retainKeys": ["type"], "type": "Recreate"}
    patched = apps.patch_namespaced_deployment("web", ns, {"spec": {"strategy": strategy}})
    assert patched.spec.strategy.type == "Recreate"
    assert patched.spec.strategy.rolling_update is None


def test_tolerations_are_replaced_whole(core: client.CoreV1Api, ns: str) -> None:
    core.create_node(
        {
            "metadata": {"name": f"{ns}-node"},
            "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
        }
    )
    change = {"spec": {"taints": [{"key": "b", "effect": "NoExecute"}]}}
    patched = core.patch_node(f"{ns}-node", change)
    assert [taint.key for taint in patched.spec.taints] == ["b"]
    core.delete_node(f"{ns}-node")


def test_a_json_patch_applies_in_order(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_config_map(ns, config_map("a", k="1"))
    steps = [
        {"op": "test", "path": "/data/k", "value": "1"},
        {"op": "replace", "path": "/data/k", "value": "2"},
        {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}},
    ]
    patched = core.patch_namespaced_config_map("a", ns, steps)
    assert (patched.data, patched.metadata.labels) == ({"k": "2"}, {"x": "y"})


def test_a_json_patch_whose_test_fails_is_a_422(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_config_map(ns, config_map("a", k="1"))
    with failure(422):
        core.patch_namespaced_config_map("a", ns, [{"op": "test", "path": "/data/k", "value": "9"}])


def test_a_merge_patch_removes_with_null(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_config_map(ns, config_map("a", k="1", l="2"))
    patched = core.patch_namespaced_config_map(
        "a", ns, {"data": {"k": None}}, _content_type="application/merge-patch+json"
    )
    assert patched.data == {"l": "2"}


def test_a_patch_that_names_a_stale_version_is_a_conflict(core: client.CoreV1Api, ns: str) -> None:
    made = core.create_namespaced_config_map(ns, config_map("a", k="1"))
    core.patch_namespaced_config_map("a", ns, {"data": {"k": "2"}})
    stale = {"metadata": {"resourceVersion": made.metadata.resource_version}, "data": {"k": "3"}}
    with pytest.raises(ApiException) as caught:
        core.patch_namespaced_config_map("a", ns, stale)
    assert caught.value.status == 409
