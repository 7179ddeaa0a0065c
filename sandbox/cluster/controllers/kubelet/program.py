"""What a container does: its log lines over time, when it ends and with which code.

A program is computed from the container alone, so logs and endings need no memory of their own:
line n of a container appears `at` seconds after `state.running.startedAt`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..informer import Obj
from ..timing import stamp
from .machine import FOREVER, Machine, Say, Wait
from .shell import run

LONGEST = 5_000


class Line(NamedTuple):
    """One line of output, `at` seconds after the start."""

    at: float
    channel: int
    text: str


class Ending(NamedTuple):
    """How a program ends; `after` is FOREVER for servers."""

    after: float
    code: int


def image_name(image: str) -> str:
    """The last path element without tag or digest."""
    return image.split("@", maxsplit=1)[0].rsplit("/", 1)[-1].split(":", maxsplit=1)[0]


_VECTOR_ADD = (
    "[Vector addition of 50000 elements]",
    "Copy input data from the host memory to the CUDA device",
    "CUDA kernel launch with 196 blocks of 256 threads",
    "Copy output data from the CUDA device to the host memory",
    "Test PASSED",
    "Done",
)
_NGINX = (
    "/docker-entrypoint.sh: Configuration complete; ready for start up",
    'nginx: [notice] using the "epoll" event method',
    "nginx: [notice] start worker processes",
)
_HELLO = (
    "",
    "Hello from Docker!",
    "This message shows that your installation appears to be working correctly.",
)
_PI = "3.1415926535897932384626433832795028841971693993751058209749"
_FINITE: dict[str, tuple[float, tuple[str, ...]]] = {
    "hello-world": (0.2, _HELLO),
    "cuda10.2-vectoradd": (2.0, _VECTOR_ADD),
    "cuda-vector-add": (2.0, _VECTOR_ADD),
    "cuda-sample": (2.0, _VECTOR_ADD),
    "perl": (4.0, (_PI,)),
}  # fmt: skip
_GREETINGS: dict[str, tuple[str, ...]] = {
    "nginx": _NGINX,
    "coredns": (".:53", "CoreDNS-1.12.0", "linux/amd64, go1.23.3"),
    "redis": ("* Server initialized", "* Ready to accept connections tcp"),
    "httpd": ("AH00094: Command line: 'httpd -D FOREGROUND'",),
}
_SHELL_IMAGES = {"busybox", "alpine", "ubuntu", "debian", "centos", "bash"}
_ENDLESS = re.compile(r"while\s+(true|:|\[\s*1\s*\])\s*;?\s*do")
_SHELLS = {"sh", "bash", "ash", "dash", "/bin/sh", "/bin/bash", "/bin/ash"}
_TOOLS = {"sleep", "echo", "date", "env", "printenv", "cat", "ls", "hostname", "true", "false"}


def command_of(container: Obj) -> list[str]:
    """command + args as given in the pod."""
    return [*(container.get("command") or []), *(container.get("args") or [])]


def _is_script(argv: list[str]) -> bool:
    return bool(argv) and (argv[0] in _SHELLS or argv[0].rsplit("/", 1)[-1] in _TOOLS)


def _interpret(argv: list[str], machine: Machine) -> Iterator[Line | Ending]:
    at = 0.0
    start = machine.now()
    machine.now = lambda: start + at
    for step in run(argv, machine):
        if isinstance(step, Wait):
            at += step.seconds
            if at >= FOREVER:
                yield Ending(FOREVER, 0)
                return
        elif isinstance(step, Say):
            for text in step.text.splitlines():
                yield Line(at, step.channel, text)
    yield Ending(at, machine.last)


def play(container: Obj, machine: Machine) -> Iterator[Line | Ending]:
    """The lines in order, then exactly one Ending."""
    own = machine.programs(container, machine) if machine.programs else None
    if own is not None:
        yield from own
        return
    argv = command_of(container)
    if _is_script(argv):
        yield from _interpret(argv, machine)
        return
    name = image_name(container.get("image", ""))
    if name in _SHELL_IMAGES and not argv:
        yield Ending(0.0, 0)
        return
    if name in _FINITE:
        after, lines = _FINITE[name]
        for text in lines:
            yield Line(after, 1, text)
        yield Ending(after, 0)
        return
    started = stamp(machine.now())
    for text in _GREETINGS.get(name, (f"{name} started at {started}",)):
        yield Line(0.0, 1, text)
    yield Ending(FOREVER, 0)


def ending(container: Obj, machine: Machine) -> Ending:
    """When and how the container ends; programs without end in sight run forever."""
    script = " ".join(command_of(container))
    if _ENDLESS.search(script) and "exit" not in script and "break" not in script:
        return Ending(FOREVER, 0)
    for count, item in enumerate(play(container, machine)):
        if isinstance(item, Ending):
            return item
        if count > LONGEST or item.at > 10 * 86_400:
            break
    return Ending(FOREVER, 0)
