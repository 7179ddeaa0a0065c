"""Pods on a cloud with the least powers: no token, no containers told, lists that lag."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from addons.models import Decision, PodRow
from addons.pods import access
from addons.pods.steps import looked
from addons.runtime.clients import address_policy
from kube import CONFIGMAPS, EVENTS, PODS, SERVICE_ACCOUNTS, Kube, parse_kubeconfig
from kube.errors import Forbidden
from providers.base import InstanceState
from providers.errors import OutOfStock
from providers.models import Instance
from tests.addons.pods.conftest import Site
from tests.addons.toy import ToyCloud

HALF_A_MINUTE = timedelta(seconds=30)


def look(site: Site, name: str, cloud: ToyCloud, *, later: float = 0.0) -> None:
    """One pass over the pod, the cloud's clock moved on before it."""
    cloud.shift += timedelta(seconds=later)
    site.queue(name)
    site.drain(sweep=False)


def proven(cloud: ToyCloud, before: datetime, after: datetime) -> bool:
    """Two complete lists between two creates, far enough apart."""
    between = [at for at in cloud.lists if before < at <= after]
    return bool(between) and between[-1] - between[0] >= HALF_A_MINUTE


def events(site: Site, name: str) -> list[tuple[str, str, str]]:
    async def ask() -> list[tuple[str, str, str]]:
        listing = await (await site.kube()).list(
            EVENTS, site.namespace, fields=f"involvedObject.name={name}"
        )
        return [(e["type"], e["reason"], e["message"]) for e in listing.items]

    return site.runtime.run(ask(), timeout=10)


def test_a_lost_call_is_repeated_only_after_two_lists_half_a_minute_apart(
    toy_site: Site, cloud: ToyCloud
) -> None:
    cloud.lost_calls = 1
    toy_site.create("web")
    for later in (0, 0, 5, 24):
        look(toy_site, "web", cloud, later=later)
        assert len(cloud.creates) == 1
    look(toy_site, "web", cloud, later=2)
    toy_site.work(lambda: toy_site.phase("web") == "Running")
    first, second = cloud.creates
    assert proven(cloud, first, second)
    assert len(cloud.instances) == 1


def test_what_a_former_process_had_seen_does_not_count(toy_site: Site, cloud: ToyCloud) -> None:
    cloud.lost_calls = 1
    toy_site.create("web")
    look(toy_site, "web", cloud)
    look(toy_site, "web", cloud)
    looked._first.clear()
    look(toy_site, "web", cloud, later=31)
    assert len(cloud.creates) == 1
    look(toy_site, "web", cloud, later=31)
    toy_site.work(lambda: toy_site.phase("web") == "Running")
    assert proven(cloud, *cloud.creates)


def test_lists_from_before_a_repeated_call_prove_nothing(toy_site: Site, cloud: ToyCloud) -> None:
    cloud.lost_calls = 2
    toy_site.create("web")
    for later in (0, 0, 31, 1, 20, 11):
        look(toy_site, "web", cloud, later=later)
    toy_site.work(lambda: toy_site.phase("web") == "Running")
    first, second, third = cloud.creates
    assert proven(cloud, first, second)
    assert proven(cloud, second, third)


def test_lost_answers_make_one_instance_per_pod_though_lists_lag(
    toy_site: Site, cloud: ToyCloud
) -> None:
    cloud.lag = timedelta(seconds=20)
    names = [f"web-{n}" for n in range(40)]
    cloud.lost_answers = len(names)
    uids = {toy_site.create(name)["metadata"]["uid"] for name in names}
    toy_site.queue(*names)
    toy_site.drain(sweep=False)
    toy_site.queue(*names)
    toy_site.drain(sweep=False)
    assert len(cloud.creates) == len(names)
    # One list serves all the pods that ask for one meanwhile.
    assert len(cloud.lists) < len(names) / 2
    cloud.shift += timedelta(seconds=21)
    toy_site.queue(*names)
    running = Instance.objects.filter(state=Instance.State.ACTIVE)
    toy_site.work(lambda: running.count() == len(names))
    assert len(cloud.creates) == len(names)
    assert sorted(i.tags["spillway-pod-uid"] for i in cloud.instances.values()) == sorted(uids)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_lost_and_however_lists_lag_each_pod_has_one_instance(
    toy_site: Site, cloud: ToyCloud, seed: int
) -> None:
    chance = Random(seed)
    cloud.lag = timedelta(seconds=chance.uniform(10, 25))
    names: list[str] = []
    uids: list[str] = []

    def another_pod() -> None:
        names.append(f"web-{len(names)}")
        uids.append(toy_site.create(names[-1])["metadata"]["uid"])

    def restart() -> None:
        looked._first.clear()

    def lose_calls() -> None:
        cloud.lost_calls += chance.randint(0, 3)

    def lose_answers() -> None:
        cloud.lost_answers += chance.randint(0, 3)

    def wait() -> None:
        cloud.shift += timedelta(seconds=chance.uniform(0, 12))

    for _ in range(30):
        chance.choice([another_pod, lose_calls, lose_answers, wait, wait, wait])()
        if chance.random() < 0.05:
            restart()
        toy_site.queue(*names)
        toy_site.drain(sweep=False)
    cloud.lost_calls = cloud.lost_answers = 0
    cloud.lag = timedelta(0)

    def all_run() -> bool:
        wait()
        toy_site.queue(*names)
        return all(toy_site.phase(name) == "Running" for name in names)

    toy_site.work(all_run)
    made = [i.tags["spillway-pod-uid"] for i in cloud.instances.values()]
    assert sorted(made) == sorted(uids)
    assert len(cloud.specs) == len(names)


