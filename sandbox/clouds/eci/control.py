"""The part of the control API that is about the simulated ECI: looking in, bending it.

``?region=`` picks a region of the account, the first without it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from sandbox.answers import refuse

from ..groups.control import GroupControl, instance_row, iso
from . import meter
from .cloud import EciCloud
from .model import TERMINAL, Group, is_spot


class EciControl(GroupControl):
    """``regions`` maps a region id to the account's cloud there."""

    name = "eci"

    def __init__(self, regions: Mapping[str, EciCloud]) -> None:
        self.regions = regions

    def cloud(self, request: web.Request) -> EciCloud:
        """Return the cloud of the region that a request names, of the first without."""
        return self.regions[request.query.get("region") or next(iter(self.regions))]

    def row(self, group: Group, now: float) -> dict[str, Any]:
        """Return one instance with its tags, its stretches of one size and its list price."""
        return {
            **instance_row(group, group.status, now),
            "tags": group.tags,
            "billed_cny": str(meter.cost(group, now)),
            "segments": [
                {
                    "from": iso(s.since),
                    "to": iso(s.until),
                    "cpu": s.cpu,
                    "memory": s.memory,
                    "instance_type": s.instance_type,
                    "seconds": meter.segment_seconds(s, now),
                }
                for s in group.segments
            ],
            "client_token": group.client_token,
        }

    def routes(self) -> list[web.RouteDef]:
        """Return the routes under ``/eci``."""
        return [*super().routes(), web.post("/eci/instances/{id}/reclaim", self.reclaim)]

    async def reclaim(self, request: web.Request) -> web.Response:
        """Announce that a spot instance is reclaimed; it is Expired three minutes later."""
        cloud = self.cloud(request)
        now = cloud.now()
        cloud.advance(now)
        group = cloud.groups[request.match_info["id"]]
        if group.status in TERMINAL or not is_spot(group):
            return refuse(HTTPStatus.CONFLICT, f"{group.id} is no spot instance that runs")
        cloud.lifecycle.reclaim(group, now)
        return self.changed(cloud, group, now)
