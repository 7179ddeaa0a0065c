"""What workers do for pods, step by step under a seeded hand: create, watch, delete, die, forget.

The ledger and the clients are the product's; the hand decides when a worker is killed between two
steps, when Redis forgets how far the sweep was, and when the clouds cannot be seen.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from providers import base, ledger, registry, tags
from providers.errors import NotFound, OutOfStock, ProviderError, UnknownOutcome
from providers.models import CloudAccount, Instance
from providers.seen import decode
from tests.money.clouds import Everything

CONSOLE = "console-under-test"
State = Instance.State
SETTLING = timedelta(seconds=30)
_numbers = itertools.count()


class Killed(Exception):
    """The worker died here: nothing after this was done."""


def free() -> None:
    """Every lease is held: the fences have tests of their own."""


@dataclass
class Pod:
    """`leaves`: when its owner deletes it. `choices`: what the seeded hand drew for it."""

    name: str
    cloud: str
    namespace: str
    comes: datetime
    leaves: datetime | None
    changes: dict[str, Any]
    dies: timedelta | None = None
    reason: str = "SystemFailure"
    killed: str = ""
    lost: str = ""
    spec: base.InstanceSpec | None = None
    closed: bool = False


@dataclass
class Hand:
    """The workers of one console over all clouds."""

    world: Everything
    accounts: dict[str, CloudAccount]
    rng: random.Random
    pods: dict[str, Pod] = field(default_factory=dict)
    agenda: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    since: dict[str, datetime] = field(default_factory=dict)
    missed: dict[int, datetime] = field(default_factory=dict)
    blind: bool = False
    calls: int = 0

    def now(self) -> datetime:
        return self.world.time.now()

    def at(self, when: datetime, what: Callable[[], None]) -> None:
        heapq.heappush(self.agenda, (when, next(_numbers), what))

    def ask(self, call: Any) -> Any:
        self.calls += 1
        return self.world.run(call)

    # --- creating ------------------------------------------------------------------------------

    def add(self, pod: Pod) -> None:
        self.pods[f"uid-{pod.name}"] = pod
        self.at(pod.comes, lambda: self.create(pod))

    def create(self, pod: Pod) -> None:
        if pod.closed or (pod.leaves is not None and pod.leaves <= self.now()):
            return
        cloud = self.world.clouds[pod.cloud]
        account = self.accounts[pod.cloud]
        spec = cloud.spec(pod.name, **pod.changes)
        dialect = registry.dialect(pod.cloud)
        size = dialect.billed_size(spec)
        want = ledger.Want(
            account=account,
            region=account.region,
            zone="",
            cluster_uid="c1",
            node_name=f"vk-{pod.cloud}",
            namespace=pod.namespace,
            pod_name=pod.name,
            pod_uid=f"uid-{pod.name}",
            shard=f"node:{pod.cloud}",
            epoch=1,
            asked_cpu=Decimal("0.7"),
            asked_memory=Decimal("1.5"),
            size=size,
            workload=f"Job/{pod.name.rsplit('-', 1)[0]}",
            labels={"app": pod.name.rsplit("-", 1)[0]},
        )
        (row,) = ledger.intend([want], installation=CONSOLE, now=self.now(), fence=free)
        pod.spec = spec
        self.call(pod, row)

    def call(self, pod: Pod, row: Instance) -> None:
        cloud = self.world.clouds[pod.cloud]
        mine = ledger.creating([row.pk], shard=row.shard, epoch=1, now=self.now(), fence=free)
        if not mine or pod.spec is None:
            return
        self.missed.pop(row.pk, None)
        spec = replace(pod.spec, tags=ledger.tags(row, installation=CONSOLE))
        if pod.killed == "before":
            pod.killed = ""
            return
        if pod.lost:
            cloud.lose(pod.lost)
        try:
            made = self.ask(cloud.client.create(spec, token=row.token))
            if pod.killed == "after":
                pod.killed = ""
                return
            ledger.created({row.pk: made}, now=self.now(), fence=free)
        except UnknownOutcome as error:
            ledger.unknown([ledger.Failure(row.pk, error)], fence=free)
        except ProviderError as error:
            failure = ledger.Failure(row.pk, error)
            short = isinstance(error, OutOfStock)
            ledger.failed_without_effect([failure], again=not short, now=self.now(), fence=free)
            self.at(self.now() + timedelta(seconds=300), lambda: self.create(pod))
        finally:
            if pod.lost:
                pod.lost = ""
                cloud.found()
        if pod.dies is not None:
            self.at(self.now() + pod.dies, lambda: self.die(pod))

    def die(self, pod: Pod) -> None:
        row = Instance.objects.filter(pod_uid=f"uid-{pod.name}").exclude(cloud_id="").last()
        if row is not None:
            self.world.clouds[pod.cloud].die(row.cloud_id, pod.reason)

    # --- watching ------------------------------------------------------------------------------

    def forget(self) -> None:
        """Redis is empty, and the process that swept is another one."""
        self.since.clear()
        self.missed.clear()

    def sweep(self, name: str, *, full: bool) -> None:
        """What changed, or all there is; the product's sweep asks the same questions."""
        client, account = self.world.clouds[name].client, self.accounts[name]
        # The changes of ACS come by a watch, which waits in real time.
        told = isinstance(client, base.Changes) and name != "acs"
        whole = full or name not in self.since or not told
        asked = self.now()
        try:
            if whole:
                listing = self.ask(client.list(tags={tags.CONSOLE: CONSOLE}))
            else:
                since = int((asked - self.since[name]).total_seconds()) + 10
                listing = self.ask(client.changes(since_seconds=since))
        except ProviderError:
            return
        self.since[name] = asked
        ledger.observed(account, listing.instances, asked_at=listing.asked_at, fence=free)
        if whole:
            self._compare(name, account, listing)

    def _compare(self, name: str, account: CloudAccount, listing: base.Listing) -> None:
        listed = {one.id for one in listing.instances}
        rows = Instance.objects.filter(account=account, state__in=Instance.OPEN)
        absent = [r.pk for r in rows.exclude(cloud_id="") if r.cloud_id not in listed]
        ledger.missing(absent, asked_at=listing.asked_at, fence=free)
        owners = {}
        for one in listing.instances:
            owner = ledger.owner_of(one.tags)
            if owner is not None:
                owners[owner.pod_uid, owner.generation] = one
        for row in rows.filter(state=State.CREATING, cloud_id=""):
            self._look(row, owners.get((row.pod_uid, row.generation)), listing)

    def _look(self, row: Instance, found: base.Instance | None, listing: base.Listing) -> None:
        """A create without an answer: what the step `look` of the reconciler does."""
        pod = self.pods[row.pod_uid]
        if found is not None:
            made = base.Created(found.id, "")
            ledger.created({row.pk: made}, now=self.now(), fence=free)
            ledger.observed(row.account, [found], asked_at=listing.asked_at, fence=free)
            return
        first = self.missed.setdefault(row.pk, listing.asked_at)
        proven = listing.asked_at - first >= SETTLING
        wanted = pod.leaves is None or pod.leaves > self.now()
        recent = listing.asked_at - row.intended_at <= timedelta(seconds=120)
        if wanted and recent and (proven or self.world.clouds[pod.cloud].client.idempotent_create):
            self.call(pod, row)
        elif proven:
            self.missed.pop(row.pk, None)
            ledger.not_made([row.pk], now=self.now(), fence=free)
            if wanted:
                self.at(self.now(), lambda: self.create(pod))

    # --- ending --------------------------------------------------------------------------------

    def work(self) -> None:
        """One pass over the open rows, as the reconciler makes it."""
        rows = Instance.objects.filter(state__in=(State.ACTIVE, State.DELETING))
        for row in rows.select_related("account").order_by("pk"):
            pod = self.pods[row.pod_uid]
            try:
                if row.state == State.DELETING:
                    self._confirm(pod, row)
                else:
                    self._active(pod, row)
            except (ProviderError, Killed):
                continue

    def _active(self, pod: Pod, row: Instance) -> None:
        told = decode(row.seen)
        client = self.world.clouds[pod.cloud].client
        if row.missing_count >= 2:
            self._gone(pod, row)
        elif told is not None and told.state.over:
            if told.ended_at is None:
                self._details(pod, row)
            ledger.deleting([row.pk], now=self.now(), fence=free)
            with suppress(NotFound):
                self.ask(client.delete(row.cloud_id))
            reason = "finished"
            if told.state is base.InstanceState.SCHEDULE_FAILED:
                reason = "no_capacity"
            self._close(pod, row, reason)
        elif pod.leaves is not None and pod.leaves <= self.now():
            ledger.deleting([row.pk], now=self.now(), fence=free)
            if self.rng.random() < 0.05:
                raise Killed
            self.ask(client.delete(row.cloud_id))
            for seconds in (1, 4.2):
                self.at(self.now() + timedelta(seconds=seconds), lambda: self._look_once(row.pk))

    def _look_once(self, pk: int) -> None:
        """What is going is looked at soon, without waiting for the sweep."""
        row = Instance.objects.select_related("account").get(pk=pk)
        if row.state == State.DELETING:
            with suppress(ProviderError):
                self._confirm(self.pods[row.pod_uid], row)

    def _details(self, pod: Pod, row: Instance) -> base.Instance | None:
        """What the cloud says of one, saved; as `Work.lookup`."""
        client = self.world.clouds[pod.cloud].client
        asked = self.now()
        if isinstance(client, base.Changes):
            listing = self.ask(client.details([row.cloud_id]))
            found, asked = next(iter(listing.instances), None), listing.asked_at
        else:
            try:
                found = self.ask(client.get(row.cloud_id))
            except NotFound:
                found = None
        if found is not None:
            ledger.observed(row.account, [found], asked_at=asked, fence=free)
        elif ledger.missing([row.pk], asked_at=asked, fence=free):
            self._close(pod, row, "deleted")
        return found

    def _confirm(self, pod: Pod, row: Instance) -> None:
        found = self._details(pod, row)
        if found is not None and found.state is not base.InstanceState.STOPPING:
            self.ask(self.world.clouds[pod.cloud].client.delete(row.cloud_id))

    def _gone(self, pod: Pod, row: Instance) -> None:
        if self._details(pod, row) is None:
            self._close(pod, row, "gone")

    def _close(self, pod: Pod, row: Instance, reason: str) -> None:
        if ledger.closed([row.pk], reason=reason, at=self.now(), fence=free):
            pod.closed = reason != "no_capacity"
            if reason == "no_capacity":
                self.at(self.now() + timedelta(seconds=60), lambda: self.create(pod))

    # --- time ----------------------------------------------------------------------------------

    def until(self, end: datetime, *, step: float, full_every: int) -> None:
        """Move on in steps; what is due is done when its time has come."""
        tick, count = self.now(), 0
        while self.now() < end:
            due = self.agenda[0][0] if self.agenda else end
            self.world.advance(max(0.001, (min(due, tick, end) - self.now()).total_seconds()))
            while self.agenda and self.agenda[0][0] <= self.now():
                heapq.heappop(self.agenda)[2]()
            if self.now() >= tick:
                self._tick(full=count % full_every == 0)
                tick, count = tick + timedelta(seconds=step), count + 1

    def _tick(self, *, full: bool) -> None:
        for name, cloud in self.world.clouds.items():
            if full or isinstance(cloud.client, base.Changes):
                self.sweep(name, full=full)
        self.work()
