"""The product and the world as real processes on loopback, to be killed one by one.

Started as anybody would (Procfile, environment of the demo), filled through REST by the demo's
own guide. What happened is asked of two witnesses that do not trust the product: the meter and
ledger of the simulated cloud, and the history of the simulated cluster's API.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kubernetes import client, config

from sandbox.demo import house as demo
from sandbox.demo.seed import Guide

ROOT = Path(__file__).resolve().parents[2]
UID_TAG = "spillway-pod-uid"
POD_TAG = "spillway-pod"
Json = dict[str, Any]
# Shorter than the defaults (15 and 30), so that tests wait less.
LEASE_SECONDS = 8.0
QUICKLY = {"SPILLWAY_LEASE_SECONDS": str(LEASE_SECONDS), "SPILLWAY_FULL_SWEEP_SECONDS": "5"}
QUICK = {"schedule_seconds": 0.2, "pull_seconds": 0.3}


def wait_until(condition: Callable[[], Any], *, seconds: float = 30.0, what: str = "") -> Any:
    """The first true value; AssertionError with the last complaint after `seconds`."""
    end = time.monotonic() + seconds
    last = ""
    while True:
        try:
            if value := condition():
                return value
        except (OSError, RuntimeError) as error:
            last = str(error)
        label = what or condition.__name__
        assert time.monotonic() < end, f"{label}: not true within {seconds} s {last}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_LIBC = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """No process outlives the test run (PR_SET_PDEATHSIG)."""
    _LIBC.prctl(1, signal.SIGKILL)


def call(method: str, url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {url}: {error.code} {error.read()[:500]!r}") from error


class Filler(Guide):
    """The demo's guide, without its Deployment and its banner."""

    def fill(self) -> None:
        self._run()

    def _apply(self, cluster: Json) -> None:
        del cluster

    def _banner(self) -> None:
        pass


class World:
    """What the simulated cloud and cluster say of themselves, and how they are bent."""

    def __init__(self, facts: Json) -> None:
        self.facts = facts
        self.url = facts["control_url"]
        self.cluster = facts["clusters"][0]["name"]

    def get(self, path: str) -> Any:
        return call("GET", self.url + path)

    def knobs(self, **values: Any) -> None:
        call("PUT", f"{self.url}/eci/knobs", values)

    def fault(self, **values: Any) -> None:
        call("POST", f"{self.url}/eci/faults", values)

    def cluster_faults(self, **values: Any) -> None:
        call("PUT", f"{self.url}/clusters/{self.cluster}/faults", values)

    def key(self, **values: Any) -> None:
        key = self.facts["clouds"]["eci"]["keys"][0]["access_key_id"]
        call("PUT", f"{self.url}/eci/keys/{key}", values)

    def plant(self, cloud: str, **values: Any) -> None:
        """A fault of any cloud; `fault` is for ECI's."""
        call("POST", f"{self.url}/{cloud}/faults", values)

    def clear(self, cloud: str) -> None:
        call("DELETE", f"{self.url}/{cloud}/faults")

    def heal(self) -> None:
        """No faults, quick and plentiful cloud, documented limits."""
        call("DELETE", f"{self.url}/eci/faults")
        call("DELETE", f"{self.url}/clusters/{self.cluster}/faults")
        self.key(disabled=False, permission=True, denied_actions=[])
        self.knobs(latency_ms=0, answer_ms=0, consistency_ms=0, stock={}, limits=True, **QUICK)

    def instances(self) -> list[Json]:
        found: list[Json] = self.get("/eci/instances")
        return found

    def billed(self, uid: str) -> list[Json]:
        """Instances made for the pod that ever cost something."""
        return [i for i in self.instances() if i["tags"].get(UID_TAG) == uid and i["billed_from"]]

    def made(self, app: str) -> list[Json]:
        """All instances ever made for pods whose name begins so, also of pods that are gone."""
        found = self.instances()
        return [i for i in found if i["tags"].get(POD_TAG, "").startswith(app)]

    def running(self, app: str = "") -> list[Json]:
        """Those of them whose bill goes on."""
        return [i for i in self.made(app) if i["deleted_at"] is None and i["ended_at"] is None]

    def calls(self, action: str = "", since: int = 0) -> list[Json]:
        found: list[Json] = self.get(f"/eci/calls?action={action}&since={since}")
        return found

    def history(self, since: int = 0) -> list[Json]:
        found: list[Json] = self.get(f"/clusters/{self.cluster}/history?since={since}")
        return found

    def now(self) -> tuple[int, int]:
        """Where the two ledgers stand: of the cloud, of the cluster."""
        calls, writes = self.calls(), self.history()
        return (calls[-1]["seq"] if calls else 0, writes[-1]["seq"] if writes else 0)


