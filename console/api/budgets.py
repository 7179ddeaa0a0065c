"""Budgets and the channels of their notices over REST."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from console import audit
from console.access import Role, access, default_team, visible
from console.api import budget_shapes as shapes
from console.api.base import Resource, reader
from console.billing.budgets import channels, manage
from console.billing.budgets.errors import BudgetError
from console.billing.budgets.manage import Wish
from console.billing.budgets.periods import period_of
from console.billing.budgets.reach import limits
from console.models import Budget, Channel
from kube.secret import Secret

_EVENTS = 100


def _refused(error: BudgetError) -> ValidationError:
    text = f"{error.message} {error.fix}".strip()
    return ValidationError({error.field or "non_field_errors": [text]})


def budget_row(budget: Budget, held: int) -> dict[str, Any]:
    span = period_of(budget, timezone.now())
    return {
        "id": budget.pk,
        "team": budget.team.name,
        "name": budget.name,
        "scope": budget.scope,
        "amount": str(budget.amount),
        "currency": budget.currency,
        "period": budget.period,
        "period_start": span.begins,
        "period_end": span.ends,
        "thresholds": budget.thresholds,
        "forecast": budget.forecast,
        "action": budget.action,
        "channels": sorted(channel.pk for channel in budget.channels.all()),
        "enabled": budget.enabled,
        "state": manage.state_of(budget, held),
        "held": held,
        "spent": str(budget.spent),
        "expected": None if budget.expected is None else str(budget.expected),
        "looked_at": budget.looked_at,
        "created_by": budget.created_by,
        "created_at": budget.created_at,
    }


def channel_row(channel: Channel) -> dict[str, Any]:
    return {
        "id": channel.pk,
        "team": channel.team.name,
        "name": channel.name,
        "kind": channel.kind,
        "shown": channel.shown,
        "signed": bool(channel.sealed_secret),
        "last_tried_at": channel.last_tried_at,
        "last_error": channel.last_error,
        "created_at": channel.created_at,
    }


def _wish(data: dict[str, Any]) -> Wish:
    given: dict[str, Any] = {name: data[name] for name in Wish.__slots__}
    lists = {name: tuple(given[name]) for name in ("thresholds", "channels")}
    return Wish(**{**given, **lists})


@extend_schema_view(
    list=extend_schema(summary="Budgets", responses=shapes.BudgetShape(many=True)),
)
class Budgets(Resource):
    serializer_class = shapes.BudgetShape
    filter_backends = ()

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Budget.objects.none()
        rows = visible(Budget, self.request.user).select_related("team")
        return rows.prefetch_related("channels")

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        held = manage.held(page)
        return self.get_paginated_response([budget_row(b, held.get(b.pk, 0)) for b in page])

    @extend_schema(
        summary="One budget, with what happened to it", responses=shapes.BudgetDetailShape
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        budget = access(Budget, request.user, pk=pk)
        events = shapes.BudgetEventShape(budget.events.all()[:_EVENTS], many=True).data
        return Response({**self._row(budget), "events": events})

    @extend_schema(
        summary="Make a budget",
        request=shapes.BudgetRequest,
        responses={201: shapes.BudgetReachShape},
    )
    def create(self, request: Request) -> Response:
        data = self._given(request)
        team = default_team(request.user, role=Role.OPERATOR, name=data["team"])
        try:
            budget = manage.create(
                team, _wish(data), by=reader(request).get_username(), now=timezone.now()
            )
        except BudgetError as error:
            raise _refused(error) from error
        self._audit(request, "budget.create", budget)
        headers = {"Location": f"/api/v1/billing/budgets/{budget.pk}/"}
        return Response(self._row(budget), status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(
        summary="Change a budget: all of it is given anew; a hold that no longer fits is lifted",
        request=shapes.BudgetRequest,
        responses=shapes.BudgetReachShape,
    )
    def update(self, request: Request, pk: str) -> Response:
        budget = access(Budget, request.user, role=Role.OPERATOR, pk=pk)
        by = reader(request).get_username()
        try:
            manage.update(budget, _wish(self._given(request)), by=by, now=timezone.now())
        except BudgetError as error:
            raise _refused(error) from error
        self._audit(request, "budget.change", budget)
        return Response(self._row(budget))

    @extend_schema(
        summary="Remove a budget; what it holds is lifted", request=None, responses={204: None}
    )
    def destroy(self, request: Request, pk: str) -> Response:
        budget = access(Budget, request.user, role=Role.OWNER, pk=pk)
        self._audit(request, "budget.remove", budget)
        manage.delete(budget, by=reader(request).get_username(), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Make new instances again, for the rest of the period",
        request=None,
        responses=shapes.LiftShape,
    )
    @action(detail=True, methods=["post"])
    def lift(self, request: Request, pk: str) -> Response:
        budget = access(Budget, request.user, role=Role.OPERATOR, pk=pk)
        lifted = manage.lift(budget, by=reader(request).get_username(), now=timezone.now())
        self._audit(request, "budget.lift", budget)
        return Response({"lifted": lifted})

    @extend_schema(
        summary="Send a test notice to each of its channels",
        request=None,
        responses=shapes.BudgetTestShape,
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        budget = access(Budget, request.user, role=Role.OPERATOR, pk=pk)
        self._audit(request, "budget.test", budget)
        found = manage.test_budget(budget, timezone.now())
        return Response({"channels": {str(channel): error for channel, error in found.items()}})

    def _given(self, request: Request) -> dict[str, Any]:
        given = shapes.BudgetRequest(data=request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def _row(self, budget: Budget) -> dict[str, Any]:
        row = budget_row(budget, manage.held([budget]).get(budget.pk, 0))
        return {**row, "limits": limits(budget)}

    def _audit(self, request: Request, name: str, budget: Budget) -> None:
        detail = {
            "scope": budget.scope,
            "amount": f"{budget.amount} {budget.currency}",
            "period": budget.period,
            "action": budget.action,
        }
        audit.record(request, name, budget.name, team=budget.team, detail=detail)


@extend_schema_view(
    list=extend_schema(summary="Channels of notices", responses=shapes.ChannelShape(many=True)),
)
class Channels(Resource):
    serializer_class = shapes.ChannelShape
    filter_backends = ()

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Channel.objects.none()
        return visible(Channel, self.request.user).select_related("team")

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([channel_row(channel) for channel in page])

    @extend_schema(summary="One channel", responses=shapes.ChannelShape)
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(channel_row(access(Channel, request.user, pk=pk)))

    @extend_schema(
        summary="Add a channel; its address is sealed and never shown again",
        request=shapes.ChannelRequest,
        responses={201: shapes.ChannelShape},
    )
    def create(self, request: Request) -> Response:
        given = shapes.ChannelRequest(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        team = default_team(request.user, role=Role.OPERATOR, name=data["team"])
        try:
            channel = channels.create(
                team,
                name=data["name"],
                kind=data["kind"],
                address=data["address"],
                secret=Secret(data["secret"]),
                now=timezone.now(),
            )
        except BudgetError as error:
            raise _refused(error) from error
        detail = {"kind": channel.kind}
        audit.record(request, "channel.create", channel.name, team=team, detail=detail)
        return Response(channel_row(channel), status=status.HTTP_201_CREATED)

    @extend_schema(summary="Remove a channel", request=None, responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        channel = access(Channel, request.user, role=Role.OWNER, pk=pk)
        audit.record(request, "channel.remove", channel.name, team=channel.team)
        channel.delete()
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(summary="Send a test notice", request=None, responses=shapes.TestShape)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        channel = access(Channel, request.user, role=Role.OPERATOR, pk=pk)
        audit.record(request, "channel.test", channel.name, team=channel.team)
        error = manage.test_channel(channel, timezone.now())
        return Response({"ok": not error, "error": error})
