"""CS: the account's clusters, the add-ons in them, and the tasks that change add-ons.

A task goes through its stages one by one, each as long as the knobs say; what it does in the
cluster is done in the stage it is named after. A task that a restart interrupted goes on with the
stage it was in. Codes of failed tasks: ACK help page "Troubleshoot add-on errors".
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..groups.errors import ApiFault, ConnectionLost
from ..groups.faults import Faults
from . import addons
from .addons import ADDONS, Addon
from .knobs import Knobs
from .state import Change, Event, Instance, Stage, State, Task

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.vendors import ClusterSpec

INSTALL, UNINSTALL = "cluster_addon_install", "cluster_addon_uninstall"
UPGRADE, MODIFY = "cluster_addon_upgrade", "cluster_addon_modify"
_STAGES = {
    INSTALL: ("preflight", "apply", "rollout"),
    UPGRADE: ("preflight", "apply", "rollout"),
    MODIFY: ("preflight", "apply", "rollout"),
    UNINSTALL: ("preflight", "remove"),
}
_BUSY = {INSTALL: "initial", UPGRADE: "upgrading", MODIFY: "updating", UNINSTALL: "deleting"}
_TYPES = {"ack-pro": addons.PRO, "ack-registered": addons.REGISTERED}
TIMEOUT = "AddonOperationFailed.WaitForAddonReadyTimeout"
UNREACHABLE = "AddonOperationFailed.APIServerUnreachable"
_ROLLOUT_LOOK = 0.1
KEEP_TASKS = 300


@dataclass(frozen=True)
class Member:
    """A cluster of the account."""

    spec: "ClusterSpec"
    cluster: "Cluster"

    @property
    def id(self) -> str:
        """CS's id of the cluster."""
        return self.spec.id

    @property
    def type(self) -> str:
        """ManagedKubernetes or ExternalKubernetes."""
        return _TYPES[self.spec.kind]


class Inside(Protocol):
    """What add-ons are inside a cluster."""

    async def apply(self, member: Member, change: Change, config: str) -> None:
        """Put an add-on into a cluster or change it; raises ApiFault."""

    async def remove(self, member: Member, name: str) -> None:
        """Take an add-on out of a cluster; what it made at clouds stays."""

    def waits_for(self, member: Member, name: str) -> str:
        """Return what is not ready yet, empty when all is."""

    def resume(self, member: Member, name: str, version: str, config: str) -> None:
        """Let go on, after a restart of the world, what runs in a control plane."""

    def resources(self, member: Member, name: str) -> list[dict[str, str]]:
        """Return the objects of an add-on: group, version, kind, namespace, name."""


