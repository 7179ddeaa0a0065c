"""The contract of what a cloud's vendor manages around its instances: clusters' add-ons, users.

A provider's entry in `providers.registry` may name a `ManagedAddons` and a `RamUsers`; a vendor
without such an API has no entry, and what would need it is then not offered. Errors are those of
`providers.errors`. No call here is idempotent unless it says so: after `UnknownOutcome` look first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from kube.secret import Secret

Json = dict[str, Any]

# How onectl begins the names of add-ons' users and policies; a least policy reaches no others.
USER_PREFIX, POLICY_PREFIX = "ack-one-user-", "ack-one-registered-cluster-policy-"


class AddonState(StrEnum):
    READY = "ready"
    CHANGING = "changing"
    DELETING = "deleting"
    FAILED = "failed"


class TaskState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ManagedCluster:
    """A cluster as its vendor knows it.

    `kind` is ack-pro, ack, ack-dedicated, ack-serverless, ack-edge, ack-registered, kce or
    kce-external; `endpoints` are URLs of its API server; `connected` tells whether the vendor
    reaches it; `control_plane` whether the vendor lets its parameters be set.
    """

    id: str
    name: str
    kind: str
    region: str
    version: str
    state: str
    endpoints: tuple[str, ...] = ()
    vpc: str = ""
    subnets: tuple[str, ...] = ()
    security_group: str = ""
    connected: bool = True
    control_plane: bool = False


@dataclass(frozen=True, slots=True)
class NewerVersion:
    """`kubernetes` is the lowest version of the cluster, empty when the vendor tells none."""

    version: str
    kubernetes: str = ""


@dataclass(frozen=True, slots=True)
class OfferedAddon:
    """`schema` is the JSON Schema of its configuration, empty when the vendor tells none.

    `newer` are the versions above `version` that the vendor would go to. Not `certain`: the vendor
    does not tell whether it offers it.
    """

    name: str
    version: str
    schema: Json = field(default_factory=dict)
    newer: tuple[NewerVersion, ...] = ()
    managed: bool = False
    certain: bool = True


@dataclass(frozen=True, slots=True)
class InstalledAddon:
    """`config` is what the vendor holds, None where it does not tell; `told` its own word for the
    state."""

    name: str
    version: str
    state: AddonState
    config: Json | None = field(default_factory=dict)
    told: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A change under way at the vendor; `events` are its newest lines, oldest first."""

    id: str
    state: TaskState
    kind: str = ""
    stage: str = ""
    events: tuple[str, ...] = ()
    code: str = ""
    message: str = ""


class ManagedAddons(Protocol):
    """A vendor's add-on API in one region. Changes give a task's id; empty: there is none; None: it
    is not told, and comes up among `configurations`.

    `addon` raises `NotFound` for what is not installed, also right after it was uninstalled.
    `configure` replaces the whole configuration: read, merge, write. `cluster_id` is the vendor's.
    """

    region: str

    async def clusters(self) -> Sequence[ManagedCluster]: ...
    async def cluster(self, cluster_id: str) -> ManagedCluster: ...
    async def offered(
        self, cluster: ManagedCluster, name: str, *, version: str = ""
    ) -> OfferedAddon: ...
    async def installed(self, cluster_id: str) -> Sequence[InstalledAddon]: ...
    async def addon(self, cluster_id: str, name: str) -> InstalledAddon: ...
    async def install(
        self, cluster_id: str, name: str, *, version: str, config: Mapping[str, Any]
    ) -> str: ...
    async def upgrade(
        self, cluster_id: str, name: str, *, current: str, version: str, config: Mapping[str, Any]
    ) -> str: ...
    async def configure(
        self, cluster_id: str, name: str, config: Mapping[str, Any]
    ) -> str | None: ...
    async def uninstall(self, cluster_id: str, name: str) -> str: ...
    async def task(self, task_id: str) -> Task: ...
    async def busy(self, cluster_id: str) -> Sequence[Task]:
        """Changes of add-ons that are under way in the cluster, whoever asked for them."""

    async def configurations(self, cluster_id: str) -> Sequence[Task]:
        """The newest changes of configurations, under way or over, newest first."""

    async def aclose(self) -> None: ...


@runtime_checkable
class Activation(Protocol):
    """Whether services of the vendor may be used by the account at all."""

    async def roles(self, names: Sequence[str]) -> Mapping[str, str]:
        """Role -> why it is not granted; empty: it is."""

    async def activated(self, service: str) -> bool | None:
        """Whether the account has the service (`acs`); None: it cannot be told."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key of a user; its secret is told once, when it is made, and empty later."""

    id: str
    active: bool
    secret: Secret = field(default_factory=lambda: Secret(""))


class RamUsers(Protocol):
    """Users, their policies and keys. `ensure_*`, `attach`, `detach`, `set_key` and `delete_*`
    are idempotent: what is there, or gone, already is left so. `create_key` is not.
    """

    async def ensure_user(self, name: str, *, comment: str) -> None: ...
    async def ensure_policy(self, name: str, document: Mapping[str, Any]) -> None:
        """The policy has this document as its default version; other versions stay behind it."""

    async def attach(self, policy: str, user: str) -> None: ...
    async def attached(self, user: str) -> Sequence[str]:
        """Names of policies. Raises `NotFound` when there is no such user."""

    async def keys(self, user: str) -> Sequence[AccessKey]: ...
    async def create_key(self, user: str) -> AccessKey: ...
    async def set_key(self, user: str, key_id: str, *, active: bool) -> None: ...
    async def delete_key(self, user: str, key_id: str) -> None: ...
    async def detach(self, policy: str, user: str) -> None: ...
    async def delete_user(self, name: str) -> None: ...
    async def delete_policy(self, name: str) -> None: ...
    async def who(self, key: AccessKey) -> str:
        """The identity that a key gives. Raises `AccountTrouble` while it is not accepted."""

    async def aclose(self) -> None: ...
