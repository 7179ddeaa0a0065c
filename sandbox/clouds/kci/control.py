"""The part of the control API that is about the simulated KCI: looking in, bending it."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from sandbox.answers import MAX_ROWS, answer, body_of, refuse

from ..groups import meter
from ..groups.faults import Fault
from ..groups.model import TERMINAL, Group
from . import view
from .cloud import KciCloud

KEY_SETTINGS = frozenset({"disabled", "permission", "denied_actions", "projects", "expires_at"})


def instance_row(group: Group, now: float) -> dict[str, Any]:
    """Return one instance as the meter sees it; times are Unix seconds cut to whole ones."""
    return {
        "id": group.id,
        "name": group.name,
        "labels": group.tags,
        "status": "Deleted" if group.deleted_at is not None else view.status(group),
        "mode": view.mode(group),
        "zone": group.zone,
        "ip": group.ip,
        "charge_type": group.request["ChargeType"],
        "cpu": group.cpu,
        "memory": group.memory,
        "instance_type": group.instance_type,
        "created_at": _iso(group.created_at),
        "billed_from": _iso(meter.billed_from(group)),
        "billed_to": _iso(meter.billed_to(group)),
        "billed_seconds": meter.billed_seconds(group, now),
        "ended_at": _iso(group.ended_at),
        "deleted_at": _iso(group.deleted_at),
        "listed": not group.gone,
    }


def _iso(at: float | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class KciControl:
    """Routes under ``/kci``, as the other clouds have them."""

    def __init__(self, cloud: KciCloud) -> None:
        self.cloud = cloud

    def routes(self) -> list[web.RouteDef]:
        """Return the routes under ``/kci``."""
        return [
            web.get("/kci/calls", self.calls),
            web.get("/kci/instances", self.instances),
            web.post("/kci/instances/{id}/die", self.die),
            web.get("/kci/faults", self.faults),
            web.post("/kci/faults", self.plant),
            web.delete("/kci/faults", self.clear),
            web.get("/kci/knobs", self.knobs),
            web.put("/kci/knobs", self.turn),
            web.get("/kci/keys", self.keys),
            web.put("/kci/keys/{key}", self.change_key),
            web.post("/kci/temporary", self.issue),
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
        self.cloud.advance(now)
        return answer([instance_row(group, now) for group in self.cloud.store.groups()])

    async def die(self, request: web.Request) -> web.Response:
        """End an instance, or only one ``container`` of it, from outside."""
        body = await body_of(request)
        now = self.cloud.now()
        self.cloud.advance(now)
        group = self.cloud.groups[request.match_info["id"]]
        if group.status in TERMINAL:
            return refuse(HTTPStatus.CONFLICT, f"{group.id} is {view.status(group)} already")
        reason = str(body.get("reason", "SystemFailure"))
        exit_code, name = int(body.get("exit_code", 137)), body.get("container")
        if name:
            self.cloud.lifecycle.crash(group, now, name, reason, exit_code)
        else:
            self.cloud.lifecycle.kill(group, now, reason, exit_code)
        self.cloud.settle(group)
        self.cloud.store.commit()
        return answer(instance_row(group, now))

    async def faults(self, _request: web.Request) -> web.Response:
        """Return the planted faults with their hits."""
        return answer(self.cloud.faults.planted)

    async def plant(self, request: web.Request) -> web.Response:
        """Plant a fault."""
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
        self.cloud.knobs = self.cloud.knobs.updated(await body_of(request))
        self.cloud.buckets.refill()
        self.cloud.save_settings()
        return answer(self.cloud.knobs)

    async def keys(self, _request: web.Request) -> web.Response:
        """Return the AccessKeys with what they may do, temporary ones too."""
        return answer(list(self.cloud.keys.by_id.values()))

    async def change_key(self, request: web.Request) -> web.Response:
        """Disable a key, change what it may do or see, or when it ends."""
        key = self.cloud.keys.by_id[request.match_info["key"]]
        body = await body_of(request)
        if unknown := body.keys() - KEY_SETTINGS:
            return refuse(HTTPStatus.BAD_REQUEST, f"unknown fields: {', '.join(sorted(unknown))}")
        changed = msgspec.convert({**msgspec.to_builtins(key), **body}, type(key))
        self.cloud.keys.by_id[key.access_key_id] = changed
        self.cloud.save_settings()
        return answer(changed)

    async def issue(self, request: web.Request) -> web.Response:
        """Make a temporary key that ends after ``seconds``."""
        body = await body_of(request)
        key = self.cloud.issue_temporary(float(body.get("seconds", 3600)))
        return answer(key, HTTPStatus.CREATED)
