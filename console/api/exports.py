"""Files of usage over REST: ask, wait, fetch. They belong to whoever asked."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers as s
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from console import audit
from console.access import Role, default_team
from console.api.base import Resource, reader
from console.api.negotiation import OneForm
from console.api.problems import Problem
from console.billing import groups
from console.billing.asked import day_of_text
from console.billing.exports import manage
from console.models import Export


class ExportRequest(s.Serializer[Any]):
    format = s.ChoiceField(list(manage.FORMATS), default="usage", help_text="`focus` is FOCUS 1.2")
    start = s.DateField(help_text="First billing day (UTC+8)")
    end = s.DateField(help_text="The first day after the last one")
    where = s.DictField(
        child=s.ListField(child=s.CharField(allow_blank=True)),
        default=dict,
        help_text='Filters as of statements: {"namespace": ["shop"]}',
    )
    team = s.CharField(required=False, default="", help_text="Default: all that you may see")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["end"] <= attrs["start"]:
            raise ValidationError({"end": _("`end` is the first day after the period.")})
        if attrs["end"] - attrs["start"] > manage.LONGEST:
            raise ValidationError({"start": _("A period has at most 400 days.")})
        for name in attrs["where"]:
            if not groups.is_group(name):
                raise ValidationError({"where": _("There is no filter %(name)s.") % {"name": name}})
        _check_days(attrs)
        return attrs


def _check_days(attrs: dict[str, Any]) -> None:
    given = {name: [attrs[name].isoformat()] for name in ("start", "end")}
    given["where"] = attrs["where"].get("day", [])
    for field, texts in given.items():
        try:
            for text in texts:
                day_of_text(text)
        except ValueError as error:
            raise ValidationError({field: _("A day is written like 2026-11-21.")}) from error


class ExportShape(s.Serializer[Any]):
    id = s.IntegerField()
    format = s.CharField()
    start = s.DateField()
    end = s.DateField()
    where = s.DictField()
    team = s.CharField(allow_blank=True)
    state = s.ChoiceField(Export.State.choices)
    rows = s.IntegerField()
    unpriced = s.IntegerField(
        help_text="Lines without a price; FOCUS has no place for them and leaves them out"
    )
    error = s.CharField(allow_blank=True)
    file = s.CharField(allow_null=True, help_text="Address of the file once it is ready")
    created_at = s.DateTimeField()
    ready_at = s.DateTimeField(allow_null=True)
    expires_at = s.DateTimeField()


def export_row(export: Export) -> dict[str, Any]:
    ready = export.state == Export.State.READY
    return {
        "id": export.pk,
        "format": export.format,
        "start": export.query["start"],
        "end": export.query["end"],
        "where": export.query.get("where", {}),
        "team": export.team.name if export.team else "",
        "state": export.state,
        "rows": export.rows,
        "unpriced": export.query.get("unpriced", 0),
        "error": export.error,
        "file": f"/api/v1/billing/exports/{export.pk}/file/" if ready else None,
        "created_at": export.created_at,
        "ready_at": export.ready_at,
        "expires_at": export.created_at + manage.KEPT,
    }


@extend_schema_view(
    list=extend_schema(summary="My files of usage", responses=ExportShape(many=True)),
)
class Exports(Resource):
    serializer_class = ExportShape
    filter_backends = ()

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Export.objects.none()
        return Export.objects.filter(user=reader(self.request)).select_related("team")

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([export_row(export) for export in page])

    @extend_schema(summary="One file, and how far it is", responses=ExportShape)
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(export_row(self.get_object()))

    @extend_schema(
        summary="Ask for a file of usage; it is made in the background and kept for a week",
        request=ExportRequest,
        responses={202: ExportShape},
    )
    def create(self, request: Request) -> Response:
        given = ExportRequest(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        named = data["team"]
        team = default_team(request.user, role=Role.VIEWER, name=named) if named else None
        try:
            export = manage.ask(
                reader(request),
                kind=data["format"],
                start=data["start"],
                end=data["end"],
                where=data["where"],
                team=team,
                now=timezone.now(),
            )
        except manage.TooMany as error:
            raise Problem(
                "exports_waiting",
                _("Several files are being made for you."),
                fix=_("Wait until they are ready."),
                http=429,
            ) from error
        detail = {"format": export.format, **export.query}
        audit.record(request, "export.ask", str(export.pk), team=team, detail=detail)
        headers = {"Location": f"/api/v1/billing/exports/{export.pk}/"}
        return Response(export_row(export), status=status.HTTP_202_ACCEPTED, headers=headers)

    @extend_schema(summary="Delete a file", request=None, responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        export = self.get_object()
        audit.record(request, "export.delete", str(export.pk), team=export.team)
        manage.delete(export)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="The file", responses={(200, "text/csv"): OpenApiTypes.BINARY, 409: None}
    )
    @action(detail=True, content_negotiation_class=OneForm)
    def file(self, request: Request, pk: str) -> Any:
        export = self.get_object()
        path = manage.path_of(export)
        if path is None:
            raise Problem(
                "export_not_ready",
                _("The file is not ready."),
                fix=_("Ask again in a moment; after a week, ask for a new one."),
            )
        begins, ends = export.query["start"], export.query["end"]
        response = FileResponse(
            path.open("rb"),
            as_attachment=True,
            filename=f"spillway-{export.format}-{begins}-{ends}.csv",
            content_type="text/csv; charset=utf-8",
        )
        response["Cache-Control"] = "private, no-store"
        return response
