"""The contract between Spillway and a cloud that runs one pod as one instance.

A provider implements `Provider`; what only some clouds can do are powers apart (`Logs`, `Exec`,
`Quote`, `Changes`, `Catalogue`, `Restart`): a missing power is a missing Protocol, no exception.
Everything that crosses this border is a frozen dataclass. Errors are those of `providers.errors`.
Units: vCPU and GiB as Decimal, money as Decimal per hour in `currency`, times as aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from kube.secret import Secret

# --- what we ask for --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EnvVar:
    """A literal `value`, or `field_path` that the cloud fills in itself (`status.podIP`)."""

    name: str
    value: str = ""
    field_path: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    volume: str
    path: str
    sub_path: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Handler:
    """One of `command`, HTTP GET (`port`, `path`, `scheme`) or TCP (`port` alone)."""

    command: tuple[str, ...] = ()
    port: int = 0
    path: str = ""
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    handler: Handler
    initial_delay: int = 0
    period: int = 10
    timeout: int = 1
    success: int = 1
    failure: int = 3


@dataclass(frozen=True, slots=True)
class Port:
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class Container:
    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    working_dir: str = ""
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    cpu: Decimal | None = None
    memory: Decimal | None = None
    gpu: int = 0
    pull_policy: str = ""
    liveness: Probe | None = None
    readiness: Probe | None = None
    post_start: Handler | None = None
    pre_stop: Handler | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root: bool = False
    capabilities: tuple[str, ...] = ()
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    termination_path: str = ""
    termination_policy: str = ""
    # Starts before the containers that are none, runs beside them and ends after them.
    sidecar: bool = False


class VolumeKind(StrEnum):
    EMPTY_DIR = "empty_dir"
    FILES = "files"
    NFS = "nfs"
    FLEX = "flex"


@dataclass(frozen=True, slots=True)
class File:
    path: str
    content: bytes = field(repr=False)
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    name: str
    kind: VolumeKind
    medium: str = ""
    size_limit: str = ""
    files: tuple[File, ...] = ()
    default_mode: int | None = None
    server: str = ""
    path: str = ""
    read_only: bool = False
    driver: str = ""
    fs_type: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegistryCredential:
    server: str
    username: str
    password: Secret


@dataclass(frozen=True, slots=True)
class Dns:
    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HostAlias:
    ip: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """A zone and the subnet (vSwitch) in it; tried in the order given."""

    zone: str
    subnet: str


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """One pod as an instance. `options` are the pod's annotations; a provider reads its own.

    `tags` identify the instance as ours (`providers.ledger.tags_of`) and are sent with the create.
    `cpu` and `memory` are the sums asked for (None: nothing asked), before rounding.
    """

    name: str
    region: str
    placements: tuple[Placement, ...]
    security_group: str
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    registry_credentials: tuple[RegistryCredential, ...] = ()
    restart_policy: str = "Always"
    grace_seconds: int = 30
    deadline_seconds: int | None = None
    dns: Dns | None = None
    host_aliases: tuple[HostAlias, ...] = ()
    hostname: str = ""
    share_process_namespace: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    cpu: Decimal | None = None
    memory: Decimal | None = None
    gpu: int = 0
    # `placements` were chosen by `Placing.placed` and are sent as they are.
    placed: bool = False


# --- what we are told -------------------------------------------------------------------------


class InstanceState(StrEnum):
    """The life of an instance in any cloud. `billed` and `over` are read off it."""

    SCHEDULING = "scheduling"
    SCHEDULE_FAILED = "schedule_failed"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"

    @property
    def over(self) -> bool:
        return self in {self.SUCCEEDED, self.FAILED, self.EXPIRED, self.SCHEDULE_FAILED}

    @property
    def billed(self) -> bool:
        return not self.over and self is not self.SCHEDULING


class RunState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class ContainerState:
    state: RunState
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    name: str
    image: str
    ready: bool
    restarts: int
    state: ContainerState
    last: ContainerState | None = None


@dataclass(frozen=True, slots=True)
class CloudEvent:
    at: datetime
    type: str
    reason: str
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Size:
    """A size as it is billed. `label` is the provider's spelling, for example `2-4Gi`."""

    cpu: Decimal
    memory: Decimal
    label: str
    gpu: int = 0
    type: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    per_hour: Decimal
    currency: str
    source: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as the cloud describes it. `None` containers: this call does not tell them.

    `billed_from` is when it began to cost, where the cloud's answer tells; `ended_at` when it
    ceased to.
    """

    id: str
    name: str
    state: InstanceState
    raw_state: str
    region: str
    zone: str = ""
    subnet: str = ""
    ip: str = ""
    size: Size | None = None
    created_at: datetime | None = None
    billed_from: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    message: str = ""
    containers: tuple[ContainerStatus, ...] | None = None
    init_containers: tuple[ContainerStatus, ...] = ()
    events: tuple[CloudEvent, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Created:
    """What a create gave. `token` and `account` (its number at the cloud) where they are known."""

    id: str
    request_id: str
    token: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete list: every page came. `asked_at` is when the first page was asked for."""

    instances: tuple[Instance, ...]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class NodeProfile:
    """What a virtual node of this cloud looks like in Kubernetes."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"
    operating_system: str = "linux"


@dataclass(frozen=True, slots=True)
class Problem:
    """A field of a pod that this cloud refuses or ignores: the reason and the fix, in English."""

    path: str
    reason: str
    message: str
    fix: str
    fatal: bool = True


# --- the verbs --------------------------------------------------------------------------------


class Provider(Protocol):
    """One cloud account in one region.

    * `create` is idempotent by `token` (<= 64 ASCII): the same token and spec give the same
      instance. Raises `UnknownOutcome` when the answer was lost; calling again with the same token
      is then safe on clouds with `idempotent_create`.
    * `list` is complete or raises; only instances whose tags contain `tags`. A credential without
      permission must raise `AccountTrouble`, never give an empty list.
    * `get` raises `NotFound` when this one witness does not see the instance.
    * `delete` returns when the cloud accepted it; the instance goes later. `NotFound` if gone.
    """

    name: str
    region: str
    idempotent_create: bool

    async def create(self, spec: InstanceSpec, *, token: str) -> Created: ...
    async def get(self, instance_id: str) -> Instance: ...
    async def list(self, *, tags: Mapping[str, str]) -> Listing: ...
    async def delete(self, instance_id: str) -> str: ...
    async def aclose(self) -> None: ...


class Dialect(Protocol):
    """The pure side of a provider: no network, no clock. Found in `providers.registry`."""

    name: str
    title: str

    def billed_size(self, spec: InstanceSpec) -> Size: ...
    def list_price(self, size: Size, *, region: str) -> Price | None: ...
    def node_profile(self, *, region: str, zone: str, name: str) -> NodeProfile: ...
    def node_name(self, zone: str) -> str: ...
    def node_version(self, kubernetes_version: str) -> str: ...
    def problems(self, pod: Mapping[str, Any]) -> Sequence[Problem]: ...
    def annotations(
        self, spec: InstanceSpec, *, instance: Instance | None, created: Created | None
    ) -> dict[str, str]: ...
    def policy(self) -> Mapping[str, Any]: ...


@runtime_checkable
class Placing(Protocol):
    """Leaves out the places that were short of stock lately."""

    async def placed(self, spec: InstanceSpec) -> InstanceSpec:
        """The spec with the places that a create would try now. `OutOfStock`: none is left."""


@runtime_checkable
class Changes(Protocol):
    """Many instances in few calls: what the sweep asks for."""

    async def changes(self, *, since_seconds: int | None, ids: Sequence[str] = ()) -> Listing: ...
    async def details(self, ids: Sequence[str]) -> Listing: ...


@runtime_checkable
class Turns(Protocol):
    """A cloud that allows so many creates a minute."""

    async def turn(self, name: str) -> float:
        """Seconds until a create for `name` may be asked for (0: now); its turn is kept."""


@runtime_checkable
class Logs(Protocol):
    async def logs(
        self,
        instance_id: str,
        container: str,
        *,
        tail: int = 500,
        since_seconds: int | None = None,
        timestamps: bool = True,
        previous: bool = False,
    ) -> str: ...


@runtime_checkable
class Exec(Protocol):
    async def exec_url(
        self, instance_id: str, container: str, command: Sequence[str], *, tty: bool
    ) -> str: ...


@runtime_checkable
class Metrics(Protocol):
    async def metrics(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]: ...


@runtime_checkable
class Events(Protocol):
    async def events(self, instance_id: str) -> Sequence[CloudEvent]: ...


@runtime_checkable
class Restart(Protocol):
    async def restart(self, instance_id: str) -> None: ...


@runtime_checkable
class Quote(Protocol):
    async def price(self, size: Size, *, zone: str) -> Price: ...


@dataclass(frozen=True, slots=True)
class Subnet:
    id: str
    name: str
    zone: str
    cidr: str
    free_ips: int
    vpc: str


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    id: str
    name: str
    vpc: str


@dataclass(frozen=True, slots=True)
class Quota:
    cpu_max: Decimal
    cpu_used: Decimal


@runtime_checkable
class Catalogue(Protocol):
    """What pickers and preflight ask."""

    async def regions(self) -> Mapping[str, Sequence[str]]: ...
    async def subnets(self, *, vpc: str = "") -> Sequence[Subnet]: ...
    async def security_groups(self, *, vpc: str = "") -> Sequence[SecurityGroup]: ...
    async def quota(self) -> Quota: ...


@dataclass(frozen=True, slots=True)
class Capability:
    """One action tried with the key: whether it works, and what to grant when it does not."""

    action: str
    ok: bool
    code: str = ""
    message: str = ""
    request_id: str = ""
    grant: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    account_id: str
    identity: str
    capabilities: tuple[Capability, ...]
    latency_ms: int


@runtime_checkable
class Verify(Protocol):
    async def verify(self) -> Verification: ...
