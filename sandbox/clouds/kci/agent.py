"""The agent inside an instance of cluster mode: it fetches its pod, runs it, reports its status.

The create carries a kubeconfig and labels that name the pod; from then on the instance and the
cluster's API server speak without the cloud (KCE component options ``kciletKubeconfigPath`` and
``kciletHeartbeat``). Before the agent has its pod, and for ever where the kubeconfig leads nowhere,
the instance runs nothing but the machine itself. Probes are not run, as the documents of
rbkci-virtual-kubelet say.
"""

import asyncio
import base64
import ssl
from binascii import Error as NotBase64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import yaml

from ..groups.model import TERMINAL, Container, Group
from ..groups.podstatus import container_status
from . import view
from .cloud import KciCloud, unwatched
from .wire import Json

MACHINE = "machine"
RETRY_SECONDS = 5.0
TIMEOUT = aiohttp.ClientTimeout(total=10)
_MERGE = {"Content-Type": "application/merge-patch+json"}


class OutOfReach(Exception):
    """The API server does not answer, or not to this agent."""


@dataclass(frozen=True)
class Door:
    """An API server as a kubeconfig's current context describes it; only tokens are understood."""

    server: str
    token: str
    tls: ssl.SSLContext | None
    name: str | None

    @classmethod
    def read(cls, text: str) -> "Door":
        """Read a kubeconfig; raises OutOfReach when it does not lead anywhere."""
        try:
            config = yaml.safe_load(text)
            contexts = {entry["name"]: entry["context"] for entry in config["contexts"]}
            context = contexts[config["current-context"]]
            clusters = {entry["name"]: entry["cluster"] for entry in config["clusters"]}
            users = {entry["name"]: entry["user"] for entry in config["users"]}
            cluster, user = clusters[context["cluster"]], users[context["user"]]
            name = cluster.get("tls-server-name")
            return cls(cluster["server"].rstrip("/"), user["token"], _tls(cluster), name)
        except (yaml.YAMLError, NotBase64, ssl.SSLError, KeyError, TypeError) as exc:
            raise OutOfReach(f"the kubeconfig is not usable: {exc!r}") from exc

    @asynccontextmanager
    async def send(
        self, session: aiohttp.ClientSession, method: str, path: str, **body: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request; raises OutOfReach when no answer comes."""
        options: dict[str, Any] = {"ssl": self.tls} if self.tls else {}
        if self.name:
            options["server_hostname"] = self.name
        headers = {"Authorization": f"Bearer {self.token}", **(_MERGE if body else {})}
        url = f"{self.server}{path}"
        try:
            async with session.request(method, url, headers=headers, **options, **body) as answer:
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise OutOfReach(str(exc)) from exc


def _tls(cluster: Json) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https"):
        return None
    authority = base64.b64decode(cluster.get("certificate-authority-data", "")).decode()
    context = ssl.create_default_context(cadata=authority or None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Agents:
    """The agents of all instances of cluster mode, one task each."""

    def __init__(self, cloud: KciCloud) -> None:
        self.cloud = cloud
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed: dict[str, asyncio.Event] = {}

    def start(self) -> None:
        """Follow every instance of cluster mode, on the running event loop."""
        self.cloud.watch = self._hear
        for group in list(self.cloud.ordered()):
            self._hear(group)

    async def stop(self) -> None:
        """End every agent."""
        self.cloud.watch = unwatched
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    def _hear(self, group: Group) -> None:
        if event := self._changed.get(group.id):
            event.set()
        elif view.mode(group) == view.CLUSTER and not group.gone and group.status not in TERMINAL:
            self._changed[group.id] = asyncio.Event()
            task = asyncio.create_task(self._live(group))
            self._tasks[group.id] = task
            task.add_done_callback(lambda _: self._leave(group.id))

    def _leave(self, group_id: str) -> None:
        self._tasks.pop(group_id, None)
        self._changed.pop(group_id, None)

    async def _live(self, group: Group) -> None:
        changed = self._changed[group.id]
        while not group.ip and group.status not in TERMINAL and not group.gone:
            await changed.wait()
            changed.clear()
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            agent = Agent(self.cloud, group, session)
            while await agent.turn():
                await _either(changed, agent.pause)
                changed.clear()


async def _either(changed: asyncio.Event, seconds: float | None) -> None:
    """Wait for a change, at most so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return


class Agent:
    """The agent of one instance. ``pause`` is when to try again without a change."""

    def __init__(self, cloud: KciCloud, group: Group, session: aiohttp.ClientSession) -> None:
        self.cloud, self.group, self.session = cloud, group, session
        self.pause: float | None = None
        self._uid = ""
        self._told: Json = {}

    async def turn(self) -> bool:
        """Fetch the pod or report on it; False when there is nothing left to do."""
        group, self.pause = self.group, None
        if group.gone:
            return False
        try:
            door = Door.read(group.request["KubeConfig"])
            if not self._uid and not await self._fetch(door):
                return False
            over = group.status in TERMINAL
            await self._report(door)
        except OutOfReach as exc:
            group.record("Warning", "AgentOutOfReach", str(exc), self.cloud.now())
            self.pause = RETRY_SECONDS
            return True
        return not over

    @property
    def _path(self) -> str:
        tags = self.group.tags
        return f"/api/v1/namespaces/{tags['namespace']}/pods/{tags['pod-name']}"

    async def _fetch(self, door: Door) -> bool:
        async with door.send(self.session, "GET", self._path) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                return False
            if answer.status != HTTPStatus.OK:
                raise OutOfReach(f"GET {self._path}: HTTP {answer.status}")
            pod = await answer.json()
        self._uid = pod["metadata"]["uid"]
        if self.group.container(MACHINE):
            self._run(pod["spec"])
        return True

    def _run(self, spec: Json) -> None:
        group, now = self.group, self.cloud.now()
        self.cloud.advance(now)
        group.restart_policy = spec.get("restartPolicy", "Always")
        containers = [_container(each) for each in spec["containers"]]
        init = [_container(each) for each in spec.get("initContainers", [])]
        self.cloud.lifecycle.exchange(group, now, containers, init)
        self.cloud.lifecycle.advance(group, now)
        self.cloud.settle(group)

    async def _report(self, door: Door) -> None:
        status = {
            "containerStatuses": [container_status(self.group, c) for c in self.group.containers]
        }
        if self.group.init_containers:
            init = [container_status(self.group, c) for c in self.group.init_containers]
            status["initContainerStatuses"] = init
        if status == self._told or self.group.container(MACHINE):
            return
        body = {"metadata": {"uid": self._uid}, "status": status}
        async with door.send(self.session, "PATCH", f"{self._path}/status", json=body) as answer:
            gone = answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
            if not answer.ok and not gone:
                raise OutOfReach(f"PATCH {self._path}/status: HTTP {answer.status}")
        self._told = status


def _container(spec: Json) -> Container:
    pairs = [{"Key": e["name"], "Value": e.get("value", "")} for e in spec.get("env", [])]
    return Container(
        name=spec["name"],
        image=spec["image"],
        command=spec.get("command", []),
        args=spec.get("args", []),
        spec={"EnvironmentVar": pairs},
    )
