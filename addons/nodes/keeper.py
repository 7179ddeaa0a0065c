"""The heartbeat of one virtual node, in the watch process, on a schedule of its own.

    every 10 s   renew the Lease
    on change    and every 5 minutes: node status
    at once      make the Node again when somebody deleted it (unless it is being removed), follow
                 cordons, labels and taints of others into the row

Trouble with the cloud is a condition and a NoSchedule taint, never a NotReady: the node controller
would evict pods that run well.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from django.db import DatabaseError

from addons.announce import announce_async
from addons.models import VirtualNode
from addons.nodes import spec
from addons.runtime.loop import Runtime
from kube import LEASES, NODES, Event, Kube, Reflector
from kube.errors import AlreadyExists, Conflict, KubeError, NotFound

log = logging.getLogger(__name__)
BEAT_SECONDS = 10.0
STATUS_SECONDS = 300.0
NAMESPACE = "kube-node-lease"


class Keeper:
    """`see` brings the newest row from the database; `run` goes on until cancelled."""

    def __init__(self, runtime: Runtime, kube: Kube, row: VirtualNode) -> None:
        self._runtime = runtime
        self._kube = kube
        self._row = row
        self._node: dict[str, Any] | None = None
        self._posted: tuple[Any, ...] = ()
        self._posted_at = 0.0
        self._wanted = asyncio.Event()
        self._mirrored: dict[str, Any] = {}

    def see(self, row: VirtualNode) -> None:
        if self._facts(row) != self._facts(self._row):
            self._wanted.set()
        self._row = row

    @staticmethod
    def _facts(row: VirtualNode) -> tuple[Any, ...]:
        return (row.capacity, row.account.trouble, row.cluster.version, row.removing_at)

    @property
    def _trouble(self) -> str:
        account = self._row.account
        return (account.trouble_message or account.trouble) if account.trouble else ""

    async def run(self) -> None:
        eyes = Reflector(
            self._kube,
            NODES,
            fields=f"metadata.name={self._row.name}",
            on_list=self._listed,
            on_events=self._changed,
        )
        tasks = [asyncio.create_task(work) for work in (self._beats(), self._work(), eyes.run())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listed(self, nodes: list[dict[str, Any]], _version: str) -> None:
        self._node = nodes[0] if nodes else None
        self._wanted.set()

    async def _changed(self, events: list[Event[dict[str, Any]]]) -> None:
        last = events[-1]
        self._node = None if last.kind == "DELETED" else last.object
        self._wanted.set()

    # --- the Lease ------------------------------------------------------------------------------

    async def _beats(self) -> None:
        while True:
            started = self._runtime.clock.monotonic()
            try:
                beaten = await self._beat()
            except KubeError as error:
                log.warning("heartbeat of %s: %s", self._row.name, error)
                beaten = False
            spent = self._runtime.clock.monotonic() - started
            await asyncio.sleep(max(0.5, BEAT_SECONDS - spent) if beaten else 1.0)

    async def _beat(self) -> bool:
        """Renew, or make, the Lease. False while there is no Node to own it."""
        if self._node is None or self._row.removing_at:
            return False
        now = self._runtime.clock.now()
        made = spec.lease(self._row, self._node["metadata"]["uid"], now)
        try:
            await self._kube.patch(
                LEASES, self._row.name, {"spec": made["spec"]}, NAMESPACE, kind="merge"
            )
        except NotFound:
            try:
                await self._kube.create(LEASES, made, NAMESPACE)
            except AlreadyExists:
                return False
        await self._save({"heartbeat_at": now})
        return True

    # --- the Node -------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            try:
                await self._settle()
            except Conflict:
                self._wanted.set()
                await asyncio.sleep(0.2)
            except KubeError as error:
                log.warning("node %s: %s", self._row.name, error)
                self._wanted.set()
                await asyncio.sleep(1.0)

    async def _settle(self) -> None:
        """One pass: the Node exists, is ours, its status is posted, the row tells of it."""
        if self._row.removing_at:
            if self._node:
                await self._mirror(self._node)
            return
        if self._node is None:
            await self._register()
            return
        await self._amend(self._node)
        await self._post(self._node)
        await self._mirror(self._node)

    async def _register(self) -> None:
        now = self._runtime.clock.now()
        try:
            made = await self._kube.create(
                NODES, spec.node(self._row, trouble=self._trouble, now=now)
            )
        except AlreadyExists:
            made = await self._kube.get(NODES, self._row.name)
        self._node = made
        self._posted = ()
        await self._beat()
        await self._post(made)
        await self._mirror(made)

    async def _amend(self, node: dict[str, Any]) -> None:
        """Our labels and taints, should somebody have taken them away; nothing of others."""
        meta = node["metadata"]
        present = meta.get("labels") or {}
        lacking = {k: v for k, v in spec.labels(self._row).items() if present.get(k) != v}
        taints = node.get("spec", {}).get("taints") or []
        wanted = spec.taints(self._row, taints, trouble=self._trouble)
        same = sorted(map(str, map(_plain, taints))) == sorted(map(str, map(_plain, wanted)))
        if not lacking and same:
            return
        body: dict[str, Any] = {"metadata": {"resourceVersion": meta["resourceVersion"]}}
        if lacking:
            body["metadata"]["labels"] = lacking
        if not same:
            body["spec"] = {"taints": wanted}
        self._node = await self._kube.patch(NODES, self._row.name, body, kind="merge")

    async def _post(self, node: dict[str, Any]) -> None:
        """The status, when it differs or is five minutes old, or when others marked us dead."""
        known = node.get("status", {}).get("conditions") or []
        ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in known)
        facts = (*self._facts(self._row), node["metadata"]["uid"])
        clock = self._runtime.clock.monotonic()
        if ready and facts == self._posted and clock - self._posted_at < STATUS_SECONDS:
            return
        now = self._runtime.clock.now()
        status = spec.status(self._row, known, trouble=self._trouble, now=now)
        self._node = await self._kube.patch(
            NODES, self._row.name, {"status": status}, kind="strategic", subresource="status"
        )
        self._posted, self._posted_at = facts, clock

    async def _mirror(self, _node: dict[str, Any]) -> None:
        node = self._node or _node
        meta, told = node["metadata"], node.get("status", {})
        conditions = told.get("conditions") or []
        ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
        state = VirtualNode.State.READY if ready else VirtualNode.State.NOT_READY
        await self._save(
            {
                "uid": meta["uid"],
                "labels": meta.get("labels") or {},
                "taints": node.get("spec", {}).get("taints") or [],
                "unschedulable": bool(node.get("spec", {}).get("unschedulable")),
                "conditions": conditions,
                "version": told.get("nodeInfo", {}).get("kubeletVersion", ""),
                **({} if self._row.removing_at else {"state": state}),
            }
        )

    async def _save(self, values: dict[str, Any]) -> None:
        fresh = {name: v for name, v in values.items() if self._mirrored.get(name) != v}
        if not fresh:
            return
        try:
            await self._runtime.db_urgent(_update, self._row.pk, fresh)
        except DatabaseError as error:
            log.warning("row of %s waits: %s", self._row.name, error)
            return
        self._mirrored |= fresh
        await announce_async(self._runtime.redis, "nodes", [self._row.pk])


def _plain(taint: dict[str, Any]) -> tuple[str, str, str]:
    return (str(taint.get("key")), str(taint.get("value") or ""), str(taint.get("effect")))


def _update(pk: int, values: dict[str, Any]) -> None:
    rows = VirtualNode.objects.filter(pk=pk)
    if "state" in values:
        rows.filter(removing_at=None).update(state=values["state"])
        values = {name: value for name, value in values.items() if name != "state"}
    if values:
        rows.update(**values)
