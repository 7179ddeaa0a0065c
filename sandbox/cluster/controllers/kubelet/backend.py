"""Logs and exec of the containers of one on-premises node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from sandbox.cluster.clock import Clock
from sandbox.cluster.errors import ApiError, bad_request, internal

from ..informer import Obj
from ..timing import seconds_of, stamp_micro
from .environment import Environment, Missing
from .machine import FOREVER, Machine, Say
from .program import Ending, Line, play
from .shell import run

Frame = tuple[int, bytes]
PROMPT = b"/ # "


class NodeBackend:
    """What the API server asks of a kubelet; `stop` and `resume` play a dead machine."""

    def __init__(self, name: str, environment: Environment, clock: Clock, down: set[str]) -> None:
        self.name = name
        self._environment = environment
        self._clock = clock
        self._down = down

    def stop(self) -> None:
        """The kubelet dies: no Lease, no status, no pod moves until `resume`."""
        self._down.add(self.name)

    def resume(self) -> None:
        """The kubelet is back within one Lease period."""
        self._down.discard(self.name)

    def _check_alive(self) -> None:
        if self.name in self._down:
            raise internal(f"error dialing backend: dial tcp {self.name}: connection refused")

    async def logs(
        self,
        pod: Obj,
        container: str,
        *,
        follow: bool = False,
        tail_lines: int | None = None,
        since_seconds: int | None = None,
        timestamps: bool = False,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        """Lines of the container's present (or `previous`) run; ApiError 400 when it never ran."""
        self._check_alive()
        spec = _spec_of(pod, container)
        run_state = _run_of(pod, container, previous=previous)
        if run_state is None:
            raise _not_started(pod, container, previous=previous)
        started, ended = run_state
        now = self._clock.now().timestamp()
        feed = _timed(self._lines(pod, spec, started), started, ended)
        shown: list[tuple[float, str]] = []
        rest: tuple[float, str] | None = None
        for when, text in feed:
            if when > now:
                rest = (when, text)
                break
            shown.append((when, text))
        if since_seconds is not None:
            shown = [line for line in shown if line[0] >= now - since_seconds]
        if tail_lines is not None:
            shown = shown[len(shown) - tail_lines :] if tail_lines else []
        for when, text in shown:
            yield _format(when, text, timestamps=timestamps)
        while follow and rest is not None:
            when, text = rest
            await self._clock.sleep(max(0.0, when - self._clock.now().timestamp()))
            yield _format(when, text, timestamps=timestamps)
            rest = next(feed, None)
        if follow and ended is None and rest is None:
            await self._until_end(pod, spec, started)

    async def exec(
        self,
        pod: Obj,
        container: str,
        command: list[str],
        stdin: AsyncIterator[bytes] | None,
        tty: bool,
    ) -> AsyncIterator[Frame]:
        """(1, stdout), (2, stderr), last (3, a Status as JSON); ApiError 400 when not running."""
        self._check_alive()
        run_state = _run_of(pod, container, previous=False)
        if run_state is None or run_state[1] is not None:
            raise bad_request(f'container not found ("{container}")')
        machine = self._machine(pod, _spec_of(pod, container))
        shell = command[0].rsplit("/", 1)[-1] in {"sh", "bash", "ash"} and len(command) == 1
        if shell and stdin is not None:
            async for frame in self._interact(machine, stdin, tty=tty):
                yield frame
        else:
            async for frame in self._play(command, machine):
                yield frame
        yield 3, _verdict(machine.last, command)

    def _machine(self, pod: Obj, spec: Obj) -> Machine:
        try:
            return self._environment.machine(pod, spec)
        except Missing:
            return self._environment.bare_machine(pod)

    def _lines(self, pod: Obj, spec: Obj, started: float) -> Any:
        machine = self._machine(pod, spec)
        machine.now = lambda: started
        return play(spec, machine)

    async def _until_end(self, pod: Obj, spec: Obj, started: float) -> None:
        """A server says nothing more; the API server closes the stream when the pod goes."""
        for item in self._lines(pod, spec, started):
            if isinstance(item, Ending):
                left = started + item.after - self._clock.now().timestamp()
                await self._clock.sleep(min(max(0.0, left), FOREVER))

    async def _play(self, command: list[str], machine: Machine) -> AsyncIterator[Frame]:
        for step in run(command, machine):
            if isinstance(step, Say):
                yield step.channel, step.text.encode()
            else:
                await self._clock.sleep(min(step.seconds, 10**7))

    async def _interact(
        self, machine: Machine, stdin: AsyncIterator[bytes], *, tty: bool
    ) -> AsyncIterator[Frame]:
        pending = b""
        if tty:
            yield 1, PROMPT
        async for data in stdin:
            if tty:
                yield 1, data.replace(b"\r", b"\r\n")
            pending += data.replace(b"\r", b"\n")
            if b"\x04" in pending:
                break
            while b"\n" in pending:
                line, pending = pending.split(b"\n", 1)
                words = line.decode(errors="replace").strip()
                if words.split(" ")[0] == "exit":
                    machine.last = int(words[5:] or 0) if words[5:].strip().isdigit() else 0
                    return
                if words:
                    async for frame in self._play(["sh", "-c", words], machine):
                        yield frame
                if tty:
                    yield 1, PROMPT
            await asyncio.sleep(0)


