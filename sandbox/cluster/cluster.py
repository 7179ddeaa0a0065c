"""One simulated cluster: store, API semantics, server, controllers, and where its state lives."""

import asyncio
import base64
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sandbox.cluster import pki, roles
from sandbox.cluster.admission import Admission
from sandbox.cluster.auth import Authenticator, basic_token
from sandbox.cluster.cells import Column
from sandbox.cluster.client import Client
from sandbox.cluster.clock import Clock, SystemClock
from sandbox.cluster.crds import CustomKind, Definitions
from sandbox.cluster.escalation import Escalation
from sandbox.cluster.extension import Extension
from sandbox.cluster.faults import Faults
from sandbox.cluster.history import History
from sandbox.cluster.identity import Identity
from sandbox.cluster.journal import Journal, read_snapshot, write_snapshot
from sandbox.cluster.lists import Pager
from sandbox.cluster.rbac import Authorizer
from sandbox.cluster.registry import Registry
from sandbox.cluster.request import Request, User
from sandbox.cluster.resources import Catalog, Resource
from sandbox.cluster.server import Server
from sandbox.cluster.store import Store
from sandbox.cluster.webhooks import Webhooks

if TYPE_CHECKING:
    from sandbox.cluster.controllers.config import Config

Obj = dict[str, Any]
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
COMPACT_SECONDS = 5.0
ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))


class Cluster:
    """A cluster called ``name``. ``kubelets`` maps a node name to its back end.

    ``state_dir`` keeps the authority, the keys and every object; without it nothing outlives the
    process. ``seed`` makes names and uids repeatable. ``config`` says what nodes it has,
    ``version`` what its ``/version`` says, ``extensions`` what a vendor adds to it.
    """

    def __init__(
        self,
        name: str,
        *,
        state_dir: Path | None = None,
        clock: Clock | None = None,
        controllers: bool = True,
        config: "Config | None" = None,
        version: str = "v1.36.1-aliyun.1",
        extensions: Sequence[Extension] = (),
        seed: int | None = None,
    ) -> None:
        self.name = name
        self.state_dir = state_dir
        self.clock: Clock = clock or SystemClock()
        self.controllers = controllers
        self.config = config
        self.version = version
        self.extensions = tuple(extensions)
        self.faults = Faults()
        self.history = History()
        self.kubelets: dict[str, Any] = {}
        self.bookmark_seconds = 60.0
        self.address = ""
        self.catalog = Catalog()
        self.store = Store(self.clock, self.history)
        self.rng = random.Random(seed)
        self.admission = Admission(self.store, self.rng)
        self.registry = Registry(self.store, self.catalog, self.admission, self.clock, self.rng)
        self.webhooks = Webhooks(self.store, self.registry)
        self.admission.webhooks = self.webhooks
        self.definitions = Definitions(self.store, self.catalog)
        self.client = Client(self.registry)
        self.pager = Pager(self.store, self.clock)
        self.identity = Identity.load_or_make(state_dir)
        self.authenticator = Authenticator(self.store, self.clock, self.identity.signing_key)
        self.authorizer = Authorizer(self.store)
        self.admission.plugins.append(Escalation(self.authorizer))
        self.server = Server(self)
        self._tasks: list[asyncio.Task[Any]] = []
        self._journal: Journal | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self.authenticator.tokens[self.admin_token()] = ADMIN
        for extension in self.extensions:
            extension.install(self)

    def admin_token(self) -> str:
        """Return the static bearer token of the administrator."""
        return basic_token("kubernetes-admin", self.identity.secret)

    def selectable(self, resource: Resource) -> tuple[str, ...]:
        """Return the extra field selectors of a custom resource."""
        return resource.schema.selectable if isinstance(resource.schema, CustomKind) else ()

    def custom_columns(self, resource: Resource) -> tuple[Column, ...]:
        """Return the printer columns a CRD declares."""
        return resource.schema.columns if isinstance(resource.schema, CustomKind) else ()

    async def bootstrap(self) -> None:
        """Create the objects every cluster has, where they are missing."""
        namespaces = self.catalog.named("namespaces")
        for name in NAMESPACES:
            if self.store.get("namespaces", "", name) is None:
                await self.registry.create(
                    Request(verb="create"), namespaces, "", {"metadata": {"name": name}}
                )
        for plural, objects in (
            ("clusterroles", roles.cluster_roles()),
            ("clusterrolebindings", roles.cluster_bindings()),
        ):
            resource = self.catalog.named(f"{plural}.{roles.GROUP}")
            for obj in objects:
                if self.store.get(resource.storage, "", obj["metadata"]["name"]) is None:
                    await self.registry.create(Request(verb="create"), resource, "", obj)
        self.store.seal()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve on ``host:port`` (0: a free port) and run the controllers."""
        if self.state_dir is not None and self._journal is None:
            self._journal = Journal(self.store, self.state_dir)
            self._journal.read()
            self._restored()
            self._journal.open()
        await self.bootstrap()
        folder = self.state_dir
        if folder is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="cluster-")
            folder = Path(self._scratch.name)
        leaf = pki.issue(self.identity.authority, "kube-apiserver", server=True, host=host)
        context = pki.server_context(self.identity.authority, leaf, folder)
        self.address = f"{host}:{await self.server.start(host, port, context)}"
        if self.controllers:
            from sandbox.cluster import controllers

            self._tasks = controllers.start(self, self.config)
        self._tasks.append(asyncio.create_task(self._compact(), name="compact"))

    async def _compact(self) -> None:
        while True:
            await asyncio.sleep(COMPACT_SECONDS)
            if self._journal and self._journal.worth_compacting:
                self._journal.compact()

    def _restored(self) -> None:
        self.authorizer.reset()
        self.definitions.load()

    def snapshot(self, path: Path) -> None:
        """Write every object into the file ``path``, atomically."""
        write_snapshot(self.store, path)

    def restore(self, path: Path) -> None:
        """Fill an empty cluster from a snapshot; raises FileNotFoundError when there is none."""
        if not read_snapshot(self.store, path):
            raise FileNotFoundError(path)
        self.store.seal()
        self._restored()

    @property
    def url(self) -> str:
        """Return ``https://host:port``."""
        return f"https://{self.address}"

    async def stop(self) -> None:
        """Stop the controllers, then the server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.server.stop()
        await self.webhooks.close()
        if self._journal:
            self._journal.close()
            self._journal = None
        if self._scratch:
            self._scratch.cleanup()
            self._scratch = None

    def kubeconfig(self, *, token: bool = False) -> str:
        """Return an administrator's kubeconfig (YAML): a client certificate, or a token."""
        if token:
            user: Obj = {"token": self.admin_token()}
        else:
            pair = pki.issue(self.identity.authority, ADMIN.name, organizations=("system:masters",))
            user = {
                "client-certificate-data": base64.b64encode(pair.certificate).decode(),
                "client-key-data": base64.b64encode(pair.key).decode(),
            }
        return self.kubeconfig_for(ADMIN.name, user)

    def kubeconfig_for(self, name: str, user: Obj) -> str:
        """Return a kubeconfig (YAML) for one user entry."""
        authority = base64.b64encode(self.identity.authority.certificate).decode()
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": self.name,
                    "cluster": {"server": self.url, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": name}}],
            "current-context": self.name,
        }
        return yaml.safe_dump(document, sort_keys=False)
