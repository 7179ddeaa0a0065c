"""What every loop is given: the client, the clock, shared informers and the event recorder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any

from sandbox.cluster.client import Client
from sandbox.cluster.clock import Clock
from sandbox.cluster.errors import ApiError
from sandbox.cluster.request import User
from sandbox.cluster.resources import Catalog
from sandbox.cluster.store import Store

from .informer import Informer, Obj
from .recorder import Recorder
from .timing import stamp

if TYPE_CHECKING:
    from .config import Config


# (ServiceAccount, TokenRequestSpec, token id) -> token and its expiry
IssueToken = Callable[[Obj, Obj, str], tuple[str, Any]]


class Context:
    """Shared parts of the loops of one cluster; `address` is the API server's host:port."""

    def __init__(
        self,
        *,
        name: str,
        client: Client,
        catalog: Catalog,
        store: Store,
        clock: Clock,
        config: Config,
        ca_certificate: str = "",
        address: str = "",
        issue_token: IssueToken | None = None,
    ) -> None:
        self.name = name
        self.client = client
        self.catalog = catalog
        self.store = store
        self.clock = clock
        self.ca_certificate = ca_certificate
        self.address = address
        self.issue_token = issue_token
        self.config = config
        self._informers: dict[str, Informer] = {}
        self.events = Recorder(client, clock, self.informer("events"))

    def speaking_as(self, user: str, manager: str) -> Context:
        """The same context, writing as another user and field manager."""
        other = copy(self)
        groups = ("system:authenticated",)
        other.client = self.client.as_user(User(user, groups), manager)
        other.events = self.events.through(other.client)
        return other

    def informer(self, resource: str) -> Informer:
        """The shared view of a resource, started on first use."""
        if resource not in self._informers:
            self._informers[resource] = Informer(self.client, resource)
        return self._informers[resource]

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.now().timestamp()

    def stamp(self) -> str:
        """The time now as metav1.Time."""
        return stamp(self.now())

    async def write_status(self, resource: str, obj: Obj, status: Obj) -> Obj:
        """PUT the status if it differs; `obj` gives the resourceVersion. Raises ApiError 409."""
        if status == (obj.get("status") or {}):
            return obj
        return await self.client.update(resource, {**obj, "status": status}, subresource="status")

    async def fetch(self, resource: str, name: str, namespace: str | None = None) -> Obj | None:
        """A copy of the object, or None when there is none."""
        try:
            return await self.client.get(resource, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def remove(
        self, resource: str, obj: Obj, *, grace: int | None = None, propagation: str = "Background"
    ) -> None:
        """Delete exactly this object; its being gone already is success. Lets others run."""
        meta = obj["metadata"]
        try:
            await self.client.delete(
                resource,
                meta["name"],
                meta.get("namespace"),
                uid=meta["uid"],
                grace_seconds=grace,
                propagation=propagation,
            )
        except ApiError as error:
            if error.code not in {404, 409}:
                raise
        await asyncio.sleep(0)

    def close(self) -> None:
        """Unsubscribe."""
        for informer in self._informers.values():
            informer.close()
        self._informers.clear()
