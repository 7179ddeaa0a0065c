"""KCI with the keys that the control plane of a KCE cluster renews, from end to end."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from addons import keys
from addons.models import Cluster
from addons.runtime.ending import end
from addons.runtime.loop import Runtime
from addons.watch.keys import Keys
from kube.secret import Secret
from providers import accounts
from providers.errors import AccountTrouble
from providers.models import CloudAccount
from tests.addons import cast
from tests.addons.pods.conftest import Control, registered
from tests.conftest import World

PATH = "/clusters/kce-beijing/temporary-keys"


@pytest.fixture(scope="module")
def kce() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="sp-kce-") as directory:
        made = World(Path(directory), clusters="kce-beijing")
        made.start()
        yield made
        made.stop()


@pytest.fixture
def cluster(kce: World, transactional_db: None) -> Cluster:
    return registered(kce, cast.account())


def test_calls_go_on_while_ciphered_keys_come_and_go_and_stop_when_none_comes(
    kce: World, cluster: Cluster, runtime: Runtime
) -> None:
    control = Control(kce.facts["control_url"])
    control.call("PUT", PATH, {"seconds": 4, "every": 2, "cipher": "RSA"})
    cipher = Secret(control.call("GET", PATH)["private_key"])
    cloud = kce.facts["clouds"]["kci"]
    account = keys.add(
        team=cast.team(),
        name="followed",
        provider="kci",
        region=cloud["region"],
        cluster=cluster,
        cipher=cipher,
        now=datetime.now(UTC),
        endpoint=cloud["endpoint"],
    )
    rows = CloudAccount.objects.filter(pk=account.pk)

    async def ask() -> None:
        provider = await runtime.provider(account.pk, account.region)
        await provider.list(tags={})

    async def until(**state: Any) -> CloudAccount:
        async with asyncio.timeout(15):
            while not (found := await runtime.db(rows.filter(**state).first)):
                await asyncio.sleep(0.05)
        return found

    async def scenario() -> set[str]:
        kube = await runtime.kube(cluster.pk)
        following = asyncio.create_task(Keys(runtime, cluster.pk, kube).run())
        used = set()
        try:
            while len(used) < 4:
                used.add((await runtime.db(rows.get)).access_key_id)
                await ask()
                await asyncio.sleep(0.2)
            await runtime.db(control.call, "PUT", PATH, {"paused": True})
            await until(trouble=accounts.KEY_STALE)
            with pytest.raises(AccountTrouble):
                await ask()
            await runtime.db(control.call, "PUT", PATH, {"paused": False, "seconds": 600})
            await until(trouble="")
            async with asyncio.timeout(10):
                await ask()
        finally:
            await end(following)
        return used

    assert len(runtime.run(scenario(), timeout=90)) == 4
