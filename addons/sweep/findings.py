"""What a complete list says against the ledger: the database's part of a full sweep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from django.db import transaction
from django.db.models import Q

from addons.models import Cluster, PodRow, VirtualNode
from addons.pods import reasons
from addons.pods.identity import installation
from addons.runtime.contract import Held
from addons.sweep import breaker, foreign, orphans
from providers import base, ledger, registry
from providers.models import CloudAccount, Instance, Orphan

State = Instance.State
# A list older than this proves no absence.
STALE = timedelta(seconds=30)
# An instance so young may be missing in a list, or its row not committed yet.
YOUNG = timedelta(seconds=30)
Keys = set[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Found:
    """Keys to look at, as (shard, key); orphans to delete now; whether absences wait for a look.

    `moving`: some instances are on their way somewhere.
    """

    keys: Keys
    changed_orphans: tuple[int, ...] = ()
    halted: bool = False
    absent: int = 0
    moving: bool = False


def keys_of(rows: Iterable[Instance]) -> Keys:
    """The pods' keys on the shards of their virtual nodes; none for a node that was removed."""
    rows = list(rows)
    uids = {row.cluster_uid for row in rows}
    nodes = {
        (node.cluster.uid, node.name): node
        for node in VirtualNode.objects.filter(cluster__uid__in=uids).select_related("cluster")
    }
    return {
        (node.shard, f"pod:{node.cluster_id}:{row.namespace}/{row.pod_name}")
        for row in rows
        if (node := nodes.get((row.cluster_uid, row.node_name)))
    }


def changed(account: CloudAccount, listing: base.Listing, lease: Held) -> Keys:
    """Save what the cloud told of some instances; the pods that it concerns."""
    rows = ledger.observed(account, listing.instances, asked_at=listing.asked_at, fence=lease.fence)
    return keys_of(rows)


def open_ids(account_id: int, region: str) -> list[str]:
    rows = Instance.objects.filter(account_id=account_id, region=region, state__in=Instance.OPEN)
    return list(rows.exclude(cloud_id="").values_list("cloud_id", flat=True))


def complete(
    account: CloudAccount, region: str, listing: base.Listing, lease: Held, now: datetime
) -> Found:
    """Compare a complete list with the ledger, both ways. Nothing is deleted here."""
    keys = changed(account, listing, lease)
    if now - listing.asked_at > STALE:
        return Found(keys)
    listed = {instance.id for instance in listing.instances}
    settled = _settled(account, region, listing.asked_at)
    absent = [row for row in settled if row.cloud_id not in listed]
    if not _believed(account, settled, absent, listed=len(listed), now=now):
        return Found(keys, halted=True)
    ledger.missing([row.pk for row in absent], asked_at=listing.asked_at, fence=lease.fence)
    strangers, touched = _strangers(account, region, listing, lease, now)
    CloudAccount.objects.filter(pk=account.pk).update(swept_at=now)
    moving = _moving(account, region, listing)
    return Found(keys | keys_of(absent) | strangers, touched, absent=len(absent), moving=moving)


def _believed(
    account: CloudAccount,
    settled: Sequence[Instance],
    absent: Sequence[Instance],
    *,
    listed: int,
    now: datetime,
) -> bool:
    """Judge the list; halt the account, or lift the halt that it refutes."""
    known = sum(row.state == State.ACTIVE for row in settled)
    missing = sum(row.state == State.ACTIVE for row in absent)
    why = breaker.judge(known=known, missing=missing, listed=listed)
    if breaker.confirmed(account, now):
        return True
    if why:
        breaker.halt(account.pk, why, now)
        return False
    if account.halted_at is None:
        return True
    if listed == 0 and known:
        # An empty list refutes nothing.
        return False
    breaker.refuted(account.pk)
    return True