class Cs:
    """The add-on side of the account. ``keep`` commits the state; ``now`` is Unix time."""

    def __init__(
        self,
        state: State,
        *,
        now: Callable[[], float],
        new_id: Callable[[], uuid.UUID],
        keep: Callable[[], None],
        speed: float = 1.0,
    ) -> None:
        self.state = state
        self.now = now
        self.speed = speed
        self.knobs = Knobs()
        self.faults = Faults()
        self.members: dict[str, Member] = {}
        self._new_id = new_id
        self._keep = keep
        self._inside: Inside | None = None
        self._running: dict[str, asyncio.Task[None]] = {}

    def open(self, members: Iterable[Member], inside: Inside) -> None:
        """Take over the clusters of the world and go on with what was interrupted."""
        self._inside = inside
        self.members = {member.id: member for member in members}
        for member in self.members.values():
            there = self.state.instances.setdefault(member.id, {})
            for addon in ADDONS.values():
                if addon.system and member.type in addon.cluster_types:
                    version = addon.latest(member.spec.version)
                    there.setdefault(addon.name, Instance(addon.name, version, state="active"))
            for instance in there.values():
                if instance.state != "initial":
                    inside.resume(member, instance.name, instance.version, instance.config)
        for task in self.state.tasks.values():
            if task.state == "running":
                self._go_on(task)

    async def close(self) -> None:
        """Stop every task where it is."""
        running = list(self._running.values())
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._running.clear()

    def member(self, cluster_id: str) -> Member:
        """Return a cluster; raises ApiFault ErrorClusterNotFound."""
        found = self.members.get(cluster_id)
        if found is None:
            raise ApiFault("ErrorClusterNotFound", f"cluster {cluster_id} not found", 404)
        return found

    def addon(self, member: Member, name: str) -> Addon:
        """Return what may be installed in a cluster; raises ApiFault AddonNotFound."""
        found = self.addons.get(name)
        if found is None or member.type not in found.cluster_types:
            raise ApiFault("AddonNotFound", f"addon {name} not found", 404)
        return found

    @property
    def addons(self) -> dict[str, Addon]:
        """Every add-on by name, with the versions that the knobs add."""
        more = self.knobs.addon_versions
        newer = {name: ADDONS[name].with_newest(version) for name, version in more.items()}
        return {**ADDONS, **newer}

    def instance(self, member: Member, name: str) -> Instance:
        """Return what is installed; raises ApiFault AddonInstanceNotFound."""
        found = self.state.instances[member.id].get(name)
        if found is None:
            text = f"addon {name} is not installed in cluster {member.id}"
            raise ApiFault("AddonInstanceNotFound", text, 404)
        return found

    def task(self, task_id: str) -> Task:
        """Return a task; raises ApiFault ErrorTaskNotFound."""
        found = self.state.tasks.get(task_id)
        if found is None:
            raise ApiFault("ErrorTaskNotFound", f"task {task_id} not found", 404)
        return found

    def running(self, member: Member, name: str) -> Task | None:
        """Return the task that changes an add-on now."""
        return next(
            (
                task
                for task in self.state.tasks.values()
                if task.cluster_id == member.id
                and not task.over
                and any(change.name == name for change in task.changes)
            ),
            None,
        )

    def shows(self, task: Task) -> bool:
        """Tell whether a task is listed yet: that of a changed configuration comes up late."""
        return self.now() >= task.shown

    def told(self, member: Member, instance: Instance) -> str:
        """Return the state that an instance shows: as before, while its task does not show."""
        task = self.running(member, instance.name)
        return instance.state if task is None or self.shows(task) else "active"

    def last(self, member: Member, name: str, kind: str) -> Task | None:
        """Return the newest task of a kind that is about an add-on."""
        for task in reversed(self.state.tasks.values()):
            about = any(change.name == name for change in task.changes)
            if (task.cluster_id, task.kind) == (member.id, kind) and about:
                return task
        return None

    def begin(self, member: Member, kind: str, changes: list[Change]) -> Task:
        """Start a task; raises ApiFault AddonOperationConflict while another one runs."""
        for change in changes:
            busy = self.running(member, change.name)
            if busy:
                text = f"addon {change.name} is being changed by task {busy.id}"
                raise ApiFault("AddonOperationConflict", text, 409)
        now = self.now()
        stages = [Stage(name) for name in _STAGES[kind]]
        task = Task(f"T-{self._new_id().hex[:20]}", member.id, kind, changes, stages, now, now)
        if kind == MODIFY:
            task.shown = now + self.knobs.modify_shows_seconds / self.speed
        there = self.state.instances[member.id]
        for change in changes:
            fresh = Instance(change.name, change.version, change.config or "{}")
            there.setdefault(change.name, fresh).state = _BUSY[kind]
        self.state.tasks[task.id] = task
        self._trim()
        self._keep()
        self._go_on(task)
        return task

    def pause(self, task: Task) -> None:
        """Hold a task between two stages."""
        task.state = "paused"
        self._stop(task)

    def resume(self, task: Task) -> None:
        """Let a held task go on."""
        task.state = "running"
        self._keep()
        self._go_on(task)

    def cancel(self, task: Task) -> None:
        """Give a task up; what it has done stays."""
        task.state = "canceled"
        self._stop(task)
        self._settle(task)

    def _stop(self, task: Task) -> None:
        runner = self._running.pop(task.id, None)
        if runner:
            runner.cancel()
        task.updated = self.now()
        self._keep()

    def _trim(self) -> None:
        over = [task.id for task in self.state.tasks.values() if task.over]
        for task_id in over[: max(0, len(self.state.tasks) - KEEP_TASKS)]:
            del self.state.tasks[task_id]

    def _go_on(self, task: Task) -> None:
        runner = asyncio.create_task(self._run(task), name=task.id)
        self._running[task.id] = runner
        runner.add_done_callback(lambda _: self._running.pop(task.id, None))

    async def _run(self, task: Task) -> None:
        member = self.member(task.cluster_id)
        for stage in task.stages:
            if stage.state == "success":
                continue
            stage.state, stage.began = "running", stage.began or self.now()
            self._tell(task, stage, "Normal", f"{stage.name} began")
            try:
                await asyncio.sleep(self.knobs.stage_seconds / self.speed)
                await self._stage(member, task, stage)
            except ApiFault as fault:
                self._fail(task, stage, fault)
                return
            stage.state, stage.ended = "success", self.now()
            self._tell(task, stage, "Normal", f"{stage.name} done")
        task.state = "success"
        self._settle(task)

    async def _stage(self, member: Member, task: Task, stage: Stage) -> None:
        self._draw(task, stage)
        assert self._inside
        for change in task.changes:
            if stage.name == "apply":
                if member.cluster.faults.down:
                    raise ApiFault(UNREACHABLE, "the API server of the cluster does not answer")
                given = self.state.instances[member.id][change.name].config
                config = given if change.config is None else change.config
                await self._inside.apply(member, change, config)
            elif stage.name == "rollout":
                await self._roll_out(member, change.name)
            elif stage.name == "remove":
                await self._inside.remove(member, change.name)

    def _draw(self, task: Task, stage: Stage) -> None:
        """A planted fault ``task.<stage>`` fails the task there."""
        flat = {
            "cluster_id": task.cluster_id,
            "task_type": task.kind,
            "addon": ",".join(change.name for change in task.changes),
        }
        fault = self.faults.draw(f"task.{stage.name}", flat, 1)
        if fault:
            try:
                raise fault.error()
            except ConnectionLost as exc:
                raise ApiFault(UNREACHABLE, "the API server does not answer") from exc

    async def _roll_out(self, member: Member, name: str) -> None:
        assert self._inside
        ends = self.now() + self.knobs.rollout_seconds / self.speed
        while waits := self._inside.waits_for(member, name):
            if self.now() >= ends:
                raise ApiFault(TIMEOUT, f"wait for addon ready timeout: {waits}")
            await asyncio.sleep(_ROLLOUT_LOOK)

    def _fail(self, task: Task, stage: Stage, fault: ApiFault) -> None:
        stage.state, stage.ended, stage.message = "fail", self.now(), fault.message
        task.state, task.code, task.message = "fail", fault.code, fault.message
        self._tell(task, stage, "Warning", fault.message, fault.code)
        self._settle(task)

    def _settle(self, task: Task) -> None:
        """Bring the instances in line with a task that is over."""
        there = self.state.instances[task.cluster_id]
        done = {stage.name for stage in task.stages if stage.state == "success"}
        for change in task.changes:
            instance = there[change.name]
            if (task.kind == UNINSTALL and "remove" in done) or (
                task.kind == INSTALL and "apply" not in done
            ):
                del there[change.name]
            else:
                instance.state = "active" if task.state != "fail" else "unhealthy"
                if task.kind != UNINSTALL and "apply" in done:
                    instance.version = change.version or instance.version
                    if change.config is not None:
                        instance.config = change.config
        task.updated = self.now()
        self._keep()

    def _tell(self, task: Task, stage: Stage, level: str, text: str, reason: str = "") -> None:
        now = self.now()
        reason = reason or stage.name.capitalize()
        task.events.append(Event(task.kind, level, text, reason, "addon-manager", now))
        task.updated = now
        self._keep()
