"""exec and logs through the official client (``v4.channel.k8s.io``), against a scripted kubelet."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from kubernetes import client
from kubernetes.stream import stream

from .serving import Obj, Served, pod
from .test_api_objects import body_of, failure


class Kubelet:
    """Echoes stdin, prints its command, ends with an exit code named in the command."""

    async def logs(self, pod: Obj, container: str, **options: Any) -> AsyncIterator[bytes]:
        for number in range(3)[-(options["tail_lines"] or 3) :]:
            yield f"{container} {number}\n".encode()
        if options["follow"]:
            await asyncio.Event().wait()

    async def exec(
        self,
        pod: Obj,
        container: str,
        command: list[str],
        stdin: AsyncIterator[bytes] | None,
        tty: bool,
    ) -> AsyncIterator[tuple[int, bytes]]:
        yield 1, " ".join(command).encode()
        if stdin is not None:
            async for data in stdin:
                yield 2, data
                break
        if command[0] == "exit":
            cause = {"reason": "ExitCode", "message": command[1]}
            details = {"causes": [cause]}
            failed = {"status": "Failure", "reason": "NonZeroExitCode", "details": details}
            yield 3, json.dumps({**failed, "metadata": {}}).encode()


@pytest.fixture
def running(served: Served, core: client.CoreV1Api, ns: str) -> str:
    served.call(lambda: served.cluster.kubelets.__setitem__("scripted", Kubelet()))
    core.create_namespaced_pod(ns, pod(nodeName="scripted"))
    return ns


@pytest.fixture
def execute(served: Served, running: str) -> Iterator[Any]:
    core = client.CoreV1Api(served.api())
    sessions = []

    def run(*command: str, **options: Any) -> Any:
        session = stream(
            core.connect_get_namespaced_pod_exec,
            "web",
            running,
            command=list(command),
            stdout=True,
            stderr=True,
            _preload_content=False,
            **{"stdin": False, "tty": False, **options},
        )
        sessions.append(session)
        return session

    yield run
    for session in sessions:
        session.sock.shutdown()
    core.api_client.close()


def test_exec_prints_and_succeeds(execute: Any) -> None:
    session = execute("echo", "hello")
    session.run_forever(timeout=5)
    assert session.read_stdout() == "echo hello"
    assert session.returncode == 0


def test_exec_tells_the_exit_code(execute: Any) -> None:
    session = execute("exit", "7")
    session.run_forever(timeout=5)
    assert session.returncode == 7


def test_exec_reads_standard_input(execute: Any) -> None:
    session = execute("cat", stdin=True)
    session.write_stdin("to you\n")
    session.run_forever(timeout=5)
    assert session.read_stderr() == "to you\n"


def test_logs_are_cut_at_the_tail(core: client.CoreV1Api, running: str) -> None:
    assert core.read_namespaced_pod_log("web", running, tail_lines=2) == "web 1\nweb 2\n"


def test_a_follower_ends_when_its_pod_is_removed(
    served: Served, core: client.CoreV1Api, running: str
) -> None:
    answer = core.read_namespaced_pod_log("web", running, follow=True, _preload_content=False)
    lines = answer.stream()
    assert next(lines).startswith(b"web 0")
    core.delete_namespaced_pod("web", running, grace_period_seconds=0)
    assert b"".join(lines).endswith(b"web 2\n")


def test_a_wrong_container_is_a_400(core: client.CoreV1Api, running: str) -> None:
    with failure(400) as caught:
        core.read_namespaced_pod_log("web", running, container="other")
    assert body_of(caught)["message"] == "container other is not valid for pod web"
