"""The ledger of paid instances: what was asked of a cloud, what it said, what it costs.

A row is one attempt to run one pod as one instance. It is committed before the create is called
and closed only when the cloud was seen without the instance, or when it is known that none was
made. Every change is a compare-and-swap in one transaction, which first calls `fence`: that raises
when the caller has lost its lease. Lists in, lists out; nothing here calls a cloud.

    intent -> creating -> active -> deleting -> closed
       ^---------'  only when it is certain that no call under this token had an effect
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Case, F, Max, Q, QuerySet, Value, When

from kube.secret import Secret
from providers import base, requests
from providers.errors import ProviderError
from providers.models import CloudAccount, Instance
from providers.observation import SIZE, merge, put_size
from providers.rows import update_each
from providers.tags import Owner, owner_of, tags_of

__all__ = ["Owner", "owner_of", "tags_of"]

State = Instance.State
Fence = Callable[[], None]

UNKNOWN = "UnknownOutcome"
NOT_MADE = "not_made"
# Two lists without the instance must be so far apart, and a new instance may be missing so long.
MISSING_APART = timedelta(seconds=3)
SETTLING = timedelta(seconds=30)
# An answer later than this after it was asked for proves no absence.
ANSWERED = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Want:
    """A pod that shall run as one instance; `epoch` is that of the lease on `shard`."""

    account: CloudAccount
    region: str
    zone: str
    cluster_uid: str
    node_name: str
    namespace: str
    pod_name: str
    pod_uid: str
    shard: str
    epoch: int
    asked_cpu: Decimal | None = None
    asked_memory: Decimal | None = None
    size: base.Size | None = None
    price: base.Price | None = None
    # Whose pod it is (`Deployment/web`) and the pod's labels, as they are now.
    workload: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """A create that was answered with an error; `pk` is the row's."""

    pk: int
    error: ProviderError


def token_of(installation: str, cluster_uid: str, pod_uid: str, generation: int) -> str:
    """The idempotency token: a UUID, the same for the same attempt for ever."""
    text = "\n".join((installation, cluster_uid, pod_uid, str(generation)))
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=5))


def owner(row: Instance, *, installation: str) -> Owner:
    return Owner(
        console=installation,
        cluster_uid=row.cluster_uid,
        node=row.node_name,
        namespace=row.namespace,
        pod=row.pod_name,
        pod_uid=row.pod_uid,
        generation=row.generation,
    )


def tags(row: Instance, *, installation: str) -> dict[str, str]:
    """The tags its instance carries."""
    return tags_of(owner(row, installation=installation))


def open_rows(pod_uids: Iterable[str]) -> dict[str, Instance]:
    """Pod UID -> its open row."""
    rows = Instance.objects.filter(pod_uid__in=list(pod_uids), state__in=Instance.OPEN)
    return {row.pod_uid: row for row in rows.select_related("account")}


def intend(
    wants: Sequence[Want], *, installation: str, now: datetime, fence: Fence
) -> list[Instance]:
    """The open row of each pod, in order: the one there is, or a new intent.

    At most one per pod UID, also when many ask at once: the database's unique constraint decides
    and the losers are given the winner's row.
    """
    uids = [want.pod_uid for want in wants]
    with transaction.atomic():
        fence()
        there = open_rows(uids)
        missing = {want.pod_uid: want for want in wants if want.pod_uid not in there}
        last = _last_generations(missing)
        Instance.objects.bulk_create(
            [
                _intent(want, last.get(uid, 0) + 1, installation=installation, now=now)
                for uid, want in missing.items()
            ],
            ignore_conflicts=True,
        )
        rows = open_rows(uids)
    return [rows[uid] for uid in uids]


def _last_generations(pod_uids: Iterable[str]) -> dict[str, int]:
    rows = Instance.objects.filter(pod_uid__in=list(pod_uids)).values("pod_uid")
    return {row["pod_uid"]: row["last"] for row in rows.annotate(last=Max("generation"))}


def _intent(want: Want, generation: int, *, installation: str, now: datetime) -> Instance:
    size, price = want.size, want.price
    row = Instance(
        account=want.account,
        provider=want.account.provider,
        region=want.region,
        zone=want.zone,
        cluster_uid=want.cluster_uid,
        node_name=want.node_name,
        namespace=want.namespace,
        pod_name=want.pod_name,
        pod_uid=want.pod_uid,
        generation=generation,
        token=token_of(installation, want.cluster_uid, want.pod_uid, generation),
        shard=want.shard,
        epoch=want.epoch,
        asked_cpu=want.asked_cpu,
        asked_memory=want.asked_memory,
        workload=want.workload,
        labels=dict(want.labels),
        price_per_hour=price.per_hour if price else None,
        currency=price.currency if price else "",
        intended_at=now,
    )
    if size is not None:
        put_size(row, size)
    return row


def keep_requests(asked: Sequence[tuple[Instance, Secret]], *, fence: Fence) -> None:
    """Seal what is asked under each row's token, before it is asked."""
    for row, request in asked:
        requests.seal(row, request)
    with transaction.atomic():
        fence()
        update_each([row for row, _ in asked], ["sealed_request"])


