"""Any mixture of creates, deletions and faults of the cloud ends well."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from addons.models import PodRow
from kube import PODS
from providers.models import Instance
from tests.addons.pods import invariants
from tests.addons.pods.conftest import Site
from tests.conftest import World

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = [f"web-{n}" for n in range(8)]
STEPS = 24
FAULTS: tuple[dict[str, Any], ...] = (
    {"action": "CreateContainerGroup", "code": "Throttling.User", "http_status": 400},
    {"action": "CreateContainerGroup", "code": "InternalError", "http_status": 500},
    {"action": "CreateContainerGroup", "lost_answer": True},
    {"action": "DeleteContainerGroup", "lost_answer": True},
    {"action": "DeleteContainerGroup", "code": "ServiceUnavailable", "http_status": 503},
    {"action": "DescribeContainerGroups", "empty": True},
    {"action": "DescribeContainerGroups", "code": "InternalError", "http_status": 500},
    {"action": "DescribeContainerGroupStatus", "lost_answer": True},
)


class Story:
    """What happened to the pods of one site, told by `dice`."""

    def __init__(self, site: Site, dice: random.Random) -> None:
        self.site = site
        self.dice = dice
        self.forced: set[str] = set()
        self.uids: set[str] = set()

    def step(self) -> None:
        moves: list[Callable[[str], None]] = [self.create, self.create, self.remove, self.force]
        self.dice.choice([*moves, self.fault])(self.dice.choice(NAMES))

    def create(self, name: str) -> None:
        if self.site.get(name) is None:
            made = self.site.create(name, automountServiceAccountToken=self.dice.random() < 0.5)
            self.uids.add(made["metadata"]["uid"])

    def remove(self, name: str) -> None:
        if self.site.get(name) is not None:
            self.site.remove(name)

    def force(self, name: str) -> None:
        if pod := self.site.get(name):
            self.forced.add(pod["metadata"]["uid"])
            self.site.remove(name, grace_seconds=0)

    def fault(self, _name: str) -> None:
        self.site.control.fault(**self.dice.choice(FAULTS), times=self.dice.randint(1, 2))

    def pods(self) -> list[dict[str, Any]]:
        async def ask() -> list[dict[str, Any]]:
            return (await (await self.site.kube()).list(PODS, self.site.namespace)).items

        return self.site.runtime.run(ask(), timeout=10)

    def mirrored(self) -> None:
        """The watch process's part."""
        live = [pod["metadata"]["uid"] for pod in self.pods()]
        gone = PodRow.objects.filter(cluster=self.site.cluster, gone_at=None).exclude(uid__in=live)
        gone.update(gone_at=datetime.now(UTC))

    def settled(self) -> bool:
        self.mirrored()
        self.site.queue(*NAMES)
        pods = self.pods()
        if any(pod["status"].get("phase") != "Running" for pod in pods):
            return False
        there = {
            i["tags"]["spillway-pod-uid"] for i in self.site.instances() if not i["deleted_at"]
        }
        rows = Instance.objects.filter(state__in=Instance.OPEN).values_list("pod_uid", flat=True)
        return there == {pod["metadata"]["uid"] for pod in pods} == set(rows)


def test_any_mixture_of_changes_and_faults_keeps_every_invariant(site: Site, world: World) -> None:
    seed = int(os.environ.get("SPILLWAY_TEST_SEED") or random.SystemRandom().randrange(10**6))
    sys.stderr.write(f"SPILLWAY_TEST_SEED={seed}\n")
    story = Story(site, random.Random(seed))
    cluster = world.facts["clusters"][0]["name"]
    first_call = max((call["seq"] for call in site.control.calls()), default=0)
    first_write = max((write["seq"] for write in site.control.writes(cluster)), default=0)
    for _ in range(STEPS):
        story.step()
        if story.dice.random() < 0.4:
            story.mirrored()
            site.queue(*NAMES)
            site.drain(sweep=story.dice.random() < 0.5)
    site.control.call("DELETE", "/eci/faults")
    site.work(story.settled, seconds=60)

    instances, calls = site.instances(), site.control.calls(first_call)
    writes = [w for w in site.control.writes(cluster, first_write) if w["uid"] in story.uids]
    live = {pod["metadata"]["uid"] for pod in story.pods()}
    assert instances
    assert writes
    assert invariants.twice_billed(instances) == []
    assert invariants.leaked(instances, live) == []
    assert invariants.wrongly_deleted(calls, instances, writes) == []
    assert invariants.collected_in_haste(calls, instances, story.forced, known=len(NAMES)) == []
    assert invariants.without_intent(instances) == []
    assert invariants.mismatched(calls) == []
    assert invariants.untagged(instances) == []
    assert invariants.closed_too_early(instances) == []
    assert invariants.phases_gone_back(writes) == []
    assert invariants.of_another_pod(story.pods(), instances) == []
