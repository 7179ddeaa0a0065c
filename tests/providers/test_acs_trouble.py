"""What an ACS cluster may do wrong, and that nothing is concluded from it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kube import PODS, SECRETS, Limits
from kube.errors import Forbidden, KubeError, TooManyRequests, Unreachable
from kube.resources import Resource
from providers.acs import keys, pod
from providers.acs.client import Acs
from providers.acs.errors import told
from providers.acs.secrets import LOOSE_FOR
from providers.base import (
    Container,
    Created,
    File,
    InstanceSpec,
    InstanceState,
    Mount,
    RunState,
    Volume,
    VolumeKind,
)
from providers.errors import (
    AccountTrouble,
    Busy,
    InvalidSpec,
    NotFound,
    ProviderError,
    QuotaExceeded,
    Throttled,
    Unavailable,
    UnknownOutcome,
)
from providers.tags import CONSOLE as CONSOLE_TAG
from tests.providers.acs_cloud import NAMESPACE, Simulated
from tests.providers.cloud import CONSOLE
from tests.providers.contract import until, until_state
from tests.providers.full import FULL

OURS = {CONSOLE_TAG: CONSOLE}
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", True)


def numbered(acs: Simulated, number: int, **changes: Any) -> Any:
    return acs.place.spec(f"pod-{number}", **changes)


async def insisted(client: Acs, spec: InstanceSpec, token: str) -> Created:
    """As the reconciler does it: under the same token until there is an answer."""
    for _ in range(500):
        try:
            return await client.create(spec, token=token)
        except (UnknownOutcome, Unavailable):
            await asyncio.sleep(0.05)
    raise AssertionError(f"{token}: no answer")


async def test_two_hundred_lost_answers_make_two_hundred_instances(acs: Simulated) -> None:
    """The circuit stays closed: answers are lost, the server is well."""
    acs.cluster.faults.lost_answers = 200
    client = acs.client(limits=Limits(failures_to_open=10_000))
    specs = [numbered(acs, number) for number in range(200)]
    made = await asyncio.gather(
        *(insisted(client, spec, f"token-{n}") for n, spec in enumerate(specs))
    )
    assert acs.cluster.faults.lost_answers == 0
    assert len({one.id for one in made}) == 200
    assert len((await client.list(tags=OURS)).instances) == 200

    async def all_run() -> bool:
        return len(acs.cloud.instances) >= 200

    await until(all_run, seconds=30)
    assert len(acs.cloud.instances) == len({i.uid for i in acs.cloud.instances.values()}) == 200
    await asyncio.gather(*(client.delete(one.id) for one in made))

    async def none_left() -> bool:
        return not await acs.names(PODS)

    await until(none_left, seconds=30)
    assert not list(acs.cloud.living())


async def test_a_create_that_never_gets_an_answer_is_found_by_the_next(acs: Simulated) -> None:
    client = acs.client()
    acs.cluster.faults.lost_answers = 1

    async def dies(_seconds: float) -> None:
        raise RuntimeError("the worker is killed")

    with pytest.raises(RuntimeError):
        await acs.client(sleep=dies).create(numbered(acs, 1), token="t")
    found = await client.list(tags=numbered(acs, 1).tags)
    again = await client.create(numbered(acs, 1), token="t")
    assert [one.id for one in found.instances] == [again.id]
    assert await acs.names() == [again.id]


async def test_a_server_that_is_down_after_the_create_leaves_the_outcome_unknown(
    acs: Simulated,
) -> None:
    acs.cluster.faults.lost_answers = 3

    async def goes_down(_seconds: float) -> None:
        acs.cluster.faults.down = True

    with pytest.raises(UnknownOutcome):
        await acs.client(sleep=goes_down).create(numbered(acs, 1), token="t")
    acs.cluster.faults.clear()
    assert len(await acs.names()) == 1


async def test_a_cluster_that_nobody_answers_at_was_not_reached(acs: Simulated) -> None:
    client = acs.client()
    await acs.cluster.server.stop()
    with pytest.raises(Unavailable):
        await client.create(numbered(acs, 1), token="t")
    with pytest.raises(Unavailable):
        await client.list(tags=OURS)
    with pytest.raises(Unavailable):
        await client.delete("sw-1")


async def test_a_kubeconfig_that_lost_its_rights_is_trouble_and_no_absence(acs: Simulated) -> None:
    made = await acs.client().create(numbered(acs, 1), token="t")
    calls: list[Callable[[Any], Any]] = [
        lambda client: client.list(tags=OURS),
        lambda client: client.get(made.id),
        lambda client: client.details([made.id]),
        lambda client: client.delete(made.id),
        lambda client: client.create(numbered(acs, 2), token="t-2"),
        lambda client: client.logs(made.id, "main"),
    ]
    for call in calls:
        with pytest.raises(AccountTrouble):
            await call(acs.client(acs.stranger()))
    acs.cluster.faults.revoked = True
    for call in calls:
        with pytest.raises(AccountTrouble):
            await call(acs.client())


async def test_another_cluster_under_the_same_address_proves_no_absence(acs: Simulated) -> None:
    client = acs.client(cluster_uid="the-one-it-was-verified-with")
    for call in (
        client.list(tags=OURS),
        client.get("sw-1"),
        client.details(["sw-1"]),
        client.delete("sw-1"),
    ):
        with pytest.raises(AccountTrouble, match="leads to cluster") as caught:
            await call
        assert caught.value.code == "OtherCluster"


async def test_verification_of_a_stranger_names_what_to_grant(acs: Simulated) -> None:
    with pytest.raises(AccountTrouble):
        await acs.client(acs.stranger()).verify()
    await acs.admin.delete(
        Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", True),
        "spillway-acs",
        NAMESPACE,
    )
    told = (await acs.client().verify()).capabilities
    refused = {one.action: one for one in told if not one.ok}
    assert set(refused) >= {"create pods", "get pods/log", "list events", "patch secrets"}
    assert refused["create pods"].grant == "create pods"
    assert f"in namespace {NAMESPACE}" in refused["create pods"].message


async def test_a_missing_namespace_is_made(acs: Simulated) -> None:
    client = acs.client(acs.cluster.kubeconfig(), namespace="burst")
    spec = replace(
        numbered(acs, 1), registry_credentials=FULL.registry_credentials, volumes=FULL.volumes[1:2]
    )
    made = await client.create(spec, token="t")
    assert (await client.get(made.id)).id == made.id


async def mounted(acs: Simulated, name: str) -> dict[str, bytes]:
    """Path -> content of the pod's Secret volumes, as a kubelet would write them."""
    found = {}
    for volume in (await acs.pod(name))["spec"]["volumes"]:
        secret = await acs.admin.get(SECRETS, volume["secret"]["secretName"], NAMESPACE)
        for item in volume["secret"]["items"]:
            content = base64.b64decode(secret["data"][item["key"]])
            found[f"{volume['name']}/{item['path']}"] = content
    return found