class House:
    """All processes; `start` them once, `kill` and `restart` by their Procfile names."""

    def __init__(
        self,
        directory: Path,
        *,
        speed: float = 1.0,
        extra: dict[str, str] | None = None,
        clusters: Sequence[str] = ("ack-hangzhou",),
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.env = {
            **demo.environment(directory, self.port),
            "SPILLWAY_STATIC_FINDERS": "true",
            "SPILLWAY_API_RATE": "100000/min",
            "HOME": str(directory),
            **(QUICKLY if extra is None else extra),
        }
        self.commands = dict(demo.procfile(ROOT / "Procfile"))
        state = directory / "world"
        self.commands["sandbox"] = (
            f"{sys.executable} -m sandbox --state-dir {state} --ports random --speed {speed}"
            f" --clusters {','.join(clusters)}"
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.filler = Filler(directory, self.port, empty=False)

    def start(self) -> House:
        self.restart("sandbox", "redis")
        manage = [sys.executable, "manage.py"]
        secrets = ("--password-file", str(self.directory / "password"))
        token = ("--token-file", str(self.directory / "token"))
        for words in (["migrate", "--verbosity", "0"], ["bootstrap", *secrets, *token]):
            subprocess.run([*manage, *words], cwd=ROOT, env=self.env, check=True)
        self.restart("web", "watch", "worker", "beat")
        file = self.directory / "world" / "world.json"
        wait_until(file.exists, seconds=30, what="the world answers")
        self.world = World(json.loads(file.read_text()))
        self.world.heal()
        self.filler.fill()
        return self

    @property
    def kubeconfig(self) -> str:
        return self.kubeconfig_of("")

    def kubeconfig_of(self, cluster: str) -> str:
        """Of the cluster named, or of the first."""
        known = {c["name"]: str(c["kubeconfig"]) for c in self.world.facts["clusters"]}
        return known[cluster] if cluster else next(iter(known.values()))

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def restart(self, *names: str) -> None:
        for name in names:
            with self.log(name).open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    ["/bin/sh", "-c", f"exec {self.commands[name]}"],
                    stdout=log,
                    stderr=log,
                    cwd=ROOT,
                    env=self.env,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no locks
                )

    def kill(self, *names: str, number: int = signal.SIGKILL) -> None:
        for name in names:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.processes[name].pid, number)
        for name in names:
            self.processes[name].wait(30)

    def stop(self) -> None:
        self.kill(*[name for name in self.processes if self.processes[name].poll() is None])

    def pid(self, name: str) -> int:
        return self.processes[name].pid

    def revive(self) -> None:
        """Whatever a failed test left dead."""
        self.restart(*[name for name, p in self.processes.items() if p.poll() is not None])

    def kubectl(
        self, *words: str, given: str | None = None, check: bool = True, cluster: str = ""
    ) -> str:
        kubectl = str(Path(sys.executable).parent / "kubectl")
        command = [kubectl, "--kubeconfig", self.kubeconfig_of(cluster)]
        done = subprocess.run(
            [*command, *words],
            check=False,
            input=given,
            env=self.env,
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def apply(self, *objects: Json, cluster: str = "") -> None:
        body = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", given=json.dumps(body), cluster=cluster)

    @functools.cached_property
    def core(self) -> client.CoreV1Api:
        return self.core_of("")

    @functools.cache  # noqa: B019 - a house lives as long as its tests
    def core_of(self, cluster: str) -> client.CoreV1Api:
        return client.CoreV1Api(config.new_client_from_config(self.kubeconfig_of(cluster)))

    def pods(self, app: str = "", *, cluster: str = "") -> list[Json]:
        """The pods of one app, or all, as the cluster's API has them."""
        labels = f"app={app}" if app else ""
        raw = self.core_of(cluster).list_namespaced_pod(
            "default", label_selector=labels, _preload_content=False
        )
        items: list[Json] = json.loads(raw.data)["items"]
        return items

    def rest(self, path: str, method: str = "GET", body: Json | None = None) -> Any:
        return self.filler.call(method, f"/api/v1/{path}", body)

    def row(self, uid: str) -> Json | None:
        """The pod as the console shows it."""
        found = self.rest(f"pods/?uid={uid}")["results"]
        return found[0] if found else None

    def nodes(self) -> list[Json]:
        found: list[Json] = self.rest("nodes/?limit=100")["results"]
        return found

    def empty(self) -> None:
        """Ask for the deletion of what tests made; nobody waits for it here."""
        kinds = "deployments,jobs,pods,configmaps,secrets"
        self.kubectl("delete", kinds, "--all", "--wait=false", "--ignore-not-found")

    def tails(self, lines: int = 40) -> Iterator[tuple[str, str]]:
        for name in filter(lambda name: self.log(name).exists(), self.processes):
            text = self.log(name).read_text(errors="replace").splitlines()
            yield name, "\n".join(text[-lines:])
