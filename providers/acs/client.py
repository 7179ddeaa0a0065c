"""ACS with one kubeconfig: the verbs and the powers of `providers.base`, over the Kubernetes API.

An instance is a pod in one namespace of the ACS cluster; its id is the pod's name. Sources: ACS
user guide, "ACS Pod overview"; Kubernetes API reference, "API concepts" (lists without a resource
version are the newest state; a name is taken once).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from kube import EVENTS, NAMESPACES, PODS, CoreEvent, Kube, OnlyMeta, Pod
from kube.errors import AlreadyExists
from kube.errors import NotFound as Missing
from providers.acs import answer, keys, pod, verify
from providers.acs.delta import Delta
from providers.acs.errors import told
from providers.acs.secrets import Secrets
from providers.acs.shortage import Shortage
from providers.base import CloudEvent, Created, Instance, InstanceSpec, Listing, Verification
from providers.errors import (
    AccountTrouble,
    NotFound,
    ProviderError,
    Throttled,
    Unavailable,
    UnknownOutcome,
)
from providers.stock import Stock

PAUSES = (0.2, 1.0)
T = TypeVar("T")
LOG_BYTES = 1024 * 1024
_ONE_BY_ONE = 20


def _utc() -> datetime:
    return datetime.now(UTC)


class Acs:
    """`Provider` with the powers Logs, Events, Changes, Placing and Verify.

    `cluster_uid` is the identity of the ACS cluster, as it was verified: a kubeconfig that leads
    elsewhere by now proves nothing by not finding a pod. Safe to share between tasks of one loop.
    """

    name = "acs"
    idempotent_create = True

    def __init__(
        self,
        kube: Kube,
        *,
        region: str,
        namespace: str,
        identity: str = "",
        cluster_uid: str = "",
        stock: Stock | None = None,
        now: Callable[[], datetime] = _utc,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kube = kube
        self.region = region
        self.namespace = namespace
        self._identity = identity
        self._cluster_uid = cluster_uid
        self._shortage = Shortage(stock)
        self._delta = Delta(kube, namespace, pod.selector(region, {}), monotonic=monotonic)
        self._secrets = Secrets(kube, namespace, now=now, monotonic=monotonic)
        self._now = now
        self._sleep = sleep

    async def aclose(self) -> None:
        await self.kube.close()
        await self._shortage.aclose()

    async def create(self, spec: InstanceSpec, *, token: str) -> Created:
        """Repeated under the same name while the outcome is unknown. `request_id`: the pod's UID.

        After a call that may have made the pod no refusal is believed: admission speaks before the
        name is compared, and our own pod may be what used up a quota.
        """
        wanted = pod.wanted(await self.placed(spec), token=token)
        doubt: ProviderError | None = None
        for pause in (*PAUSES, 0.0):
            try:
                made = await self._made(wanted)
            except (Unavailable, UnknownOutcome) as error:
                doubt = doubt if isinstance(doubt, UnknownOutcome) else error
                await self._sleep(pause)
            except ProviderError as error:
                if isinstance(doubt, UnknownOutcome):
                    break
                if not isinstance(error, Throttled | AccountTrouble):
                    await self._secrets.drop(wanted)
                raise
            else:
                return Created(wanted.name, made.metadata.uid, token)
        assert doubt is not None
        raise doubt

    async def _made(self, wanted: pod.Wanted) -> Pod:
        """The pod with its Secrets, by whoever made them. Another pod of its name is doubt."""
        with told(admits=True):
            await self._housed(lambda: self._secrets.make(wanted))
        with told(writes=True, admits=True):
            found = await self._housed(lambda: self._post(wanted))
        if (found.metadata.annotations or {}).get(keys.DIGEST) != wanted.digest:
            raise UnknownOutcome(
                f"pod {wanted.name} exists and was made from another request",
                code="IdempotentParameterMismatch",
            )
        await self._secrets.give(wanted, found)
        return found

    async def _post(self, wanted: pod.Wanted) -> Pod:
        try:
            made = await self.kube.create(PODS, wanted.pod, self.namespace)
        except AlreadyExists:
            return await self._taken(wanted.name)
        return msgspec.convert(made, Pod)

    async def _taken(self, name: str) -> Pod:
        """The pod that has the name. Whatever hinders us: it was there a moment ago."""
        try:
            with told():
                return await self.kube.get(PODS, name, self.namespace, type=Pod)
        except ProviderError as error:
            raise UnknownOutcome(error.message, code=error.code) from error

    async def _housed(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call, repeated once when it was the namespace that was missing."""
        try:
            return await call()
        except Missing:
            meta = {"name": self.namespace, "labels": {keys.MANAGED: keys.MANAGER}}
            with suppress(AlreadyExists):
                await self.kube.create(
                    NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
                )
            return await call()

    async def placed(self, spec: InstanceSpec) -> InstanceSpec:
        return await self._shortage.placed(spec)

    async def ran_short(self, zones: Sequence[str], size: str) -> None:
        await self._shortage.remember(zones, size)

    async def get(self, instance_id: str) -> Instance:
        try:
            with told():
                found = await self.kube.get(PODS, instance_id, self.namespace, type=Pod)
        except NotFound:
            await self._same_cluster()
            raise
        await self._shortage.note([found])
        return answer.instance(found, region=self.region)

    async def list(self, *, tags: Mapping[str, str]) -> Listing:
        asked_at, pods = await self._pods(tags)
        await self._secrets.tidy({one.metadata.name: one for one in pods}, self.region)
        return self._listing(asked_at, [p for p in pods if answer.holds(answer.tags(p), tags)])

    async def _pods(self, tags: Mapping[str, str]) -> tuple[datetime, Sequence[Pod]]:
        """All of ours in this region, narrowed by the tags that labels carry."""
        asked_at, labels = self._now(), pod.selector(self.region, tags)
        with told():
            found = await self.kube.list(PODS, self.namespace, labels=labels, type=Pod)
        if not found.items:
            await self._same_cluster()
        await self._shortage.note(found.items)
        return asked_at, found.items

    def _listing(self, asked_at: datetime, pods: Sequence[Pod]) -> Listing:
        found = tuple(answer.instance(one, region=self.region) for one in pods)
        return Listing(found, asked_at)

    async def _same_cluster(self) -> None:
        """Absence is told only by the cluster that the account was verified with."""
        if not self._cluster_uid:
            return
        with told():
            uid = await self._uid()
        if uid != self._cluster_uid:
            raise AccountTrouble(
                f"the kubeconfig leads to cluster {uid}, not to {self._cluster_uid}",
                code="OtherCluster",
            )

    async def _uid(self) -> str:
        system = await self.kube.get(NAMESPACES, "kube-system", type=OnlyMeta)
        return system.metadata.uid

    async def delete(self, instance_id: str) -> str:
        """The pod's UID. Deleting twice is safe, so that a lost answer is `Unavailable`."""
        with told():
            answered = await self.kube.delete(PODS, instance_id, self.namespace)
        if answered is None:
            await self._same_cluster()
            raise NotFound(f"{instance_id} is not there", code="NotFound")
        meta = answered.get("metadata") or {}
        details = answered.get("details") or {}
        return str(meta.get("uid") or details.get("uid") or "")

    async def changes(self, *, since_seconds: int | None, ids: Sequence[str] = ()) -> Listing:
        """What changed lately; an empty answer means "nothing changed". With `ids`: those."""
        if ids:
            return await self.details(ids)
        asked_at = self._now()
        with told():
            pods = await self._delta.since(since_seconds)
        await self._shortage.note(pods)
        return self._listing(asked_at, pods)

    async def details(self, ids: Sequence[str]) -> Listing:
        """A few pods by name, many by one list."""
        if len(ids) > _ONE_BY_ONE:
            asked_at, pods = await self._pods({})
            wanted = set(ids)
            return self._listing(asked_at, [p for p in pods if p.metadata.name in wanted])
        asked_at = self._now()
        found = await asyncio.gather(*(self._look(one) for one in ids))
        return Listing(tuple(one for one in found if one is not None), asked_at)

    async def _look(self, instance_id: str) -> Instance | None:
        try:
            return await self.get(instance_id)
        except NotFound:
            return None

    async def logs(
        self,
        instance_id: str,
        container: str,
        *,
        tail: int = 500,
        since_seconds: int | None = None,
        timestamps: bool = True,
        previous: bool = False,
    ) -> str:
        """The last `tail` lines, of which the last MiB."""
        text = bytearray()
        with told():
            async for piece in self.kube.logs(
                self.namespace,
                instance_id,
                container=container,
                tail_lines=tail,
                since_seconds=since_seconds,
                timestamps=timestamps,
                previous=previous,
            ):
                text += piece
                del text[:-LOG_BYTES]
        return text.decode(errors="replace")

    async def events(self, instance_id: str) -> Sequence[CloudEvent]:
        with told():
            found = await self.kube.list(
                EVENTS, self.namespace, fields=f"involvedObject.name={instance_id}", type=CoreEvent
            )
        return sorted((answer.event(one) for one in found.items), key=lambda event: event.at)

    async def verify(self) -> Verification:
        """Raises `AccountTrouble` when the kubeconfig is not accepted, or may not tell which
        cluster it leads to."""
        clock = asyncio.get_running_loop().time
        started = clock()
        with told():
            uid = await self._uid()
        latency = round((clock() - started) * 1000)
        with told():
            answers = await self.kube.can_i(verify.wanted(self.namespace))
        return Verification(
            account_id=uid,
            identity=self._identity,
            capabilities=tuple(verify.capability(*each) for each in answers.items()),
            latency_ms=latency,
        )
