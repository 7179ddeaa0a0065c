"""Cloud accounts: a key is tried before it is stored, and kept while it is needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group

from addons.models import Cluster
from kube.secret import Secret
from providers import accounts, base, sealing
from providers.errors import Unavailable
from providers.models import CloudAccount, Instance
from tests.providers.cloud import Simulated, simulated

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 3, tzinfo=UTC)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Simulated]:
    """The simulated cloud on a loop of its own: the use cases are synchronous."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    context = simulated(tmp_path)
    yield wait(context.__aenter__())
    wait(context.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def new_key(cloud: Simulated, note: str = "full access") -> base.NewKey:
    key = cloud.keys[note]
    return base.NewKey(key.id, key.secret, Secret(""))


def add(cloud: Simulated, key: base.NewKey | None = None) -> CloudAccount:
    return accounts.add(
        team=Group.objects.get_or_create(name="alice")[0],
        name="main",
        provider="eci",
        region=cloud.cloud.region,
        endpoint=cloud.gateway.url,
        key=key or new_key(cloud),
        now=NOW,
    )


def second_key(cloud: Simulated) -> base.NewKey:
    first = cloud.cloud.keys[cloud.keys["full access"].id]
    other = type(first)("LTAI5tSecondKey00000", "second-secret", "second")
    cloud.cloud.keys[other.access_key_id] = other
    return base.NewKey(other.access_key_id, Secret(other.access_key_secret), Secret(""))


def test_an_added_account_knows_who_it_is_and_what_it_may_do(cloud: Simulated) -> None:
    account = CloudAccount.objects.get(pk=add(cloud).pk)
    assert account.account_id == cloud.cloud.account_id
    assert account.identity
    assert account.verified_at == NOW
    assert account.verify_ms is not None
    assert "CreateContainerGroup" in accounts.working(account)
    secret = cloud.keys["full access"].secret
    assert sealing.secret_of(account) == secret
    assert secret.reveal() not in str(CloudAccount.objects.values())


def test_a_wrong_secret_is_refused_and_nothing_is_stored(cloud: Simulated) -> None:
    wrong = base.NewKey(cloud.keys["full access"].id, Secret("wrong"), Secret(""))
    with pytest.raises(accounts.KeyRefused):
        add(cloud, wrong)
    assert not CloudAccount.objects.exists()


def test_an_endpoint_that_nobody_answers_at_is_no_verdict_on_the_key(cloud: Simulated) -> None:
    account = add(cloud)
    account.endpoint = "http://127.0.0.1:1"
    with pytest.raises(Unavailable):
        accounts.verify(account, now=LATER)
    assert CloudAccount.objects.get().trouble == ""


def test_a_key_that_was_disabled_is_trouble_until_it_works_again(cloud: Simulated) -> None:
    account = add(cloud)
    key = cloud.cloud.keys[account.access_key_id]
    key.disabled = True
    with pytest.raises(accounts.KeyRefused):
        accounts.verify(account, now=LATER)
    saved = CloudAccount.objects.get()
    assert saved.trouble
    assert saved.verified_at == NOW
    key.disabled = False
    accounts.verify(saved, now=LATER)
    assert CloudAccount.objects.get().trouble == ""
    assert CloudAccount.objects.get().verified_at == LATER


def test_a_rotated_key_replaces_the_old_one_after_it_was_tried(cloud: Simulated) -> None:
    account = add(cloud)
    accounts.rotate(account, second_key(cloud), now=LATER)
    saved = CloudAccount.objects.get()
    assert (saved.access_key_id, saved.rotated_at) == ("LTAI5tSecondKey00000", LATER)
    assert sealing.secret_of(saved) == Secret("second-secret")


def test_a_weaker_or_refused_key_does_not_replace_the_old_one(cloud: Simulated) -> None:
    account = add(cloud)
    with pytest.raises(accounts.Weaker) as caught:
        accounts.rotate(account, new_key(cloud, "no permission"), now=LATER)
    assert "CreateContainerGroup" in caught.value.lost
    with pytest.raises(accounts.KeyRefused):
        accounts.rotate(account, base.NewKey("LTAIx", Secret("x"), Secret("")), now=LATER)
    assert CloudAccount.objects.get().access_key_id == account.access_key_id


def test_a_key_of_another_account_does_not_replace_the_old_one(cloud: Simulated) -> None:
    account = add(cloud)
    CloudAccount.objects.update(account_id="999")
    account.refresh_from_db()
    with pytest.raises(accounts.OtherAccount):
        accounts.rotate(account, second_key(cloud), now=LATER)


def test_of_two_rotations_at_once_the_second_is_told(cloud: Simulated) -> None:
    account = add(cloud)
    CloudAccount.objects.update(access_key_id="LTAIchanged")
    with pytest.raises(accounts.KeyChanged):
        accounts.verify(account, now=LATER)


def test_an_account_in_use_stays_and_names_its_users(cloud: Simulated) -> None:
    account = add(cloud)
    cluster = Cluster.objects.create(
        team=account.team, slug="prod", name="prod", uid="u", server="x", account=account
    )
    row = Instance.objects.create(
        account=account,
        provider="eci",
        region="r",
        cluster_uid="u",
        node_name="n",
        namespace="default",
        pod_name="web",
        pod_uid="p",
        token="t",
        shard="s",
        intended_at=NOW,
    )
    with pytest.raises(accounts.InUse) as caught:
        accounts.remove(account)
    assert {(user.kind, user.names) for user in caught.value.users} == {
        ("clusters", ("prod",)),
        ("running instances", ("default/web#1",)),
    }
    cluster.delete()
    Instance.objects.filter(pk=row.pk).update(state="closed")
    with pytest.raises(accounts.InUse, match="1 ended instances"):
        accounts.remove(account)
    accounts.remove(account, drop_history=True)
    assert not CloudAccount.objects.exists()


def test_dropping_history_of_an_account_in_use_drops_nothing(cloud: Simulated) -> None:
    account = add(cloud)
    for state, pod in (("closed", "a"), ("active", "b")):
        Instance.objects.create(
            account=account,
            provider="eci",
            region="r",
            cluster_uid="u",
            node_name="n",
            namespace="default",
            pod_name=pod,
            pod_uid=pod,
            token="t",
            shard="s",
            intended_at=NOW,
            state=state,
        )
    with pytest.raises(accounts.InUse):
        accounts.remove(account, drop_history=True)
    assert Instance.objects.count() == 2