def creating(
    pks: Sequence[int], *, shard: str, epoch: int, now: datetime, fence: Fence
) -> set[int]:
    """Intent or creating -> creating: call the cloud for the rows returned, and for no other.

    A row that a higher epoch of the same shard has paid for is left alone.
    """
    with transaction.atomic():
        fence()
        rows = Instance.objects.filter(
            pk__in=pks, state__in=(State.INTENT, State.CREATING), cloud_id=""
        ).exclude(Q(shard=shard) & Q(epoch__gt=epoch))
        taken = set(rows.select_for_update().values_list("pk", flat=True))
        # What was refused had no effect: the first call that may have had one counts.
        called_at = Case(When(state=State.INTENT, then=Value(now)), default=F("called_at"))
        Instance.objects.filter(pk__in=taken).update(
            state=State.CREATING, shard=shard, epoch=epoch, called_at=called_at
        )
    return taken


def created(answers: Mapping[int, base.Created], *, now: datetime, fence: Fence) -> set[int]:
    """The cloud accepted. Rows not returned were closed meanwhile: their instance is an orphan."""
    with transaction.atomic():
        fence()
        rows = Instance.objects.select_for_update().filter(
            pk__in=list(answers), state__in=Instance.OPEN
        )
        mine = [row for row in rows if row.cloud_id in {"", answers[row.pk].id}]
        for row in mine:
            answer = answers[row.pk]
            row.cloud_id, row.request_id = answer.id, answer.request_id[:64]
            row.cloud_created_at = row.cloud_created_at or now
            row.error_code = row.error_message = row.sealed_request = ""
            if row.state in {State.INTENT, State.CREATING}:
                row.state = State.ACTIVE
        update_each(mine, _CREATED)
    return {row.pk for row in mine}


_CREATED = (
    "state",
    "cloud_id",
    "request_id",
    "sealed_request",
    "cloud_created_at",
    "error_code",
    "error_message",
)


def failed_without_effect(
    failures: Sequence[Failure], *, again: bool, now: datetime, fence: Fence
) -> None:
    """The cloud refused, so nothing was made by this call.

    `again`: the same spec and token shall be tried later (throttled, no money, no quota), so the
    row waits as an intent; otherwise it closes and the next attempt has a new generation. A row
    whose earlier call had an unknown outcome stays as it is in both cases.
    """
    with transaction.atomic():
        fence()
        for failure in failures:
            rows = Instance.objects.filter(pk=failure.pk, state=State.CREATING, cloud_id="")
            certain = rows.exclude(error_code=UNKNOWN)
            if again:
                certain.update(state=State.INTENT, called_at=None, **_error(failure.error))
            else:
                certain.update(
                    state=State.CLOSED,
                    closed_at=now,
                    close_reason="refused",
                    **_error(failure.error),
                )


def _error(error: ProviderError) -> dict[str, str]:
    return {
        "error_code": (error.code or type(error).__name__)[:128],
        "error_message": error.message,
        "request_id": error.request_id[:64],
        "sealed_request": "",
    }


def unknown(failures: Sequence[Failure], *, fence: Fence) -> None:
    """No answer: an instance may exist. The row stays creating until the cloud was looked at."""
    with transaction.atomic():
        fence()
        for failure in failures:
            Instance.objects.filter(
                pk=failure.pk, state__in=(State.INTENT, State.CREATING), cloud_id=""
            ).update(
                state=State.CREATING,
                error_code=UNKNOWN,
                error_message=str(failure.error),
                request_id=failure.error.request_id[:64],
            )


def not_made(pks: Sequence[int], *, now: datetime, fence: Fence) -> int:
    """Close rows without an instance: their pod is gone and complete lists, twice, knew no tag."""
    with transaction.atomic():
        fence()
        rows = Instance.objects.filter(
            pk__in=pks, state__in=(State.INTENT, State.CREATING), cloud_id=""
        )
        called = Case(When(called_at__isnull=False, then=Value(True)), default=F("unposted"))
        return rows.update(
            state=State.CLOSED,
            closed_at=now,
            close_reason=NOT_MADE,
            sealed_request="",
            unposted=called,
        )


def observed(
    account: CloudAccount,
    instances: Sequence[base.Instance],
    *,
    asked_at: datetime,
    fence: Fence,
) -> list[Instance]:
    """Save what the cloud said at `asked_at`; gives the rows of which it said something new.

    Older words than those a row has are dropped, an end is final, and what an answer does not tell
    is kept from the answer before.
    """
    told = {instance.id: instance for instance in instances}
    with transaction.atomic():
        fence()
        rows = Instance.objects.select_for_update().filter(
            account=account, cloud_id__in=list(told), state__in=Instance.OPEN
        )
        changed: list[Instance] = []
        same: list[Instance] = []
        for row in rows:
            before = (row.seen, row.missing_since)
            if merge(row, told[row.cloud_id], asked_at=asked_at):
                if (row.seen, row.missing_since) == before:
                    same.append(row)
                else:
                    changed.append(row)
        update_each(changed, _OBSERVED)
        _unchanged(same, asked_at)
    return changed


