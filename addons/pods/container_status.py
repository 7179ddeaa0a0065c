"""What the cloud says of the containers, as a pod's containerStatuses. Pure and monotone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from addons.pods.containers import is_sidecar
from addons.pods.times import stamp
from providers.base import ContainerState, ContainerStatus, Instance, InstanceState, RunState

Json = Mapping[str, Any]
Status = dict[str, Any]
# As the kubelet reports a container whose end nobody saw (`pkg/kubelet`, ContainerStatusUnknown).
LOST = 137
LOST_MESSAGE = "The container could not be located when the pod was terminated"
_ENDED = {InstanceState.SUCCEEDED, InstanceState.FAILED, InstanceState.EXPIRED}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why containers that the cloud does not know yet are not running."""

    reason: str = "ContainerCreating"
    message: str = ""


CREATING = Waiting()


@dataclass(frozen=True, slots=True)
class View:
    """A pod, its instance as last told, and what to say of containers nobody tells of."""

    pod: Json
    instance: Instance | None
    provider: str
    waiting: Waiting
    now: datetime

    def inits(self) -> list[Status]:
        return self._each("initContainers", "initContainerStatuses", init=True)

    def containers(self) -> list[Status]:
        view = self
        if self.pod["spec"].get("initContainers") and self.waiting.reason == CREATING.reason:
            view = replace(self, waiting=Waiting("PodInitializing", self.waiting.message))
        return view._each("containers", "containerStatuses", init=False)

    def _each(self, field: str, reported: str, *, init: bool) -> list[Status]:
        statuses = (self.pod.get("status") or {}).get(reported) or ()
        return [
            self._one(source, _named(statuses, source["name"]), init=init)
            for source in self.pod["spec"].get(field) or ()
        ]

    def _told(self, name: str) -> ContainerStatus | None:
        """A sidecar is an init container of the pod and may be a container of the instance."""
        if self.instance is None:
            return None
        every = (*self.instance.init_containers, *(self.instance.containers or ()))
        return next((status for status in every if status.name == name), None)

    def _over(self) -> bool:
        return self.instance is not None and self.instance.state in _ENDED

    def _one(self, source: Json, before: Json | None, *, init: bool) -> Status:
        told = self._told(source["name"])
        if self._over() and (told is None or told.state.state is not RunState.TERMINATED):
            return self._ended(source, before)
        if told is None and self._runs_untold():
            return self._derived(source, before, init=init)
        if told is None:
            return self._untold(source, before)
        if before is not None and _says_more(before, told, source, self.pod, init=init):
            return dict(before)
        return self._reported(source, told, before, init=init)

    def _runs_untold(self) -> bool:
        """It runs, and the cloud never tells of its containers."""
        instance = self.instance
        return (
            instance is not None
            and instance.containers is None
            and instance.state is InstanceState.RUNNING
        )

    def _derived(self, source: Json, before: Json | None, *, init: bool) -> Status:
        """An instance that runs has its init containers behind it and runs all others.

        What an agent in the instance reported on the pod itself says more and stays.
        """
        status = before or _blank(source)
        if "waiting" not in status["state"]:
            return dict(status)
        began = self.instance.billed_from if self.instance else None
        at = stamp(began or self.now)
        if init and not is_sidecar(source):
            state: Status = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": at}}
            return {**status, "ready": True, "started": False, "state": state}
        identity = self._identity(source["name"])
        running = {"ready": True, "started": True, "state": {"running": {"startedAt": at}}}
        return {**status, **running, **({"containerID": identity} if identity else {})}

    def _untold(self, source: Json, before: Json | None) -> Status:
        """What was reported stays, but the reason to wait may be a new one."""
        status = before or _blank(source)
        if "waiting" not in status["state"]:
            return dict(status)
        return {**status, "state": {"waiting": reasoned(self.waiting.reason, self.waiting.message)}}

    def _ended(self, source: Json, before: Json | None) -> Status:
        """The instance is over and does not tell how this container ended."""
        status = before or _blank(source)
        if self.instance is None or self.instance.state is not InstanceState.SUCCEEDED:
            ended = (self.instance.ended_at if self.instance else None) or self.now
            return lost(status, ended, self._last_words())
        if "terminated" in status["state"]:
            return dict(status)
        started = (status["state"].get("running") or {}).get("startedAt")
        at = stamp(self.instance.ended_at or self.now)
        terminated = {"exitCode": 0, "reason": "Completed", "finishedAt": at}
        if started:
            terminated["startedAt"] = started
        return {**status, "ready": False, "started": False, "state": {"terminated": terminated}}

    def _last_words(self) -> str:
        """What the cloud says of the end, where it tells no container's own."""
        instance = self.instance
        if instance is None or instance.containers is not None or not instance.message:
            return LOST_MESSAGE
        return f"{instance.reason}: {instance.message}" if instance.reason else instance.message

    def _reported(
        self, source: Json, told: ContainerStatus, before: Json | None, *, init: bool
    ) -> Status:
        old = before or _blank(source)
        running = told.state.state is RunState.RUNNING
        began = (old["state"].get("running") or {}).get("startedAt")
        ended = told.state.state is RunState.TERMINATED
        done = ended and init and not is_sidecar(source)
        identity = self._identity(told.name)
        known_last = told.last and told.last.state is RunState.TERMINATED
        status: Status = {
            **old,
            "image": source["image"],
            "ready": (done and told.state.exit_code == 0) or (told.ready and running),
            "restartCount": max(told.restarts, old["restartCount"]),
            "started": running and (told.ready or not source.get("startupProbe")),
            "state": self._state(told.state, identity, began=began),
        }
        if told.last is not None and known_last:
            status["lastState"] = self._state(told.last, identity)
        if identity and (running or ended or told.restarts > 0):
            status["containerID"] = identity
        return status

    def _identity(self, name: str) -> str:
        if self.instance is None or not self.provider:
            return ""
        return f"{self.provider}://{self.instance.id}/{name}"

    def _state(self, state: ContainerState, identity: str, *, began: str | None = None) -> Status:
        if state.state is RunState.RUNNING:
            told = stamp(state.started_at) if state.started_at else None
            return {"running": {"startedAt": told or began or stamp(self.now)}}
        if state.state is RunState.WAITING:
            return {"waiting": reasoned(state.reason or self.waiting.reason, state.message)}
        code = state.exit_code or 0
        every = {
            "exitCode": code,
            "reason": state.reason or ("Completed" if code == 0 else "Error"),
            "message": state.message,
            "signal": state.signal,
            "startedAt": stamp(state.started_at) if state.started_at else None,
            "finishedAt": stamp(state.finished_at) if state.finished_at else None,
            "containerID": identity,
        }
        return {
            "terminated": {key: value for key, value in every.items() if value not in (None, "")}
        }


