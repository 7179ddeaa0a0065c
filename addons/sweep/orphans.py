"""Instances that cost while no live pod owns them: what a person may do about them.

OrphanError
├── Closed      it is gone already, or was given back to its pod
├── PodLives    its pod is alive and runs on it: delete the pod instead
└── NoLivePod   nobody to give it back to
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from addons.announce import announce
from addons.models import Cluster, PodRow, VirtualNode
from addons.pods import reasons
from addons.pods.identity import installation
from addons.runtime import nudge
from providers import ledger
from providers.ledger import Want
from providers.models import CloudAccount, Instance, Orphan


class OrphanError(Exception):
    pass


class Closed(OrphanError):
    pass


class PodLives(OrphanError):
    pass


class NoLivePod(OrphanError):
    pass


def _no_fence() -> None:
    """A person acts, under no lease; the rows decide by compare-and-swap."""


def _poke(orphan: Orphan) -> None:
    key = f"sweep:{orphan.account_id}:{orphan.region}"
    nudge.poke(key, key)
    transaction.on_commit(lambda: announce("orphans", [orphan.pk]))


def live_pod(orphan: Orphan) -> PodRow | None:
    """The mirror's live pod of the UID on its tags, if any."""
    if not orphan.pod_uid:
        return None
    rows = PodRow.objects.filter(uid=orphan.pod_uid, gone_at=None)
    return rows.exclude(phase__in=["Succeeded", "Failed"]).first()


def uses_it(orphan: Orphan, pod: PodRow) -> bool:
    """Whether the live pod's open row is this very instance."""
    rows = Instance.objects.filter(pod_uid=pod.uid, state__in=Instance.OPEN)
    return rows.filter(cloud_id=orphan.cloud_id).exists()


def delete(orphan: Orphan, *, by: str) -> None:
    """Ask for its deletion; the next sweep does it and closes it when the cloud confirms."""
    if orphan.closed_at is not None:
        raise Closed(_("It is closed already."))
    pod = live_pod(orphan)
    if pod is not None and uses_it(orphan, pod):
        raise PodLives(_("Its pod is alive: delete the pod instead."))
    with transaction.atomic():
        Orphan.objects.filter(pk=orphan.pk, closed_at=None).update(
            delete_asked_at=timezone.now(), delete_asked_by=by, last_error=""
        )
        _poke(orphan)


def adopt(orphan: Orphan) -> None:
    """Give it back to its pod, which must be alive and without another instance."""
    if orphan.closed_at is not None:
        raise Closed(_("It is closed already."))
    pod = live_pod(orphan)
    node = VirtualNode.objects.filter(pk=pod.node_id).first() if pod and pod.node_id else None
    if pod is None or node is None:
        raise NoLivePod(_("Its pod is not alive on a virtual node."))
    with transaction.atomic():
        if Instance.objects.filter(pod_uid=pod.uid, state__in=Instance.OPEN).exists():
            raise NoLivePod(_("Its pod has another instance."))
        row = ledger.intend(
            [want_of(pod, node, orphan.account)],
            installation=installation(),
            now=timezone.now(),
            fence=_no_fence,
        )[0]
        Instance.objects.filter(pk=row.pk, cloud_id="").update(
            state=Instance.State.ACTIVE,
            adopted=True,
            cloud_id=orphan.cloud_id,
            cloud_created_at=orphan.created_at,
        )
        PodRow.objects.filter(pk=pod.pk).update(instance_id=row.pk)
        Orphan.objects.filter(pk=orphan.pk).update(instance=row.pk)
        close(orphan.pk, "adopted")
        nudge.poke(node.shard, pod.key)
        _poke(orphan)


def leave(row: Instance, now: datetime) -> None:
    """Put what runs on the list and close its ledger row: an explicit choice. It goes on, billed,
    until a person acts."""
    with transaction.atomic():
        Orphan.objects.get_or_create(
            account_id=row.account_id,
            cloud_id=row.cloud_id,
            closed_at=None,
            defaults={
                "instance": row,
                "name": row.pod_name,
                "region": row.region,
                "zone": row.zone,
                "cluster_uid": row.cluster_uid,
                "namespace": row.namespace,
                "pod_name": row.pod_name,
                "pod_uid": row.pod_uid,
                "reason": reasons.ORPHAN_LEFT,
                "cloud_state": row.cloud_state,
                "spec": row.spec,
                "price_per_hour": row.price_per_hour,
                "currency": row.currency,
                "created_at": row.cloud_created_at,
                "found_at": now,
                "seen_at": now,
            },
        )
        Instance.objects.filter(pk=row.pk, state__in=Instance.OPEN).update(
            state=Instance.State.CLOSED,
            closed_at=now,
            close_reason=reasons.ORPHAN_LEFT,
            unposted=True,
        )


def want_of(pod: PodRow, node: VirtualNode, account: CloudAccount) -> Want:
    cluster = Cluster.objects.get(pk=node.cluster_id)
    return Want(
        account=account,
        region=node.region,
        zone=node.zone,
        cluster_uid=cluster.uid,
        node_name=node.name,
        namespace=pod.namespace,
        pod_name=pod.name,
        pod_uid=pod.uid,
        shard=node.shard,
        epoch=0,
        workload=pod.workload,
        labels=pod.labels,
    )


def close(pk: int, reason: str, *, ended_at: datetime | None = None) -> None:
    """`ended_at`: when it ceased to cost, where the cloud told it."""
    now = timezone.now()
    rows = Orphan.objects.filter(pk=pk, closed_at=None)
    rows.update(closed_at=now, close_reason=reason, ended_at=ended_at)
    mine = Instance.objects.filter(orphan=pk)
    mine.filter(close_reason=reasons.ORPHAN_LEFT, billed_to=None).update(billed_to=ended_at or now)
    mine.update(unposted=True)
