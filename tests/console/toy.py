"""A cloud of this test's own: every kind of field, temporary keys, stock and a quota to tell.

Its registry line is all that the console is told of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from kube.secret import Secret
from providers import prices
from providers.base import (
    Capability,
    Field,
    FieldKind,
    InstanceSpec,
    NewKey,
    NodeProfile,
    Price,
    Quota,
    Size,
    StockState,
    Subnet,
    Use,
    Verification,
)
from providers.errors import InvalidSpec
from providers.models import CloudAccount
from providers.registry import Entry

LINE = {"toy": Entry("tests.console.toy.Dialect", "tests.console.toy.connect")}


class Dialect:
    name = "toy"
    title = "Toy Cloud"
    vendor = "toys"
    currency = "EUR"
    security_groups_max = 3
    credential = (
        Field("user", "User", required=True, pattern="[a-z]+"),
        Field("password", "Password", kind=FieldKind.SECRET, required=True),
        Field("bundle", "Bundle", kind=FieldKind.LONG_SECRET),
        Field("internal", "Inside", kind=FieldKind.FLAG),
        Field("tags", "Tags", kind=FieldKind.LIST),
        Field("plan", "Plan", kind=FieldKind.CHOICE, choices=("small", "big"), default="small"),
    )
    node_settings = (
        Field("dns", "DNS server", pattern=r"[0-9.]+"),
        Field("proxy", "Proxy", kind=FieldKind.FLAG),
    )

    def key(self, given: Mapping[str, str]) -> NewKey:
        if given["user"] == "nobody":
            raise InvalidSpec("nobody has no keys")
        secret = "|".join(given.get(f.name, "") for f in self.credential[1:])
        return NewKey(f"user-{given['user']}-key", Secret(secret), Secret(""))

    def temporary(self, data: Mapping[str, str], cipher: Secret) -> NewKey:
        ends = timezone.now() + timedelta(hours=1)
        return NewKey("TEMP-0123456789", Secret(data["secret"]), Secret(cipher.reveal()), ends)

    def policies(self) -> Mapping[Use, Mapping[str, Any]]:
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}
        items = [role, {**role, "kind": "Other"}]
        return {Use.PODS: {"apiVersion": "v1", "kind": "List", "items": items}}

    def billed_size(self, spec: InstanceSpec) -> Size:
        cpu, memory = spec.cpu or Decimal(1), spec.memory or Decimal(1)
        if cpu > 8:
            raise InvalidSpec("too large")
        return Size(cpu, memory, f"{cpu}c{memory}g")

    def list_price(self, size: Size, *, region: str) -> Price | None:
        return Price(size.cpu / 10, "EUR", f"Toy price list of {region}")

    def entries(self) -> Sequence[prices.Entry]:
        return ()

    def node_name(self, zone: str) -> str:
        return f"toy-{zone}"

    def node_profile(
        self, *, region: str, zone: str, name: str, settings: Mapping[str, str]
    ) -> NodeProfile:
        taint = {"key": "toys/only", "value": "toy", "effect": "NoSchedule"}
        taints = () if settings.get("proxy") == "true" else (taint,)
        return NodeProfile(name, {"type": "toy-node", "region": region}, taints)


class Quiet:
    """A cloud that tells neither stock, quota nor subnets."""

    def __init__(self, account: CloudAccount, region: str) -> None:
        self.name, self.region = "toy", region

    async def verify(self) -> Verification:
        fine = Capability("Play", True, request_id="req-1")
        bad = Capability("Rest", False, "Toy.Denied", "not today", "req-2", grant="toy:Rest")
        return Verification("acc-1", "user/toy", (fine, bad), 7)

    async def aclose(self) -> None:
        return


class Toy(Quiet):
    async def stock(self, size: Size, zones: Sequence[str]) -> Mapping[str, StockState]:
        states = [StockState.AVAILABLE, StockState.NONE]
        return dict(zip(zones, states, strict=False))

    async def quota(self) -> Quota:
        return Quota(Decimal(100), Decimal(25))

    async def regions(self) -> Mapping[str, Sequence[str]]:
        return {self.region: ("z1", "z2")}

    async def subnets(self, *, vpc: str = "") -> Sequence[Subnet]:
        return [Subnet(f"net-{zone}", "", zone, "10.0.0.0/24", 9, "vpc-1") for zone in ("z1", "z2")]

    async def security_groups(self, *, vpc: str = "") -> Sequence[Any]:
        return ()


def connect(account: CloudAccount, region: str, limited: bool) -> Quiet:
    return (Quiet if region == "quiet" else Toy)(account, region)
