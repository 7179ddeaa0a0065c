"""The reader's own profile and tokens."""

from __future__ import annotations

import zoneinfo
from datetime import timedelta

from django.contrib.auth.models import User
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from console import audit, tokens
from console.access import role_in, teams_of
from console.api import shapes
from console.api.base import reader
from console.api.idempotency import Idempotent
from console.models import ApiToken, Profile


def _profile(user: User) -> Profile:
    return Profile.objects.get_or_create(user=user)[0]


def _me(user: User) -> dict[str, object]:
    profile = _profile(user)
    return {
        "username": user.get_username(),
        "language": profile.language,
        "time_zone": profile.time_zone,
        "theme": profile.theme,
        "density": profile.density,
        "shortcuts": profile.shortcuts,
        "teams": {team.name: str(role_in(user, team)) for team in teams_of(user)},
    }


class Me(Idempotent):
    @extend_schema(
        summary="Who I am and how the console looks to me", responses=shapes.ProfileShape
    )
    def get(self, request: Request) -> Response:
        return Response(_me(reader(request)))

    @extend_schema(
        summary="Change language, theme, time zone, density or shortcuts",
        request=shapes.ProfileShape,
        responses=shapes.ProfileShape,
    )
    def patch(self, request: Request) -> Response:
        given = shapes.ProfileShape(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        zone = given.validated_data.get("time_zone", "")
        if zone and zone not in zoneinfo.available_timezones():
            raise serializers.ValidationError({"time_zone": [_("This time zone is not known.")]})
        profile = _profile(reader(request))
        for name, value in given.validated_data.items():
            setattr(profile, name, value)
        profile.save()
        return Response(_me(reader(request)))


class Tokens(Idempotent):
    secrets = ("token",)

    @extend_schema(summary="My API tokens", responses=shapes.TokenShape(many=True))
    def get(self, request: Request) -> Response:
        rows = ApiToken.objects.filter(user=reader(request), revoked_at=None)
        return Response(shapes.TokenShape(rows, many=True).data)

    @extend_schema(
        summary="Make a token; its text is in this answer only",
        request=shapes.TokenRequest,
        responses={201: shapes.NewTokenShape},
    )
    def post(self, request: Request) -> Response:
        given = shapes.TokenRequest(data=request.data)
        given.is_valid(raise_exception=True)
        expires = timezone.now() + timedelta(days=given.validated_data["days"])
        row, text = tokens.create(
            reader(request),
            name=given.validated_data["name"],
            scope=given.validated_data["scope"],
            expires_at=expires,
        )
        audit.record(request, "token.create", row.name, detail={"scope": row.scope})
        body = {**shapes.TokenShape(row).data, "token": text}
        return Response(body, status=status.HTTP_201_CREATED)


class Token(Idempotent):
    @extend_schema(summary="Revoke a token", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        row = ApiToken.objects.filter(user=reader(request), revoked_at=None, pk=pk).first()
        if row is None:
            raise Http404
        tokens.revoke(row, now=timezone.now())
        audit.record(request, "token.revoke", row.name)
        return Response(status=status.HTTP_204_NO_CONTENT)
