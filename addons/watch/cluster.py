"""One watched cluster: reflectors of its pods, keepers of its nodes, and how fresh all that is.

Per virtual node one watch of the pods bound to it, as a kubelet would; and one of the unscheduled
pods, of which those that ask for a virtual node are mirrored too. Nodes come and go by the
database, looked at every two seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError

from addons.announce import announce_async
from addons.models import Cluster, PodRow, VirtualNode
from addons.nodes.keeper import Keeper
from addons.nodes.spec import CLOUD_TAINT
from addons.runtime.ending import end
from addons.runtime.loop import Runtime
from addons.watch.keys import Keys
from addons.watch.labelled import Labelled, Toleration, stranded, toleration_of
from addons.watch.mirror import Gone, Mirror, missing
from addons.watch.profile import ProfileWatch
from addons.watch.rows import row_of, wants_virtual_node
from kube import PODS, Event, Kube, Pod, Reflector, SourceState
from kube.errors import KubeError, NotFound

log = logging.getLogger(__name__)
LOOK_SECONDS = 2.0
SEEN_SECONDS = 10.0
# A source that is silent for so long makes the page say so.
STALE_SECONDS = 8.0
# An idle watch tells nothing for a minute: a small call in between shows that the API answers.
PROBE_SECONDS = 4.0
_UNSCHEDULED = ""


def _version(text: str) -> int:
    return int(text) if text.isdecimal() else 0


class ClusterWatch:
    """Runs until cancelled; `taints` are the keys that pods for our nodes tolerate."""

    def __init__(self, runtime: Runtime, cluster_id: int, kube: Kube) -> None:
        self._runtime = runtime
        self._cluster_id = cluster_id
        self._kube = kube
        self._mirror = Mirror(runtime, cluster_id)
        self._keys = Keys(runtime, cluster_id, kube)
        self._profile = ProfileWatch(runtime, cluster_id, kube)
        self._sources: dict[str, Reflector[Pod]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._keepers: dict[int, Keeper] = {}
        self._taints: set[str] = set()
        self._places: list[list[dict[str, str]]] = []
        self._labelled = Labelled(kube)
        self._toleration: Toleration | None = None
        self._stranded: dict[str, Pod] = {}
        self._told: tuple[str, str, str, str] | None = None
        self._seen_at = 0.0
        self._probed_at: float | None = None
        self._probe_error: Exception | None = None
        self._served = ""

    async def run(self) -> None:
        try:
            while True:
                self._spawn("mirror", self._mirror.run)
                self._spawn("probe", self._probe)
                self._spawn("keys", self._keys.run)
                self._spawn("profile", self._profile.run)
                self._watch(_UNSCHEDULED)
                await self._look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await end(*self._tasks.values())

    async def _look(self) -> None:
        """Follow the nodes in the database; restart what ended; tell how fresh all is."""
        try:
            nodes = await self._runtime.db(_nodes, self._cluster_id)
        except DatabaseError as error:
            log.warning("cluster %s: %s", self._cluster_id, error)
            return
        self._places = [
            [taint for taint in node.taints if taint["key"] != CLOUD_TAINT] for node in nodes
        ]
        taints = [taint for node in nodes for taint in node.taints]
        self._taints = {taint["key"] for taint in taints}
        self._toleration = toleration_of(taints)
        self._spawn("labelled", self._let_in)
        for node in nodes:
            self._watch(node.name)
            keeper = self._keepers.get(node.pk)
            if keeper is None:
                keeper = Keeper(self._runtime, self._kube, node)
                self._keepers[node.pk] = keeper
            keeper.see(node)
            self._spawn(f"keeper:{node.pk}", keeper.run)
        self._drop(nodes)
        await self._tell()

    async def _probe(self) -> None:
        while True:
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    answer = await self._kube.version()
            except (KubeError, TimeoutError) as error:
                self._probe_error = error
            else:
                self._probed_at, self._probe_error = self._runtime.clock.epoch(), None
                self._served = str(answer.get("gitVersion") or self._served)[:64]
            await asyncio.sleep(PROBE_SECONDS)

    def _drop(self, nodes: list[VirtualNode]) -> None:
        for pk in set(self._keepers) - {node.pk for node in nodes}:
            del self._keepers[pk]
            self._tasks.pop(f"keeper:{pk}").cancel()
        for name in set(self._sources) - {_UNSCHEDULED, *(node.name for node in nodes)}:
            del self._sources[name]
            self._tasks.pop(f"pods:{name}").cancel()

    def _spawn(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start it unless it runs; what ended with an error is said and started again."""
        task = self._tasks.get(name)
        if task and not task.done():
            return
        if task and not task.cancelled() and (error := task.exception()):
            log.error("%s of cluster %s ended: %r", name, self._cluster_id, error)
        self._tasks[name] = asyncio.create_task(work(), name=name)

    def _watch(self, node_name: str) -> None:
        source = self._sources.get(node_name) or self._reflector(node_name)
        self._sources[node_name] = source
        self._spawn(f"pods:{node_name}", source.run)

    def _reflector(self, node_name: str) -> Reflector[Pod]:
        async def on_list(pods: list[Pod], version: str) -> None:
            await self._listed(node_name, pods, version)

        async def on_events(events: list[Event[Pod]]) -> None:
            self._changed(node_name, events)

        return Reflector(
            self._kube,
            PODS,
            fields=f"spec.nodeName={node_name}",
            type=Pod,
            on_list=on_list,
            on_events=on_events,
            on_state=self._on_state,
        )

    def _on_state(self, state: SourceState) -> None:
        if state.error:
            log.warning("cluster %s: %s", self._cluster_id, state.error)

    async def _listed(self, node_name: str, pods: list[Pod], version: str) -> None:
        self._mirror.offer(row_of(pod, self._places) for pod in pods if self._ours(pod))
        seen = {pod.metadata.uid for pod in pods}
        at = _version(version)
        if node_name == _UNSCHEDULED:
            self._strand(pods)
            await self._recheck(seen)
            return
        gone = await self._runtime.db(missing, self._cluster_id, node_name, seen, at)
        self._mirror.offer(gone)

    def _changed(self, node_name: str, events: list[Event[Pod]]) -> None:
        rows, gone, left = [], [], []
        for event in events:
            pod = event.object
            if event.kind != "DELETED":
                rows.append(pod)
            elif node_name == _UNSCHEDULED:
                left.append(pod.metadata.uid)
            else:
                gone.append(Gone(pod.metadata.uid, _version(pod.metadata.resource_version)))
        self._mirror.offer(row_of(pod, self._places) for pod in rows if self._ours(pod))
        self._mirror.offer(gone)
        self._strand(rows)
        if left:
            # Bound to a node or deleted: the watch says only that it left the selection.
            self._spawn(f"recheck:{left[0]}", self._recheck_soon)

    def _strand(self, pods: list[Pod]) -> None:
        """Remember those that no node takes, in case their label sends them to ours."""
        self._stranded.update({pod.metadata.uid: pod for pod in pods if stranded(pod)})
        if self._stranded:
            self._spawn("labelled", self._let_in)

    async def _let_in(self) -> None:
        while self._stranded and self._toleration:
            pods, self._stranded = list(self._stranded.values()), {}
            await self._labelled.admit(pods, self._toleration, now=self._runtime.clock.now())

    def _ours(self, pod: Pod) -> bool:
        return bool(pod.spec.node_name) or wants_virtual_node(pod, self._taints)

    async def _recheck_soon(self) -> None:
        await asyncio.sleep(1.0)
        await self._recheck(set())

    async def _recheck(self, seen: set[str]) -> None:
        """Rows that still look unscheduled and are not in `seen`: ask for each by name."""
        for name in [name for name, task in self._tasks.items() if name.startswith("recheck:")]:
            if self._tasks[name].done():
                del self._tasks[name]
        rows = await self._runtime.db(_unscheduled, self._cluster_id)
        for uid, namespace, name, version in rows:
            if uid in seen:
                continue
            try:
                pod = await self._kube.get(PODS, name, namespace, type=Pod)
            except NotFound:
                self._mirror.offer([Gone(uid, version)])
            except KubeError as error:
                log.info("%s/%s is looked at again later: %s", namespace, name, error)
            else:
                same = pod.metadata.uid == uid
                self._mirror.offer([row_of(pod, self._places)] if same else [Gone(uid, version)])

    async def _tell(self) -> None:
        """Write the cluster's state and version when they changed, and when it was last seen.

        An upgrade of the control plane comes to the version matrix, eviction and nodes by that.
        """
        now = self._runtime.clock.epoch()
        state = self._state(now)
        heard = max(self._probed_at or 0.0, *(s.heard_at or 0.0 for s in self._sources.values()))
        fresh = heard - self._seen_at >= SEEN_SECONDS
        told = (*state, self._served)
        if told == self._told and not fresh:
            return
        self._told, self._seen_at = told, heard
        seen = datetime.fromtimestamp(heard, UTC) if heard else None
        await self._runtime.db(_save_state, self._cluster_id, state, seen, self._served)
        await announce_async(self._runtime.redis, "clusters", [self._cluster_id])

    def _state(self, now: float) -> tuple[str, str, str]:
        if self._probe_error and now - (self._probed_at or 0.0) > STALE_SECONDS:
            error = self._probe_error
            text = str(error) or f"no answer within {PROBE_SECONDS:g} s"
            return (Cluster.State.UNREACHABLE, type(error).__name__, text)
        broken = [s.state for s in self._sources.values() if not s.state.synced and s.state.error]
        old = [
            state
            for state in broken
            if state.stale_since is None or now - state.stale_since > STALE_SECONDS
        ]
        if not old:
            return (Cluster.State.CONNECTED, "", "")
        trouble = old[0].error
        some = len(old) < len(self._sources)
        kind = Cluster.State.DEGRADED if some else Cluster.State.UNREACHABLE
        return (kind, type(trouble).__name__, str(trouble))


def _nodes(cluster_id: int) -> list[VirtualNode]:
    return list(
        VirtualNode.objects.filter(cluster=cluster_id).select_related(
            "cluster", "account", "second_account"
        )
    )


def _unscheduled(cluster_id: int) -> list[tuple[str, str, str, int]]:
    rows = PodRow.objects.filter(cluster=cluster_id, node_name="", gone_at=None)
    return list(rows.values_list("uid", "namespace", "name", "resource_version"))


def _save_state(
    cluster_id: int, state: tuple[str, str, str], seen: datetime | None, version: str
) -> None:
    values: dict[str, Any] = {
        "state": state[0],
        "state_reason": state[1][:64],
        "state_message": state[2],
    }
    if seen:
        values["last_seen_at"] = seen
    if version:
        values["version"] = version
    Cluster.objects.filter(pk=cluster_id).update(**values)
