"""What happens to a container group, step by step.

A group carries its future as ``steps`` (due, step, container). ``advance`` performs those that are
due, each at its own due time, so that a world that slept (or was killed and restarted) arrives at
the same states, times and billed seconds as one that was awake.

States and billing: ECI help page "Lifecycle of an elastic container instance"; Terminating appears
only while a preStop hook runs or containers need time to stop. A cloud with other names for its
states translates them when it shows them.
"""

import hashlib
from collections.abc import Callable
from typing import Protocol

from ..programs import UNKNOWN, Run, log_lines, plan
from . import meter
from .model import BILLED, TERMINAL, Container, Group, State

RETAIN_SECONDS = 3600.0
FAILED_SCHEDULE_SECONDS = 24 * 3600.0
BACKOFF_FIRST, BACKOFF_MAX, BACKOFF_RESET = 10.0, 300.0, 600.0
DEFAULT_GRACE = 30.0

Place = Callable[[Group, float], bool]
"""Finds a zone and an address for a group; False when nothing is left."""


class Pace(Protocol):
    """How long things take, in seconds before the world's speed divides them."""

    schedule_seconds: float
    pull_seconds: float
    run_seconds: float
    stop_seconds: float
    pending_limit_minutes: float

    def pull_hangs(self, image: str) -> bool:
        """Tell whether the pull of an image never ends."""

    def pull_fails(self, image: str) -> bool:
        """Tell whether the registry does not know an image."""


