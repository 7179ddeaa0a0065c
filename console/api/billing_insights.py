"""What stands beside a statement over REST: savings, anomalies, movers, missing prices, and the
lines of a day's bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from console.access import access
from console.api import billing_shapes as shapes
from console.api.billing import asked_of, bill_day, figures_of, text
from console.api.pagination import Pages
from console.billing import anomalies, forecast, hints, priced
from console.billing.forecast import Mover
from console.billing.models import BillDay, BillItem
from console.views.billing.bills import beside

Titles = Mapping[tuple[str, str], str]


class _KeysShape(s.Serializer[Any]):
    keys = s.DictField(child=s.CharField(), help_text="Group -> key; empty: it has none")
    titles = s.DictField(child=s.CharField(), help_text="Group -> what people call it")


class HintTopShape(_KeysShape):
    amount = s.CharField()


class HintShape(s.Serializer[Any]):
    code = s.ChoiceField([str(code) for code in hints.Code])
    currency = s.CharField()
    measured = s.BooleanField(help_text="Whether anything is known to tell it from")
    amount = s.CharField(help_text="What it is about: nobody gets more of it back")
    saving = s.CharField(allow_null=True, help_text="A better estimate, where there is one")
    total = s.CharField(help_text="Of the whole period")
    share = s.CharField(help_text="Of the amount in the total, 0 to 1")
    figures = shapes.FiguresShape()
    top = HintTopShape(many=True, help_text="Where most of it is")


class HintsShape(s.Serializer[Any]):
    start = s.DateField()
    end = s.DateField(help_text="The first day after it")
    hints = HintShape(many=True)


class AnomalyShape(_KeysShape):
    currency = s.CharField()
    start = s.DateTimeField()
    end = s.DateTimeField()
    amount = s.CharField()
    before = s.CharField(help_text="In the same hours a week before")


class AnomaliesShape(s.Serializer[Any]):
    compared = s.BooleanField(help_text="false: nothing was used a week before")
    group = s.ListField(child=s.CharField())
    anomalies = AnomalyShape(many=True)


class MoverShape(_KeysShape):
    currency = s.CharField()
    amount = s.CharField()
    before = s.CharField()
    change = s.CharField()
    ratio = s.CharField(allow_null=True, help_text="0.25 is a quarter more; null: new")


class MoversShape(s.Serializer[Any]):
    start = s.DateTimeField(help_text="Of the period before")
    end = s.DateTimeField()
    group = s.ListField(child=s.CharField())
    movers = MoverShape(many=True, help_text="The largest changes first")
    totals = MoverShape(many=True, help_text="By currency")


class MissingShape(s.Serializer[Any]):
    provider = s.CharField()
    region = s.CharField()
    zone = s.CharField()
    type = s.CharField(help_text="Machine type; empty: vCPU and GiB of the class")
    tier = s.CharField()
    instances = s.IntegerField(help_text="That began in the period")
    seconds = s.IntegerField(help_text="In no sum")


class MissingPricesShape(s.Serializer[Any]):
    start = s.DateField()
    end = s.DateField()
    missing = MissingShape(many=True, help_text="The most used first")


class BillLineShape(s.Serializer[Any]):
    id = s.IntegerField()
    instance = s.CharField(help_text="Empty: it names none", allow_blank=True)
    product = s.CharField()
    item = s.CharField(allow_blank=True)
    region = s.CharField(allow_blank=True)
    usage = s.CharField(allow_null=True)
    usage_unit = s.CharField(allow_blank=True)
    seconds = s.IntegerField(allow_null=True)
    list_amount = s.CharField()
    amount = s.CharField()
    currency = s.CharField()
    heard_at = s.DateTimeField()


class BesideShape(s.Serializer[Any]):
    instance = s.CharField(allow_blank=True)
    pod = s.CharField(allow_blank=True)
    namespace = s.CharField(allow_blank=True)
    seconds = s.IntegerField()
    metered = s.CharField(allow_null=True, help_text="null: not metered, or unpriced")
    billed = s.CharField(allow_null=True, help_text="null: not billed")
    difference = s.CharField(allow_null=True)
    compared = s.ChoiceField(["matched", "only_billed", "only_used"])


class BillDayDetailShape(shapes.BillDayShape):
    instances = BesideShape(many=True, help_text="What only one side knows first")


def _keyed(group: Sequence[str], keys: Sequence[str], titles: Titles) -> dict[str, Any]:
    pairs = list(zip(group, keys, strict=True))
    named = {name: titles.get((name, key), key) for name, key in pairs}
    return {"keys": dict(pairs), "titles": named}


class Hints(APIView):
    @extend_schema(
        summary="Where money could be saved, with the figures that say so",
        operation_id="billing_hints",
        parameters=[*shapes.PERIOD, *shapes.WHERE],
        responses=HintsShape,
    )
    def get(self, request: Request) -> Response:
        asked = asked_of(request)
        found = hints.hints(request.user, asked.query, timezone.now())
        rows = [_hint(one, found.titles) for one in found.rows]
        return Response({"start": asked.start, "end": asked.end, "hints": rows})


def _hint(one: hints.Hint, titles: Titles) -> dict[str, Any]:
    return {
        "code": str(one.code),
        "currency": one.currency,
        "measured": one.measured,
        "amount": text(one.amount),
        "saving": None if one.saving is None else text(one.saving),
        "total": text(one.total),
        "share": text(one.share),
        "figures": figures_of(one.figures),
        "top": [
            {**_keyed(hints.GROUP, top.keys, titles), "amount": text(top.amount)} for top in one.top
        ],
    }


class Anomalies(APIView):
    @extend_schema(
        summary="Hours of the last day that cost far more than the same hours a week before",
        operation_id="billing_anomalies",
        parameters=[shapes.GROUP, *shapes.WHERE],
        responses=AnomaliesShape,
    )
    def get(self, request: Request) -> Response:
        asked = asked_of(request)
        found = anomalies.anomalies(request.user, asked.query, timezone.now())
        rows = [
            {
                **_keyed(asked.group, one.keys, found.titles),
                "currency": one.currency,
                "start": one.start,
                "end": one.end,
                "amount": text(one.amount),
                "before": text(one.before),
            }
            for one in found.rows
        ]
        told = {"compared": found.compared, "group": list(asked.group), "anomalies": rows}
        return Response(told)


class Movers(APIView):
    @extend_schema(
        summary="What changed most against the period before",
        operation_id="billing_movers",
        parameters=[*shapes.PERIOD, shapes.GROUP, *shapes.WHERE],
        responses=MoversShape,
    )
    def get(self, request: Request) -> Response:
        asked = asked_of(request)
        found = forecast.movers(request.user, asked.query, timezone.now(), limit=100)
        return Response(
            {
                "start": found.start,
                "end": found.end,
                "group": list(asked.group),
                "movers": [_mover(asked.group, one, found.titles) for one in found.rows],
                "totals": [_mover((), one, {}) for one in found.totals.values()],
            }
        )


def _mover(group: Sequence[str], one: Mover, titles: Titles) -> dict[str, Any]:
    return {
        **_keyed(group, one.keys, titles),
        "currency": one.currency,
        "amount": text(one.amount),
        "before": text(one.before),
        "change": text(one.delta),
        "ratio": None if one.ratio is None else text(round(one.ratio, 4)),
    }


class MissingPrices(APIView):
    @extend_schema(
        summary="The sizes that were used and have no price",
        operation_id="billing_missing_prices",
        parameters=[one for one in shapes.PERIOD if one.name != "currency"],
        responses=MissingPricesShape,
    )
    def get(self, request: Request) -> Response:
        asked = asked_of(request)
        found = priced.missing(request.user, asked.start, asked.end, timezone.now())
        names = ("provider", "region", "zone", "type", "tier", "seconds")
        rows = [
            {**{name: getattr(one, name) for name in names}, "instances": one.lives}
            for one in found
        ]
        return Response({"start": asked.start, "end": asked.end, "missing": rows})


class DayBill(APIView):
    @extend_schema(
        summary="One day of a credential: each instance as metered and as billed",
        operation_id="billing_reconciliation_day",
        responses=BillDayDetailShape,
    )
    def get(self, request: Request, pk: int) -> Response:
        day = access(BillDay, request.user, pk=pk)
        rows = [
            {
                "instance": one.cloud_id,
                "pod": one.pod,
                "namespace": one.namespace,
                "seconds": one.seconds,
                **{name: _money(one, name) for name in ("metered", "billed", "difference")},
                "compared": one.state,
            }
            for one in beside(day, timezone.now())
        ]
        return Response({**bill_day(day), "instances": rows})


def _money(one: Any, name: str) -> str | None:
    amount = getattr(one, name)
    return None if amount is None else text(amount)


class DayBillLines(GenericAPIView[Any]):
    pagination_class = Pages
    filter_backends = ()
    serializer_class = BillLineShape

    @extend_schema(
        summary="The lines of that day's bill as the cloud gave them, by page",
        operation_id="billing_reconciliation_lines",
        responses=BillLineShape(many=True),
    )
    def get(self, request: Request, pk: int) -> Response:
        day = access(BillDay, request.user, pk=pk)
        same = {name: getattr(day, name) for name in ("account_id", "day", "currency")}
        page = self.paginate_queryset(BillItem.objects.filter(**same)) or []
        return self.get_paginated_response([_bill_line(item) for item in page])


def _bill_line(item: BillItem) -> dict[str, Any]:
    names = ("id", "product", "item", "region", "usage_unit", "seconds", "currency", "heard_at")
    return {
        **{name: getattr(item, name) for name in names},
        "instance": item.cloud_id,
        "usage": _money(item, "usage"),
        "list_amount": text(item.list_amount),
        "amount": text(item.amount),
    }
