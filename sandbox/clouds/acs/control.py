"""The part of the control API that is about ACS: looking at instances, bending stock, evicting."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from sandbox.answers import MAX_ROWS, answer, body_of, refuse

from ..groups.faults import Fault
from . import meter
from .model import Instance

if TYPE_CHECKING:
    from .cloud import AcsCloud
    from .eviction import Evictions


def instance_row(instance: Instance, now: float) -> dict[str, Any]:
    """Return one instance as the meter sees it; times are cut to whole seconds."""
    price = meter.cost(instance, now)
    return {
        "id": instance.id,
        "cluster": instance.cluster,
        "namespace": instance.namespace,
        "pod": instance.pod,
        "uid": instance.uid,
        "labels": instance.labels,
        "status": instance.status,
        "reason": instance.reason,
        "node": instance.node,
        "zone": instance.zone,
        "ip": instance.ip,
        "compute_class": instance.compute_class,
        "qos": instance.qos,
        "spec": instance.spec,
        "cpu": float(instance.cpu),
        "memory": float(instance.memory),
        "model": instance.model,
        "cards": instance.cards,
        "storage": instance.storage,
        "client_token": instance.client_token,
        "created_at": _iso(instance.created_at),
        "billed_from": _iso(instance.billed_from),
        "billed_to": _iso(meter.billed_to(instance)),
        "billed_seconds": meter.billed_seconds(instance, now),
        "billed_cny": None if price is None else str(price),
        "ended_at": _iso(instance.ended_at),
        "deleted_at": _iso(instance.deleted_at),
        "evict_at": _iso(instance.evict_at),
    }


def _iso(at: float | None) -> str | None:
    return (
        None if at is None else datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )


class AcsControl:
    """Routes under ``/acs``."""

    def __init__(self, cloud: "AcsCloud") -> None:
        self.cloud = cloud

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/acs/calls", self.calls),
            web.get("/acs/instances", self.instances),
            web.post("/acs/instances/{id}/evict", self.evict),
            web.post("/acs/instances/{id}/die", self.die),
            web.get("/acs/faults", self.faults),
            web.post("/acs/faults", self.plant),
            web.delete("/acs/faults", self.clear),
            web.get("/acs/knobs", self.knobs),
            web.put("/acs/knobs", self.turn),
        ]

    async def calls(self, request: web.Request) -> web.Response:
        """Return ledger lines after ``since``, optionally of one ``action``."""
        query = request.query
        limit = min(int(query.get("limit", MAX_ROWS)), MAX_ROWS)
        since, action = int(query.get("since", 0)), query.get("action", "")
        return answer(self.cloud.store.calls(since, action, limit))

    async def instances(self, _request: web.Request) -> web.Response:
        """Return every instance ever created, oldest first."""
        now = self.cloud.now()
        return answer([instance_row(i, now) for i in self.cloud.instances.values()])

    async def evict(self, request: web.Request) -> web.Response:
        """Warn a best-effort instance and take it away after ``seconds`` (a knob without it)."""
        instance, evictions = self._living(request)
        if instance is None or evictions is None:
            return refuse(HTTPStatus.CONFLICT, "the instance has ended already")
        if instance.qos != "best-effort":
            return refuse(HTTPStatus.CONFLICT, f"an instance of QoS {instance.qos} is not evicted")
        body = await body_of(request)
        seconds = float(body.get("seconds", self.cloud.knobs.notice_seconds))
        await evictions.announce(instance, seconds)
        return answer(instance_row(instance, self.cloud.now()))

    async def die(self, request: web.Request) -> web.Response:
        """Fail an instance from outside with ``reason`` and ``exit_code``."""
        instance, evictions = self._living(request)
        if instance is None or evictions is None:
            return refuse(HTTPStatus.CONFLICT, "the instance has ended already")
        body = await body_of(request)
        reason, code = str(body.get("reason", "SystemFailure")), int(body.get("exit_code", 137))
        await evictions.end(instance, reason, f"The instance ended: {reason}.", code)
        return answer(instance_row(instance, self.cloud.now()))

    def _living(self, request: web.Request) -> "tuple[Instance | None, Evictions | None]":
        instance = self.cloud.instances[request.match_info["id"]]
        cluster = self.cloud.clusters[instance.cluster]
        return (instance, cluster.evictions) if instance.alive else (None, None)

    async def faults(self, _request: web.Request) -> web.Response:
        """Return the planted faults with their hits."""
        return answer(self.cloud.faults.planted)

    async def plant(self, request: web.Request) -> web.Response:
        """Plant a fault of the action CreateInstance; ``match``: namespace, pod, zone."""
        fault = msgspec.json.decode(await request.read(), type=Fault)
        self.cloud.faults.plant(fault)
        return answer(fault, HTTPStatus.CREATED)

    async def clear(self, _request: web.Request) -> web.Response:
        """Remove every fault."""
        self.cloud.faults.clear()
        return answer([])

    async def knobs(self, _request: web.Request) -> web.Response:
        """Return the knobs."""
        return answer(self.cloud.knobs)

    async def turn(self, request: web.Request) -> web.Response:
        """Change the knobs that are given; the others keep their value."""
        self.cloud.turn(self.cloud.knobs.updated(await body_of(request)))
        return answer(self.cloud.knobs)