class Lifecycle:
    """Moves groups through their states. ``pace`` is read at every step.

    ``bill_creation`` starts the bill when the group was accepted instead of when it was placed.
    """

    def __init__(
        self,
        pace: Callable[[], Pace],
        place: Place,
        speed: float = 1.0,
        *,
        bill_creation: bool = False,
    ) -> None:
        self._knobs = pace
        self._place = place
        self._speed = speed
        self._bill_creation = bill_creation
        self._steps: dict[str, Callable[[Group, float, str], None]] = {
            "schedule": self._schedule,
            "pulled": self._pulled,
            "ready": self._ready,
            "exit": self._exit,
            "restart": self._restart,
            "unhealthy": self._unhealthy,
            "deadline": self._deadline,
            "pending_limit": self._pending_limit,
            "rebuilt": self._rebuilt,
            "stopped": self._stopped,
            "purge": self._purge,
        }

    def advance(self, group: Group, now: float) -> bool:
        """Perform every step due by ``now``; tells whether anything changed."""
        changed = False
        while group.steps and group.steps[0][0] <= now:
            due, step, name = group.steps.pop(0)
            self._steps[step](group, due, name)
            group.changed_at = due
            changed = True
        return changed

    def begin(self, group: Group) -> None:
        """Start a new group's life: Scheduling."""
        group.status = "Scheduling"
        group.condition("ContainerInstanceCreated", False, group.created_at, "Scheduling")
        jitter = 0.8 + 0.4 * _fraction(group.id)
        self._plan(group, group.created_at, self._knobs().schedule_seconds * jitter, "schedule")

    def delete(self, group: Group, at: float, *, force: bool = False) -> None:
        """Delete a group: at once, or Terminating until its containers have stopped."""
        group.changed_at = at
        seconds = 0.0 if force else self._stopping_seconds(group)
        running = [c for c in group.containers if c.state.kind == "Running"]
        for container in running:
            group.record("Normal", "Killing", f"Stopping container {container.name}", at)
        if group.status not in BILLED or not running or seconds <= 0:
            self._stopped(group, at, "")
            return
        group.status = "Terminating"
        group.condition("Ready", False, at, "Terminating")
        group.steps = []
        self._plan(group, at, seconds, "stopped")

    def rebuild(self, group: Group, at: float, status: str) -> None:
        """Restart every container in place; ``status`` is Restarting or Updating."""
        group.status = status
        group.changed_at = at
        group.steps = [step for step in group.steps if step[1] == "deadline"]
        group.condition("Ready", False, at, status)
        for container in group.containers:
            self._end(container, at, 143, "Completed", signal=15)
        group.record("Normal", status, f"Container group is {status.lower()}", at)
        self._plan(group, at, 1.0, "rebuilt")

    def exchange(
        self, group: Group, at: float, containers: list[Container], init: list[Container]
    ) -> None:
        """Run other containers than the group began with: their images are pulled from now on."""
        group.containers, group.init_containers = containers, init
        group.changed_at = at
        if group.status not in {"Pending", "Running"}:
            return
        group.status = "Pending"
        group.steps = [step for step in group.steps if step[1] in {"deadline", "pending_limit"}]
        self._pull(group, at)

    def crash(self, group: Group, at: float, name: str, reason: str, exit_code: int) -> None:
        """End one running container from outside; the restart policy decides what follows.

        Raises KeyError when no such container runs.
        """
        container = group.container(name)
        if container is None or container.state.kind != "Running":
            raise KeyError(name)
        group.record("Warning", reason, f"Container {name} was killed", at)
        self._over(group, container, at, exit_code, reason if exit_code else "Completed")
        group.changed_at = at

    def kill(self, group: Group, at: float, reason: str, exit_code: int) -> None:
        """End a group from outside: a host failure, an eviction, a reclaimed spot instance."""
        named = "OOMKilled" if reason == "OOMKilled" else "Error" if exit_code else "Completed"
        for container in group.containers:
            self._end(container, at, exit_code, named)
        spot = reason.startswith("Spot") or reason == "Expired"
        if spot:
            group.record("Warning", "SpotToBeReleased", "The spot instance is reclaimed.", at)
        else:
            group.record("Warning", reason, f"The instance ended: {reason}.", at)
        status = "Expired" if spot else "Succeeded" if exit_code == 0 else "Failed"
        self._finish(group, at, status, reason)

    def run(self, group: Group, container: Container) -> Run:
        """Return what the container's program does, at the world's speed."""
        life = plan(container.image, container.argv, container.environment())
        if life.seconds == UNKNOWN:
            endless = group.restart_policy == "Always" and container in group.containers
            seconds = None if endless else self._knobs().run_seconds
            life = Run(seconds, life.exit_code, life.lines, life.repeat)
        return life.scaled(self._speed)

    def printed(
        self, group: Group, container: Container, now: float, *, previous: bool = False
    ) -> list[tuple[float, str]]:
        """Return (time, line) of a container's present run, or of the one before."""
        state: State | None = container.previous if previous else container.state
        if not previous and state is not None and state.kind == "Waiting":
            state = container.previous
        if state is None or state.started_at is None:
            return []
        until = now if state.finished_at is None else state.finished_at
        return log_lines(self.run(group, container), state.started_at, until)

    def _plan(self, group: Group, at: float, seconds: float, step: str, name: str = "") -> None:
        group.steps.append((at + seconds / self._speed, step, name))
        group.steps.sort(key=lambda entry: entry[0])

    def _schedule(self, group: Group, at: float, _name: str) -> None:
        if not self._place(group, at):
            text = "The requested resource is sold out in the specified zones."
            group.record("Warning", "NoStock", text, at)
            group.condition("ContainerInstanceCreated", False, at, "ContainerGroup.NoStock", text)
            group.condition("PodScheduled", False, at, "Unschedulable", text)
            group.status, group.failed_at = "ScheduleFailed", at
            group.steps = [(at + FAILED_SCHEDULE_SECONDS, "purge", "")]
            return
        group.status = "Pending"
        group.started_at = at
        meter.start(group, group.created_at if self._bill_creation else at)
        group.condition("PodScheduled", True, at)
        group.condition("ContainerInstanceCreated", True, at)
        group.record("Normal", "SuccessfulAllocated", f"Allocated in zone {group.zone}", at)
        limit = self._knobs().pending_limit_minutes * 60
        group.steps.append((at + limit, "pending_limit", ""))
        if deadline := group.request.get("ActiveDeadlineSeconds"):
            self._plan(group, at, float(deadline), "deadline")
        self._pull(group, at)

    def _pull(self, group: Group, at: float) -> None:
        knobs = self._knobs()
        for container in [*group.init_containers, *group.containers]:
            if container.pulled:
                continue
            image = container.image
            container.state = State("Waiting", "ContainerCreating")
            group.record("Normal", "Pulling", f'Pulling image "{image}"', at)
            if not knobs.pull_hangs(image):
                spread = 0.7 + 0.6 * _fraction(f"{group.id}/{image}")
                self._plan(group, at, knobs.pull_seconds * spread, "pulled", container.name)
        self._start_if_pulled(group, at)

    def _pulled(self, group: Group, at: float, name: str) -> None:
        container = group.container(name)
        if container is None:
            return
        image = container.image
        if self._knobs().pull_fails(image):
            text = f'Failed to pull image "{image}": not found'
            group.record("Warning", "Failed", text, at)
            group.record("Warning", "BackOff", f'Back-off pulling image "{image}"', at)
            container.state = State("Waiting", "ImagePullBackOff", text)
            self._plan(group, at, 30.0, "pulled", name)
            return
        container.pulled = True
        group.record("Normal", "Pulled", f'Successfully pulled image "{image}"', at)
        self._start_if_pulled(group, at)

    def _start_if_pulled(self, group: Group, at: float) -> None:
        every = [*group.init_containers, *group.containers]
        if all(container.pulled for container in every):
            group.condition("ContainerHasSufficientDisk", True, at)
            self._next(group, at)

    def _next(self, group: Group, at: float) -> None:
        for container in group.init_containers:
            if container.state.kind != "Terminated" or container.state.exit_code:
                self._start(group, container, at)
                return
        group.condition("Initialized", True, at)
        for container in group.containers:
            self._start(group, container, at)
        group.steps = [step for step in group.steps if step[1] != "pending_limit"]
        group.status = "Running"

    def _start(self, group: Group, container: Container, at: float) -> None:
        container.state = State("Running", started_at=at)
        container.ready = False
        group.record("Normal", "Created", f"Created container {container.name}", at)
        group.record("Normal", "Started", f"Started container {container.name}", at)
        life = self.run(group, container)
        if life.seconds is not None:
            group.steps.append((at + life.seconds, "exit", container.name))
            group.steps.sort(key=lambda entry: entry[0])
        if container in group.containers:
            self._probe(group, container, at)

    def _probe(self, group: Group, container: Container, at: float) -> None:
        readiness = container.spec.get("ReadinessProbe")
        if not readiness:
            self._ready(group, at, container.name)
        elif _probe_passes(readiness, container):
            delay = float(readiness.get("InitialDelaySeconds", 0))
            self._plan(group, at, delay, "ready", container.name)
        else:
            group.record("Warning", "Unhealthy", "Readiness probe failed", at)
        liveness = container.spec.get("LivenessProbe")
        if liveness and not _probe_passes(liveness, container):
            period = float(liveness.get("PeriodSeconds", 10))
            failures = float(liveness.get("FailureThreshold", 3))
            delay = float(liveness.get("InitialDelaySeconds", 0)) + period * failures
            self._plan(group, at, delay, "unhealthy", container.name)

    def _ready(self, group: Group, at: float, name: str) -> None:
        container = group.container(name)
        if container and container.state.kind == "Running":
            container.ready = True
        self._readiness(group, at)

    def _readiness(self, group: Group, at: float) -> None:
        ready = all(container.ready for container in group.containers)
        reason = "" if ready else "ContainersNotReady"
        group.condition("ContainersReady", ready, at, reason)
        group.condition("Ready", ready, at, reason)

    def _unhealthy(self, group: Group, at: float, name: str) -> None:
        container = group.container(name)
        if container and container.state.kind == "Running":
            group.record("Warning", "Unhealthy", "Liveness probe failed", at)
            group.record("Normal", "Killing", f"Container {name} failed liveness probe", at)
            self._over(group, container, at, 137)

    def _exit(self, group: Group, at: float, name: str) -> None:
        container = group.container(name)
        if container and container.state.kind == "Running":
            self._over(group, container, at, self.run(group, container).exit_code)

    def _over(
        self, group: Group, container: Container, at: float, code: int, reason: str = ""
    ) -> None:
        self._forget(group, container.name)
        began = container.state.started_at or at
        self._end(container, at, code, reason or ("Error" if code else "Completed"))
        if container in group.init_containers:
            self._init_over(group, container, at, code)
            return
        self._readiness(group, at)
        if self._restarts(group, code):
            self._back_off(group, container, at, at - began)
        elif self._done(group, at):
            self._finish(group, at, "Failed" if self._failed(group) else "Succeeded", "")

    def _done(self, group: Group, _at: float) -> bool:
        """Tell whether a group ends now; a cloud with sidecars stops them here."""
        return all(c.state.kind == "Terminated" for c in group.containers)

    def _failed(self, group: Group) -> bool:
        """Tell whether a group that ended has failed."""
        return any(c.state.exit_code for c in group.containers)

    def _init_over(self, group: Group, container: Container, at: float, code: int) -> None:
        if code == 0:
            container.ready = True
            self._next(group, at)
        elif group.restart_policy == "Never":
            self._finish(group, at, "Failed", f"init container {container.name} failed")
        else:
            self._back_off(group, container, at, 0.0)

    @staticmethod
    def _restarts(group: Group, code: int) -> bool:
        return group.restart_policy == "Always" or (
            group.restart_policy == "OnFailure" and code != 0
        )

    def _back_off(self, group: Group, container: Container, at: float, ran: float) -> None:
        container.previous = container.state
        streak = 0 if ran > BACKOFF_RESET else container.restarts
        delay = min(BACKOFF_FIRST * 2 ** min(streak - 1, 6), BACKOFF_MAX) if streak else 1.0
        text = f"back-off {delay:.0f}s restarting failed container={container.name}"
        group.record("Warning", "BackOff", "Back-off restarting failed container", at)
        container.state = State("Waiting", "CrashLoopBackOff", text)
        self._plan(group, at, delay, "restart", container.name)

    def _restart(self, group: Group, at: float, name: str) -> None:
        container = group.container(name)
        if container and container.state.kind == "Waiting":
            container.restarts += 1
            self._start(group, container, at)

    def _deadline(self, group: Group, at: float, _name: str) -> None:
        if group.status not in TERMINAL:
            for container in group.containers:
                self._end(container, at, 137, "Error")
            group.record("Warning", "DeadlineExceeded", "ActiveDeadlineSeconds has passed", at)
            self._finish(group, at, "Failed", "DeadlineExceeded")

    def _pending_limit(self, group: Group, at: float, _name: str) -> None:
        if group.status == "Pending":
            group.record("Warning", "CreateTimeout", "The pending time limit has passed", at)
            self._finish(group, at, "Failed", "CreateTimeout")

    def _rebuilt(self, group: Group, at: float, _name: str) -> None:
        for container in group.containers:
            container.restarts += 1
        group.status = "Pending"
        self._pull(group, at)

    def _finish(self, group: Group, at: float, status: str, reason: str) -> None:
        group.status = status
        group.changed_at = at
        if status == "Succeeded":
            group.succeeded_at = at
        elif status == "Expired":
            group.expired_at = at
        else:
            group.failed_at = at
        meter.stop(group, at)
        group.condition("Ready", False, at, reason or "PodCompleted")
        group.condition("ContainersReady", False, at, reason or "PodCompleted")
        group.steps = [(at + RETAIN_SECONDS, "purge", "")]

    def _stopped(self, group: Group, at: float, _name: str) -> None:
        for container in group.containers:
            self._end(container, at, 143, "Error", signal=15)
        meter.stop(group, at)
        group.deleted_at = at
        group.steps = []

    @staticmethod
    def _purge(group: Group, at: float, _name: str) -> None:
        """Mark nothing: the cloud decides, at this time, which ended groups it forgets."""
        group.changed_at = at

    @staticmethod
    def _forget(group: Group, name: str) -> None:
        group.steps = [step for step in group.steps if step[2] != name or step[1] == "restart"]

    @staticmethod
    def _end(
        container: Container, at: float, code: int, reason: str, signal: int | None = None
    ) -> None:
        if container.state.kind == "Terminated":
            return
        container.ready = False
        began = container.state.started_at
        container.state = State("Terminated", reason, "", code, signal, began, at)

    def _stopping_seconds(self, group: Group) -> float:
        grace = float(group.request.get("TerminationGracePeriodSeconds", DEFAULT_GRACE))
        hooks = [c.spec.get("LifecyclePreStopHandlerExec") for c in group.containers]
        hook = max((self._hook_seconds(h) for h in hooks if isinstance(h, list)), default=0.0)
        return min(grace, max(hook, self._knobs().stop_seconds))

    @staticmethod
    def _hook_seconds(command: list[str]) -> float:
        seconds = plan("", command).seconds
        return DEFAULT_GRACE if seconds is None else max(seconds, 1.0)


def _probe_passes(probe: dict[str, object], container: Container) -> bool:
    command = probe.get("Exec")
    if not isinstance(command, dict):
        return True
    argv = command.get("Command")
    return not argv or plan(container.image, argv, container.environment()).exit_code == 0


def _fraction(key: str) -> float:
    """A number in 0..1 that depends on nothing but ``key``."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") / 2**32
