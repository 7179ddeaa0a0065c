"""A virtual node is removed while its instances stay."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from addons.models import Operation, PodRow
from addons.nodes import install
from addons.runtime.registry import reconciler_of
from providers.models import Instance, Orphan
from tests.addons import cast
from tests.addons.pods.conftest import LIMITS, Site, drain

pytestmark = pytest.mark.django_db(transaction=True)


def _work_on(site: Site, operation: Operation) -> bool:
    """One round of everything; the mirror's part is done by hand. True when it has ended."""
    shard = f"cluster:{site.cluster.pk}"
    site.runtime.run(
        site.runtime.queue.add(shard, {f"operation:{operation.pk}": site.runtime.clock.epoch()})
    )
    site.runtime.run(drain(site.runtime, shard, limits=LIMITS, find=reconciler_of), timeout=20)
    rows = PodRow.objects.filter(cluster=site.cluster, gone_at=None)
    site.queue(*rows.values_list("name", flat=True))
    site.drain()
    for row in rows:
        if site.get(row.name) is None:
            PodRow.objects.filter(pk=row.pk).update(gone_at=datetime.now(UTC))
    operation.refresh_from_db()
    return operation.state in {Operation.State.SUCCEEDED, Operation.State.FAILED}


def test_its_pods_go_nothing_is_made_again_and_the_instances_wait_for_a_person(site: Site) -> None:
    site.create("web")
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    (before,) = site.instances()
    operation = install.remove_node(site.node, actor="alice", team=cast.team(), instances="leave")
    site.create("late")
    site.work(lambda: _work_on(site, operation), seconds=60)

    assert operation.state == Operation.State.SUCCEEDED, operation.error
    assert (site.phase("web"), site.phase("late")) == ("gone", "gone")
    for _ in range(3):
        site.drain()
    (instance,) = site.instances()
    assert instance["id"] == before["id"]
    assert not instance["deleted_at"]
    assert not Instance.objects.filter(state__in=Instance.OPEN).exists()
    (orphan,) = Orphan.objects.filter(closed_at=None)
    assert (orphan.cloud_id, orphan.reason) == (before["id"], "LeftByChoice")
    assert orphan.delete_asked_at is None
