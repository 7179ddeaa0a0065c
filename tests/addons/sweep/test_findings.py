"""A complete list against the ledger, both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from addons.models import VirtualNode
from addons.pods import allowance
from addons.pods.identity import installation
from addons.sweep import breaker, findings, orphans
from providers import base, ledger
from providers.base import InstanceState
from providers.models import CloudAccount, Instance, Orphan
from tests.addons import cast

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD = NOW - timedelta(minutes=10)


@dataclass
class FreeLease:
    shard: str = "sweep"
    epoch: int = 1

    def check(self, needed_seconds: float = 0.0) -> None:
        return

    def fence(self) -> None:
        return


@pytest.fixture
def node() -> VirtualNode:
    return cast.node(cast.cluster())


def active(node: VirtualNode, number: int) -> Instance:
    return Instance.objects.create(
        account=node.account,
        provider="eci",
        region=node.region,
        cluster_uid=node.cluster.uid,
        node_name=node.name,
        namespace="default",
        pod_name=f"web-{number}",
        pod_uid=f"uid-of-web-{number}",
        state=Instance.State.ACTIVE,
        cloud_id=f"eci-{number}",
        cloud_created_at=OLD,
        intended_at=OLD,
        shard=node.shard,
    )


def told(cloud_id: str, **tags: str) -> base.Instance:
    return base.Instance(
        id=cloud_id,
        name=cloud_id,
        state=InstanceState.RUNNING,
        raw_state="Running",
        region="cn-hangzhou",
        created_at=OLD,
        tags=tags,
    )


def listing(instances: Sequence[base.Instance], at: datetime = NOW) -> base.Listing:
    return base.Listing(tuple(instances), at)


def complete(node: VirtualNode, instances: Sequence[base.Instance], at: datetime = NOW) -> object:
    account = CloudAccount.objects.get(pk=node.account_id)
    return findings.complete(account, node.region, listing(instances, at), FreeLease(), at)


def tags_of(node: VirtualNode, uid: str) -> dict[str, str]:
    owner = ledger.Owner(installation(), node.cluster.uid, node.name, "default", "web-9", uid, 1)
    return ledger.tags_of(owner)


def test_an_empty_list_after_a_full_one_halts_and_marks_nothing_missing(node: VirtualNode) -> None:
    rows = [active(node, n) for n in range(3)]
    found = complete(node, [])
    assert getattr(found, "halted", None) is True
    assert CloudAccount.objects.get().halt_reason == "EmptyList"
    assert not Instance.objects.exclude(missing_count=0).exists()
    complete(node, [told(row.cloud_id) for row in rows], NOW + timedelta(seconds=5))
    assert CloudAccount.objects.get().halted_at is None


def test_instances_made_while_the_list_was_under_way_are_not_missed_in_it(
    node: VirtualNode,
) -> None:
    for n in range(3):
        active(node, n)
    Instance.objects.update(cloud_created_at=NOW - timedelta(seconds=1))
    found = complete(node, [])
    assert (getattr(found, "halted", None), getattr(found, "moving", None)) == (False, True)
    assert CloudAccount.objects.get().halted_at is None
    Instance.objects.update(cloud_created_at=OLD)
    Instance.objects.filter(cloud_id__in=["eci-1", "eci-2"]).delete()
    assert getattr(complete(node, []), "halted", None) is False


def test_another_empty_list_does_not_end_the_halt_of_an_empty_list(node: VirtualNode) -> None:
    rows = [active(node, n) for n in range(3)]
    complete(node, [])
    Instance.objects.filter(cloud_id__in=["eci-1", "eci-2"]).update(state="closed")
    assert getattr(complete(node, []), "halted", None) is True
    assert CloudAccount.objects.get().halted_at is not None
    complete(node, [told(rows[0].cloud_id)])
    assert CloudAccount.objects.get().halted_at is None


def test_a_stranger_is_adopted_under_the_account_that_it_was_found_in(node: VirtualNode) -> None:
    node.second_account = second = cast.account(provider="eci")
    node.save()
    cast.pod(node.cluster, "web-9", node, uid="uid-of-web-9")
    found = listing([told("acs-9", **tags_of(node, "uid-of-web-9"))])
    findings.complete(second, node.region, found, FreeLease(), NOW)
    assert Instance.objects.get().account == second


def test_a_mass_disappearance_halts_until_a_person_resumes(node: VirtualNode) -> None:
    rows = [active(node, n) for n in range(30)]
    left = [told(row.cloud_id) for row in rows[:23]]
    complete(node, left)
    account = CloudAccount.objects.get()
    assert account.halt_reason == "MassDisappearance"
    assert account.halt_detail == {"known": 30, "missing": 7}
    assert breaker.resume(account.pk) is True
    later = datetime.now(UTC)
    complete(node, left, later)
    assert CloudAccount.objects.get().halted_at is None
    assert Instance.objects.filter(missing_count=1).count() == 7


def test_few_that_vanish_are_missing_twice_before_anybody_asks(node: VirtualNode) -> None:
    rows = [active(node, n) for n in range(10)]
    left = [told(row.cloud_id) for row in rows[1:]]
    complete(node, left)
    assert Instance.objects.get(cloud_id="eci-0").missing_count == 1
    found = complete(node, left, NOW + timedelta(seconds=4))
    assert Instance.objects.get(cloud_id="eci-0").missing_count == 2
    assert (node.shard, f"pod:{node.cluster_id}:default/web-0") in getattr(found, "keys", ())


def test_a_stale_list_proves_no_absence(node: VirtualNode) -> None:
    rows = [active(node, n) for n in range(10)]
    account = CloudAccount.objects.get()
    old = listing([told(row.cloud_id) for row in rows[1:]], NOW - timedelta(seconds=31))
    findings.complete(account, node.region, old, FreeLease(), NOW)
    assert not Instance.objects.exclude(missing_count=0).exists()


def test_a_stranger_with_our_tags_is_an_orphan_until_it_is_gone(node: VirtualNode) -> None:
    stray = told("eci-9", **tags_of(node, "uid-of-nobody"))
    foreign = told("eci-8", owner="somebody else")
    complete(node, [stray, foreign])
    orphan = Orphan.objects.get()
    assert (orphan.cloud_id, orphan.reason, orphan.pod_name) == ("eci-9", "NoPod", "web-9")
    orphans.delete(orphan, by="alice")
    assert [o.pk for o in findings.to_delete(node.account, node.region)] == [orphan.pk]
    complete(node, [foreign], NOW + timedelta(seconds=5))
    assert Orphan.objects.get().close_reason == "gone"


def test_a_stranger_of_a_live_pod_is_adopted(node: VirtualNode) -> None:
    pod = cast.pod(node.cluster, "web-9", node, uid="uid-of-web-9")
    found = complete(node, [told("eci-9", **tags_of(node, "uid-of-web-9"))])
    row = Instance.objects.get()
    assert (row.cloud_id, row.adopted, row.state) == ("eci-9", True, Instance.State.ACTIVE)
    pod.refresh_from_db()
    assert pod.instance_id == row.pk
    assert (node.shard, pod.key) in getattr(found, "keys", ())
    assert not Orphan.objects.exists()


def test_an_instance_of_a_removed_node_is_listed_with_its_cost(node: VirtualNode) -> None:
    row = active(node, 1)
    node.delete()
    complete(node, [told(row.cloud_id)])
    assert Orphan.objects.get().reason == "NoCluster"


@pytest.mark.parametrize(("known", "allowed"), [(0, 3), (30, 3), (100, 10)])
def test_collections_per_cycle_are_few(known: int, allowed: int) -> None:
    assert allowance.allowed(known) == allowed


def test_all_workers_together_stay_within_the_collections_of_one_cycle(node: VirtualNode) -> None:
    def take(at: datetime) -> bool:
        return allowance.take_one(node.account_id, FreeLease(), at)

    assert [take(NOW) for _ in range(5)] == [True, True, True, False, False]
    assert not take(NOW + timedelta(seconds=4))
    assert take(NOW + timedelta(seconds=5))


def test_an_instance_left_on_purpose_stays_listed_as_such(node: VirtualNode) -> None:
    complete(node, [told("eci-9", **tags_of(node, "uid-of-nobody"))])
    Orphan.objects.update(reason="LeftByChoice")
    complete(node, [told("eci-9", **tags_of(node, "uid-of-nobody"))], NOW + timedelta(seconds=5))
    assert Orphan.objects.get(closed_at=None).reason == "LeftByChoice"