async def test_files_and_logins_arrive_and_go_with_the_pod(acs: Simulated) -> None:
    client = acs.client()
    mounts = (Mount("files", "/etc/app"), Mount("token", "/var/run/token"))
    token = Volume(
        "token", VolumeKind.FILES, files=(File("app.toml", b"old"), File("app.toml", b"s"))
    )
    spec = replace(
        numbered(
            acs, 1, containers=(Container("main", acs.place.image, ("true",), mounts=mounts),)
        ),
        volumes=(FULL.volumes[1], token),
        registry_credentials=FULL.registry_credentials,
    )
    made = await client.create(spec, token="t")
    ended = await until_state(client, made, {InstanceState.SUCCEEDED}, seconds=10)
    assert ended.ended_at is not None
    assert ended.containers is not None
    assert ended.containers[0].state.state is RunState.TERMINATED
    assert await mounted(acs, made.id) == {
        "files/app.toml": b"a = 1\n",
        "files/b.bin": bytes(range(256)),
        "token/app.toml": b"s",
    }
    owned = (await acs.admin.list(SECRETS, NAMESPACE, labels=f"{keys.MANAGED}=spillway")).items
    assert {one["metadata"]["name"] for one in owned} == {f"{made.id}-files", f"{made.id}-pull"}
    uid = (await acs.pod(made.id))["metadata"]["uid"]
    for secret in owned:
        assert secret["metadata"]["ownerReferences"][0]["uid"] == uid
        assert keys.LOOSE not in secret["metadata"]["labels"]
    await client.delete(made.id)

    async def nothing_left() -> bool:
        return await acs.names(SECRETS) == ["spillway-acs-token"] and not await acs.names()

    await until(nothing_left, seconds=10)


