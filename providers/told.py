"""What a cloud tells: instances, sizes, prices, and what it offers.

Frozen dataclasses without behaviour; units as `providers.base` states them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum


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


@dataclass(frozen=True, slots=True)
class Used:
    """What an instance used at a moment: vCPUs that were busy, GiB of its working set."""

    at: datetime
    cpu: Decimal
    memory: Decimal


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
    """A size as it is billed. `label` is the provider's spelling, for example `2-4Gi`.

    `type` is a machine type where one is named; `tier` what else decides the price (`economy`,
    `general-purpose/best-effort`, `spot`); `storage` the GiB of ephemeral storage that are charged
    (beyond the free part).
    """

    cpu: Decimal
    memory: Decimal
    label: str
    gpu: int = 0
    type: str = ""
    tier: str = ""
    storage: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    per_hour: Decimal
    currency: str
    source: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as the cloud describes it. `None` containers: this call does not tell them.

    `billed_from` is when it began to cost, where the cloud's answer tells; `ended_at` when it
    ceased to. `shown_id` is what people call it where that is not `id`; `written` is what the
    cloud tells for the pod's annotations, under their keys.
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
    shown_id: str = ""
    written: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Created:
    """What a create gave. `token` and `account` (its number at the cloud) where they are known.

    `size` is the one that was asked for: the pod may have been changed since.
    """

    id: str
    request_id: str
    token: str = ""
    account: str = ""
    size: Size | None = None


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
    # Extended resources that the cloud has, beyond what the quota tells: `nvidia.com/gpu`.
    resources: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"
    operating_system: str = "linux"


@dataclass(frozen=True, slots=True)
class Problem:
    """A field of a pod that this cloud refuses (`fatal`) or ignores: the reason and the fix.

    `message` and `fix` are English message ids with `%(name)s` places that `values` fill.
    """

    path: str
    reason: str
    message: str
    fix: str
    fatal: bool = True
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.message % self.values

    @property
    def fix_text(self) -> str:
        return self.fix % self.values


class Claim(IntEnum):
    """Whether a provider takes a pod: never, when nobody else is asked for, or asked by name."""

    NEVER = 0
    SERVES = 1
    NAMED = 2


class OnFailure(StrEnum):
    """What happens to a pod whose instance cannot be had."""

    BACK = "back"
    OVER = "over"
    FAST = "fast"


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a pod may wait for its instance (None: for ever), and what then.

    `starting`: how long an instance that was accepted may be on its way, at its cost, before the
    pod fails (pulls that never end); None: as long as the cloud lets it.
    """

    limit: timedelta | None = None
    on_failure: OnFailure = OnFailure.BACK
    starting: timedelta | None = None


class FieldKind(StrEnum):
    TEXT = "text"
    SECRET = "secret"  # noqa: S105
    LONG_SECRET = "long_secret"  # noqa: S105
    FLAG = "flag"
    LIST = "list"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form: a credential's, or a setting of a virtual node.

    `label` and `help` are English message ids; values are text (`true`/`false` for flags, comma
    separated for lists). `pattern` is a regular expression of the whole value.
    """

    name: str
    label: str
    help: str = ""
    kind: FieldKind = FieldKind.TEXT
    required: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    pattern: str = ""


class StockState(StrEnum):
    AVAILABLE = "available"
    LOW = "low"
    NONE = "none"
    UNKNOWN = "unknown"


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


class Use(StrEnum):
    """What a key may be for. Only `PODS` is needed; each other one is a grant of its own."""

    PODS = "pods"
    BILLS = "bills"
    ADDONS = "addons"
    USERS = "users"


@dataclass(frozen=True, slots=True)
class Capability:
    """One action tried with the key: whether it works, and what to grant when it does not."""

    action: str
    ok: bool
    code: str = ""
    message: str = ""
    request_id: str = ""
    grant: str = ""
    use: Use = Use.PODS


@dataclass(frozen=True, slots=True)
class Verification:
    account_id: str
    identity: str
    capabilities: tuple[Capability, ...]
    latency_ms: int
