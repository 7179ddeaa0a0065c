"""The part of the control API that is about the simulated CS, RAM and STS."""

from http import HTTPStatus

import msgspec
from aiohttp import web

from sandbox.answers import MAX_ROWS, answer, body_of

from ..groups.faults import Fault
from .core import Aliyun


class AliyunControl:
    """Routes under ``/aliyun``; a fault of action ``task.<stage>`` fails tasks in that stage."""

    def __init__(self, cloud: Aliyun) -> None:
        self.cloud = cloud

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/aliyun/calls", self.calls),
            web.get("/aliyun/faults", self.faults),
            web.post("/aliyun/faults", self.plant),
            web.delete("/aliyun/faults", self.clear),
            web.get("/aliyun/knobs", self.knobs),
            web.put("/aliyun/knobs", self.turn),
            web.get("/aliyun/addons", self.addons),
        ]

    async def calls(self, request: web.Request) -> web.Response:
        """Return ledger lines after ``since``, optionally of one ``action``."""
        query = request.query
        limit = min(int(query.get("limit", MAX_ROWS)), MAX_ROWS)
        since, action = int(query.get("since", 0)), query.get("action", "")
        return answer(self.cloud.store.calls(since, action, limit))

    async def faults(self, _request: web.Request) -> web.Response:
        """Return the planted faults with their hits."""
        return answer(self.cloud.cs.faults.planted)

    async def plant(self, request: web.Request) -> web.Response:
        """Plant a fault."""
        fault = msgspec.json.decode(await request.read(), type=Fault)
        self.cloud.cs.faults.plant(fault)
        return answer(fault, HTTPStatus.CREATED)

    async def clear(self, _request: web.Request) -> web.Response:
        """Remove every fault."""
        self.cloud.cs.faults.clear()
        return answer([])

    async def knobs(self, _request: web.Request) -> web.Response:
        """Return the knobs."""
        return answer(self.cloud.cs.knobs)

    async def turn(self, request: web.Request) -> web.Response:
        """Change the knobs that are given; the others keep their value."""
        self.cloud.turn(await body_of(request))
        return answer(self.cloud.cs.knobs)

    async def addons(self, _request: web.Request) -> web.Response:
        """Return what is installed where, by cluster id and name."""
        return answer(self.cloud.cs.state.instances)