async def test_a_refused_pod_leaves_no_secrets(acs: Simulated) -> None:
    spec = replace(
        numbered(acs, 1, labels={keys.CLASS: "burstable"}),
        registry_credentials=FULL.registry_credentials,
    )
    with pytest.raises(InvalidSpec, match="burstable"):
        await acs.client().create(spec, token="t")
    assert await acs.names(SECRETS) == ["spillway-acs-token"]


async def test_secrets_whose_pod_was_never_made_are_deleted_and_others_are_given_theirs(
    acs: Simulated,
) -> None:
    client = acs.client()
    made = await client.create(
        replace(numbered(acs, 1), registry_credentials=FULL.registry_credentials), token="t"
    )
    loose = {"metadata": {"ownerReferences": None, "labels": {keys.LOOSE: "true"}}}
    await acs.admin.patch(SECRETS, f"{made.id}-pull", loose, NAMESPACE)
    spec = replace(numbered(acs, 2), registry_credentials=FULL.registry_credentials)
    never = pod.wanted(spec, token="never")
    await client._secrets.make(never)
    await client.list(tags=OURS)
    found = {
        one["metadata"]["name"]: one["metadata"].get("ownerReferences")
        for one in (await acs.admin.list(SECRETS, NAMESPACE)).items
    }
    assert found[f"{made.id}-pull"]
    assert found[f"{never.name}-pull"] is None
    later = acs.client(now=lambda: datetime.now(UTC) + LOOSE_FOR + timedelta(minutes=1))
    await later.list(tags=OURS)
    assert await acs.names(SECRETS) == ["spillway-acs-token", f"{made.id}-pull"]


async def test_a_quota_of_the_namespace_waits_and_comes_back(acs: Simulated) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
    await acs.admin.create(QUOTAS, quota, NAMESPACE)
    client = acs.client()

    async def counted() -> bool:
        found = await acs.admin.get(QUOTAS, "few", NAMESPACE)
        return "pods" in ((found.get("status") or {}).get("hard") or {})

    await until(counted, seconds=10)
    await client.create(numbered(acs, 1), token="t-1")
    with pytest.raises(QuotaExceeded, match="exceeded quota"):
        await client.create(numbered(acs, 2), token="t-2")


async def test_a_refusal_after_a_lost_answer_is_not_believed(acs: Simulated) -> None:
    """Admission speaks before the name is compared: our own pod may have used up the quota."""
    client, create = acs.client(), acs.admin.create
    lost = Unreachable("the connection was lost", phase="http", outcome_unknown=True)
    full = Forbidden('pods "sw" is forbidden: exceeded quota: few', status=403, reason="Forbidden")
    answers: list[KubeError] = [lost, full]

    async def make(resource: Resource, obj: dict[str, Any], namespace: str | None = None) -> Any:
        if len(answers) == 2:
            await create(resource, obj, namespace)
        raise answers.pop(0)

    client.kube.create = make  # type: ignore[method-assign, assignment]
    with pytest.raises(UnknownOutcome, match="connection was lost"):
        await client.create(numbered(acs, 1), token="t-1")
    assert len((await acs.client().list(tags=OURS)).instances) == 1


