"""Ask the cloud for an instance: intent committed, lease checked, one call, answer committed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from addons.pods import accounts, reasons, store, unsupported
from addons.pods.access import access
from addons.pods.container_status import Waiting
from addons.pods.decide import Action, Do, gives_up
from addons.pods.patience import since, waiting_of
from addons.pods.references import MissingReference, wanted
from addons.pods.services import beside
from addons.pods.status import status_of
from addons.pods.steps import looked
from addons.pods.steps.give_up import give_up
from addons.pods.steps.profiled import put_effects, site_of
from addons.pods.steps.refuse import problem_of, refuse, say_ignored
from addons.pods.translate import translate, with_room
from addons.pods.volumes import UnsupportedVolume
from addons.pods.work import Work, asked_of, outcome_of, resolver_of
from addons.runtime.contract import Outcome
from providers import ledger, requests
from providers.base import Created, InstanceSpec, Placement, Placing, Problem, Size
from providers.errors import (
    AccountTrouble,
    Busy,
    InvalidSpec,
    NotFound,
    OutOfStock,
    ProviderError,
    UnknownOutcome,
)
from providers.ledger import Failure, Want
from providers.models import Instance

# A paid call may not start in the last moments of a lease.
CALL_SECONDS = 3.0
REFERENCE_SECONDS = 5.0


async def create(work: Work, action: Action) -> Outcome:
    del action
    if work.row is not None and work.row.state == Instance.State.CREATING:
        asked = requests.request_of(work.row)
        if asked is not None:
            return await _again(work, work.row, asked)
    return await _first(work)


async def _first(work: Work) -> Outcome:
    if await put_effects(work):
        return Outcome(0.0)
    asked, settings = work.live_pod, work.scene.node.settings
    found = [*unsupported.problems(asked), *work.dialect.problems(asked, settings=settings)]
    if any(problem.fatal for problem in found):
        return await refuse(work, [problem for problem in found if problem.fatal])
    try:
        spec, size = await _prepared(work)
    except MissingReference as missing:
        return await _wait_for(work, missing)
    except (UnsupportedVolume, InvalidSpec) as error:
        return await refuse(work, [problem_of(error)])
    if work.row is None:
        found = [*found, *await _beside(work)]
    row = await _intend(work, spec, size)
    if row is None:
        return Outcome(1.0)
    if work.row is None:
        await say_ignored(work, found)
    return await call(work, row, spec)


async def _beside(work: Work) -> list[Problem]:
    """What of the Services that select the pod does not reach it here."""
    services = await resolver_of(work.kube).services(work.namespace)
    return beside(work.live_pod, services, work.dialect, work.scene.node.settings)


async def _again(work: Work, row: Instance, asked: InstanceSpec) -> Outcome:
    """The very request whose outcome is unknown, under its token."""
    work.ctx.lease.check(CALL_SECONDS)
    item = store.Again(row.pk, work.ctx.lease.shard, work.ctx.lease.epoch)
    if not await work.writer.do(store.again, item):
        return Outcome(1.0)
    return await call(work, row, asked)


async def _prepared(work: Work) -> tuple[InstanceSpec, Size]:
    pod = work.live_pod
    resolved = await resolver_of(work.kube).resolve(pod)
    spec = translate(pod, resolved, site=await site_of(work), tags={})
    if work.dialect.wants_cluster(spec):
        spec = replace(spec, cluster=await access(work, resolved))
    provider = await work.provider()
    if isinstance(provider, Placing):
        with suppress(OutOfStock):  # the create itself finds out and says where
            spec = await provider.placed(spec)
    size = work.dialect.billed_size(spec)
    return with_room(spec, pod, resolved, size), size


async def _intend(work: Work, spec: InstanceSpec, size: Size) -> Instance | None:
    node, pod = work.scene.node, work.live_pod
    work.ctx.lease.check(CALL_SECONDS)
    want = Want(
        account=work.account,
        region=node.region,
        zone=node.zone,
        cluster_uid=node.cluster.uid,
        node_name=node.name,
        namespace=work.namespace,
        pod_name=work.name,
        pod_uid=work.uid,
        shard=work.ctx.lease.shard,
        epoch=work.ctx.lease.epoch,
        asked_cpu=spec.cpu,
        asked_memory=spec.memory,
        size=size,
        price=work.dialect.list_price(size, region=node.region),
        workload=work.known.workload,
        labels=pod["metadata"].get("labels") or {},
    )
    zones = [placement.zone for placement in spec.placements]
    first = work.row is None
    asked = work.note(reasons.INTENDED, provider=work.dialect.title, spec=size.label, zones=zones)
    item = store.Start(want, requests.encode(spec))
    row = await work.writer.do(store.start, item, *([asked] if first else ()))
    references = tuple(sorted(map(str, wanted(pod).objects)))
    if first and work.known.row is not None and references != tuple(work.known.row.references):
        await work.writer.do(store.keep_references, store.References(work.known.row.pk, references))
    return row


async def call(work: Work, row: Instance, spec: InstanceSpec) -> Outcome:
    spec = replace(spec, tags=ledger.tags(row, installation=work.scene.installation))
    repeated = work.row is not None and work.row.state == Instance.State.CREATING
    provider = await work.provider()
    work.ctx.lease.check(CALL_SECONDS)
    looked.forget(row.pk)
    try:
        created = await provider.create(spec, token=row.token)
    except ProviderError as error:
        return await _not_created(work, row, spec, error, repeated=repeated)
    return await accepted(work, row, created)


async def accepted(
    work: Work, row: Instance, created: Created, *, code: str = reasons.CREATED
) -> Outcome:
    """Record the instance, write back on the pod what its owner wants to see."""
    note = work.note(
        code,
        request_id=created.request_id,
        provider=work.dialect.title,
        instance=created.id,
        spec=row.spec,
    )
    item = store.Accepted(row.pk, created, work.scene.node.cluster_id, work.uid)
    if not await work.writer.do(store.accept, item, note):
        return Outcome(1.0)
    await accounts.healed(work, "create")
    await work.announce()
    if work.pod is None:
        return Outcome(0.0)
    row.cloud_id, row.request_id = created.id, created.request_id
    work = await work.put_annotations(row, created)
    asked = asked_of(row)
    await work.put_status(status_of(work.live_pod, None, now=work.now, asked=asked, fresh=True))
    await work.say(code, provider=work.dialect.title, instance=created.id, spec=row.spec)
    return Outcome(25.0, reasons.STARTING, {"instance": created.id})


async def _not_created(
    work: Work, row: Instance, spec: InstanceSpec, error: ProviderError, *, repeated: bool
) -> Outcome:
    if repeated or isinstance(error, (UnknownOutcome, Busy, NotFound)):
        # A refusal after a call of unknown outcome says nothing about what that call has made.
        await work.writer.do(store.unknown, Failure(row.pk, error))
        if isinstance(error, AccountTrouble):
            await accounts.troubled(work, error, "create")
        values = {"message": error.message}
        return Outcome(2.0, reasons.UNKNOWN_OUTCOME, values, failed=repeated)
    final = error if isinstance(error, InvalidSpec) else None
    # Without a request id nothing was sent, so that the token is still unused.
    again = final is None and not (isinstance(error, OutOfStock) and error.request_id)
    await work.writer.do(store.refuse, store.Refused(row.pk, error, again))
    if final is not None:
        return await refuse(work, [problem_of(final)])
    if isinstance(error, AccountTrouble):
        await accounts.troubled(work, error, "create")
    outcome = await _told(work, outcome_of(error), row, spec)
    more = not again and spec.left > 0
    if isinstance(error, OutOfStock) and not more and _over(work, row):
        return await give_up(work, Action(Do.GIVE_UP, reasons.NO_STOCK, outcome.values))
    if more:
        # The next size or type that the pod would take, under a token of its own.
        outcome = replace(outcome, requeue_after=0.0)
    await work.put_status(status_of(work.live_pod, None, now=work.now))
    if reasons.is_warning(outcome.reason):
        await work.say(outcome.reason, **outcome.values)
        await note_once(work, outcome)
    return outcome


def _over(work: Work, row: Instance) -> bool:
    return gives_up(waiting_of(work), since(work.live_pod, row), work.now)


async def _told(work: Work, outcome: Outcome, row: Instance, placed: InstanceSpec) -> Outcome:
    """With what was tried, and where the next try goes."""
    tried = [_place(p) for p in placed.placements]
    every = [_place(p) for p in (await site_of(work)).placements]
    left = [place for place in every if place not in tried]
    values = {"spec": row.spec, "zones": tried, "next": next(iter([*left, *tried]), "")}
    return replace(outcome, values={**outcome.values, **values})


def _place(placement: Placement) -> str:
    return placement.zone or placement.subnet


async def note_once(work: Work, outcome: Outcome) -> None:
    """The timeline tells when a reason to wait begins, not every try."""
    if work.known.row is not None and work.known.row.blocker == outcome.reason:
        return
    note = work.note(outcome.reason, **outcome.values)
    await work.writer.do(store.nothing, None, note)


async def _wait_for(work: Work, missing: MissingReference) -> Outcome:
    waiting = Waiting(missing.reason, missing.message)
    values = {"message": missing.message, "reference": missing.reference}
    outcome = Outcome(REFERENCE_SECONDS, reasons.MISSING_REFERENCE, values)
    if work.known.row is not None:
        references = tuple(sorted(map(str, wanted(work.live_pod).objects)))
        if references != tuple(work.known.row.references):
            await work.writer.do(
                store.keep_references, store.References(work.known.row.pk, references)
            )
    await work.put_status(status_of(work.live_pod, None, now=work.now, waiting=waiting))
    await work.say(outcome.reason, **values)
    await note_once(work, outcome)
    return outcome