def test_a_pod_deleted_in_doubt_leaves_nothing_though_its_instance_shows_late(
    toy_site: Site, cloud: ToyCloud
) -> None:
    cloud.lag = timedelta(seconds=20)
    cloud.lost_answers = 1
    toy_site.create("web")
    look(toy_site, "web", cloud)
    toy_site.remove("web")
    look(toy_site, "web", cloud)
    look(toy_site, "web", cloud, later=10)
    assert Instance.objects.get().state == Instance.State.CREATING
    cloud.lag = cloud.shift = timedelta(0)
    toy_site.queue("web")
    toy_site.work(lambda: toy_site.phase("web") == "gone")
    assert cloud.instances == {}
    assert Instance.objects.get().state == Instance.State.CLOSED


@pytest.mark.parametrize(
    ("end", "phase", "reason", "code"),
    [
        (InstanceState.SUCCEEDED, "Succeeded", "Completed", 0),
        (InstanceState.FAILED, "Failed", "ContainerStatusUnknown", 137),
    ],
)
def test_without_a_word_on_containers_the_instance_speaks_for_them(
    toy_site: Site, cloud: ToyCloud, end: InstanceState, phase: str, reason: str, code: int
) -> None:
    toy_site.create("job", restartPolicy="Never")
    toy_site.queue("job")
    toy_site.work(lambda: toy_site.phase("job") == "Running")
    seen: Any = toy_site.get("job")
    (status,) = seen["status"]["containerStatuses"]
    assert "running" in status["state"]
    assert (status["ready"], status["started"]) == (True, True)
    assert status["containerID"] == "bare://toy-1/app"
    cloud.change("toy-1", state=end, raw_state=end.value, reason="Ended", message="exit status 3")
    toy_site.work(lambda: toy_site.phase("job") == phase)
    seen = toy_site.get("job")
    (status,) = seen["status"]["containerStatuses"]
    assert status["state"]["terminated"]["reason"] == reason
    assert status["state"]["terminated"]["exitCode"] == code
    assert (status["state"]["terminated"].get("message") == "Ended: exit status 3") is (code > 0)


def test_what_is_ignored_is_said_once_and_every_refusal_with_its_fix(
    toy_site: Site, cloud: ToyCloud
) -> None:
    toy_site.create("odd", metadata={"annotations": {"toy/no-a": "", "toy/no-b": ""}})
    toy_site.queue("odd")
    toy_site.work(lambda: toy_site.phase("odd") == "Running")
    said = [e for e in events(toy_site, "odd") if e[1] == "Ignored"]
    assert said == [
        (
            "Warning",
            "Ignored",
            "Toy Cloud ignores: toy/no-a: Nobody has heard of toy/no-a. Remove it.; "
            "toy/no-b: Nobody has heard of toy/no-b. Remove it.",
        )
    ]
    kept = Decision.objects.get(code="Ignored").values["problems"]
    assert [one["field"] for one in kept] == ["toy/no-a", "toy/no-b"]

    ways = {"toy/no-way-1": "", "toy/no-way-2": "", "toy/no-c": ""}
    toy_site.create("bad", metadata={"annotations": ways})
    toy_site.queue("bad")
    toy_site.work(lambda: toy_site.phase("bad") == "Failed")
    refused = [e[2] for e in events(toy_site, "bad") if e[1] == "PodRefused"]
    assert len(refused) == 2
    assert all("Nobody has heard of toy/no-way" in text for text in refused)
    seen: Any = toy_site.get("bad")
    assert seen["status"]["reason"] == "ProviderFailed"
    assert "toy/no-way-1" in seen["status"]["message"]
    assert "toy/no-way-2" in seen["status"]["message"]
    assert len(cloud.creates) == 1