def _named(statuses: Sequence[Json], name: str) -> Json | None:
    return next((status for status in statuses if status["name"] == name), None)


def _blank(source: Json) -> Status:
    return {
        "name": source["name"],
        "image": source["image"],
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "started": False,
        "state": {"waiting": {}},
        "lastState": {},
    }


def reasoned(reason: str, message: str) -> Status:
    return {"reason": reason, "message": message} if message else {"reason": reason}


def lost(status: Json, now: datetime, message: str = LOST_MESSAGE) -> Status:
    """The status of a container that ended unseen."""
    state = status.get("state") or {}
    if "terminated" in state:
        return dict(status)
    terminated: Status = {
        "exitCode": LOST,
        "reason": "ContainerStatusUnknown",
        "message": message,
        "finishedAt": stamp(now),
    }
    if started := (state.get("running") or {}).get("startedAt"):
        terminated["startedAt"] = started
    return {**status, "ready": False, "started": False, "state": {"terminated": terminated}}


def _says_more(before: Json, told: ContainerStatus, source: Json, pod: Json, *, init: bool) -> bool:
    """Whether what was reported says more than this answer, which must then be an older one."""
    if told.restarts < before.get("restartCount", 0):
        return True
    terminated = (before.get("state") or {}).get("terminated")
    if not terminated or told.restarts > before.get("restartCount", 0):
        return False
    if told.state.state is RunState.TERMINATED:
        return False
    return _for_good(terminated.get("exitCode", 0), source, pod, init=init)


def _for_good(exit_code: int, source: Json, pod: Json, *, init: bool) -> bool:
    """Whether a container that ended so is never started again."""
    policy = pod["spec"].get("restartPolicy") or "Always"
    if init:
        if is_sidecar(source):
            return False
        return exit_code == 0 or policy == "Never"
    return bool(policy == "Never" or (policy == "OnFailure" and exit_code == 0))
