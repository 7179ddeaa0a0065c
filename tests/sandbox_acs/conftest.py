"""An ACS cluster in this process, served to kubectl and the official client."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client

from sandbox.clouds.acs.cloud import AcsCloud
from sandbox.clouds.acs.extension import AcsCluster
from sandbox.clouds.acs.model import Instance
from sandbox.clouds.acs.store import Store
from sandbox.cluster.controllers.config import Config
from tests.sandbox_cluster.serving import Served

Obj = dict[str, Any]
CLASS = "alibabacloud.com/compute-class"
QOS = "alibabacloud.com/compute-qos"
MODEL = "alibabacloud.com/gpu-model-series"
QUICK = {"schedule_seconds": 0.05, "pull_seconds": 0.05, "stop_seconds": 0.05, "retry_seconds": 0.2}


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.02)
    return value


class Acs(Served):
    """The cluster with what ACS adds; `cloud` is the other side of it."""

    def __init__(self) -> None:
        self.cloud = AcsCloud(Store(None), now=time.time, rng=random.Random(5))
        extension = AcsCluster(self.cloud, "served", "v1.36.1-aliyun.1")
        super().__init__(config=Config(nodes=(), coredns_replicas=0), extensions=[extension])
        self.turn()
        self.core = client.CoreV1Api(self.api())

    def turn(self, **knobs: Any) -> None:
        """The quick defaults with these knobs."""
        self.call(lambda: self.cloud.turn(self.cloud.knobs.updated({**RESET, **QUICK, **knobs})))

    def create(self, name: str, **given: Any) -> Obj:
        """Create a pod and return it as the API has it."""
        made = self.core.create_namespaced_pod("default", pod(name, **given))
        return self.core.api_client.sanitize_for_serialization(made)

    def pod(self, name: str) -> Obj:
        found = self.core.read_namespaced_pod(name, "default")
        return self.core.api_client.sanitize_for_serialization(found)

    def phase(self, name: str, wanted: str) -> Obj:
        """The pod once it is in a phase."""
        wait_until(lambda: self.pod(name)["status"]["phase"] == wanted)
        return self.pod(name)

    def annotated(self, name: str) -> dict[str, str]:
        """The pod's annotations once ACS has written them."""
        wait_until(lambda: "ProviderCreate" in self.pod(name)["metadata"].get("annotations", {}))
        found: dict[str, str] = self.pod(name)["metadata"]["annotations"]
        return found

    def instance(self, name: str) -> Instance:
        """The newest instance of a pod."""
        found = [i for i in self.cloud.instances.values() if i.pod == name]
        return found[-1]

    def events(self, name: str) -> dict[str, str]:
        """Reason to message of a pod's events."""
        selector = f"involvedObject.name={name}"
        found = self.core.list_namespaced_event("default", field_selector=selector).items
        return {event.reason: event.message for event in found}

    def empty(self) -> None:
        """No pods are left."""
        self.core.delete_collection_namespaced_pod("default", grace_period_seconds=0)
        wait_until(lambda: not self.core.list_namespaced_pod("default").items)
        self.call(self.cloud.faults.clear)
        self.turn()


RESET = {"stock": {}, "large_sizes": False, "reserved_hpn": False, "notice_seconds": 300}


def pod(
    name: str,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    image: str = "nginx",
    command: list[str] | None = None,
    resources: Obj | None = None,
    **spec: Any,
) -> Obj:
    container: Obj = {"name": "main", "image": image, "resources": resources or {}}
    if command:
        container["command"] = command
    meta = {"name": name, "labels": labels or {}, "annotations": annotations or {}}
    body = {"containers": [container], "terminationGracePeriodSeconds": 1, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body}


@pytest.fixture(scope="module")
def served() -> Iterator[Acs]:
    made = Acs()
    wait_until(lambda: len(made.core.list_node().items) == 2)
    wait_until(made.core.list_namespaced_service_account("default").items.__len__)
    yield made
    made.core.api_client.close()
    made.stop()


@pytest.fixture
def acs(served: Acs) -> Iterator[Acs]:
    yield served
    served.empty()