def _moving(account: CloudAccount, region: str, listing: base.Listing) -> bool:
    """Whether something starts or stops, or was made since the list was asked for."""
    still = {base.InstanceState.RUNNING}
    if any(not i.state.over and i.state not in still for i in listing.instances):
        return True
    rows = Instance.objects.filter(account=account, region=region, state__in=Instance.OPEN)
    young = Q(cloud_created_at__gt=listing.asked_at - YOUNG)
    return rows.filter(young | Q(state__in=[State.CREATING, State.DELETING])).exists()


def _settled(account: CloudAccount, region: str, asked_at: datetime) -> list[Instance]:
    """The rows whose instance a list asked for at `asked_at` must hold."""
    rows = Instance.objects.filter(
        account=account, region=region, state__in=(State.ACTIVE, State.DELETING)
    ).exclude(cloud_id="")
    return [
        row
        for row in rows.defer("seen")
        if not (row.cloud_created_at and row.cloud_created_at > asked_at - YOUNG)
    ]


def _strangers(
    account: CloudAccount, region: str, listing: base.Listing, lease: Held, now: datetime
) -> tuple[Keys, tuple[int, ...]]:
    """Instances with our tags that the open ledger does not hold: adopt, or list as orphans."""
    ours = set(open_ids(account.pk, region))
    keys: Keys = set()
    touched: list[int] = []
    for instance in listing.instances:
        if instance.id in ours:
            continue
        owner = ledger.owner_of(instance.tags)
        if owner is None or owner.console != installation():
            continue
        adopted = _adopted(account, instance, owner, lease, now)
        if adopted is not None:
            keys |= adopted
        elif not _passing(instance, now):
            touched.append(_orphan(account, instance, owner, now))
    touched += _gone_orphans(account, region, listing)
    return keys, (*touched, *_abandoned(account, region, now))


def _passing(instance: base.Instance, now: datetime) -> bool:
    """On its way out, unbilled for good, or so young that its row may still be coming."""
    over = instance.state.over or instance.state is base.InstanceState.STOPPING
    return over or (instance.created_at is not None and now - instance.created_at < YOUNG)


def _adopted(
    account: CloudAccount,
    instance: base.Instance,
    owner: ledger.Owner,
    lease: Held,
    now: datetime,
) -> Keys | None:
    """Keys when a live pod owns it: its own open row waits for it, or a new row takes it."""
    rows = Instance.objects.filter(pod_uid=owner.pod_uid, state__in=Instance.OPEN)
    row = rows.first()
    if row is not None and not row.cloud_id and row.generation == owner.generation:
        return keys_of([row])
    pod = PodRow.objects.filter(uid=owner.pod_uid, gone_at=None).first()
    if pod is None or row is not None or pod.phase in {"Succeeded", "Failed"}:
        return None
    node = VirtualNode.objects.filter(pk=pod.node_id).first() if pod.node_id else None
    if node is None or instance.state.over:
        return None
    taken = ledger.adopt(
        orphans.want_of(pod, node, account), instance, installation=installation(), now=now,
        fence=lease.fence,
    )  # fmt: skip
    if taken is None:
        return None
    PodRow.objects.filter(pk=pod.pk).update(instance_id=taken.pk)
    return {(node.shard, pod.key)}


def _orphan(
    account: CloudAccount, instance: base.Instance, owner: ledger.Owner, now: datetime
) -> int:
    facts = _costs(account, instance) | {
        "name": instance.name,
        "region": instance.region,
        "zone": instance.zone,
        "cluster_uid": owner.cluster_uid,
        "namespace": owner.namespace,
        "pod_name": owner.pod,
        "pod_uid": owner.pod_uid,
        "reason": _reason(account, instance, owner),
        "cloud_state": instance.raw_state,
        "created_at": instance.created_at,
        "billed_from": instance.billed_from,
        "seen_at": now,
    }
    row, _created = Orphan.objects.update_or_create(
        account=account,
        cloud_id=instance.id,
        closed_at=None,
        defaults=facts,
        create_defaults=facts | {"found_at": now},
    )
    return row.pk


