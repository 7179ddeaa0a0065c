"""The life of one container: waiting, running, terminated, and the back-off between runs.

Pure functions over containerStatuses; times come in, nothing is remembered elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..informer import Obj
from ..timing import seconds_of, stamp
from .machine import FOREVER
from .program import Ending

FIRST_BACK_OFF = 10.0
LONGEST_BACK_OFF = 300.0
CALM = 600.0
SHOWN = 1.0


@dataclass
class Note:
    """An event to record about the container."""

    reason: str
    message: str
    kind: str = "Normal"


@dataclass
class Outcome:
    """A container's next status, when to look again, and what to tell."""

    status: Obj
    look_in: float | None = None
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """What a container's life depends on.

    `starts` is the earliest start (seconds since the epoch); `pull` the seconds of a pull;
    `obstacle` a (reason, message) that keeps it from starting; `policy` its restart policy.
    """

    now: float
    starts: float
    pull: float
    policy: str
    pod: str
    ending: Callable[[], Ending]
    obstacle: tuple[str, str] | None = None


def waiting(container: Obj, reason: str) -> Obj:
    """The first status of a container."""
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": reason}},
        "lastState": {},
    }


def digest(text: str) -> str:
    """A stable sha256 for image and container ids."""
    return hashlib.sha256(text.encode()).hexdigest()


def advance(container: Obj, status: Obj, setting: Setting) -> Outcome:
    """One step of the container's life."""
    state: dict[str, Any] = status.get("state") or {}
    if "running" in state:
        return _while_running(container, status, setting)
    if "terminated" in state:
        return _after_end(container, status, setting)
    if (status.get("lastState") or {}).get("terminated"):
        return _back_off(container, status, setting)
    return _first_start(container, status, setting)


def _first_start(container: Obj, status: Obj, setting: Setting) -> Outcome:
    if setting.now < setting.starts:
        return Outcome(status, setting.starts - setting.now)
    if setting.obstacle is None:
        return _start(container, status, setting, pulled=True)
    reason, message = setting.obstacle
    shown = (status["state"].get("waiting") or {}).get("reason")
    if reason == "ErrImagePull" and shown in {"ErrImagePull", "ImagePullBackOff"}:
        reason, message = "ImagePullBackOff", f'Back-off pulling image "{container["image"]}"'
    event = {"ErrImagePull": "Failed", "ImagePullBackOff": "BackOff"}.get(reason, "Failed")
    note = Note(event, message, "Normal" if event == "BackOff" else "Warning")
    state = {"waiting": {"reason": reason, "message": message}}
    return Outcome(
        {**status, "state": state}, 10.0 if reason != "ImagePullBackOff" else 60.0, [note]
    )


def _start(container: Obj, status: Obj, setting: Setting, *, pulled: bool) -> Outcome:
    name, image = container["name"], container.get("image", "")
    count = status.get("restartCount", 0) + (0 if pulled else 1)
    new = {
        **status,
        "restartCount": count,
        "image": image,
        "imageID": f"{image.split('@')[0].split(':')[0]}@sha256:{digest(image)}",
        "containerID": f"containerd://{digest(f'{setting.pod}/{name}/{count}/{setting.now}')}",
        "started": True,
        "ready": False,
        "state": {"running": {"startedAt": stamp(setting.now)}},
    }
    notes = [_pulled(image, setting.pull)] if pulled else []
    notes += [
        Note("Created", f"Created container: {name}"),
        Note("Started", f"Started container {name}"),
    ]
    return _while_running(container, new, setting, notes)


def _pulled(image: str, pull: float) -> Note:
    if pull < 0.05:
        return Note("Pulled", f'Container image "{image}" already present on machine')
    size = 20_000_000 + int(digest(image)[:6], 16)
    took = f"{pull:.3g}s"
    text = f'Successfully pulled image "{image}" in {took} ({took} including waiting). '
    return Note("Pulled", text + f"Image size: {size} bytes.")


def _while_running(
    container: Obj, status: Obj, setting: Setting, notes: list[Note] | None = None
) -> Outcome:
    started = seconds_of(status["state"]["running"]["startedAt"])
    end = setting.ending()
    stops = started + end.after if end.after < FOREVER else None
    if stops is not None and setting.now >= stops:
        ended = terminated(status, setting.now, end.code)
        return Outcome(ended, SHOWN, notes or [])
    ready_at = started + readiness_delay(container)
    ready = setting.now >= ready_at
    waits = [t - setting.now for t in (stops, None if ready else ready_at) if t is not None]
    waits = [w for w in waits if w < FOREVER / 2]
    return Outcome({**status, "ready": ready}, min(waits) if waits else None, notes or [])


def readiness_delay(container: Obj) -> float:
    """Seconds from start to ready; never (FOREVER) when the probe's command is `false`."""
    probe = container.get("readinessProbe")
    if not probe:
        return 0.0
    command = (probe.get("exec") or {}).get("command") or []
    if command and command[-1].rsplit("/", 1)[-1] in {"false", "exit 1"}:
        return FOREVER
    times = max(1, probe.get("successThreshold") or 1)
    return float((probe.get("initialDelaySeconds") or 0) + times)


def terminated(status: Obj, now: float, code: int, reason: str = "") -> Obj:
    """The status of a container that has just ended."""
    running = (status.get("state") or {}).get("running") or {}
    return {
        **status,
        "ready": False,
        "started": False,
        "state": {
            "terminated": {
                "exitCode": code,
                "reason": reason or ("Completed" if code == 0 else "Error"),
                "startedAt": running.get("startedAt") or stamp(now),
                "finishedAt": stamp(now),
                "containerID": status.get("containerID", ""),
            }
        },
    }


def restarts(status: Obj, policy: str) -> bool:
    """The kubelet will run it again after its end."""
    end = (status.get("state") or {}).get("terminated")
    if end is None:
        return True
    return policy == "Always" or (policy == "OnFailure" and end["exitCode"] != 0)


def _after_end(container: Obj, status: Obj, setting: Setting) -> Outcome:
    if not restarts(status, setting.policy):
        return Outcome(status)
    end = status["state"]["terminated"]
    wait = seconds_of(end["finishedAt"]) + SHOWN - setting.now
    if wait > 0:
        return Outcome(status, wait)
    status = {**status, "lastState": {"terminated": end}}
    if status.get("restartCount", 0) == 0:
        return _start(container, status, setting, pulled=False)
    delay = back_off(status)
    which = f"container={container['name']} pod={setting.pod}"
    text = f"back-off {_short(delay)} restarting failed {which}"
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
    note = Note(
        "BackOff",
        f"Back-off restarting failed container {container['name']} in pod {setting.pod}",
        "Warning",
    )
    return Outcome({**status, "state": state}, delay, [note])


def _short(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def back_off(status: Obj) -> float:
    """Seconds to wait after the last end: 10 s doubling to 5 min, 10 s again after a calm run."""
    end = status["lastState"]["terminated"]
    if seconds_of(end["finishedAt"]) - seconds_of(end.get("startedAt")) > CALM:
        return FIRST_BACK_OFF
    steps = max(0, status.get("restartCount", 0) - 1)
    return min(LONGEST_BACK_OFF, FIRST_BACK_OFF * float(2 ** min(steps, 10)))


def _back_off(container: Obj, status: Obj, setting: Setting) -> Outcome:
    ended = seconds_of(status["lastState"]["terminated"]["finishedAt"])
    wait = ended + back_off(status) - setting.now
    if wait > 0:
        return Outcome(status, wait)
    return _start(container, status, setting, pulled=False)
