"""RAM users for add-ons: granted, handed to clusters, rotated and revoked, with real clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group

from addons.components import grants, ram
from addons.components import secret as addon_secret
from addons.components.ram import GrantError
from addons.models import Operation
from addons.operations import RUNNING
from addons.runtime.drain import drain
from addons.runtime.resync import operation_shard
from addons.sentences import read
from kube import DEPLOYMENTS
from kube.secret import Secret
from providers import accounts, registry, sealing
from providers.base import Use
from providers.errors import AccountTrouble, NotFound
from providers.models import CloudAccount, RamGrant
from providers.vendor import AccessKey, RamUsers
from tests.addons import cast
from tests.addons.components.conftest import LIMITS
from tests.addons.components.test_managed import Ack, ack
from tests.conftest import wait_until

__all__ = ["ack"]

ADDON = "ack-virtual-node"


@pytest.fixture
def place(ack: Ack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ack]:
    monkeypatch.setattr(ram, "runtime", lambda: ack.runtime)
    monkeypatch.setattr(grants, "_PAUSE", 0.05)
    yield ack
    for row in RamGrant.objects.exclude(state=RamGrant.State.REVOKED):
        assert ended(ack, ram.revoke(row, actor="alice")).error == ""


def ended(place: Ack, operation: Operation) -> Operation:
    """The operation, after workers have brought it to its end."""
    shard, key = operation_shard(operation), f"operation:{operation.pk}"

    async def work() -> None:
        await place.runtime.queue.add(shard, {key: place.runtime.clock.epoch()})
        await drain(place.runtime, shard, limits=LIMITS)

    def over() -> bool:
        place.runtime.run(work(), timeout=60)
        operation.refresh_from_db()
        return operation.state not in RUNNING

    wait_until(over, seconds=60)
    return operation


def granted(place: Ack, account: CloudAccount | None = None, **more: Any) -> RamGrant:
    """The grant after its operation; its error fails the test."""
    of = account or place.account
    done = ended(place, ram.grant(of, ADDON, actor="alice", now=cast.NOW, **more))
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    return RamGrant.objects.get(account=of, addon=ADDON)


def succeeded(place: Ack, operation: Operation, row: RamGrant) -> None:
    done = ended(place, operation)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row.refresh_from_db()


def held(place: Ack) -> str:
    found: str = place.ask(addon_secret.key_id_in)
    return found


def users(place: Ack, call: Any) -> Any:
    async def run() -> Any:
        api: RamUsers = await place.runtime.db(registry.users, place.account)
        try:
            return await call(api)
        finally:
            await api.aclose()

    return place.runtime.run(run(), timeout=20)


def test_a_grant_makes_user_policy_key_and_secret_and_repeating_it_changes_nothing(
    place: Ack,
) -> None:
    rows = [granted(place, cluster=place.cluster) for _again in range(2)]
    row = rows[0]
    assert rows[0].pk == rows[1].pk
    assert row.policy == "ack-one-registered-cluster-policy-ack-virtual-node"
    assert row.user.startswith("ack-one-user-")
    assert len(row.user) == len("ack-one-user-") + 10
    status = ram.query(place.account, ADDON)
    assert status is not None
    assert (status.granted, status.attached) == (True, True)
    assert [key.id for key in status.keys] == [row.access_key_id]
    assert status.clusters == {place.cluster.slug: True}
    assert held(place) == row.access_key_id
    assert grants.secret_of(row).reveal() not in f"{row.__dict__} {status}"


def other_account(place: Ack, row: RamGrant) -> CloudAccount:
    """A credential that holds the key of the grant."""
    made = cast.account(
        region=place.account.region,
        endpoint=place.account.endpoint,
        settings=place.account.settings,
    )
    secret = grants.secret_of(row)
    sealing.seal_into(made, key_id=row.access_key_id, secret=secret, token=Secret(""))
    made.save()
    return made


def test_the_key_may_do_what_the_addon_needs_and_nothing_else(place: Ack) -> None:
    row = granted(place)
    theirs = other_account(place, row)
    seen = async_to_sync(accounts.probe)(theirs)
    assert {one.use for one in seen.capabilities if one.ok} == {Use.PODS}
    assert Use.PODS not in {one.use for one in seen.capabilities if not one.ok}
    assert row.user in seen.identity
    done = ended(place, ram.grant(theirs, ADDON, actor="bob", now=cast.NOW))
    assert done.state == Operation.State.FAILED
    assert "AliyunRAMFullAccess" in read(done.fix)
    RamGrant.objects.filter(account=theirs).delete()


def test_a_rotation_reaches_every_cluster_and_its_users_before_the_old_key_is_disabled(
    place: Ack,
) -> None:
    row = granted(place, cluster=place.cluster)
    old = AccessKey(row.access_key_id, True, grants.secret_of(row))
    place.ask(lambda kube: kube.create(DEPLOYMENTS, USER))
    wait_until(lambda: not place.ask(lambda kube: addon_secret.restarting(kube, [NAME])))
    succeeded(place, ram.rotate(row, actor="alice"), row)
    assert row.access_key_id != old.id
    assert held(place) == row.access_key_id
    deployment = place.get(DEPLOYMENTS, NAME, "kube-system")
    assert deployment is not None
    assert deployment["spec"]["template"]["metadata"]["annotations"]
    with pytest.raises(AccountTrouble):
        users(place, lambda api: api.who(old))
    status = ram.query(place.account, ADDON)
    assert status is not None
    assert {key.id: key.active for key in status.keys} == {old.id: False, row.access_key_id: True}
    second = row.access_key_id
    succeeded(place, ram.rotate(row, actor="alice"), row)
    keys = users(place, lambda api: api.keys(row.user))
    assert {key.id: key.active for key in keys} == {second: False, row.access_key_id: True}
    place.ask(lambda kube: kube.delete(DEPLOYMENTS, NAME, "kube-system"))


def test_a_key_whose_answer_was_lost_does_not_stay(place: Ack) -> None:
    place.plant("CreateAccessKey", lost_answer=True)
    row = granted(place)
    [done] = Operation.objects.all()
    assert any(line["level"] == "warn" for line in done.log)
    keys = users(place, lambda api: api.keys(row.user))
    assert [(key.id, key.active) for key in keys] == [(row.access_key_id, True)]


def test_a_secret_of_others_is_replaced_only_when_it_is_said(place: Ack) -> None:
    place.ask(lambda kube: addon_secret.write(kube, "LTAItheirs", Secret("x")))
    asked = ram.grant(place.account, ADDON, actor="alice", now=cast.NOW, cluster=place.cluster)
    done = ended(place, asked)
    assert "a key that is not ours" in read(done.error)
    assert held(place) == "LTAItheirs"
    begun = RamGrant.objects.get()
    assert begun.access_key_id == ""
    with pytest.raises(NotFound):
        users(place, lambda api: api.keys(begun.user))
    row = granted(place, cluster=place.cluster, replace=True)
    assert held(place) == row.access_key_id


def test_no_team_gives_its_keys_to_the_cluster_of_another(place: Ack) -> None:
    place.cluster.team = Group.objects.create(name="another")
    with pytest.raises(GrantError) as refused:
        ram.grant(place.account, ADDON, actor="alice", now=cast.NOW, cluster=place.cluster)
    assert refused.value.code == "OtherTeam"
    assert not RamGrant.objects.exists()


def test_what_is_revoked_is_gone_in_cluster_and_cloud_and_may_be_granted_anew(place: Ack) -> None:
    row = granted(place, cluster=place.cluster)
    user = row.user
    assert "RAM grants" in [used.kind for used in accounts.users(place.account)]
    succeeded(place, ram.revoke(row, actor="alice"), row)
    assert "RAM grants" not in [used.kind for used in accounts.users(place.account)]
    assert ram.query(place.account, ADDON) is None
    assert held(place) == ""
    assert row.sealed_secret == ""
    with pytest.raises(NotFound):
        users(place, lambda api: api.attached(user))
    assert granted(place).user != user


def test_one_operation_at_a_time_works_on_a_grant(place: Ack) -> None:
    row = granted(place)
    first = ram.rotate(row, actor="alice")
    assert ram.rotate(row, actor="bob").pk == first.pk
    with pytest.raises(GrantError) as busy:
        ram.revoke(row, actor="alice")
    assert str(first.pk) in read(busy.value.message)
    succeeded(place, first, row)


def test_an_addon_without_need_of_a_user_is_refused(place: Ack) -> None:
    with pytest.raises(GrantError) as refusal:
        ram.grant(place.account, "kube-apiserver", actor="alice", now=cast.NOW)
    assert ADDON in read(refusal.value.fix)


NAME = "reads-the-secret"
USER = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": NAME, "namespace": "kube-system"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": NAME}},
        "template": {
            "metadata": {"labels": {"app": NAME}},
            "spec": {
                "containers": [
                    {
                        "name": "main",
                        "image": "busybox:1.36",
                        "command": ["sleep", "3600"],
                        "env": [
                            {
                                "name": "KEY",
                                "valueFrom": {
                                    "secretKeyRef": {
                                        "name": addon_secret.NAME,
                                        "key": "access-key-id",
                                    }
                                },
                            }
                        ],
                    }
                ]
            },
        },
    },
}
