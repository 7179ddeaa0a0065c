"""What is asked of a cloud: one pod, resolved, as one instance.

Frozen dataclasses without behaviour; units as `providers.base` states them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from kube.secret import Secret


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
    # How many of the init containers a sidecar waits for; most clouds let it wait for all.
    after: int = 0
    privileged: bool = False


class VolumeKind(StrEnum):
    EMPTY_DIR = "empty_dir"
    FILES = "files"
    NFS = "nfs"
    FLEX = "flex"
    HOST_PATH = "host_path"


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
class ClusterAccess:
    """What an instance needs to reach the cluster itself, for clouds whose agent does so."""

    kubeconfig: Secret
    namespace: str
    pod: str
    node: str
    dns: tuple[str, ...] = ()
    domain: str = "cluster.local"


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """One pod as an instance. `options` are the pod's annotations; a provider reads its own.

    `labels` are the pod's; `settings` those of the virtual node, which an option of the pod beats.

    `tags` identify the instance as ours (`providers.ledger.tags_of`) and are sent with the create.
    `cpu` and `memory` are the sums asked for (None: nothing asked), before rounding; `pod_cpu` and
    `pod_memory` what the pod asks for as a whole, which beats the sums (None: the sums count).
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
    labels: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    cluster: ClusterAccess | None = None
    cpu: Decimal | None = None
    memory: Decimal | None = None
    gpu: int = 0
    pod_cpu: Decimal | None = None
    pod_memory: Decimal | None = None
    # `placements` and size were chosen by `Placing.placed` and are sent as they are.
    placed: bool = False
    # How many other choices were left to try after this one, had it no stock.
    left: int = 0


@dataclass(frozen=True, slots=True)
class NewKey:
    """A credential as a person gives it. `token` and `expires_at` only for temporary ones.

    `secret` is whatever the provider needs: a secret key, or a whole sealed kubeconfig.
    """

    id: str
    secret: Secret
    token: Secret
    expires_at: datetime | None = None
    endpoint: str = ""
