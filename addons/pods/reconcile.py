"""Look at one pod: read it again, decide, do one thing, tell what came of it.

    GET pod + ledger rows -> decide (pure) -> one step -> Outcome

Rows of former pods of the same name (another UID) are looked after in the same pass.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from addons import holds
from addons.models import VirtualNode
from addons.pods import accounts, reasons, store
from addons.pods.deadline import by_then
from addons.pods.decide import Account, Action, Do, Facts, decide
from addons.pods.patience import since, waiting_of
from addons.pods.route import account_for
from addons.pods.status import status_of
from addons.pods.steps.expire import expire
from addons.pods.steps.give_up import give_up
from addons.pods.steps.hold import hold
from addons.pods.steps.look import look
from addons.pods.steps.profiled import site_of
from addons.pods.steps.remove import confirm, delete, delete_ownerless, finish, unmade
from addons.pods.steps.report import ask, lost, report
from addons.pods.steps.turn import create_in_turn
from addons.pods.store import Place, Scene
from addons.pods.work import Work, asked_of, outcome_of
from addons.pods.writer import writer_of
from addons.runtime.contract import Context, Outcome
from kube import PODS, Kube
from kube.errors import Conflict, KubeError, NotFound
from providers.base import Placing
from providers.errors import ProviderError
from providers.models import CloudAccount, Instance
from providers.seen import decode

Json = Mapping[str, Any]
SCENE_SECONDS = 1.0


async def _nothing(work: Work, action: Action) -> Outcome:
    del work, action
    return Outcome()


async def _wait(work: Work, action: Action) -> Outcome:
    if work.pod is not None and not work.pod["metadata"].get("deletionTimestamp"):
        seen = decode(work.row.seen) if work.row else None
        asked = asked_of(work.row) if work.row else None
        await work.put_status(status_of(work.pod, seen, now=work.now, asked=asked))
    return Outcome(action.after, action.reason, action.values)


STEPS: dict[Do, Callable[[Work, Action], Awaitable[Outcome]]] = {
    Do.NOTHING: _nothing,
    Do.WAIT: _wait,
    Do.CREATE: create_in_turn,
    Do.HOLD: hold,
    Do.LOOK: look,
    Do.ASK: ask,
    Do.REPORT: report,
    Do.FAIL: lost,
    Do.DELETE: delete,
    Do.DELETE_OWNERLESS: delete_ownerless,
    Do.CONFIRM: confirm,
    Do.GIVE_UP: give_up,
    Do.EXPIRE: expire,
    Do.UNMADE: unmade,
    Do.FINISH: finish,
}


def parse_key(key: str) -> tuple[int, str, str]:
    """`pod:3:shop/web` -> (3, "shop", "web")."""
    _, cluster, path = key.split(":", 2)
    namespace, _, name = path.partition("/")
    return int(cluster), namespace, name


async def reconcile_pod(ctx: Context, key: str) -> Outcome:
    """One pass over a pod and what is left of former ones; raises `LeaseLost` only."""
    cluster_id, namespace, name = parse_key(key)
    scene = await _scene(ctx)
    if scene is None or scene.node.cluster_id != cluster_id:
        return Outcome()
    try:
        kube = await ctx.kube(cluster_id)
        works = await _works(ctx, scene, kube, namespace, name)
        outcomes = await asyncio.gather(*map(_do, works))
    except NotFound:
        return Outcome(0.0)
    except Conflict:
        return Outcome(0.2)
    except KubeError as error:
        values = {"message": error.message}
        return Outcome(None, reasons.CLUSTER_UNAVAILABLE, values, failed=True)
    except ProviderError as error:
        return outcome_of(error)
    return _together(outcomes)


_scenes: WeakKeyDictionary[Context, tuple[float, asyncio.Task[Scene | None]]] = WeakKeyDictionary()


async def _scene(ctx: Context) -> Scene | None:
    """Read once a second for all pods of the drain; when that fails, the next pod reads again."""
    held = _scenes.get(ctx)
    now = time.monotonic()
    if held is None or now - held[0] >= SCENE_SECONDS:
        node_id = int(ctx.lease.shard.partition(":")[2])
        held = (now, asyncio.ensure_future(ctx.db(store.scene, node_id)))
        _scenes[ctx] = held
    try:
        return await asyncio.shield(held[1])
    except BaseException:
        _scenes.pop(ctx, None)
        raise


async def _works(ctx: Context, scene: Scene, kube: Kube, namespace: str, name: str) -> list[Work]:
    """The live pod of that name on this node, if any, and each row that belongs to another UID."""
    node = scene.node
    pod = await _live(kube, namespace, name, node.name)
    uid = pod["metadata"]["uid"] if pod else ""
    writer = writer_of(ctx)
    place = Place(node.cluster_id, node.cluster.uid, node.name, namespace, name, uid)
    known = await writer.known(place)
    row = known.open.get(uid)
    account = _account(node, pod, row)
    base = Work(ctx, scene, writer, kube, known, namespace, name, uid, pod, row, account)
    former = [
        replace(base, uid=other, pod=None, row=row, account=row.account)
        for other, row in known.open.items()
        if other != uid
    ]
    return [*([base] if pod else ()), *former]


def _account(node: VirtualNode, pod: Json | None, row: Instance | None) -> CloudAccount:
    """Whoever made the instance, or is to make it."""
    if row is not None:
        return row.account
    return (account_for(node, pod) if pod else None) or node.account


async def _live(kube: Kube, namespace: str, name: str, node: str) -> Json | None:
    try:
        pod: Json = await kube.get(PODS, name, namespace)
    except NotFound:
        return None
    return pod if pod["spec"].get("nodeName") == node else None


async def _do(work: Work) -> Outcome:
    account, node = work.account, work.scene.node
    asks = work.pod is not None and (work.row is None or not work.row.cloud_id)
    trouble = account.trouble
    facts = Facts(
        pod=work.pod,
        row=work.row,
        last=work.known.last,
        account=Account(
            halted=(account.halt_reason or "halted") if account.halted_at else "",
            trouble="" if trouble and asks and accounts.may_probe(account.pk) else trouble,
            trouble_message=account.trouble_message,
        ),
        now=work.now,
        paused=node.cluster.paused,
        leaving=node.removing_at is not None,
        served=work.pod is None or work.row is not None or account_for(node, work.pod) is not None,
        held=_held(work),
    )
    if _was_short(work):
        facts = await _with_places(work, facts)
    action = decide(facts)
    outcome = await STEPS[action.do](work, action)
    return by_then(outcome, work.pod, work.now) if action.do is not Do.EXPIRE else outcome


def _held(work: Work) -> Mapping[str, Any] | None:
    found = holds.held(work.scene.holds, work.namespace)
    return holds.values(found) if found else None


async def _with_places(work: Work, facts: Facts) -> Facts:
    """How long it may wait for stock, and where the next try goes."""
    last = work.known.last
    zones = [placement.zone for placement in (await site_of(work)).placements]
    return replace(
        facts,
        waiting=waiting_of(work),
        since=since(work.live_pod, last),
        placing=isinstance(await work.provider(), Placing),
        next_place=next((zone for zone in zones if last and zone and zone != last.zone), ""),
    )


def _was_short(work: Work) -> bool:
    last = work.known.last
    asks = work.pod is not None and work.row is None
    return asks and last is not None and last.close_reason == "no_capacity"


def _together(outcomes: list[Outcome]) -> Outcome:
    """The first speaks; the earliest next look of all counts."""
    if not outcomes:
        return Outcome()
    times = [one.requeue_after for one in outcomes if one.requeue_after is not None]
    failed = any(one.failed for one in outcomes)
    return replace(outcomes[0], requeue_after=min(times, default=None), failed=failed)