def test_an_instance_that_must_reach_the_cluster_gets_the_agents_token_alone(
    toy_site: Site, cloud: ToyCloud
) -> None:
    toy_site.create("web", metadata={"annotations": {"toy/cluster": "true"}})
    toy_site.queue("web")
    row = PodRow.objects.filter(name="web")
    toy_site.work(lambda: row.get().blocker == "MissingReference", sweep=False)
    assert "create serviceaccount virtual-kubelet-sa" in row.get().blocker_values["message"]

    async def make() -> None:
        account = {"metadata": {"name": access.ACCOUNT}}
        body = {"apiVersion": "v1", "kind": "ServiceAccount", **account}
        await (await toy_site.kube()).create(SERVICE_ACCOUNTS, body, access.NAMESPACE)

    async def unmake() -> None:
        await (await toy_site.kube()).delete(SERVICE_ACCOUNTS, access.ACCOUNT, access.NAMESPACE)

    async def use() -> None:
        given = cloud.specs[0].cluster
        assert given is not None
        assert (given.namespace, given.pod, given.node) == (
            toy_site.namespace,
            "web",
            toy_site.node.name,
        )
        config = parse_kubeconfig(given.kubeconfig.reveal())
        async with Kube(config.target("cluster"), policy=address_policy()) as kube:
            await kube.version()
            with pytest.raises(Forbidden):
                await kube.list(PODS, toy_site.namespace)

    toy_site.runtime.run(make(), timeout=10)
    try:
        toy_site.queue("web")
        toy_site.work(lambda: toy_site.phase("web") == "Running")
        toy_site.runtime.run(use(), timeout=20)
    finally:
        toy_site.runtime.run(unmake(), timeout=10)


NO_STOCK = OutOfStock("sold out", code="NoStock", request_id="req-1")


async def some_owner(site: Site) -> dict[str, Any]:
    """A reference to a controller that exists and makes no pods of its own."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}
    made = await (await site.kube()).create(CONFIGMAPS, body, site.namespace)
    meta = made["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }


@pytest.mark.parametrize(
    ("on_failure", "owned", "phase", "reason"),
    [
        ("fast", False, "Failed", "ProviderFailed"),
        ("over", True, "Failed", "FailedOver"),
        ("over", False, "Pending", None),
        ("back", True, "Pending", None),
    ],
)
def test_no_stock_ends_a_pod_only_when_it_asks_for_that(
    toy_site: Site, cloud: ToyCloud, on_failure: str, owned: bool, phase: str, reason: str | None
) -> None:
    cloud.refusals = [NO_STOCK]
    meta: dict[str, Any] = {"annotations": {"toy/on-failure": on_failure}}
    if owned:
        meta["ownerReferences"] = [toy_site.runtime.run(some_owner(toy_site), timeout=10)]
    toy_site.create("web", metadata=meta)
    toy_site.queue("web")
    toy_site.work(lambda: Decision.objects.exclude(code="InstanceRequested").exists(), sweep=False)
    toy_site.drain(sweep=False)
    seen: Any = toy_site.get("web")
    assert (seen["status"]["phase"], seen["status"].get("reason")) == (phase, reason)
    told = Decision.objects.get(code__in=["NoStock", "GaveUp", "FailedOver"])
    assert (told.values["zones"], told.values["next"]) == (["here-a"], "here-a")
    assert len(cloud.creates) == 1


def test_an_accepted_instance_without_stock_is_replaced_and_its_place_remembered(
    toy_site: Site, cloud: ToyCloud
) -> None:
    cloud.state = InstanceState.SCHEDULE_FAILED
    toy_site.create("web")
    toy_site.queue("web")
    toy_site.work(lambda: len(cloud.deleted) == 1)
    cloud.state = InstanceState.RUNNING
    toy_site.work(lambda: toy_site.phase("web") == "Running")
    assert cloud.short[0] == ("here-a", "1-2Gi")
    assert Instance.objects.get(state=Instance.State.ACTIVE).generation >= 2
