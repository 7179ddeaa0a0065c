"""Registering a cluster and changing what is held of it.

A cluster is stored only after its checklist passed; its identity is the UID of kube-system, so
that one cluster is never registered twice under two addresses.

    RegisterError
    ├── ChecksFailed   `checks` tell which, with fixes
    ├── AlreadyThere   `cluster` is the one that has this identity
    ├── OtherCluster   the new kubeconfig leads to another cluster
    ├── Unsettled      `held` tells what must end before the cluster can be forgotten
    └── InUse          `held` tells what forgetting would leave behind
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.text import slugify

from addons import holds
from addons.announce import announce
from addons.clusters import leaving
from addons.clusters.checklist import Check, Checklist, Facts
from addons.clusters.leaving import Held
from addons.components import vendors
from addons.models import Cluster
from addons.runtime.clients import address_policy, build_kube, purpose, target_of
from addons.runtime.loop import runtime
from kube import Target
from providers import vault
from providers.models import CloudAccount


class RegisterError(Exception):
    pass


class ChecksFailed(RegisterError):
    def __init__(self, checks: Sequence[Check]) -> None:
        super().__init__(", ".join(check.code for check in checks if check.state == "bad"))
        self.checks = tuple(checks)


class AlreadyThere(RegisterError):
    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.name)
        self.cluster = cluster


class OtherCluster(RegisterError):
    pass


class Unsettled(RegisterError):
    def __init__(self, held: Held) -> None:
        super().__init__(", ".join(held.keys))
        self.held = held


class InUse(RegisterError):
    def __init__(self, held: Held) -> None:
        super().__init__(", ".join([*(row.component for row in held.components), *held.nodes]))
        self.held = held


@dataclass(frozen=True, slots=True)
class Identity:
    """How people know the cluster. Empty texts are filled from what the checks found."""

    name: str
    slug: str = ""
    kind: str = ""
    region: str = ""
    environment: str = ""
    tags: dict[str, str] | None = None


def examine(target: Target, now: datetime) -> tuple[list[Check], Facts]:
    """Run the whole checklist; from any thread."""

    async def run() -> tuple[list[Check], Facts]:
        kube = build_kube(target)
        try:
            checklist = Checklist(target, kube, policy=address_policy(), now=lambda: now)
            return await checklist.run(), checklist.facts
        finally:
            await kube.close()

    return runtime().run(run(), timeout=90)


def _passed(target: Target, now: datetime) -> tuple[list[Check], Facts]:
    checks, facts = examine(target, now)
    if any(check.state == "bad" for check in checks):
        raise ChecksFailed(checks)
    return checks, facts


def _put_target(cluster: Cluster, target: Target, expires: datetime | None) -> None:
    cluster.server = target.server
    cluster.tls_server_name = target.tls_server_name
    cluster.insecure_skip_tls_verify = target.insecure_skip_tls_verify
    cluster.ca_pem = target.ca_pem
    cluster.client_cert_pem = target.client_cert_pem
    cluster.credential_expires_at = expires
    for field, secret in (
        ("sealed_token", target.token),
        ("sealed_client_key", target.client_key_pem),
    ):
        sealed = vault.seal(secret, purpose(field, cluster.uid)) if secret else ""
        setattr(cluster, field, sealed)


def _put_checks(cluster: Cluster, checks: Sequence[Check], facts: Facts, now: datetime) -> None:
    cluster.checks = [check.as_dict() for check in checks]
    cluster.checked_at = now
    if facts.version:
        cluster.version = facts.version
        cluster.last_seen_at = now


def _free_slug(wanted: str) -> str:
    base = slugify(wanted)[:50] or "cluster"
    slug, number = base, 2
    while Cluster.objects.filter(slug=slug).exists():
        slug, number = f"{base}-{number}", number + 1
    return slug


def register(
    target: Target,
    identity: Identity,
    *,
    team: Group,
    now: datetime,
    account: CloudAccount | None = None,
    expires: datetime | None = None,
) -> Cluster:
    """A checked cluster, saved. Raises `ChecksFailed` or `AlreadyThere`."""
    checks, facts = _passed(target, now)
    known = Cluster.objects.filter(uid=facts.uid).first()
    if known:
        raise AlreadyThere(known)
    cluster = Cluster(
        team=team,
        name=identity.name,
        slug=_free_slug(identity.slug or identity.name),
        uid=facts.uid,
        kind=identity.kind or facts.kind,
        region=identity.region or facts.region,
        environment=identity.environment,
        tags=identity.tags or {},
        account=account,
    )
    _put_target(cluster, target, expires)
    _put_checks(cluster, checks, facts, now)
    cluster.save()
    _announce(cluster)
    return cluster


def _announce(cluster: Cluster) -> None:
    transaction.on_commit(lambda: announce("clusters", [cluster.pk]))


def check_again(cluster: Cluster, *, now: datetime) -> Cluster:
    """Run the checklist on the stored credential, look for the cluster at its vendor, and save."""
    checks, facts = examine(target_of(cluster), now)
    _put_checks(cluster, checks, facts, now)
    cluster.save(update_fields=["checks", "checked_at", "version", "last_seen_at"])
    vendors.find(cluster)
    _announce(cluster)
    return cluster


def rotate(cluster: Cluster, target: Target, *, now: datetime, expires: datetime | None) -> Cluster:
    """A new kubeconfig for the same cluster. Raises `ChecksFailed` or `OtherCluster`."""
    checks, facts = _passed(target, now)
    if facts.uid != cluster.uid:
        raise OtherCluster(facts.uid)
    _put_target(cluster, target, expires)
    _put_checks(cluster, checks, facts, now)
    cluster.save()
    _announce(cluster)
    return cluster


def change(cluster: Cluster, values: dict[str, Any]) -> Cluster:
    """Name, environment, region, account, tags, paused: what people may edit."""
    for field, value in values.items():
        setattr(cluster, field, value)
    cluster.save(update_fields=[*values])
    _announce(cluster)
    return cluster


def forget(cluster: Cluster, *, leave: bool, now: datetime) -> Held:
    """Drop what is known of it; the cluster itself is not touched, but for our own cordons, which
    nobody could take back later. What was left behind.

    Without `leave` nothing may be left. Raises `InUse` then, and `Unsettled` always while an
    operation runs, a create has no answer, or a credential is renewed from there.
    """
    _may_go(cluster, leave)
    holds.release(cluster.pk, now=now)
    with transaction.atomic():
        Cluster.objects.select_for_update().get(pk=cluster.pk)
        found = _may_go(cluster, leave)
        pk = cluster.pk
        leaving.leave(cluster, now)
        cluster.delete()
        transaction.on_commit(lambda: announce("clusters", [pk]))
    return found


def _may_go(cluster: Cluster, leave: bool) -> Held:
    found = leaving.held(cluster)
    if found.keys or found.operations or found.creating:
        raise Unsettled(found)
    if found.anything and not leave:
        raise InUse(found)
    return found
