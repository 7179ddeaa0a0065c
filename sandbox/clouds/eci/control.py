"""The part of the control API that is about the simulated ECI: looking in, bending it.

``?region=`` picks a region of the account, the first without it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from sandbox.answers import MAX_ROWS, answer, body_of, refuse

from ..groups.faults import Fault
from . import meter
from .cloud import EciCloud
from .model import TERMINAL, Group, is_spot


def instance_row(group: Group, now: float) -> dict[str, Any]:
    """Return one instance as the meter sees it; times are Unix seconds cut to whole ones."""
    billed_from, billed_to = meter.billed_from(group), meter.billed_to(group)
    return {
        "id": group.id,
        "name": group.name,
        "tags": group.tags,
        "status": "Deleted" if group.deleted_at is not None else group.status,
        "zone": group.zone,
        "cpu": group.cpu,
        "memory": group.memory,
        "instance_type": group.instance_type,
        "created_at": _iso(group.created_at),
        "billed_from": _iso(billed_from),
        "billed_to": _iso(billed_to),
        "billed_seconds": meter.billed_seconds(group, now),
        "billed_cny": str(meter.cost(group, now)),
        "segments": [
            {
                "from": _iso(s.since),
                "to": _iso(s.until),
                "cpu": s.cpu,
                "memory": s.memory,
                "instance_type": s.instance_type,
                "seconds": meter.segment_seconds(s, now),
            }
            for s in group.segments
        ],
        "ended_at": _iso(group.ended_at),
        "deleted_at": _iso(group.deleted_at),
        "listed": not group.gone,
        "client_token": group.client_token,
    }


def _iso(at: float | None) -> str | None:
    return (
        None if at is None else datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )


class EciControl:
    """``regions`` maps a region id to the account's cloud there."""

    def __init__(self, regions: Mapping[str, EciCloud]) -> None:
        self.regions = regions

    def _cloud(self, request: web.Request) -> EciCloud:
        region = request.query.get("region") or next(iter(self.regions))
        return self.regions[region]

    def routes(self) -> list[web.RouteDef]:
        """Return the routes under ``/eci``."""
        return [
            web.get("/eci/calls", self.calls),
            web.get("/eci/instances", self.instances),
            web.post("/eci/instances/{id}/die", self.die),
            web.post("/eci/instances/{id}/reclaim", self.reclaim),
            web.get("/eci/faults", self.faults),
            web.post("/eci/faults", self.plant),
            web.delete("/eci/faults", self.clear),
            web.get("/eci/knobs", self.knobs),
            web.put("/eci/knobs", self.turn),
            web.get("/eci/keys", self.keys),
            web.put("/eci/keys/{key}", self.change_key),
        ]

    async def calls(self, request: web.Request) -> web.Response:
        """Return ledger lines after ``since``, optionally of one ``action``."""
        cloud = self._cloud(request)
        query = request.query
        limit = min(int(query.get("limit", MAX_ROWS)), MAX_ROWS)
        lines = cloud.store.calls(int(query.get("since", 0)), query.get("action", ""), limit)
        return answer(lines)

    async def instances(self, request: web.Request) -> web.Response:
        """Return every instance ever created, oldest first."""
        cloud = self._cloud(request)
        now = cloud.now()
        cloud.advance(now)
        return answer([instance_row(group, now) for group in cloud.store.groups()])

    async def die(self, request: web.Request) -> web.Response:
        """End an instance, or only one ``container`` of it, from outside."""
        cloud = self._cloud(request)
        body = await body_of(request)
        now = cloud.now()
        cloud.advance(now)
        group = cloud.groups[request.match_info["id"]]
        if group.status in TERMINAL:
            return refuse(HTTPStatus.CONFLICT, f"{group.id} is {group.status} already")
        reason = str(body.get("reason", "SystemFailure"))
        exit_code, name = int(body.get("exit_code", 137)), body.get("container")
        if name:
            cloud.lifecycle.crash(group, now, name, reason, exit_code)
        else:
            cloud.lifecycle.kill(group, now, reason, exit_code)
        cloud.settle(group)
        cloud.store.commit()
        return answer(instance_row(group, now))

    async def reclaim(self, request: web.Request) -> web.Response:
        """Announce that a spot instance is reclaimed; it is Expired three minutes later."""
        cloud = self._cloud(request)
        now = cloud.now()
        cloud.advance(now)
        group = cloud.groups[request.match_info["id"]]
        if group.status in TERMINAL or not is_spot(group):
            return refuse(HTTPStatus.CONFLICT, f"{group.id} is no spot instance that runs")
        cloud.lifecycle.reclaim(group, now)
        cloud.settle(group)
        cloud.store.commit()
        return answer(instance_row(group, now))

    async def faults(self, request: web.Request) -> web.Response:
        """Return the planted faults with their hits."""
        cloud = self._cloud(request)
        return answer(cloud.faults.planted)

    async def plant(self, request: web.Request) -> web.Response:
        """Plant a fault."""
        cloud = self._cloud(request)
        fault = msgspec.json.decode(await request.read(), type=Fault)
        cloud.faults.plant(fault)
        return answer(fault, HTTPStatus.CREATED)

    async def clear(self, request: web.Request) -> web.Response:
        """Remove every fault."""
        cloud = self._cloud(request)
        cloud.faults.clear()
        return answer([])

    async def knobs(self, request: web.Request) -> web.Response:
        """Return the knobs."""
        cloud = self._cloud(request)
        return answer(cloud.knobs)

    async def turn(self, request: web.Request) -> web.Response:
        """Change the knobs that are given; the others keep their value."""
        cloud = self._cloud(request)
        limits = cloud.knobs.limits
        cloud.knobs = cloud.knobs.updated(await body_of(request))
        if cloud.knobs.limits != limits:
            cloud.buckets.refill()
        cloud.save_settings()
        return answer(cloud.knobs)

    async def keys(self, request: web.Request) -> web.Response:
        """Return the AccessKeys with what they may do."""
        cloud = self._cloud(request)
        return answer(list(cloud.keys.values()))

    async def change_key(self, request: web.Request) -> web.Response:
        """Disable a key, take its permission away, or deny single actions."""
        cloud = self._cloud(request)
        key = cloud.keys[request.match_info["key"]]
        body = await body_of(request)
        unknown = body.keys() - {"disabled", "permission", "denied_actions"}
        if unknown:
            return refuse(HTTPStatus.BAD_REQUEST, f"unknown fields: {', '.join(sorted(unknown))}")
        changed = msgspec.convert({**msgspec.to_builtins(key), **body}, type(key))
        cloud.keys[key.access_key_id] = changed
        cloud.save_settings()
        return answer(changed)
