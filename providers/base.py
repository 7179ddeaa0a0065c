"""The contract between Spillway and a cloud that runs one pod as one instance.

A provider implements `Provider`; what only some clouds can do are powers apart (`Logs`, `Exec`,
`Quote`, `Changes`, `Catalogue`, `Restart`): a missing power is a missing Protocol, no exception.
Everything that crosses this border is a frozen dataclass (`providers.asked`, `providers.told`).
Errors are those of `providers.errors`. Units: vCPU and GiB as Decimal, money as Decimal per hour in
`currency`, times as aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol, runtime_checkable

from kube.secret import Secret
from providers.asked import (
    ClusterAccess,
    Container,
    Dns,
    EnvVar,
    File,
    Handler,
    HostAlias,
    InstanceSpec,
    Mount,
    NewKey,
    Placement,
    Port,
    Probe,
    RegistryCredential,
    Volume,
    VolumeKind,
)
from providers.bill import Bill, BillLine, Rounding
from providers.prices import Entry
from providers.told import (
    Capability,
    Claim,
    CloudEvent,
    ContainerState,
    ContainerStatus,
    Created,
    Field,
    FieldKind,
    Instance,
    InstanceState,
    Listing,
    NodeProfile,
    OnFailure,
    Price,
    Problem,
    Quota,
    RunState,
    SecurityGroup,
    Size,
    StockState,
    Subnet,
    Use,
    Used,
    Verification,
    Waiting,
)

__all__ = [
    "Bill",
    "BillLine",
    "Bills",
    "Capability",
    "Catalogue",
    "Changes",
    "Claim",
    "CloudEvent",
    "ClusterAccess",
    "Container",
    "ContainerState",
    "ContainerStatus",
    "Created",
    "Dialect",
    "Dns",
    "EnvVar",
    "Events",
    "Exec",
    "Field",
    "FieldKind",
    "File",
    "Handler",
    "HostAlias",
    "Instance",
    "InstanceSpec",
    "InstanceState",
    "Listing",
    "Logs",
    "Metrics",
    "Mount",
    "NewKey",
    "NodeProfile",
    "OnFailure",
    "Placement",
    "Placing",
    "Port",
    "Price",
    "Probe",
    "Problem",
    "Provider",
    "Quota",
    "Quotas",
    "Quote",
    "RegistryCredential",
    "Restart",
    "Rounding",
    "RunState",
    "SecurityGroup",
    "ServiceRules",
    "SeveralGroups",
    "Size",
    "StockState",
    "Stocked",
    "Subnet",
    "TemporaryKeys",
    "Turns",
    "Use",
    "Used",
    "Verification",
    "Verify",
    "Volume",
    "VolumeKind",
    "Waiting",
]


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
    """The pure side of a provider: no network, no clock. Found in `providers.registry`.

    `vendor` groups providers whose virtual nodes may serve together. `credential` are the fields
    of a key; `node_settings` those of a virtual node.
    """

    name: str
    title: str
    vendor: str
    currency: str
    credential: Sequence[Field]
    node_settings: Sequence[Field]

    def key(self, given: Mapping[str, str]) -> NewKey:
        """The credential from its fields. Raises `InvalidSpec` that says what is wrong."""

    def claim(self, pod: Mapping[str, Any]) -> Claim: ...
    def billed_size(self, spec: InstanceSpec) -> Size: ...
    def list_price(self, size: Size, *, region: str) -> Price | None: ...

    def entries(self) -> Sequence[Entry]:
        """The prices that the cloud publishes, each with source and date; may be none."""

    def node_profile(
        self, *, region: str, zone: str, name: str, settings: Mapping[str, str]
    ) -> NodeProfile: ...
    def node_name(self, zone: str) -> str: ...
    def node_version(self, kubernetes_version: str) -> str: ...
    def problems(
        self, pod: Mapping[str, Any], *, settings: Mapping[str, str]
    ) -> Sequence[Problem]: ...
    def waiting(self, spec: InstanceSpec) -> Waiting: ...

    def wants_cluster(self, spec: InstanceSpec) -> bool:
        """Whether the instance must reach the cluster: `spec.cluster` is then filled."""

    def annotations(
        self, spec: InstanceSpec, *, instance: Instance | None, created: Created | None
    ) -> dict[str, str]: ...

    def policies(self) -> Mapping[Use, Mapping[str, Any]]:
        """The least grants for each use that the cloud knows, in its own policy language."""


@runtime_checkable
class TemporaryKeys(Protocol):
    """A dialect whose temporary keys lie in a ConfigMap that is written again and again."""

    def temporary(self, data: Mapping[str, str], cipher: Secret) -> NewKey:
        """The key in `data`; `cipher` opens its secret (empty: it is plain).

        `expires_at` is None when `data` tells none that can be read. Raises `InvalidSpec` that
        names the entry.
        """


@runtime_checkable
class ServiceRules(Protocol):
    """A dialect with rules of its own for Services that select pods on its virtual nodes."""

    def service_problems(
        self, service: Mapping[str, Any], *, settings: Mapping[str, str]
    ) -> Sequence[Problem]:
        """Paths are those of the Service."""


@runtime_checkable
class SeveralGroups(Protocol):
    """A dialect whose instances may be in so many security groups; without it: in one."""

    security_groups_max: int


@runtime_checkable
class Placing(Protocol):
    """Leaves out the places that were short of stock lately."""

    async def placed(self, spec: InstanceSpec) -> InstanceSpec:
        """The spec with the places that a create would try now. `OutOfStock`: none is left."""

    async def ran_short(self, zones: Sequence[str], size: str) -> None:
        """An instance that was accepted found no stock: remember it for three minutes."""


@runtime_checkable
class Stocked(Protocol):
    async def stock(self, size: Size, zones: Sequence[str]) -> Mapping[str, StockState]:
        """What the cloud says of each zone, for this size."""


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
    async def metrics(self, ids: Sequence[str]) -> Mapping[str, Used]:
        """The newest measure of each instance that has one, by its id."""


@runtime_checkable
class Events(Protocol):
    async def events(self, instance_id: str) -> Sequence[CloudEvent]: ...


@runtime_checkable
class Restart(Protocol):
    async def restart(self, instance_id: str) -> None: ...


@runtime_checkable
class Quote(Protocol):
    async def price(self, size: Size, *, zone: str) -> Price: ...


@runtime_checkable
class Bills(Protocol):
    """A key that may read what the cloud charges."""

    async def bill(self, day: date) -> Bill:
        """All lines of `day` for this vendor's container instances in the whole cloud account.

        In every region, and also for instances that others made. Complete or raises:
        `AccountTrouble` when the key may not read bills.
        """


@runtime_checkable
class Catalogue(Protocol):
    """What pickers and preflight ask."""

    async def regions(self) -> Mapping[str, Sequence[str]]: ...
    async def subnets(self, *, vpc: str = "") -> Sequence[Subnet]: ...
    async def security_groups(self, *, vpc: str = "") -> Sequence[SecurityGroup]: ...


@runtime_checkable
class Quotas(Protocol):
    """A cloud that tells how much the account may have."""

    async def quota(self) -> Quota: ...


@runtime_checkable
class Verify(Protocol):
    async def verify(self) -> Verification: ...
