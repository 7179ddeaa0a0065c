"""Pod-level resources and the resize subresource, as an API server of 1.36 has them."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client

from .serving import Obj
from .test_api_objects import body_of, failure

SMALL = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}}


def made(core: client.CoreV1Api, ns: str, **spec: Any) -> Any:
    container = {"name": "app", "image": "busybox", "resources": SMALL}
    body: Obj = {"metadata": {"name": "web"}, "spec": {"containers": [container], **spec}}
    return core.create_namespaced_pod(ns, body)


def resize(core: client.CoreV1Api, ns: str, resources: Obj, **container: Any) -> Any:
    body = {"spec": {"containers": [{"name": "app", "resources": resources, **container}]}}
    return core.patch_namespaced_pod_resize("web", ns, body)


def running(core: client.CoreV1Api, ns: str, **told: Any) -> None:
    state = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
    status = {"name": "app", "image": "i", "imageID": "", "ready": True, "restartCount": 0}
    body = {"status": {"containerStatuses": [{**status, "state": state, **told}]}}
    core.patch_namespaced_pod_status("web", ns, body)


def test_a_resize_changes_resources_alone_and_counts_the_generation(
    core: client.CoreV1Api, ns: str
) -> None:
    assert made(core, ns).metadata.generation == 1
    pod = resize(core, ns, {"limits": {"cpu": "3"}}, image="other")
    (container,) = pod.spec.containers
    assert (container.resources.limits["cpu"], container.image) == ("3", "busybox")
    assert pod.metadata.generation == 2
    with failure(422):
        core.patch_namespaced_pod(
            "web",
            ns,
            {"spec": {"containers": [{"name": "app", "resources": {"limits": {"cpu": "4"}}}]}},
        )


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"limits": {"ephemeral-storage": "1Gi"}}, "only cpu and memory resources are mutable"),
        ({"limits": {"memory": None}}, "resource limits cannot be removed"),
        ({"requests": {"cpu": "2", "memory": "2Gi"}}, "Pod QOS Class may not change"),
        ({"requests": {"cpu": "5"}}, "must be less than or equal to cpu limit of 2"),
    ],
)
def test_what_a_resize_may_not_do_is_refused(
    core: client.CoreV1Api, ns: str, resources: Obj, told: str
) -> None:
    made(core, ns)
    with failure(422) as caught:
        resize(core, ns, resources)
    assert told in body_of(caught)["message"]


def test_a_node_that_tells_no_resources_of_what_runs_cannot_resize(
    core: client.CoreV1Api, ns: str
) -> None:
    made(core, ns)
    running(core, ns)
    with failure(422) as caught:
        resize(core, ns, {"limits": {"cpu": "3"}})
    assert "Pod running on node without support for resize" in body_of(caught)["message"]
    running(core, ns, resources=SMALL)
    resize(core, ns, {"limits": {"cpu": "3"}})


def test_pod_level_requests_come_from_the_containers_and_then_from_the_limits(
    core: client.CoreV1Api, ns: str
) -> None:
    pod = made(core, ns, resources={"limits": {"cpu": "8", "memory": "16Gi"}})
    assert pod.spec.resources.requests == {"cpu": "1", "memory": "1Gi"}
    assert pod.status.qos_class == "Burstable"
    core.delete_namespaced_pod("web", ns, grace_period_seconds=0)
    bare = {"name": "app", "image": "busybox"}
    pod = made(core, ns, resources={"limits": {"cpu": "8", "memory": "16Gi"}}, containers=[bare])
    assert pod.spec.resources.requests == {"cpu": "8", "memory": "16Gi"}
    assert pod.status.qos_class == "Guaranteed"


@pytest.mark.parametrize(
    ("whole", "told"),
    [
        ({"requests": {"cpu": "500m"}}, "greater than or equal to aggregate container requests"),
        ({"limits": {"memory": "1Gi"}}, "must be less than or equal to pod limits of 1Gi"),
        ({"limits": {"nvidia.com/gpu": "1"}}, "Unsupported value"),
    ],
)
def test_pod_level_resources_that_the_containers_contradict_are_refused(
    core: client.CoreV1Api, ns: str, whole: Obj, told: str
) -> None:
    with failure(422) as caught:
        made(core, ns, resources=whole)
    assert told in body_of(caught)["message"]
