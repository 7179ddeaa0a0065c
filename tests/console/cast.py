"""Alice owns a team, Bob operates in it, Vera looks; Charlie, of another, sees nothing."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from addons.models import (
    Cluster,
    Decision,
    FleetMember,
    FleetUpgrade,
    Installation,
    Operation,
    PodRow,
    Revision,
    Step,
    VirtualNode,
)
from console import tokens
from console.billing.budgets import channels
from console.models import (
    ApiToken,
    BillDay,
    Budget,
    Channel,
    DiscountRule,
    Export,
    Membership,
    PriceEntry,
)
from kube.secret import Secret
from providers import base, calendar, sealing, seen, vault
from providers.models import CloudAccount, Instance, LogTail, Orphan, RamGrant

PASSWORD = "correct-horse-battery"
NAMES = ("alice", "bob", "vera", "charlie")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Cast:
    team: Group
    other: Group
    alice: User
    bob: User
    vera: User
    charlie: User

    def person(self, name: str) -> User | None:
        return getattr(self, name) if name != "nobody" else None


def make_cast() -> Cast:
    team, other = (Group.objects.create(name=name) for name in ("blue", "red"))
    users = {name: User(username=name) for name in NAMES}
    for user in users.values():
        # Argon2 takes its time; whoever signs in with a password sets one.
        user.set_unusable_password()
        user.save()
    role = Membership.Role
    for name, group, held in (
        ("alice", team, role.OWNER),
        ("bob", team, role.OPERATOR),
        ("vera", team, role.VIEWER),
        ("charlie", other, role.OWNER),
    ):
        Membership.objects.create(user=users[name], team=group, role=held)
    return Cast(team, other, **users)


def account(team: Group, **fields: Any) -> CloudAccount:
    number = next(_numbers)
    values: dict[str, Any] = {
        "team": team,
        "name": f"account-{number}",
        "provider": "eci",
        "region": "cn-hangzhou",
        "endpoint": "http://127.0.0.1:1",
        "rotated_at": timezone.now(),
        "verified_at": timezone.now(),
        "verify_ms": 41,
        "capabilities": [
            asdict(base.Capability("CreateContainerGroup", True, request_id="R-1")),
            asdict(
                base.Capability(
                    "DescribeVpcs",
                    False,
                    "Forbidden.RAM",
                    "not allowed",
                    "R-2",
                    grant="vpc:DescribeVpcs",
                )
            ),
        ],
    }
    row = CloudAccount(**values | fields)
    sealing.seal_into(row, key_id=f"LTAI{number:012}", secret=Secret("s3cret"), token=Secret(""))
    row.save()
    return row


def cluster(team: Group, **fields: Any) -> Cluster:
    number = next(_numbers)
    uid = f"uid-of-cluster-{number}"
    values: dict[str, Any] = {
        "team": team,
        "slug": f"cluster-{number}",
        "name": f"Cluster {number}",
        "uid": uid,
        "server": "https://127.0.0.1:1",
        "sealed_token": vault.seal(
            Secret("t0ken"), vault.purpose("addons.Cluster", "sealed_token", uid)
        ),
        "version": "v1.31.1",
        "region": "cn-hangzhou",
        "last_seen_at": timezone.now(),
    }
    return Cluster.objects.create(**values | fields)


def node(of: Cluster, on: CloudAccount, **fields: Any) -> VirtualNode:
    values: dict[str, Any] = {
        "cluster": of,
        "account": on,
        "name": f"virtual-kubelet-{next(_numbers)}",
        "provider": "eci",
        "region": "cn-hangzhou",
        "zone": "cn-hangzhou-k",
        "state": VirtualNode.State.READY,
        "security_group": "sg-1",
        "placements": [{"zone": "cn-hangzhou-k", "subnet": "vsw-1"}],
        "capacity": {"cpu": "1000", "memory": "4000Gi", "pods": "1000"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ok", "message": ""}],
        "taints": [{"key": "virtual-kubelet.io/provider", "value": "eci", "effect": "NoSchedule"}],
        "labels": {"type": "virtual-kubelet"},
        "heartbeat_at": timezone.now(),
    }
    return VirtualNode.objects.create(**values | fields)


def instance(of: VirtualNode, name: str, **fields: Any) -> Instance:
    number = next(_numbers)
    now = timezone.now()
    values: dict[str, Any] = {
        "account": of.account,
        "provider": "eci",
        "region": of.region,
        "zone": of.zone,
        "cluster_uid": of.cluster.uid,
        "node_name": of.name,
        "namespace": "default",
        "pod_name": name,
        "pod_uid": f"uid-of-{name}",
        "state": Instance.State.ACTIVE,
        "token": f"token-{number}",
        "cloud_id": f"eci-{number}",
        "shard": of.shard,
        "cpu": Decimal(2),
        "memory": Decimal(4),
        "price_per_hour": Decimal("0.5"),
        "currency": "CNY",
        "intended_at": now,
        "billed_from": now - timedelta(hours=1),
    }
    told = fields.pop("told", {})
    values["seen"] = seen.encode(
        base.Instance(
            **{
                "id": fields.get("cloud_id", values["cloud_id"]),
                "name": name,
                "state": base.InstanceState.RUNNING,
                "raw_state": "Running",
                "region": of.region,
                **told,
            }
        )
    )
    return Instance.objects.create(**values | fields)


def pod(of: VirtualNode, name: str = "", **fields: Any) -> PodRow:
    name = name or f"web-{next(_numbers)}"
    bare = fields.pop("bare", False)
    values: dict[str, Any] = {
        "cluster": of.cluster,
        "node": of,
        "node_name": of.name,
        "instance": None if bare else instance(of, name),
        "uid": f"uid-of-{name}",
        "namespace": "default",
        "name": name,
        "phase": "Running",
        "status": "Running",
        "ready": 1,
        "containers": 1,
        "labels": {"app": "web", "app.kubernetes.io/name": "shop"},
        "created_at": timezone.now() - timedelta(minutes=5),
    }
    return PodRow.objects.create(**values | fields)


def orphan(on: CloudAccount, **fields: Any) -> Orphan:
    number = next(_numbers)
    values: dict[str, Any] = {
        "account": on,
        "cloud_id": f"eci-orphan-{number}",
        "name": f"orphan-{number}",
        "region": "cn-hangzhou",
        "zone": "cn-hangzhou-k",
        "reason": "NoPod",
        "price_per_hour": Decimal("0.4"),
        "currency": "CNY",
        "created_at": timezone.now() - timedelta(hours=2),
        "found_at": timezone.now(),
        "seen_at": timezone.now(),
    }
    return Orphan.objects.create(**values | fields)


def operation(of: Cluster, **fields: Any) -> Operation:
    values: dict[str, Any] = {
        "team": of.team,
        "cluster": of,
        "kind": "add-node",
        "target": "virtual-kubelet-x",
        "actor": "alice",
        "log": [{"at": "2026-01-01T00:00:00+00:00", "text": "preflight: ok", "level": "info"}],
    }
    made = Operation.objects.create(**values | fields)
    for index, name in enumerate(("preflight", "register", "ready")):
        Step.objects.create(operation=made, index=index, name=name)
    return made


def installation(of: Cluster, **fields: Any) -> Installation:
    """A component in the cluster, with two revisions."""
    values: dict[str, Any] = {
        "cluster": of,
        "component": "rbkci-virtual-kubelet",
        "delivery": "in_cluster",
        "release": "virtual-kubelet",
        "version": "v1.3.1",
        "values": {"KCI_CLUSTER_ID": "c-1", "KCI_REGION": "cn-beijing-6"},
        "state": Installation.State.INSTALLED,
    }
    made = Installation.objects.create(**values | fields)
    for number, status in ((1, "superseded"), (2, "deployed")):
        Revision.objects.create(
            installation=made,
            number=number,
            action="install" if number == 1 else "configure",
            version=made.version or "v1.3.1",
            values={**made.values, "nodename": f"vk-{number}"},
            status=status,
            actor="alice",
            created_at=timezone.now(),
        )
    return made


def fleet_upgrade(*installations: Installation, **fields: Any) -> FleetUpgrade:
    """The canary alone, then the others."""
    values: dict[str, Any] = {
        "team": installations[0].cluster.team,
        "component": installations[0].component,
        "version": "v1.3.1",
        "actor": "alice",
    }
    made = FleetUpgrade.objects.create(**values | fields)
    for at, one in enumerate(installations):
        FleetMember.objects.create(upgrade=made, installation=one, wave=min(at, 1))
    return made


def ram_grant(of: CloudAccount) -> RamGrant:
    return RamGrant.objects.create(
        account=of,
        addon="ack-virtual-node",
        user="ack-one-user-0123456789",
        policy="ack-one-registered-cluster-policy-ack-virtual-node",
        access_key_id="LTAI0123456789",
        state=RamGrant.State.GRANTED,
        actor="alice",
        created_at=timezone.now(),
    )


def token(user: User, scope: str = "write", **fields: Any) -> tuple[ApiToken, str]:
    return tokens.create(user, name="ci", scope=scope, expires_at=fields.get("expires_at"))


@dataclass(frozen=True, slots=True)
class Fleet:
    """One of everything, of one team."""

    account: CloudAccount
    cluster: Cluster
    node: VirtualNode
    pod: PodRow
    orphan: Orphan
    operation: Operation
    installation: Installation
    fleet_upgrade: FleetUpgrade
    budget: Budget
    channel: Channel
    export: Export
    bill_day: BillDay
    price: PriceEntry
    discount: DiscountRule


def export(team: Group, user: User) -> Export:
    query = {"start": "2026-11-01", "end": "2026-12-01", "where": {}}
    return Export.objects.create(
        team=team, user=user, format="usage", query=query, created_at=timezone.now()
    )


def bill_day(on: CloudAccount) -> BillDay:
    amounts = {"estimate": Decimal("1.5"), "billed": Decimal("1.49"), "rounding": Decimal("-0.01")}
    day = calendar.day_of(timezone.now())
    return BillDay.objects.create(
        account=on, day=day, currency="CNY", state=BillDay.State.PARTLY, matched=1, **amounts
    )


def price(team: Group, **fields: Any) -> PriceEntry:
    now = timezone.now()
    values: dict[str, Any] = {
        "team": team,
        "provider": "eci",
        "region": "eu-central-1",
        "item": "cpu",
        "per": "hour",
        "amount": Decimal("0.3"),
        "currency": "CNY",
        "valid_from": now - timedelta(days=30),
        "origin": PriceEntry.Origin.OPERATOR,
        "source": "contract 117",
        "entered_by": "alice",
        "entered_at": now,
    }
    return PriceEntry.objects.create(**values | fields)


def discount(team: Group) -> DiscountRule:
    now = timezone.now()
    return DiscountRule.objects.create(
        team=team,
        name=f"contract-{next(_numbers)}",
        provider="kci",
        factor=Decimal("0.85"),
        valid_from=now,
        entered_by="alice",
        entered_at=now,
    )


def budget(team: Group, **fields: Any) -> Budget:
    values: dict[str, Any] = {
        "team": team,
        "name": f"budget-{next(_numbers)}",
        "amount": Decimal(100),
        "currency": "CNY",
        "thresholds": [50, 80, 100],
        "created_at": timezone.now(),
    }
    return Budget.objects.create(**values | fields)


def channel(team: Group) -> Channel:
    return channels.create(
        team,
        name=f"channel-{next(_numbers)}",
        kind="webhook",
        address="http://127.0.0.1:1/hook",
        secret=Secret("a-secret-of-a-webhook"),
        now=timezone.now(),
    )


def make_fleet(team: Group) -> Fleet:
    key = account(team)
    home = cluster(team, account=key, kind="self-managed")
    where = node(home, key)
    running = pod(where)
    Decision.objects.create(
        cluster=home, pod_uid=running.uid, at=timezone.now(), code="InstanceCreated"
    )
    LogTail.objects.create(
        instance=running.instance, container="app", text="2026 x", taken_at=timezone.now()
    )
    installed = installation(home)
    upgrade = fleet_upgrade(installed)
    ram_grant(key)
    return Fleet(
        *(key, home, where, running, orphan(key), operation(home), installed, upgrade),
        budget=budget(team),
        channel=channel(team),
        export=export(team, team.memberships.order_by("pk")[0].user),
        bill_day=bill_day(key),
        price=price(team),
        discount=discount(team),
    )
