"""One virtual node, two accounts: each pod goes where its labels say; both are swept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from addons.models import PodRow
from addons.nodes import spec
from addons.pods.identity import installation
from addons.sweep import breaker
from addons.sweep import orphans as people
from providers import ledger
from providers.base import Instance as Told
from providers.base import InstanceState
from providers.models import CloudAccount, Instance, Orphan
from tests.addons import cast, toy
from tests.addons.pods.conftest import Site
from tests.addons.toy import SIZE, ToyCloud

OLD = timedelta(minutes=5)


def stranger(site: Site, name: str, uid: str) -> Told:
    """An instance with our tags that the ledger does not hold."""
    node = site.node
    owner = ledger.Owner(installation(), node.cluster.uid, node.name, site.namespace, name, uid, 1)
    return Told(
        id=f"toy-of-{name}",
        name=name,
        state=InstanceState.RUNNING,
        raw_state="running",
        region=node.region,
        size=SIZE,
        created_at=datetime.now(UTC) - OLD,
        tags=ledger.tags_of(owner),
    )


def test_a_label_chooses_the_account_and_each_is_told_of_its_own_pods(
    site: Site, cloud: ToyCloud
) -> None:
    second = cast.account(provider="bare", endpoint=next(iter(toy.CLOUDS)), name="second")
    site.node.second_account = second
    site.node.save()
    site.create("web")
    site.create("job", metadata={"labels": {"cloud": "toy"}})
    site.queue("web", "job")
    site.work(lambda: site.phase("web") == "Running")
    site.queue("job")
    site.work(lambda: site.phase("job") == "Running")
    made = {row.pod_name: row.account_id for row in site.rows()}
    assert made == {"web": site.account.pk, "job": second.pk}
    assert [i.name for i in cloud.instances.values()] == [f"{site.namespace}-job"]
    assert len(site.instances()) == 1
    seen: Any = site.get("job")
    assert seen["metadata"]["annotations"]["toy/id"] == "toy-1"

    CloudAccount.objects.filter(pk=second.pk).update(trouble="Forbidden")
    site.node.refresh_from_db()
    assert spec.trouble_of(site.node).keeps_away is False
    site.create("other")
    site.create("late", metadata={"labels": {"cloud": "toy"}})
    site.queue("other", "late")
    site.work(lambda: site.phase("other") == "Running")
    rows = PodRow.objects.filter(name__in=["other", "late"])
    assert dict(rows.values_list("name", "blocker"))["other"] == ""

    site.remove("web")
    site.remove("job")
    site.queue("web", "job")
    site.work(lambda: {site.phase("web"), site.phase("job")} == {"gone"})
    assert "toy-1" in cloud.deleted


def test_a_cloud_of_lists_alone_is_swept_with_orphans_adoption_and_breaker(
    toy_site: Site, cloud: ToyCloud
) -> None:
    pod = toy_site.create("web")
    mine = stranger(toy_site, "web", pod["metadata"]["uid"])
    nobodys = stranger(toy_site, "gone", "uid-of-nobody")
    foreign = replace(mine, id="toy-foreign", tags={"owner": "somebody else"})
    cloud.instances = {one.id: one for one in (mine, nobodys, foreign)}
    toy_site.drain()
    row = Instance.objects.get()
    assert (row.cloud_id, row.adopted, row.account_id) == (mine.id, True, toy_site.account.pk)
    orphan = Orphan.objects.get()
    assert (orphan.cloud_id, orphan.reason) == (nobodys.id, "NoPod")
    assert (orphan.price_per_hour, orphan.currency) == (Decimal("0.5"), "EUR")

    people.delete(orphan, by="alice")
    toy_site.work(lambda: Orphan.objects.get().closed_at is not None)
    assert cloud.deleted == [nobodys.id]

    names = [f"web-{n}" for n in range(3)]
    for name in names:
        toy_site.create(name)
    toy_site.queue("web", *names)
    toy_site.work(lambda: all(toy_site.phase(name) == "Running" for name in ("web", *names)))
    Instance.objects.update(cloud_created_at=datetime.now(UTC) - OLD)
    kept, cloud.instances = cloud.instances, {}
    account = CloudAccount.objects.filter(pk=toy_site.account.pk)
    toy_site.work(lambda: account.get().halted_at is not None)
    assert account.get().halt_reason == "EmptyList"
    toy_site.queue("web", *names)
    toy_site.drain()
    assert all(toy_site.phase(name) == "Running" for name in ("web", *names))
    assert cloud.deleted == [nobodys.id]
    cloud.instances = kept
    toy_site.work(lambda: account.get().halted_at is None)
    assert breaker.resume(account.get().pk) is False
