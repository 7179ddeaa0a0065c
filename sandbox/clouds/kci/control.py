"""The part of the control API that is about the simulated KCI: looking in, bending it."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from sandbox.answers import answer, body_of

from ..groups.control import GroupControl, instance_row
from ..groups.model import Group
from . import view
from .cloud import KciCloud


class KciControl(GroupControl):
    """Routes under ``/kci``."""

    name = "kci"
    key_settings = GroupControl.key_settings | {"projects", "expires_at"}

    def __init__(self, cloud: KciCloud) -> None:
        self._cloud = cloud

    def cloud(self, request: web.Request) -> KciCloud:
        """Return the account's only cloud."""
        return self._cloud

    def row(self, group: Group, now: float) -> dict[str, Any]:
        """Return one instance; Kingsoft publishes no prices."""
        return {
            **instance_row(group, view.status(group), now),
            "labels": group.tags,
            "mode": view.mode(group),
            "ip": group.ip,
            "charge_type": group.request["ChargeType"],
        }

    def routes(self) -> list[web.RouteDef]:
        """Return the routes under ``/kci``."""
        return [*super().routes(), web.post("/kci/temporary", self.issue)]

    async def issue(self, request: web.Request) -> web.Response:
        """Make a temporary key that ends after ``seconds``."""
        body = await body_of(request)
        key = self._cloud.issue_temporary(float(body.get("seconds", 3600)))
        return answer(key, HTTPStatus.CREATED)