def _unchanged(rows: Sequence[Instance], asked_at: datetime) -> None:
    """Many rows of which nothing new was said, in few statements."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        names = tuple(name for name in _SEEN if getattr(row, name) == asked_at)
        groups.setdefault(names, []).append(row.pk)
    for names, pks in groups.items():
        Instance.objects.filter(pk__in=pks).update(**dict.fromkeys(names, asked_at))


_SEEN = ("seen_at", "alive_at", "size_told_at")
_OBSERVED = (
    *SIZE,
    *_SEEN,
    "sizes",
    "zone",
    "cloud_state",
    "ip",
    "seen",
    "missing_since",
    "missing_count",
    "cloud_created_at",
    "billed_from",
    "billed_to",
    "started_at",
    "unposted",
)


def missing(pks: Sequence[int], *, asked_at: datetime, fence: Fence) -> list[int]:
    """A complete list asked for at `asked_at` did not hold these.

    Gives the rows that two lists, three seconds apart, did not hold: confirm each with
    `Provider.get` and then `closed`. A row younger than thirty seconds, or heard of since, does not
    count.
    """
    with transaction.atomic():
        fence()
        rows = _absent(pks, asked_at)
        first = rows.filter(missing_since=None)
        first.update(missing_since=asked_at, missing_count=1, unposted=True)
        again = rows.filter(missing_since__lte=asked_at - MISSING_APART)
        again.update(missing_count=2)
        return list(again.values_list("pk", flat=True))


def _absent(pks: Sequence[int], asked_at: datetime) -> QuerySet[Instance]:
    heard_since = Q(seen_at__gte=asked_at)
    settling = Q(seen_at=None, cloud_created_at__gt=asked_at - SETTLING)
    return (
        Instance.objects.filter(pk__in=pks, state__in=(State.ACTIVE, State.DELETING))
        .exclude(cloud_id="")
        .exclude(heard_since)
        .exclude(settling)
    )


def deleting(pks: Sequence[int], *, now: datetime, fence: Fence) -> set[int]:
    """Active -> deleting, before the cloud is asked; gives the rows whose instance to delete.

    A row in deleting is given again (the call may have been lost). A row without an instance is
    not: see `not_made`.
    """
    with transaction.atomic():
        fence()
        rows = Instance.objects.filter(pk__in=pks).exclude(cloud_id="")
        rows.filter(state=State.ACTIVE).update(state=State.DELETING, delete_asked_at=now)
        return set(rows.filter(state=State.DELETING).values_list("pk", flat=True))


def closed(pks: Sequence[int], *, reason: str, at: datetime, fence: Fence) -> int:
    """The instance is gone: twice missing and `get` confirmed it, or the cloud said NotFound.

    What had begun to cost and was never seen to end is taken to have ended as late as it may have:
    when the answer that first missed it may have come, at most `at`.
    """
    with transaction.atomic():
        fence()
        rows = Instance.objects.select_for_update().filter(pk__in=pks, state__in=Instance.OPEN)
        gone = list(rows)
        for row in gone:
            if row.billed_from and not row.billed_to:
                row.billed_to = max(_gone_by(row, at), row.billed_from)
            row.state, row.closed_at, row.close_reason = State.CLOSED, at, reason
            row.unposted = True
        update_each(gone, ["state", "closed_at", "close_reason", "billed_to", "unposted"])
    return len(gone)


def _gone_by(row: Instance, at: datetime) -> datetime:
    return min(at, row.missing_since + ANSWERED) if row.missing_since else at


def adopt(
    want: Want, found: base.Instance, *, installation: str, now: datetime, fence: Fence
) -> Instance | None:
    """Give an instance found by its tags to its pod; None when the pod has another one.

    It joins the open row of its own generation, or a new row when the pod has no open one.
    """
    mine = owner_of(found.tags)
    if mine is None or mine.console != installation or mine.pod_uid != want.pod_uid:
        return None
    with transaction.atomic():
        fence()
        row = open_rows([want.pod_uid]).get(want.pod_uid)
        if row is not None and row.cloud_id == found.id:
            return row
        if row is None:
            row = _adoptee(want, found, mine, installation=installation, now=now)
        if row is None or row.cloud_id or row.generation != mine.generation:
            return None
        row.state, row.adopted, row.cloud_id = State.ACTIVE, True, found.id
        row.error_code = row.error_message = row.sealed_request = ""
        merge(row, found, asked_at=now)
        row.save()
    return row


def _adoptee(
    want: Want, found: base.Instance, mine: Owner, *, installation: str, now: datetime
) -> Instance | None:
    taken = Instance.objects.filter(pod_uid=want.pod_uid, generation=mine.generation)
    if taken.exists() or Instance.objects.filter(cloud_id=found.id).exists():
        return None
    sized = replace(want, size=found.size or want.size)
    return _intent(sized, mine.generation, installation=installation, now=now)