@pytest.mark.parametrize(
    ("labels", "spec", "told"),
    [
        ({keys.CLASS: "gpu"}, {"gpu": 1}, "gpu-model-series"),
        ({keys.CLASS: "gpu", keys.MODEL: "T4"}, {"gpu": 4}, "T4 is offered with 1 or 2 cards"),
        ({keys.CLASS: "gpu-hpn", keys.QOS: "best-effort"}, {"gpu": 1}, "gpu-hpn"),
        ({}, {"cpu": Decimal(32)}, "approval"),
    ],
)
async def test_what_acs_refuses_is_told_in_its_own_words(
    acs: Simulated, labels: dict[str, str], spec: dict[str, Any], told: str
) -> None:
    container = Container("main", acs.place.image, **spec)
    asked = numbered(acs, 1, labels=labels, containers=(container,), **spec)
    with pytest.raises(InvalidSpec, match=told):
        await acs.client().create(asked, token="t")
    assert await acs.names() == []


async def test_throttling_waits_as_long_as_it_is_told(acs: Simulated) -> None:
    client = acs.client()

    async def slow(*_: Any, **__: Any) -> Any:
        raise TooManyRequests("slow", status=429, reason="TooManyRequests", retry_after=7.0)

    client.kube.create = slow  # type: ignore[method-assign]
    with pytest.raises(Throttled) as caught:
        await client.create(numbered(acs, 1), token="t")
    assert caught.value.retry_after == 7.0


async def test_changes_are_what_happened_lately_and_nothing_when_nothing_did(
    acs: Simulated,
) -> None:
    clock = Ticking()
    client = acs.client(monotonic=clock)
    made = [await client.create(numbered(acs, n), token=f"t-{n}") for n in range(3)]
    for one in made:
        await until_state(client, one, {InstanceState.RUNNING}, seconds=10)

    async def changed(seconds: int) -> list[str]:
        told = await client.changes(since_seconds=seconds)
        return [instance.id for instance in told.instances]

    assert sorted(await changed(12)) == sorted(one.id for one in made)
    clock.now += 20
    assert await changed(12) == []
    fourth = await client.create(numbered(acs, 4), token="t-4")
    await until_state(client, fourth, {InstanceState.RUNNING}, seconds=10)
    (told,) = (await client.changes(since_seconds=12)).instances
    assert (told.id, told.state) == (fourth.id, InstanceState.RUNNING)
    clock.now += 20
    assert await changed(12) == []
    assert await changed(30) == [fourth.id]
    assert len(await changed(100)) == 4
    await client.delete(made[0].id)

    async def stopped() -> bool:
        return len(await acs.names()) == 3

    await until(stopped, seconds=10)
    clock.now += 20
    assert made[0].id not in await changed(12)
    acs.cluster.faults.gone = True
    assert len(await changed(12)) == 3


class Ticking:
    """A clock that stands until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('pods "sw" is forbidden: error looking up service account spillway/default', Unavailable),
        (
            'pods "sw" is forbidden: unable to create new content in namespace spillway '
            "because it is being terminated",
            Busy,
        ),
        (
            'pods is forbidden: User "a" cannot create resource "pods" in API group ""',
            AccountTrouble,
        ),
        ('pods "sw" is forbidden: violates PodSecurity "restricted:latest"', InvalidSpec),
        ('admission webhook "x" denied the request: a sidecar cannot start', InvalidSpec),
    ],
)
def test_a_refusal_is_sorted_by_what_refused(message: str, kind: type[ProviderError]) -> None:
    with pytest.raises(ProviderError) as caught, told(writes=True, admits=True):
        raise Forbidden(message, status=403, reason="Forbidden")
    assert type(caught.value) is kind


async def test_details_of_many_are_one_list(acs: Simulated) -> None:
    client = acs.client()
    made = [await client.create(numbered(acs, n), token=f"t-{n}") for n in range(22)]
    told = await client.details([one.id for one in made] + ["sw-gone"])
    assert {one.id for one in told.instances} == {one.id for one in made}
    with pytest.raises(NotFound):
        await client.logs("sw-gone", "main")
