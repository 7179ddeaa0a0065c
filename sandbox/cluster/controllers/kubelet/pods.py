"""Running the pods of the nodes that have a kubelet here.

Everything the kubelet knows about a pod is in the pod's own status, so a restart of the process
continues where it was. Pods of nodes that are not in the configuration are never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..informer import Key, Obj, key_of
from ..loop import Controller
from ..objects import deleting, node_of, pod_finished, pod_ready
from ..timing import seconds_of, stamp
from . import containers
from .containers import Note, Outcome, Setting
from .environment import Environment, Missing
from .host import Delayed, Host
from .podstatus import init_done, is_sidecar, observed, phase_of, with_conditions
from .program import Ending, ending, image_name

if TYPE_CHECKING:
    from ..context import Context
    from .nodes import Nodes

RETRY_VOLUMES = 2.0
_SIGTERM = 143
_POLITE = {"nginx", "httpd", "coredns", "redis", "traefik"}


@dataclass
class _Round:
    """What one look at a pod gathers: seconds until the next looks, events by container."""

    look_in: list[float] = field(default_factory=list)
    notes: list[tuple[str, list[Note]]] = field(default_factory=list)


class Pods(Controller[Key]):
    """The sync loop of all kubelets; keys are (namespace, name). `host` is what pods run on."""

    name = "kubelet"
    manager = "kubelet"

    def __init__(self, context: Context, nodes: Nodes) -> None:
        self._nodes = nodes
        self.host = Host(context, nodes)
        self.environment = Environment(context)
        super().__init__(context)

    def _hand(self, pod: Obj) -> Context:
        return self._nodes.as_node(node_of(pod))

    def setup(self) -> None:
        self.pods = self.context.informer("pods")
        self.pods.on_change(self._on_pod)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        if new is None or node_of(new) not in self._nodes.configs:
            return
        if old is None or deleting(new) or new["spec"] != old["spec"] or _ready_lost(new):
            self.queue.add(key_of(new))

    async def reconcile(self, key: Key) -> float | None:
        """Take the pod one step further; returns seconds until its next step."""
        pod = self.pods.get(key)
        if pod is None or node_of(pod) not in self._nodes.configs:
            return None
        if node_of(pod) in self._nodes.down:
            return self.context.config.pace.lease
        if deleting(pod):
            return await self._stop(pod)
        if pod_finished(pod):
            return None
        if not (pod.get("status") or {}).get("startTime"):
            return await self._admit(pod)
        return await self._sync(pod)

    async def _admit(self, pod: Obj) -> float | None:
        try:
            refused = await self.host.admit(pod)
        except Delayed as delayed:
            return delayed.seconds
        admitted = self.pods.get(key_of(pod))
        if admitted is None or deleting(admitted):
            return None
        if refused is not None:
            await self._refuse(admitted, *refused)
            return None
        return await self._sync(admitted)

    async def _refuse(self, pod: Obj, reason: str, message: str) -> None:
        status = dict(pod.get("status") or {})
        now = self.context.now()
        status.update(phase="Failed", reason=reason, message=message, startTime=stamp(now))
        await self._hand(pod).write_status("pods", pod, status)
        await self._tell(pod, "", [Note(reason, message.split(": ", 1)[1], "Warning")])

    async def _sync(self, pod: Obj) -> float | None:
        now = self.context.now()
        status = self._begin(pod, now)
        if self._overdue(pod, status, now):
            await self._fail_deadline(pod, status, now)
            return None
        round_ = _Round()
        fresh = not (pod.get("status") or {}).get("startTime")
        if fresh:
            first = (pod["spec"].get("initContainers") or pod["spec"]["containers"])[0]
            if self.host.pull_seconds(pod, first):
                pulling = Note("Pulling", f'Pulling image "{first.get("image", "")}"')
                round_.notes.append((first["name"], [pulling]))
        try:
            self.environment.check_volumes(pod)
        except Missing as missing:
            round_.notes.append(("", [Note("FailedMount", str(missing), "Warning")]))
            round_.look_in.append(RETRY_VOLUMES)
        else:
            if fresh:
                round_.look_in.append(self.host.sandbox_seconds())
            else:
                self._run_containers(pod, status, now, round_)
        spec = pod["spec"]
        inits = status.get("initContainerStatuses") or []
        status["phase"] = phase_of(spec, inits, status["containerStatuses"])
        if status["phase"] in {"Succeeded", "Failed"} and inits:
            status["initContainerStatuses"] = [_stopped(s, now) for s in inits]
        status = self.host.told(pod, observed(pod, with_conditions(pod, status, now)))
        await self._hand(pod).write_status("pods", pod, status)
        for container, told in round_.notes:
            await self._tell(pod, container, told)
        limit = spec.get("activeDeadlineSeconds")
        if limit:
            round_.look_in.append(seconds_of(status["startTime"]) + limit - now)
        return max(0.01, min(round_.look_in)) if round_.look_in else None

    def _begin(self, pod: Obj, now: float) -> Obj:
        status = dict(pod.get("status") or {})
        spec = pod["spec"]
        host = self._nodes.configs[node_of(pod)].address
        status.setdefault("startTime", stamp(now))
        status.update(hostIP=host, hostIPs=[{"ip": host}])
        waits = "PodInitializing" if spec.get("initContainers") else "ContainerCreating"
        if not status.get("containerStatuses"):
            status["containerStatuses"] = [containers.waiting(c, waits) for c in spec["containers"]]
        if spec.get("initContainers") and not status.get("initContainerStatuses"):
            status["initContainerStatuses"] = [
                containers.waiting(c, "PodInitializing") for c in spec["initContainers"]
            ]
        return status

    def _run_containers(self, pod: Obj, status: Obj, now: float, round_: _Round) -> None:
        spec = pod["spec"]
        starts = seconds_of(status["startTime"])
        if not status.get("podIP"):
            status["podIP"] = self.host.address(pod)
            status["podIPs"] = [{"ip": status["podIP"]}]
        inits = list(status.get("initContainerStatuses") or [])
        for place, container in enumerate(spec.get("initContainers") or []):
            before = zip(spec["initContainers"][:place], inits[:place], strict=True)
            if not all(self._passed(c, s) for c, s in before):
                break
            inits[place] = self._step(pod, container, inits[place], starts, round_)
        status["initContainerStatuses"] = inits
        if not inits:
            status.pop("initContainerStatuses")
        if init_done(spec, inits):
            status["containerStatuses"] = [
                self._step(pod, container, state, starts, round_)
                for container, state in zip(
                    spec["containers"], status["containerStatuses"], strict=True
                )
            ]

    def _passed(self, container: Obj, status: Obj) -> bool:
        if is_sidecar(container):
            return bool(status.get("started"))
        return (status["state"].get("terminated") or {}).get("exitCode") == 0

    def _step(
        self,
        pod: Obj,
        container: Obj,
        state: Obj,
        starts: float,
        round_: _Round,
    ) -> Obj:
        outcome = self._advance(pod, container, state, starts)
        if outcome.look_in is not None:
            round_.look_in.append(outcome.look_in)
        if outcome.notes:
            round_.notes.append((container["name"], outcome.notes))
        return outcome.status

    def _advance(self, pod: Obj, container: Obj, state: Obj, starts: float) -> Outcome:
        namespace, name = key_of(pod)
        policy = pod["spec"].get("restartPolicy") or "Always"
        if container in (pod["spec"].get("initContainers") or []):
            sidecar = is_sidecar(container)
            policy = "Always" if sidecar else ("Never" if policy == "Never" else "OnFailure")
        pull = self.host.pull_seconds(pod, container)
        setting = Setting(
            now=self.context.now(),
            starts=starts + pull,
            pull=pull,
            policy=policy,
            pod=f"{name}_{namespace}({pod['metadata']['uid']})",
            ending=lambda: self._ending(pod, container),
            obstacle=self._obstacle(pod, container),
        )
        return containers.advance(self.host.as_run(pod, container), state, setting)

    def _ending(self, pod: Obj, container: Obj) -> Ending:
        try:
            return ending(container, self.environment.machine(pod, container))
        except Missing:
            return ending(container, self.environment.bare_machine(pod))

    def _obstacle(self, pod: Obj, container: Obj) -> tuple[str, str] | None:
        image = container.get("image", "")
        if self.host.lacks(image):
            text = (
                f'failed to pull and unpack image "{image}": failed to resolve reference: not found'
            )
            return "ErrImagePull", text
        try:
            self.environment.machine(pod, container)
        except Missing as missing:
            return "CreateContainerConfigError", str(missing)
        return None

    def _overdue(self, pod: Obj, status: Obj, now: float) -> bool:
        limit = pod["spec"].get("activeDeadlineSeconds")
        return bool(limit) and now >= seconds_of(status["startTime"]) + limit

    async def _fail_deadline(self, pod: Obj, status: Obj, now: float) -> None:
        message = "Pod was active on the node longer than the specified deadline"
        status = _all_ended(pod, status, now)
        status.update(phase="Failed", reason="DeadlineExceeded", message=message)
        await self._hand(pod).write_status(
            "pods", pod, observed(pod, with_conditions(pod, status, now))
        )
        await self._tell(pod, "", [Note("DeadlineExceeded", message)])

    async def _stop(self, pod: Obj) -> float | None:
        meta, now = pod["metadata"], self.context.now()
        grace = meta.get("deletionGracePeriodSeconds") or 0
        status = dict(pod.get("status") or {})
        running = [c for c in _all(status) if "running" in c["state"]]
        began = seconds_of(meta["deletionTimestamp"]) - grace
        ends = began + min(grace, self.host.stop_seconds())
        if running and now < ends:
            for container in running:
                text = f"Stopping container {container['name']}"
                await self._tell(pod, container["name"], [Note("Killing", text)])
            return ends - now
        if running:
            status = _all_ended(pod, status, now)
            codes = [c["state"]["terminated"]["exitCode"] for c in status["containerStatuses"]]
            status["phase"] = "Failed" if any(codes) else "Succeeded"
            pod = await self._hand(pod).write_status(
                "pods", pod, observed(pod, with_conditions(pod, status, now))
            )
        if grace or not meta.get("finalizers"):
            await self._hand(pod).remove("pods", pod, grace=0)
        return None

    async def _tell(self, pod: Obj, container: str, notes: list[Note]) -> None:
        path = f"spec.containers{{{container}}}" if container else ""
        for note in notes:
            await self._hand(pod).events.emit(
                "kubelet",
                pod,
                note.reason,
                note.message,
                kind=note.kind,
                host=node_of(pod),
                field=path,
            )


def _ready_lost(pod: Obj) -> bool:
    """Another loop took Ready away while the node was silent, or a gate was answered."""
    return (pod.get("status") or {}).get("phase") == "Running" and not pod_ready(pod)


def _stopped(status: Obj, now: float) -> Obj:
    """A sidecar ends when the pod has ended."""
    return containers.terminated(status, now, 0) if "running" in status["state"] else status


def _all(status: Obj) -> list[Obj]:
    return [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]


def _all_ended(pod: Obj, status: Obj, now: float) -> Obj:
    """The status with every container stopped by SIGTERM or never started."""
    images = {c["name"]: c.get("image", "") for c in pod["spec"]["containers"]}
    ended = []
    for container in status.get("containerStatuses") or []:
        code = 0 if image_name(images.get(container["name"], "")) in _POLITE else _SIGTERM
        if "terminated" in container["state"]:
            ended.append(container)
        else:
            ended.append(containers.terminated(container, now, code))
    return {**status, "containerStatuses": ended}
