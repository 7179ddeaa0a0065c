"""The part of the control API that every cloud of container groups has: looking in, bending it."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from sandbox.answers import MAX_ROWS, answer, body_of, refuse

from . import meter
from .faults import Fault
from .model import TERMINAL, Group
from .roster import Roster


def iso(at: float | None) -> str | None:
    """Format Unix seconds, cut to whole ones; None stays None."""
    if at is None:
        return None
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instance_row(group: Group, status: str, now: float) -> dict[str, Any]:
    """Return one instance as the meter sees it; times are Unix seconds cut to whole ones."""
    return {
        "id": group.id,
        "name": group.name,
        "status": "Deleted" if group.deleted_at is not None else status,
        "zone": group.zone,
        "cpu": group.cpu,
        "memory": group.memory,
        "instance_type": group.instance_type,
        "created_at": iso(group.created_at),
        "billed_from": iso(meter.billed_from(group)),
        "billed_to": iso(meter.billed_to(group)),
        "billed_seconds": meter.billed_seconds(group, now),
        "ended_at": iso(group.ended_at),
        "deleted_at": iso(group.deleted_at),
        "listed": not group.gone,
    }


class GroupControl(ABC):
    """Routes under ``/<name>``; ``key_settings`` are the fields of a key that may change."""

    name: str
    key_settings = frozenset({"disabled", "permission", "denied_actions"})

    @abstractmethod
    def cloud(self, request: web.Request) -> Roster:
        """Return the cloud that a request is about."""

    @abstractmethod
    def row(self, group: Group, now: float) -> dict[str, Any]:
        """Return one instance as the meter sees it."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this cloud."""
        at = f"/{self.name}"
        return [
            web.get(f"{at}/calls", self.calls),
            web.get(f"{at}/instances", self.instances),
            web.post(f"{at}/instances/{{id}}/die", self.die),
            web.get(f"{at}/faults", self.faults),
            web.post(f"{at}/faults", self.plant),
            web.delete(f"{at}/faults", self.clear),
            web.get(f"{at}/knobs", self.knobs),
            web.put(f"{at}/knobs", self.turn),
            web.get(f"{at}/keys", self.keys),
            web.put(f"{at}/keys/{{key}}", self.change_key),
        ]

    async def calls(self, request: web.Request) -> web.Response:
        """Return ledger lines after ``since``, optionally of one ``action``."""
        query = request.query
        limit = min(int(query.get("limit", MAX_ROWS)), MAX_ROWS)
        since, action = int(query.get("since", 0)), query.get("action", "")
        return answer(self.cloud(request).store.calls(since, action, limit))

    async def instances(self, request: web.Request) -> web.Response:
        """Return every instance ever created, oldest first."""
        cloud = self.cloud(request)
        now = cloud.now()
        cloud.advance(now)
        return answer([self.row(group, now) for group in cloud.store.groups()])

    async def die(self, request: web.Request) -> web.Response:
        """End an instance, or only one ``container`` of it, from outside."""
        cloud = self.cloud(request)
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
        return self.changed(cloud, group, now)

    def changed(self, cloud: Roster, group: Group, now: float) -> web.Response:
        """Keep a group that was changed from outside, and answer with its row."""
        cloud.settle(group)
        cloud.store.commit()
        return answer(self.row(group, now))

    async def faults(self, request: web.Request) -> web.Response:
        """Return the planted faults with their hits."""
        return answer(self.cloud(request).faults.planted)

    async def plant(self, request: web.Request) -> web.Response:
        """Plant a fault."""
        fault = msgspec.json.decode(await request.read(), type=Fault)
        self.cloud(request).faults.plant(fault)
        return answer(fault, HTTPStatus.CREATED)

    async def clear(self, request: web.Request) -> web.Response:
        """Remove every fault."""
        self.cloud(request).faults.clear()
        return answer([])

    async def knobs(self, request: web.Request) -> web.Response:
        """Return the knobs."""
        return answer(self.cloud(request).knobs)

    async def turn(self, request: web.Request) -> web.Response:
        """Change the knobs that are given; the others keep their value."""
        cloud = self.cloud(request)
        cloud.turn(await body_of(request))
        return answer(cloud.knobs)

    async def keys(self, request: web.Request) -> web.Response:
        """Return the AccessKeys with what they may do."""
        return answer(list(self.cloud(request).keyring.values()))

    async def change_key(self, request: web.Request) -> web.Response:
        """Disable a key, or change what it may do."""
        cloud = self.cloud(request)
        name = request.match_info["key"]
        key, body = cloud.keyring[name], await body_of(request)
        if unknown := body.keys() - self.key_settings:
            return refuse(HTTPStatus.BAD_REQUEST, f"unknown fields: {', '.join(sorted(unknown))}")
        changed = msgspec.convert({**msgspec.to_builtins(key), **body}, type(key))
        cloud.keyring[name] = changed
        cloud.save_settings()
        return answer(changed)
