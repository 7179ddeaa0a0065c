"""The price book and contracts over REST."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as s
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from console import audit
from console.access import Role, access, default_team, visible
from console.api.base import reader
from console.api.billing_shapes import PriceShape
from console.api.idempotency import Idempotent
from console.api.problems import Problem
from console.billing import book, price_file, priced
from console.billing.models import DiscountRule, PriceEntry
from providers.models import CloudAccount


class _ScopeRequest(s.Serializer[Any]):
    team = s.CharField(required=False, default="", help_text="Default: your first team")
    provider = s.CharField(max_length=16)
    region = s.CharField(max_length=64, default="", allow_blank=True)
    type = s.CharField(max_length=64, default="", allow_blank=True)
    tier = s.CharField(max_length=64, default="", allow_blank=True)
    account = s.IntegerField(default=None, allow_null=True, help_text="Id of a credential")
    valid_from = s.DateTimeField(help_text="May lie in the past: what it touches is metered anew")
    valid_to = s.DateTimeField(default=None, allow_null=True)


class PriceRequest(_ScopeRequest):
    zone = s.CharField(max_length=64, default="", allow_blank=True)
    item = s.ChoiceField(["cpu", "memory", "instance", "gpu", "storage"])
    amount = s.DecimalField(max_digits=20, decimal_places=12)
    per = s.ChoiceField(["second", "hour"])
    currency = s.CharField(max_length=3)
    source = s.CharField(  # type: ignore[assignment]
        max_length=255, default="", allow_blank=True
    )


class DiscountRequest(_ScopeRequest):
    name = s.CharField(max_length=64)
    item = s.CharField(max_length=16, default="", allow_blank=True)
    factor = s.DecimalField(max_digits=7, decimal_places=6, help_text="0.85: fifteen percent off")


class DiscountShape(s.Serializer[Any]):
    id = s.IntegerField()
    team = s.CharField()
    name = s.CharField()
    provider = s.CharField()
    region = s.CharField(allow_blank=True)
    type = s.CharField(allow_blank=True)
    tier = s.CharField(allow_blank=True)
    item = s.CharField(allow_blank=True)
    account = s.IntegerField(allow_null=True)
    factor = s.CharField()
    valid_from = s.DateTimeField()
    valid_to = s.DateTimeField(allow_null=True)
    entered_by = s.CharField(allow_blank=True)
    entered_at = s.DateTimeField()


class ImportRequest(s.Serializer[Any]):
    team = s.CharField(required=False, default="", help_text="Default: your first team")
    csv = s.CharField(
        max_length=price_file.MOST_BYTES,
        trim_whitespace=False,
        help_text="Its first line names the columns; those that must be there: "
        + ", ".join(price_file.REQUIRED),
    )


class ImportedShape(s.Serializer[Any]):
    imported = s.IntegerField()


_FILTERS = [
    OpenApiParameter("provider", str),
    OpenApiParameter("origin", str, enum=[priced.SHIPPED, *PriceEntry.Origin.values]),
    OpenApiParameter("q", str, description="Text in region, zone, type, tier, item, source"),
]


def _refused(error: book.Unreadable) -> ValidationError:
    return ValidationError({error.field: [f"{error.why} {error.fix}"]})


def price_row(one: priced.Price) -> dict[str, Any]:
    plain = (
        *("provider", "region", "zone", "type", "tier", "account", "item", "per", "currency"),
        *("valid_from", "valid_to", "origin", "source", "source_date", "entered_by"),
        "withdrawn_at",
    )
    amount = f"{one.amount:f}"
    return {"id": one.pk, "amount": amount, **{name: getattr(one, name) for name in plain}}


def discount_row(rule: DiscountRule) -> dict[str, Any]:
    plain = (
        *("name", "provider", "region", "type", "tier", "item", "valid_from", "valid_to"),
        *("entered_by", "entered_at"),
    )
    return {
        "id": rule.pk,
        "team": rule.team.name,
        "account": rule.account_id,
        "factor": f"{rule.factor:f}",
        **{name: getattr(rule, name) for name in plain},
    }


def _given(request: Request, shape: type[s.Serializer[Any]]) -> tuple[Group, dict[str, Any]]:
    """The team whose owner asks, and what is given for it."""
    given = shape(data=request.data)
    given.is_valid(raise_exception=True)
    data = dict(given.validated_data)
    team = default_team(request.user, role=Role.OWNER, name=data.pop("team"))
    if data.get("account") is not None:
        data["account"] = access(CloudAccount, request.user, pk=data["account"])
    return team, data


class Prices(Idempotent):
    @extend_schema(
        summary="The price book: shipped, quoted, entered; withdrawn ones too",
        operation_id="billing_prices",
        parameters=_FILTERS,
        responses=PriceShape(many=True),
    )
    def get(self, request: Request) -> Response:
        given = request.query_params
        found = priced.prices(
            request.user,
            provider=given.get("provider", ""),
            origin=given.get("origin", ""),
            text=given.get("q", ""),
        )
        return Response([price_row(one) for one in found])

    @extend_schema(
        summary="Enter a price; what it touches is metered anew",
        operation_id="billing_price_enter",
        request=PriceRequest,
        responses={201: PriceShape},
    )
    def post(self, request: Request) -> Response:
        team, data = _given(request, PriceRequest)
        by = reader(request).get_username()
        try:
            made = book.add_price(team, book.NewPrice(**data), by=by, now=timezone.now())
        except book.Unreadable as error:
            raise _refused(error) from error
        audit.record(request, "price.add", str(made.pk), team=team, detail=_detail(made))
        return Response(price_row(priced.of(made)), status=status.HTTP_201_CREATED)


def _detail(row: PriceEntry) -> dict[str, Any]:
    names = ("provider", "item", "per", "currency", "region", "zone", "type", "tier", "origin")
    return {name: getattr(row, name) for name in names} | {"amount": f"{Decimal(row.amount):f}"}


class PriceImport(Idempotent):
    @extend_schema(
        summary="Enter many prices from CSV, all of them or none",
        operation_id="billing_prices_import",
        request=ImportRequest,
        responses={201: ImportedShape},
    )
    def post(self, request: Request) -> Response:
        team, data = _given(request, ImportRequest)
        by = reader(request).get_username()
        try:
            made = price_file.import_csv(team, data["csv"].encode(), by=by, now=timezone.now())
        except price_file.FileRefused as error:
            lines = {f"line {one.line}.{one.field}": [one.why, one.fix] for one in error.faults}
            raise ValidationError(lines) from error
        audit.record(request, "price.import", str(len(made)), team=team)
        return Response({"imported": len(made)}, status=status.HTTP_201_CREATED)


class PriceWithdrawal(Idempotent):
    @extend_schema(
        summary="Withdraw a price, as if it had never been entered",
        operation_id="billing_price_withdraw",
        request=None,
        responses=PriceShape,
    )
    def post(self, request: Request, pk: int) -> Response:
        found = access(PriceEntry, request.user, role=Role.OWNER, pk=pk)
        try:
            book.withdraw(found, now=timezone.now())
        except book.Unchangeable as error:
            raise Problem("price_withdrawn", str(error)) from error
        audit.record(request, "price.withdraw", str(pk), team=found.team, detail=_detail(found))
        found.refresh_from_db()
        return Response(price_row(priced.of(found)))


class Discounts(Idempotent):
    @extend_schema(
        summary="Contracts: what is paid of the list price, and where",
        operation_id="billing_discounts",
        responses=DiscountShape(many=True),
    )
    def get(self, request: Request) -> Response:
        rules = visible(DiscountRule, request.user).select_related("team")
        return Response([discount_row(rule) for rule in rules])

    @extend_schema(
        summary="Enter a contract; what it touches is metered anew",
        operation_id="billing_discount_enter",
        request=DiscountRequest,
        responses={201: DiscountShape},
    )
    def post(self, request: Request) -> Response:
        team, data = _given(request, DiscountRequest)
        by = reader(request).get_username()
        try:
            made = book.add_discount(team, book.NewDiscount(**data), by=by, now=timezone.now())
        except book.Unreadable as error:
            raise _refused(error) from error
        detail = {"provider": made.provider, "factor": f"{made.factor:f}"}
        audit.record(request, "discount.add", made.name, team=team, detail=detail)
        return Response(discount_row(made), status=status.HTTP_201_CREATED)


class Discount(Idempotent):
    @extend_schema(
        summary="Remove a contract, as if it had never been agreed",
        operation_id="billing_discount_remove",
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, pk: int) -> Response:
        found = access(DiscountRule, request.user, role=Role.OWNER, pk=pk)
        audit.record(request, "discount.remove", found.name, team=found.team)
        book.remove_discount(found)
        return Response(status=status.HTTP_204_NO_CONTENT)
