"""Keeps one virtual node alive in its cluster: its Lease, its Node object, its row.

Three loops that never wait for one another: the Lease every ten seconds; the Node whenever it is
not as it should be, and its heartbeat every five minutes; and a watch of the Node, so that what
people change there (labels, taints, cordon) is adopted and a Node deleted by hand comes back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import redis
from django.db import DatabaseError

from addons.announce import announce_async
from addons.models import VirtualNode
from addons.nodes import rows, spec
from addons.runtime import nudge
from addons.runtime.ending import end
from addons.runtime.loop import Runtime
from kube import LEASES, NODES, Event, Kube, Node, Reflector
from kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from providers import registry

log = logging.getLogger(__name__)

NAMESPACE = "kube-node-lease"
BEAT_SECONDS = 10.0
BEAT_DEADLINE = 8.0
RETRY_SECONDS = 2.0
STATUS_SECONDS = 300.0
# A new node waits so long for its capacity; then it is registered without room for pods.
CAPACITY_PATIENCE = 20.0


class Keeper:
    def __init__(self, runtime: Runtime, kube: Kube, node: VirtualNode) -> None:
        self._runtime = runtime
        self._kube = kube
        self._node = node
        self._dialect = registry.dialect(node.provider)
        self._known: Node | None = None
        self._listed = False
        self._wake = asyncio.Event()
        self._born = runtime.clock.monotonic()
        self._reported = 0.0
        self._beaten = self._born

    def see(self, node: VirtualNode) -> None:
        """The row as it is now, with `account` and `cluster` loaded."""
        before, self._node = self._node, node
        told = ("capacity", "removing_at")
        moved = any(getattr(before, name) != getattr(node, name) for name in told)
        trouble = spec.trouble_of(before) != spec.trouble_of(node)
        if moved or trouble or before.cluster.version != node.cluster.version:
            self._wake.set()

    async def run(self) -> None:
        source = Reflector(
            self._kube,
            NODES,
            fields=f"metadata.name={self._node.name}",
            type=Node,
            on_list=self._on_list,
            on_events=self._on_events,
        )
        loops = [asyncio.create_task(work) for work in (self._beats(), self._syncs(), source.run())]
        try:
            done, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(*loops)

    # --- the Lease --------------------------------------------------------------------------------

    async def _beats(self) -> None:
        clock = self._runtime.clock.monotonic
        due = clock()
        while True:
            fine = await self._beat()
            due = max(due + BEAT_SECONDS, clock()) if fine else clock() + RETRY_SECONDS
            await asyncio.sleep(max(0.0, due - clock()))

    async def _beat(self) -> bool:
        """One renewal; False when the cluster did not take it."""
        if self._absent_for_good():
            return True
        try:
            async with asyncio.timeout(BEAT_DEADLINE):
                await self._renew()
        except (KubeError, TimeoutError) as error:
            log.warning("no heartbeat for %s: %r", self._node.name, error)
            if self._runtime.clock.monotonic() - self._beaten > spec.LEASE_SECONDS:
                await self._row(rows.silent)
            return False
        self._beaten = self._runtime.clock.monotonic()
        await self._note_beat()
        return True

    async def _renew(self) -> None:
        now = self._runtime.clock.now()
        body = {"spec": spec.lease_spec(self._node.name, now)}
        try:
            await self._kube.patch(LEASES, self._node.name, body, NAMESPACE)
        except NotFound:
            if not await self._wanted():
                return
            uid = self._known.metadata.uid if self._known else ""
            fresh = spec.lease(self._node.name, uid, now)
            await self._kube.create(LEASES, fresh, NAMESPACE)

    async def _note_beat(self) -> None:
        """The row may lag when the database is slow; the Lease does not wait for it."""
        try:
            async with asyncio.timeout(BEAT_DEADLINE):
                now = self._runtime.clock.now()
                await self._runtime.db_urgent(rows.beat, self._node.pk, now)
                await announce_async(self._runtime.redis, "nodes", [self._node.pk])
        except (DatabaseError, TimeoutError) as error:
            log.warning("heartbeat of %s is not noted: %r", self._node.name, error)

    async def _wanted(self) -> bool | None:
        """Whether what is missing shall be there, by the row as it is now; None: not known now.

        Our copy of the row may be older than its removal, which deletes Node and Lease.
        """
        try:
            return await self._runtime.db(rows.wanted, self._node.pk)
        except DatabaseError as error:
            log.warning("the row of %s cannot be read now: %s", self._node.name, error)
            return None

    def _absent_for_good(self) -> bool:
        """It is being removed and its Node is gone: nothing must bring it back."""
        return self._node.removing_at is not None and self._listed and self._known is None

    # --- the Node ---------------------------------------------------------------------------------

    async def _syncs(self) -> None:
        while True:
            self._wake.clear()
            try:
                pause = await self._sync()
            except Conflict as error:
                log.info("node %s changed meanwhile: %s", self._node.name, error)
                pause = 0.1
            except KubeError as error:
                log.warning("node %s is not kept up: %s", self._node.name, error)
                pause = RETRY_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _sync(self) -> float:
        """Make the Node what it should be; seconds until the next look, unless woken."""
        if self._waits_for_capacity():
            await self._ask_for_capacity()
            return 1.0
        try:
            known = await self._kube.get(NODES, self._node.name, type=Node)
        except NotFound:
            wanted = await self._wanted()
            if wanted:
                await self._register()
            return RETRY_SECONDS if wanted is None else STATUS_SECONDS
        await self._taint(known)
        await self._report(known)
        return STATUS_SECONDS

    def _waits_for_capacity(self) -> bool:
        age = self._runtime.clock.monotonic() - self._born
        return not self._node.capacity and age < CAPACITY_PATIENCE

    async def _ask_for_capacity(self) -> None:
        try:
            await nudge.enqueue(self._runtime, self._node.shard, self._node.shard)
        except redis.RedisError as error:
            log.warning("the capacity of %s waits: %s", self._node.name, error)

    async def _register(self) -> None:
        now = self._runtime.clock.now()
        try:
            await self._kube.create(NODES, spec.manifest(self._node, self._dialect, now))
        except AlreadyExists:
            self._wake.set()
            return
        log.info("registered node %s", self._node.name)
        # The API server may drop a status given at creation (status is a subresource).
        self._reported = 0.0
        self._wake.set()

    async def _taint(self, known: Node) -> None:
        taints = [
            {"key": t.key, "effect": t.effect}
            | ({"value": t.value} if t.value else {})
            | ({"timeAdded": t.time_added} if t.time_added else {})
            for t in known.spec.taints or ()
        ]
        wanted = spec.taints(self._node, taints)
        if wanted is not None:
            version = {"resourceVersion": known.metadata.resource_version}
            body = {"metadata": version, "spec": {"taints": wanted}}
            await self._kube.patch(NODES, self._node.name, body)

    async def _report(self, known: Node) -> None:
        """The status, when it differs or its heartbeat is due."""
        now = self._runtime.clock
        wanted = spec.status(self._node, self._dialect, known, now.now())
        late = now.monotonic() - self._reported >= STATUS_SECONDS or not self._reported
        if late or spec.differs(wanted, known):
            body = {"metadata": {"uid": known.metadata.uid}, "status": wanted}
            await self._kube.patch(
                NODES, self._node.name, body, kind="strategic", subresource="status"
            )
            self._reported = now.monotonic()

    # --- the mirror -------------------------------------------------------------------------------

    async def _on_list(self, nodes: list[Node], _version: str) -> None:
        self._listed = True
        await self._mirror(nodes[0] if nodes else None)

    async def _on_events(self, events: list[Event[Node]]) -> None:
        last = events[-1]
        await self._mirror(None if last.kind == "DELETED" else last.object)

    async def _mirror(self, node: Node | None) -> None:
        self._known = node
        if node is None:
            await self._row(rows.gone)
            self._wake.set()
            return
        wanted = spec.status(self._node, self._dialect, node, self._runtime.clock.now())
        if spec.differs(wanted, node):
            self._wake.set()
        await self._row(lambda pk: rows.seen(pk, node))

    async def _row(self, write: Callable[[int], bool]) -> None:
        try:
            if await self._runtime.db(write, self._node.pk):
                await announce_async(self._runtime.redis, "nodes", [self._node.pk])
        except DatabaseError as error:
            log.warning("the row of %s waits for the next change: %s", self._node.name, error)