def _reason(account: CloudAccount, instance: base.Instance, owner: ledger.Owner) -> str:
    listed = Orphan.objects.filter(account=account, cloud_id=instance.id, closed_at=None)
    if listed.filter(reason=reasons.ORPHAN_LEFT).exists():
        return reasons.ORPHAN_LEFT
    if not Cluster.objects.filter(uid=owner.cluster_uid).exists():
        return reasons.ORPHAN_NO_CLUSTER
    live = PodRow.objects.filter(uid=owner.pod_uid, gone_at=None).exists()
    return reasons.ORPHAN_SECOND if live else reasons.ORPHAN_NO_POD


def _costs(account: CloudAccount, instance: base.Instance) -> dict[str, object]:
    if instance.size is None:
        return {}
    price = registry.dialect(account.provider).list_price(instance.size, region=instance.region)
    return {
        "spec": instance.size.label,
        "size": msgspec.to_builtins(instance.size),
        "price_per_hour": price.per_hour if price else None,
        "currency": price.currency if price else "",
    }


def _abandoned(account: CloudAccount, region: str, now: datetime) -> list[int]:
    """Open rows whose virtual node is no longer registered: nobody else will end them."""
    rows = Instance.objects.filter(account=account, region=region, state=State.ACTIVE)
    served = set(VirtualNode.objects.values_list("cluster__uid", "name"))
    if served.issuperset(rows.order_by().values_list("cluster_uid", "node_name").distinct()):
        return []
    made: list[int] = []
    for row in rows.exclude(orphan__closed_at=None, orphan__isnull=False):
        if (row.cluster_uid, row.node_name) in served:
            continue
        with transaction.atomic():
            orphan, _new = Orphan.objects.get_or_create(
                account=account,
                cloud_id=row.cloud_id,
                closed_at=None,
                defaults={
                    "instance": row,
                    "name": f"{row.namespace}-{row.pod_name}",
                    "region": region,
                    "zone": row.zone,
                    "cluster_uid": row.cluster_uid,
                    "namespace": row.namespace,
                    "pod_name": row.pod_name,
                    "pod_uid": row.pod_uid,
                    "reason": reasons.ORPHAN_NO_CLUSTER,
                    "cloud_state": row.cloud_state,
                    "spec": row.spec,
                    "price_per_hour": row.price_per_hour,
                    "currency": row.currency,
                    "created_at": row.cloud_created_at,
                    "found_at": now,
                    "seen_at": now,
                },
            )
        Instance.objects.filter(pk=row.pk).update(unposted=True)
        made.append(orphan.pk)
    return made


def _gone_orphans(account: CloudAccount, region: str, listing: base.Listing) -> list[int]:
    """Close orphans that this list shows ended or gone, seen in an earlier one."""
    listed = {instance.id: instance for instance in listing.instances}
    alive = {i.id for i in listing.instances if not i.state.over}
    rows = Orphan.objects.filter(account=account, region=region, closed_at=None)
    rows = rows.exclude(pk__in=foreign.rows(account, region).values("pk"))
    gone = [o for o in rows if o.cloud_id not in alive and o.seen_at < listing.asked_at]
    for orphan in gone:
        told = listed.get(orphan.cloud_id)
        orphans.close(orphan.pk, "gone", ended_at=told.ended_at if told else None)
        if orphan.instance_id and listing.instances:
            ledger.closed([orphan.instance_id], reason="deleted", at=listing.asked_at, fence=_held)
    return [orphan.pk for orphan in gone]


def _held() -> None:
    """`complete` has fenced with its first write."""


def to_delete(account: CloudAccount, region: str) -> Sequence[Orphan]:
    """Orphans that a person wants deleted and whose pod does not run on them."""
    rows = Orphan.objects.filter(
        account=account, region=region, closed_at=None, delete_asked_at__isnull=False
    )
    return [
        orphan
        for orphan in rows
        if not ((pod := orphans.live_pod(orphan)) and orphans.uses_it(orphan, pod))
    ]


def delete_failed(pk: int, message: str) -> None:
    Orphan.objects.filter(pk=pk).update(last_error=message)
