"""A cloud in memory with the least that the contract asks: no idempotency token, no catalogue, no
changes, no containers; its lists may lag, its answers may be lost, its clock is moved by hand.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kube.secret import Secret
from providers import prices
from providers.base import (
    Capability,
    Claim,
    Created,
    Field,
    Instance,
    InstanceSpec,
    InstanceState,
    Listing,
    NewKey,
    NodeProfile,
    OnFailure,
    Price,
    Problem,
    Size,
    Use,
    Verification,
    Waiting,
)
from providers.errors import InvalidSpec, NotFound, ProviderError, UnknownOutcome
from providers.models import CloudAccount
from providers.registry import Entry

ENTRY = Entry("tests.addons.toy.ToyDialect", "tests.addons.toy.connect")
SIZE = Size(Decimal(1), Decimal(2), "1-2Gi")


@dataclass
class ToyCloud:
    """One account. Knobs first, then what happened."""

    lag: timedelta = timedelta(0)
    lost_answers: int = 0
    lost_calls: int = 0
    refusals: list[ProviderError] = field(default_factory=list)
    state: InstanceState = InstanceState.RUNNING
    shift: timedelta = timedelta(0)
    instances: dict[str, Instance] = field(default_factory=dict)
    specs: list[InstanceSpec] = field(default_factory=list)
    lists: list[datetime] = field(default_factory=list)
    creates: list[datetime] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    short: list[tuple[str, str]] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def visible(self) -> tuple[Instance, ...]:
        now = self.now()
        found = self.instances.values()
        return tuple(i for i in found if i.created_at and i.created_at <= now - self.lag)

    def change(self, instance_id: str, **values: Any) -> None:
        self.instances[instance_id] = replace(self.instances[instance_id], **values)


CLOUDS: dict[str, ToyCloud] = {}


class Toy:
    """The client; its cloud is named by the account's endpoint."""

    name = "bare"
    idempotent_create = False

    def __init__(self, cloud: ToyCloud, region: str) -> None:
        self.cloud = cloud
        self.region = region

    async def create(self, spec: InstanceSpec, *, token: str) -> Created:
        cloud = self.cloud
        cloud.creates.append(cloud.now())
        if cloud.lost_calls:
            cloud.lost_calls -= 1
            raise UnknownOutcome("the call did not arrive")
        if cloud.refusals:
            raise cloud.refusals.pop(0)
        made = f"toy-{next(cloud.numbers)}"
        cloud.specs.append(spec)
        cloud.instances[made] = Instance(
            id=made,
            name=spec.name,
            state=cloud.state,
            raw_state=cloud.state.value,
            region=self.region,
            ip="10.9.0.1",
            size=SIZE,
            created_at=cloud.now(),
            billed_from=cloud.now(),
            tags=dict(spec.tags),
        )
        if cloud.lost_answers:
            cloud.lost_answers -= 1
            raise UnknownOutcome("the answer was lost")
        return Created(made, f"req-{made}", token)

    async def get(self, instance_id: str) -> Instance:
        found = {i.id: i for i in self.cloud.visible()}
        if instance_id not in found:
            raise NotFound(f"{instance_id} is not there")
        return found[instance_id]

    async def list(self, *, tags: Mapping[str, str]) -> Listing:
        at = self.cloud.now()
        self.cloud.lists.append(at)
        found = (i for i in self.cloud.visible() if tags.items() <= i.tags.items())
        return Listing(tuple(found), at)

    async def delete(self, instance_id: str) -> str:
        if self.cloud.instances.pop(instance_id, None) is None:
            raise NotFound(f"{instance_id} is not there")
        self.cloud.deleted.append(instance_id)
        return "req-delete"

    async def verify(self) -> Verification:
        works = Capability("everything", ok=True)
        return Verification("toy-account", "tester", (works,), latency_ms=1)

    async def placed(self, spec: InstanceSpec) -> InstanceSpec:
        return spec

    async def ran_short(self, zones: Sequence[str], size: str) -> None:
        self.cloud.short += [(zone, size) for zone in zones]

    async def aclose(self) -> None:
        return


def connect(account: CloudAccount, region: str, limited: bool) -> Toy:
    del limited
    return Toy(CLOUDS[account.endpoint], region)


class ToyDialect:
    name, title, vendor, currency = "bare", "Toy Cloud", "toys", "EUR"
    credential: Sequence[Field] = (Field("id", "Id", required=True),)
    node_settings: Sequence[Field] = ()

    def key(self, given: Mapping[str, str]) -> NewKey:
        return NewKey(given["id"], Secret("s"), Secret(""))

    def temporary(self, data: Mapping[str, str], cipher: Secret) -> NewKey:
        if "ak" not in data:
            raise InvalidSpec("ak: it is missing")
        end = data.get("expired_at", "")
        secret = data.get("sk", "").removeprefix(cipher.reveal())
        return NewKey(
            id=data["ak"],
            secret=Secret(secret),
            token=Secret(data.get("securityToken", "")),
            expires_at=datetime.fromisoformat(end).replace(tzinfo=UTC) if end else None,
        )

    def claim(self, pod: Mapping[str, Any]) -> Claim:
        labels = pod["metadata"].get("labels") or {}
        return Claim.NAMED if labels.get("cloud") == "toy" else Claim.SERVES

    def billed_size(self, spec: InstanceSpec) -> Size:
        del spec
        return SIZE

    def list_price(self, size: Size, *, region: str) -> Price | None:
        del size, region
        return Price(Decimal("0.5"), self.currency, "toy list")

    def entries(self) -> Sequence[prices.Entry]:
        return ()

    def node_profile(
        self, *, region: str, zone: str, name: str, settings: Mapping[str, str]
    ) -> NodeProfile:
        del region, zone, settings
        return NodeProfile(name, {}, ())

    def node_name(self, zone: str) -> str:
        return f"toy-{zone}"

    def node_version(self, kubernetes_version: str) -> str:
        return kubernetes_version

    def problems(self, pod: Mapping[str, Any], *, settings: Mapping[str, str]) -> Sequence[Problem]:
        del settings
        annotations = pod["metadata"].get("annotations") or {}
        found = []
        for key in sorted(annotations):
            if key.startswith("toy/no-"):
                fatal = key.startswith("toy/no-way")
                text = "Nobody has heard of %(key)s."
                problem = Problem(key, "Unheard", text, "Remove it.", fatal, {"key": key})
                found.append(problem)
        return found

    def waiting(self, spec: InstanceSpec) -> Waiting:
        on_failure = OnFailure(spec.options.get("toy/on-failure", "back"))
        seconds = spec.options.get("toy/limit-seconds")
        return Waiting(timedelta(seconds=int(seconds)) if seconds else None, on_failure)

    def wants_cluster(self, spec: InstanceSpec) -> bool:
        return spec.options.get("toy/cluster") == "true"

    def annotations(
        self, spec: InstanceSpec, *, instance: Instance | None, created: Created | None
    ) -> dict[str, str]:
        del spec, instance
        return {"toy/id": created.id} if created else {}

    def policies(self) -> Mapping[Use, Mapping[str, Any]]:
        return {Use.PODS: {}}
