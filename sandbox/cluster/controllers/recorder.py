"""Events: written with count aggregation and a spam limit, removed after an hour.

Limits as client-go's EventCorrelator has them: equal events raise `count`; per source and object a
burst of 25, then one event per five minutes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from copy import copy
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

from sandbox.cluster.client import Client
from sandbox.cluster.clock import Clock
from sandbox.cluster.errors import ApiError

from .informer import Informer, Obj
from .timing import stamp

BURST = 25
REFILL_SECONDS = 300.0
REMEMBERED = 4096
_serial = count()


@dataclass
class _Bucket:
    tokens: float
    at: float


class _Told(NamedTuple):
    component: str
    reason: str
    message: str
    kind: str
    host: str
    field: str


def _identity(event: Obj) -> list[Hashable]:
    involved = event.get("involvedObject") or {}
    source = (event.get("source") or {}).get("component", "")
    return [(involved.get("uid"), source, event.get("reason"), event.get("message"))]


class Recorder:
    """Writes events as one component or another."""

    def __init__(self, client: Client, clock: Clock, informer: Informer) -> None:
        self._client = client
        self._clock = clock
        self._same = informer.index("identity", _identity)
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def through(self, client: Client) -> Recorder:
        """The same recorder, writing as another client."""
        other = copy(self)
        other._client = client
        return other

    async def emit(
        self,
        component: str,
        obj: Obj,
        reason: str,
        message: str,
        *,
        kind: str = "Normal",
        host: str = "",
        field: str = "",
    ) -> None:
        """Record that `reason` happened to `obj`. A refused event is dropped, as everywhere."""
        now = self._clock.now().timestamp()
        uid = obj["metadata"].get("uid", "")
        same = self._same[(uid, component, reason, message)]
        try:
            if same:
                await self._repeat(same[0], now)
            elif self._allowed((component, uid), now):
                told = _Told(component, reason, message, kind, host, field)
                event = _event(obj, told, now)
                await self._client.create("events", event, event["metadata"]["namespace"])
        except ApiError as error:
            if error.code >= 500:
                raise

    async def _repeat(self, event: Obj, now: float) -> None:
        meta = event["metadata"]
        body = {"count": (event.get("count") or 1) + 1, "lastTimestamp": stamp(now)}
        await self._client.patch("events", meta["name"], meta["namespace"], body, kind="merge")

    def _allowed(self, source: tuple[str, str], now: float) -> bool:
        bucket = self._buckets.pop(source, None) or _Bucket(BURST, now)
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) / REFILL_SECONDS)
        bucket.at = now
        self._buckets[source] = bucket
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def _event(obj: Obj, told: _Told, now: float) -> Obj:
    meta = obj["metadata"]
    involved: dict[str, Any] = {
        "apiVersion": obj.get("apiVersion", "v1"),
        "kind": obj["kind"],
        "name": meta["name"],
        "uid": meta.get("uid", ""),
    }
    if meta.get("namespace"):
        involved["namespace"] = meta["namespace"]
        involved["resourceVersion"] = meta.get("resourceVersion", "")
    if obj["kind"] == "Node":
        involved["uid"] = meta["name"] if told.component == "kubelet" else involved["uid"]
    if told.field:
        involved["fieldPath"] = told.field
    source = {"component": told.component, **({"host": told.host} if told.host else {})}
    suffix = f"{int(now * 1e9) + next(_serial):x}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{meta['name']}.{suffix}",
            "namespace": meta.get("namespace") or "default",
        },
        "involvedObject": involved,
        "reason": told.reason,
        "message": told.message[:1024],
        "source": source,
        "firstTimestamp": stamp(now),
        "lastTimestamp": stamp(now),
        "count": 1,
        "type": told.kind,
        "reportingComponent": told.component,
        "reportingInstance": told.host,
    }