def _timed(items: Any, started: float, ended: float | None) -> Any:
    """(seconds since the epoch, text) of each line up to the end of the run."""
    for item in items:
        if isinstance(item, Line):
            when = started + item.at
            if ended is not None and when > ended:
                return
            yield when, item.text


def _format(when: float, text: str, *, timestamps: bool) -> bytes:
    prefix = stamp_micro(when).replace("Z", "000Z") + " " if timestamps else ""
    return f"{prefix}{text}\n".encode()


def _spec_of(pod: Obj, name: str) -> Obj:
    spec = pod["spec"]
    everything = [*spec["containers"], *(spec.get("initContainers") or [])]
    return next((c for c in everything if c["name"] == name), {"name": name, "image": name})


def _run_of(pod: Obj, name: str, *, previous: bool) -> tuple[float, float | None] | None:
    """(start, end or None) of the run in seconds since the epoch, None if there was none."""
    status = pod.get("status") or {}
    everything = [
        *(status.get("containerStatuses") or []),
        *(status.get("initContainerStatuses") or []),
    ]
    found = next((c for c in everything if c["name"] == name), None)
    if found is None:
        return None
    last = (found.get("lastState") or {}).get("terminated")
    state: Obj = {"terminated": last} if previous else (found.get("state") or {})
    if "running" in state:
        return seconds_of(state["running"]["startedAt"]), None
    end = state.get("terminated") or last
    if not end:
        return None
    return seconds_of(end["startedAt"]), seconds_of(end["finishedAt"])


def _not_started(pod: Obj, name: str, *, previous: bool) -> ApiError:
    where = pod["metadata"]["name"]
    if previous:
        return bad_request(f'previous terminated container "{name}" in pod "{where}" not found')
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    found: Obj = next((s for s in statuses if s["name"] == name), {})
    reason = ((found.get("state") or {}).get("waiting") or {}).get("reason", "ContainerCreating")
    return bad_request(f'container "{name}" in pod "{where}" is waiting to start: {reason}')


def _verdict(code: int, command: list[str]) -> bytes:
    if code == 0:
        return json.dumps({"metadata": {}, "status": "Success"}).encode()
    if code == 127:
        text = f'exec: "{command[0]}": executable file not found in $PATH: unknown'
    else:
        text = f"command terminated with non-zero exit code: exit status {code}"
    causes = [{"reason": "ExitCode", "message": str(code)}]
    body = {
        "metadata": {},
        "status": "Failure",
        "message": text,
        "reason": "NonZeroExitCode",
        "details": {"causes": causes},
    }
    return json.dumps(body).encode()
