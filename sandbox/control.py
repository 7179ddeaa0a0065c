"""The control API: how tests and demos look into the simulated world and bend it.

JSON over HTTP on 127.0.0.1. ``GET /`` lists what there is; ``sandbox/README.md`` explains it.
"""

import socket
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from .answers import MAX_ROWS, answer, body_of, explain, refuse
from .clouds.eci import meter
from .clouds.eci.cloud import EciCloud
from .clouds.eci.faults import Fault
from .clouds.eci.knobs import Knobs
from .clouds.eci.model import TERMINAL, Group


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
    """The part of the control API that is about the cloud."""

    def __init__(self, cloud: EciCloud) -> None:
        self.cloud = cloud

    def routes(self) -> list[web.RouteDef]:
        """Return the routes under ``/eci``."""
        return [
            web.get("/eci/calls", self.calls),
            web.get("/eci/instances", self.instances),
            web.post("/eci/instances/{id}/die", self.die),
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
        query = request.query
        limit = min(int(query.get("limit", MAX_ROWS)), MAX_ROWS)
        lines = self.cloud.store.calls(int(query.get("since", 0)), query.get("action", ""), limit)
        return answer(lines)

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
            return refuse(HTTPStatus.CONFLICT, f"{group.id} is {group.status} already")
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
        limits = self.cloud.knobs.limits
        self.cloud.knobs = self.cloud.knobs.updated(await body_of(request))
        if self.cloud.knobs.limits != limits:
            self.cloud.buckets.refill()
        self.cloud.save_settings()
        return answer(self.cloud.knobs)

    async def keys(self, _request: web.Request) -> web.Response:
        """Return the AccessKeys with what they may do."""
        return answer(list(self.cloud.keys.values()))

    async def change_key(self, request: web.Request) -> web.Response:
        """Disable a key, take its permission away, or deny single actions."""
        key = self.cloud.keys[request.match_info["key"]]
        body = await body_of(request)
        unknown = body.keys() - {"disabled", "permission", "denied_actions"}
        if unknown:
            return refuse(HTTPStatus.BAD_REQUEST, f"unknown fields: {', '.join(sorted(unknown))}")
        changed = msgspec.convert({**msgspec.to_builtins(key), **body}, type(key))
        self.cloud.keys[key.access_key_id] = changed
        self.cloud.save_settings()
        return answer(changed)


def knob_names() -> tuple[str, ...]:
    """Return the names of all knobs."""
    return Knobs.__struct_fields__


class ControlServer:
    """The HTTP server of the control API."""

    def __init__(self) -> None:
        self.app = web.Application(middlewares=[explain], client_max_size=16 * 1024 * 1024)
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one, ``url`` tells which."""
        self.app.router.add_get("/", self._index)
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        listener = socket.create_server((host, port), backlog=128)
        await web.SockSite(self._runner, listener).start()
        self.url = f"http://{host}:{listener.getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _index(self, _request: web.Request) -> web.Response:
        routes = {
            f"{route.method} {route.resource.canonical}"
            for route in self.app.router.routes()
            if route.resource and route.method != "HEAD"
        }
        return answer({"routes": sorted(routes), "eci_knobs": knob_names()})
