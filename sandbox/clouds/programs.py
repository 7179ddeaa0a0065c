"""What images and commands do when a simulated container runs them.

``plan`` answers how long a program runs, how it exits and what it prints and when. Nothing is
executed: a small shell understands echo, sleep, exit, loops and the like; servers run until they
are stopped; a program nobody knows has ``seconds=UNKNOWN`` and the caller decides.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from . import shell
from .shell import UNKNOWN, Repeat, Run

__all__ = ["UNKNOWN", "Repeat", "Run", "base_name", "log_lines", "plan", "stamp"]

_SERVERS_TEXT = """
nginx httpd redis mysql mariadb postgres mongo memcached rabbitmq traefik pause registry
haproxy jenkins grafana prometheus whoami echoserver http-echo podinfo tomcat caddy kafka
zookeeper elasticsearch consul vault etcd minio node-exporter coredns envoy agnhost
"""
SERVERS = frozenset(_SERVERS_TEXT.split())
_SHELLS_TEXT = """
busybox alpine ubuntu debian centos fedora bash python node perl golang openjdk ruby
"""
SHELLS = frozenset(_SHELLS_TEXT.split())
VECTOR_ADD = (
    "[Vector addition of 50000 elements]",
    "Copy input data from the host memory to the CUDA device",
    "CUDA kernel launch with 196 blocks of 256 threads",
    "Copy output data from the CUDA device to the host memory",
    "Test PASSED",
    "Done",
)
HELLO_WORLD = (
    "",
    "Hello from Docker!",
    "This message shows that your installation appears to be working correctly.",
)
_ACCESS = '10.0.0.10 - - [{clf}] "GET / HTTP/1.1" 200 615 "-" "kube-probe/1.31" "-"'
_GREETINGS: dict[str, tuple[str, ...]] = {
    "nginx": (
        "/docker-entrypoint.sh: Configuration complete; ready for start up",
        '{ngx} [notice] 1#1: using the "epoll" event method',
        "{ngx} [notice] 1#1: nginx/1.27.4",
        "{ngx} [notice] 1#1: start worker processes",
    ),
    "redis": (
        "1:C {redis} * oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo",
        "1:M {redis} * Ready to accept connections tcp",
    ),
}


def base_name(image: str) -> str:
    """Return the last path element of an image without tag and digest."""
    return image.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]


def plan(image: str, argv: list[str], env: Mapping[str, str] | None = None) -> Run:
    """Return what the container's program does, from the moment it starts."""
    name = base_name(image)
    if argv:
        return shell.run(argv, env or {})
    if "vectoradd" in name or "vector-add" in name:
        return Run(5.0, 0, tuple((0.8 * i, line) for i, line in enumerate(VECTOR_ADD)))
    if name == "hello-world":
        return Run(0.0, 0, tuple((0.0, line) for line in HELLO_WORLD))
    if name in SHELLS:
        return Run(0.0, 0)
    return _serve(name)


def _serve(name: str) -> Run:
    lines = _GREETINGS.get(name, (f"{name}: started, ready to serve",))
    access = _ACCESS if name in {"nginx", "httpd"} else f"{{iso}} {name}: heartbeat ok"
    seconds = None if name in SERVERS else UNKNOWN
    return Run(seconds, 0, tuple((0.1, line) for line in lines), Repeat(10.0, (access,), 10.0))


def stamp(line: str, at: float) -> str:
    """Fill the time marks of a printed line."""
    if "{" not in line:
        return line
    when = datetime.fromtimestamp(at, UTC)
    marks = {
        "{clf}": when.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "{ngx}": when.strftime("%Y/%m/%d %H:%M:%S"),
        "{redis}": when.strftime("%d %b %Y %H:%M:%S.%f")[:-3],
        "{iso}": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "{date}": when.strftime("%a %b %d %H:%M:%S UTC %Y"),
    }
    for mark, text in marks.items():
        line = line.replace(mark, text)
    return line


def log_lines(
    run: Run, started_at: float, until: float, *, newest: int = 5000
) -> list[tuple[float, str]]:
    """Return (time, line) printed between the start and ``until``, at most ``newest`` of them."""
    elapsed = until - started_at
    printed = [(at, line) for at, line in run.lines if at <= elapsed]
    repeat = run.repeat
    if repeat and elapsed >= repeat.start:
        turns = math.floor((elapsed - repeat.start) / repeat.period) + 1
        first = max(0, turns - newest // max(1, len(repeat.lines)) - 1)
        for turn in range(first, turns):
            at = repeat.start + turn * repeat.period
            printed.extend((at, line) for line in repeat.lines)
    return [(started_at + at, stamp(line, started_at + at)) for at, line in printed][-newest:]
