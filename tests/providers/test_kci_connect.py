"""From a stored account to a client: the key of now, the address, the rates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group

from kube.secret import Secret
from providers import registry, sealing
from providers.errors import AccountTrouble
from providers.kci.rates import CREATE, DELETE, READ, rates
from providers.models import CloudAccount
from sandbox.clouds.kci.keys import Key
from tests.conftest import RedisServer
from tests.providers.kci_cloud import Simulated

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def put(account: CloudAccount, key: Key) -> None:
    secret, token = Secret(key.access_key_secret), Secret(key.token)
    sealing.seal_into(account, key_id=key.access_key_id, secret=secret, token=token)
    account.save()


def stored(kci: Simulated, key: Key, endpoint: str) -> CloudAccount:
    account = CloudAccount(
        team=Group.objects.create(name="alice"),
        name="main",
        provider="kci",
        region=kci.cloud.region,
        endpoint=endpoint,
        rotated_at=NOW,
    )
    put(account, key)
    return account


@pytest.mark.django_db(transaction=True)
async def test_the_key_that_was_put_into_the_account_meanwhile_is_used(
    kci: Simulated, redis_server: RedisServer
) -> None:
    old, new = kci.cloud.issue_temporary(-1), kci.cloud.issue_temporary(600)
    account = await sync_to_async(stored)(kci, old, kci.gateway.url)
    client = registry.client(account)
    with pytest.raises(AccountTrouble):
        await client.list(tags={})
    await sync_to_async(put)(await CloudAccount.objects.aget(pk=account.pk), new)
    assert (await client.list(tags={})).instances == ()
    await client.aclose()


@pytest.mark.django_db(transaction=True)
async def test_a_key_is_not_sent_to_an_address_that_nobody_listed(
    kci: Simulated, redis_server: RedisServer, settings: Any
) -> None:
    settings.DIAL_ALLOW = ["10.0.0.0/8"]
    key = next(iter(kci.cloud.keys.by_id.values()))
    account = await sync_to_async(stored)(kci, key, kci.gateway.url)
    client = registry.client(account, limited=False)
    with pytest.raises(AccountTrouble) as caught:
        await client.list(tags={})
    assert caught.value.code == "AddressRefused"
    assert not kci.calls("DescribeContainerGroup")
    await client.aclose()


def test_creates_and_deletes_do_not_wait_for_one_another() -> None:
    buckets, whole = rates(5.0, 2.0)
    assert buckets.keys() == {READ, CREATE, DELETE}
    assert whole.per_second == 9.0
