"""Two ConfigMaps followed live: the profile of new pods and the cloud's temporary keys."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from addons import keys
from addons.clusters import register
from addons.models import Cluster
from addons.runtime import clients
from addons.runtime.ending import end
from addons.runtime.loop import Runtime
from addons.watch.keys import Keys
from addons.watch.profile import ProfileWatch
from kube import CONFIGMAPS, EVENTS, Kube
from kube.secret import Secret
from providers import accounts, registry, sealing
from providers.base import NewKey
from providers.models import CloudAccount
from tests.addons import cast, toy
from tests.addons.pods.conftest import registered
from tests.conftest import World

SPACE = "kube-system"
Check = Callable[[], Any]


@pytest.fixture
def cluster(world: World, transactional_db: None) -> Cluster:
    return registered(world, cast.account())


async def until(runtime: Runtime, check: Check, seconds: float = 10.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (value := await runtime.db(check)):
            await asyncio.sleep(0.02)
    return value


@asynccontextmanager
async def config_map(kube: Kube, name: str, data: dict[str, str]) -> AsyncIterator[None]:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    await kube.create(CONFIGMAPS, body, SPACE)
    try:
        yield
    finally:
        await kube.delete(CONFIGMAPS, name, SPACE)


@asynccontextmanager
async def running(work: Keys | ProfileWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(work.run())
    try:
        yield
    finally:
        await end(task)


def selectors(*names: str) -> str:
    return json.dumps([{"name": name, "effect": {"labels": {"by": name}}} for name in names])


def test_the_profile_is_on_the_clusters_row_with_its_faults_and_goes_with_the_configmap(
    runtime: Runtime, cluster: Cluster
) -> None:
    row = Cluster.objects.filter(pk=cluster.pk)
    row.update(checks=[{"code": "nodes", "state": "ok", "reason": "", "values": {}, "ms": 1}])

    def checked() -> Any:
        return next((c for c in row.get().checks if c["code"] == "profile"), None)

    async def faults(kube: Kube) -> list[str]:
        fields = "involvedObject.name=eci-profile"
        listing = await kube.list(EVENTS, SPACE, fields=fields)
        return [e["message"] for e in listing.items if e["reason"] == "ProfileFault"]

    async def scenario() -> None:
        kube = await runtime.kube(cluster.pk)
        async with running(ProfileWatch(runtime, cluster.pk, kube)):
            await until(runtime, row.exclude(profile_seen_at=None).first)
            assert (await runtime.db(checked))["reason"] == "none"
            async with config_map(kube, "eci-profile", {"selectors": selectors("a", "")}):
                seen = await until(runtime, row.exclude(profile={}).first)
                assert seen.profile == {"selectors": selectors("a", "")}
                assert [p["path"] for p in seen.profile_problems] == ["selectors[1].name"]
                assert (await runtime.db(checked))["state"] == "warn"
                async with asyncio.timeout(10):
                    while not await faults(kube):
                        await asyncio.sleep(0.05)
                (text,) = await faults(kube)
                assert text == "selectors[1].name: The selector has no name. Give it a name."
                change = {"data": {"selectors": selectors("a")}}
                await kube.patch(CONFIGMAPS, "eci-profile", change, SPACE)
                await until(runtime, row.filter(profile_problems=[]).first)
                assert (await runtime.db(checked))["state"] == "ok"
            await until(runtime, row.filter(profile={}).first)

    runtime.run(scenario(), timeout=60)


def key(number: int, end: datetime) -> dict[str, str]:
    return {
        "ak": f"AK{number}",
        "sk": f"cipher-secret-{number}",
        "securityToken": f"token-{number}",
        "expired_at": end.strftime("%Y-%m-%dT%H:%M:%S"),
    }


@pytest.fixture
def account(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> CloudAccount:
    """Reads its keys from a ConfigMap of the cluster, ciphered with `cipher-`."""
    monkeypatch.setitem(registry.PROVIDERS, "bare", toy.ENTRY)
    toy.CLOUDS["keys"] = toy.ToyCloud()
    made = cast.account(provider="bare", endpoint="keys")
    name = f"aksk-{uuid.uuid4().hex[:6]}"
    made.key_source = {"cluster": cluster.uid, "namespace": SPACE, "name": name}
    sealing.seal_cipher(made, Secret("cipher-"))
    made.save()
    return made


def test_a_renewed_key_is_sealed_into_its_account_and_the_client_is_made_anew(
    runtime: Runtime,
    cluster: Cluster,
    account: CloudAccount,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    name = account.key_source["name"]
    row = CloudAccount.objects.filter(pk=account.pk)
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)

    async def scenario() -> None:
        kube = await runtime.kube(cluster.pk)
        version = await runtime.db(clients.account_version, account.pk)
        async with config_map(kube, name, key(1, later)), running(Keys(runtime, cluster.pk, kube)):
            seen = await until(runtime, row.filter(access_key_id="AK1").first)
            assert sealing.secret_of(seen).reveal() == "secret-1"
            assert sealing.token_of(seen).reveal() == "token-1"
            assert seen.expires_at == later
            assert await runtime.db(clients.account_version, account.pk) != version
            # An update whose end cannot be read is ignored, the next good one is taken.
            await kube.patch(CONFIGMAPS, name, {"data": {**key(2, later), "expired_at": ""}}, SPACE)
            await kube.patch(CONFIGMAPS, name, {"data": key(3, later)}, SPACE)
            await until(runtime, row.filter(access_key_id="AK3").first)
            assert "AK2" not in caplog.text
        told = caplog.text + repr(await runtime.db(row.values().get))
        for secret in ("secret-1", "token-1", "secret-3", "token-3"):
            assert secret not in told

    runtime.run(scenario(), timeout=60)


def test_a_key_that_nobody_renews_is_trouble_until_a_new_one_comes(
    runtime: Runtime, cluster: Cluster, account: CloudAccount
) -> None:
    name = account.key_source["name"]
    row = CloudAccount.objects.filter(pk=account.pk)
    now = datetime.now(UTC).replace(microsecond=0)

    async def scenario() -> None:
        kube = await runtime.kube(cluster.pk)
        async with (
            config_map(kube, name, key(1, now + timedelta(seconds=2))),
            running(Keys(runtime, cluster.pk, kube)),
        ):
            await until(runtime, row.filter(trouble=accounts.KEY_STALE).first)
            renewed = key(2, now + timedelta(hours=1))
            await kube.patch(CONFIGMAPS, name, {"data": renewed}, SPACE)
            await until(runtime, row.filter(trouble="", access_key_id="AK2").first)

    runtime.run(scenario(), timeout=60)


def test_what_cannot_be_a_source_is_said_with_its_fix(cluster: Cluster) -> None:
    with pytest.raises(keys.NotOffered, match="Alibaba Cloud ECI has no keys in ConfigMaps"):
        keys.key_of("eci", {"data": {}}, Secret(""))
    with pytest.raises(keys.Unreadable, match="has no ConfigMap kube-system/nothing"):
        keys._read(cluster, SPACE, "nothing")


def test_a_credential_is_added_from_a_configmap_and_the_cluster_is_kept_while_it_is_used(
    runtime: Runtime, cluster: Cluster, account: CloudAccount
) -> None:
    name = f"first-{uuid.uuid4().hex[:6]}"
    given = {"ak": "AK7", "sk": "cipher-secret-7"}
    now = datetime.now(UTC)

    async def make() -> None:
        kube = await runtime.kube(cluster.pk)
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        await kube.create(CONFIGMAPS, {**body, "data": given}, SPACE)

    runtime.run(make(), timeout=10)
    made = keys.add(
        team=account.team,
        name="followed",
        provider="bare",
        region="here",
        cluster=cluster,
        config_map=name,
        cipher=Secret("cipher-"),
        now=now,
        endpoint="keys",
    )
    assert (made.access_key_id, made.account_id, made.expires_at) == ("AK7", "toy-account", None)
    assert sealing.secret_of(made).reveal() == "secret-7"
    assert made.key_source == {"cluster": cluster.uid, "namespace": SPACE, "name": name}
    with pytest.raises(register.Unsettled, match="followed"):
        register.forget(cluster, leave=True, now=now)
    new = NewKey("AK8", Secret("s"), Secret(""), now + timedelta(hours=1))
    assert accounts.follow(made.pk, new, now=now) is True
    assert accounts.follow(made.pk, new, now=now) is False
    made.refresh_from_db()
    assert made.access_key_id == "AK8"
    held_by_a_person = cast.account(provider="bare")
    assert accounts.follow(held_by_a_person.pk, new, now=now) is False
