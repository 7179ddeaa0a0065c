"""What every step of a reconcile has at hand, and the writes they share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from addons.models import Decision
from addons.pods import reasons, store
from addons.pods.diff import annotations_patch, status_patch
from addons.pods.events import events_of
from addons.pods.features import kept
from addons.pods.lookups import Answer, lookups_of
from addons.pods.references import Resolver
from addons.pods.resize import Asked
from addons.pods.store import Known, Scene
from addons.pods.translate import Site, outline
from addons.pods.writer import Writer
from addons.runtime.contract import Context, Outcome
from kube import PODS, Kube
from providers import registry
from providers.base import Created, Dialect, InstanceSpec, Placement, Provider
from providers.errors import (
    AccountTrouble,
    OutOfStock,
    ProviderError,
    QuotaExceeded,
    Throttled,
    UnknownOutcome,
)
from providers.models import CloudAccount, Instance
from providers.observation import size_of
from providers.seen import decode

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """One pod, or what is left of one (`pod` is None), and its open row of the ledger."""

    ctx: Context
    scene: Scene
    writer: Writer
    kube: Kube
    known: Known
    namespace: str
    name: str
    uid: str
    pod: Json | None
    row: Instance | None
    account: CloudAccount

    @property
    def now(self) -> datetime:
        return self.ctx.now()

    @property
    def dialect(self) -> Dialect:
        return registry.dialect(self.account.provider)

    @property
    def site(self) -> Site:
        node = self.scene.node
        placements = tuple(Placement(p["zone"], p["subnet"]) for p in node.placements)
        return Site(node.region, placements, node.security_group, node.settings)

    @property
    def live_pod(self) -> Json:
        if self.pod is None:
            raise RuntimeError(f"{self.namespace}/{self.name} is not live")
        return self.pod

    @property
    def open_row(self) -> Instance:
        if self.row is None:
            raise RuntimeError(f"{self.namespace}/{self.name} has no open row")
        return self.row

    def note(self, code: str, *, request_id: str = "", **values: Any) -> Decision:
        return Decision(
            cluster_id=self.scene.node.cluster_id,
            pod_uid=self.uid,
            at=self.now,
            code=code,
            values=values,
            request_id=request_id[:64],
            epoch=self.ctx.lease.epoch,
        )

    async def provider(self) -> Provider:
        node = self.scene.node
        return await self.ctx.provider(self.account.pk, node.region)

    async def lookup(self) -> Answer:
        """What the cloud says of the row's instance now; saved."""
        row = self.open_row
        answer = await lookups_of(await self.provider(), self.ctx.now).get(row.cloud_id)
        if answer.instance is not None:
            telling = store.Telling(self.account, answer.instance, answer.asked_at)
            await self.writer.do(store.observe, telling)
        return answer

    async def announce(self) -> None:
        if self.known.row is not None:
            await self.ctx.announce("pods", self.known.row.pk)

    async def say(self, code: str, **values: Any) -> None:
        if self.pod is not None:
            await events_of(self.kube).say(self.kube, self.pod, code, values, now=self.now)

    async def put_status(self, status: Json) -> Json:
        """The pod after the smallest patch to this status; itself when nothing differs."""
        pod = self.live_pod
        patch = status_patch(pod, kept(status, self.scene.node.cluster.version))
        if patch is None:
            return pod
        self.ctx.lease.check()
        return await self.kube.patch(
            PODS, self.name, patch, self.namespace, kind="strategic", subresource="status"
        )

    async def put_annotations(self, row: Instance, created: Created | None = None) -> Work:
        """What the provider writes back; this work with the pod as it is then."""
        pod = self.live_pod
        outline = self.outline(row)
        wanted = self.dialect.annotations(
            outline,
            instance=decode(row.seen),
            created=Created(
                created.id if created else row.cloud_id,
                created.request_id if created else row.request_id,
                row.token,
                self.account.account_id,
                size_of(row),
            ),
        )
        patch = annotations_patch(pod, wanted)
        if patch is None:
            return self
        self.ctx.lease.check()
        changed = await self.kube.patch(PODS, self.name, patch, self.namespace, kind="merge")
        return replace(self, pod=changed)

    def outline(self, row: Instance | None) -> InstanceSpec:
        """The spec without what the pod refers to: enough for sizes and annotations."""
        tags = store.tags(row, installation=self.scene.installation) if row else {}
        return outline(self.live_pod, site=self.site, tags=tags)


def asked_of(row: Instance) -> Asked | None:
    """None until the cloud was asked."""
    known = row.state not in {Instance.State.INTENT, Instance.State.CREATING}
    return Asked(row.asked_cpu, row.asked_memory) if row.cloud_id or known else None


_resolvers: WeakKeyDictionary[Kube, Resolver] = WeakKeyDictionary()


def resolver_of(kube: Kube) -> Resolver:
    resolver = _resolvers.get(kube)
    if resolver is None:
        resolver = _resolvers[kube] = Resolver(kube, monotonic=time.monotonic)
    return resolver


def outcome_of(error: ProviderError) -> Outcome:
    """When to look again after the cloud answered so, and what the page says meanwhile."""
    values = {
        "message": error.message,
        "error_code": error.code,
        "request_id": error.request_id,
    }
    match error:
        case Throttled():
            return Outcome(error.retry_after, reasons.THROTTLED, values)
        case OutOfStock():
            return Outcome(30.0, reasons.NO_STOCK, values)
        case QuotaExceeded():
            return Outcome(60.0, reasons.QUOTA, values)
        case AccountTrouble():
            return Outcome(30.0, reasons.ACCOUNT_TROUBLE, values)
        case UnknownOutcome():
            return Outcome(2.0, reasons.UNKNOWN_OUTCOME, values)
    return Outcome(None, reasons.CLOUD_UNAVAILABLE, values, failed=True)
