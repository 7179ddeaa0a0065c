"""Fleet upgrades over REST: one component brought to one version on many clusters, in waves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from addons.components import fleet
from addons.models import FleetUpgrade, Installation
from addons.sentences import read
from console import audit
from console.access import Role, default_team, visible
from console.api import component_shapes as shapes
from console.api.base import TopicViewSet, reader
from console.api.components import refused
from console.live.installed import FLEET_UPGRADES
from console.live.rows import Row, iso
from console.live.topics import Topic
from console.refusals import EXPLAINED


def _members(upgrade: FleetUpgrade) -> list[Row]:
    rows = upgrade.members.select_related("installation__cluster").order_by("wave", "pk")
    return [
        {
            "wave": one.wave,
            "cluster": one.installation.cluster.slug,
            "installation": one.installation_id,
            "state": one.state,
            "detail": read(one.detail),
            "operation": one.operation_id,
            "started_at": iso(one.started_at),
            "ended_at": iso(one.ended_at),
        }
        for one in rows
    ]


@extend_schema_view(
    list=extend_schema(summary="Fleet upgrades", responses=shapes.FleetUpgradeShape(many=True)),
)
class FleetUpgrades(TopicViewSet):
    topic_name = "fleet_upgrades"

    @property
    def topic(self) -> Topic:
        return FLEET_UPGRADES

    @extend_schema(
        summary="One fleet upgrade with its clusters", responses=shapes.FleetUpgradeDetailShape
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(self._whole(self.find(request, pk=pk)))

    def _whole(self, found: FleetUpgrade) -> Row:
        return {**self.row(found), "members": _members(found)}

    @extend_schema(
        summary="Bring a component to a version on many clusters, the canary first, then in waves",
        request=shapes.FleetUpgradeRequest,
        responses={202: shapes.FleetUpgradeDetailShape},
    )
    def create(self, request: Request) -> Response:
        given = shapes.FleetUpgradeRequest(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        team = default_team(request.user, role=Role.OPERATOR, name=data["team"])
        name, version = data["component"], data["version"]
        slugs = data["clusters"]
        try:
            rows = _named(request, name, slugs) if slugs else fleet.eligible(team, name, version)
            canary = _named(request, name, [data["canary"]])[0] if data["canary"] else None
            made = fleet.start(
                team,
                name,
                version,
                rows,
                batch=data["batch"],
                pause_seconds=data["pause_seconds"],
                canary=canary,
                stop_on_failure=data["stop_on_failure"],
                actor=reader(request).get_username(),
            )
        except EXPLAINED as error:
            raise refused(error) from error
        detail = {"version": version, "clusters": made.members.count()}
        audit.record(request, "fleet.start", name, team=team, detail=detail)
        headers = {"Location": f"/api/v1/fleet-upgrades/{made.pk}/"}
        return Response(self._whole(made), status=status.HTTP_202_ACCEPTED, headers=headers)

    @extend_schema(
        summary="Begin nothing more for now; what runs goes on",
        request=None,
        responses=shapes.FleetUpgradeDetailShape,
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        return self._act(request, pk, "pause")

    @extend_schema(
        summary="Go on; clusters that failed are tried again, or left",
        request=shapes.FleetResumeRequest,
        responses=shapes.FleetUpgradeDetailShape,
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        given = shapes.FleetResumeRequest(data=request.data or {})
        given.is_valid(raise_exception=True)
        return self._act(request, pk, "resume", failed=given.validated_data["failed"])

    @extend_schema(
        summary="Try the clusters that failed once more, and go on; refused when none failed",
        request=None,
        responses=shapes.FleetUpgradeDetailShape,
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        return self._act(request, pk, "retry")

    @extend_schema(
        summary="Begin nothing more, for good; what runs goes on to its end",
        request=None,
        responses=shapes.FleetUpgradeDetailShape,
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        return self._act(request, pk, "cancel")

    def _act(self, request: Request, pk: str, what: str, **given: Any) -> Response:
        found = self.find(request, Role.OPERATOR, pk=pk)
        try:
            _ACTS[what](found, **given)
        except EXPLAINED as error:
            raise refused(error) from error
        audit.record(request, f"fleet.{what}", f"fleet upgrade {pk}", team=found.team)
        found.refresh_from_db()
        return Response(self._whole(found))


_ACTS: dict[str, Callable[..., None]] = {
    "pause": fleet.pause,
    "resume": fleet.resume,
    "retry": fleet.retry,
    "cancel": fleet.cancel,
}


def _named(request: Request, component: str, slugs: list[str]) -> list[Installation]:
    """Installations by their clusters' slugs, in that order. Raises `ValidationError`."""
    rows = visible(Installation, request.user).select_related("cluster")
    found = {
        row.cluster.slug: row for row in rows.filter(component=component, cluster__slug__in=slugs)
    }
    missing = [slug for slug in slugs if slug not in found]
    if missing:
        text = _("It is not installed in: %(names)s") % {"names": ", ".join(missing)}
        raise ValidationError({"clusters": text})
    return [found[slug] for slug in slugs]
