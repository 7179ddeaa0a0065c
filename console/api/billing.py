"""Usage, cost and bills over REST: the same questions as the pages, with the same filters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from addons.compat.check import check
from addons.compat.documents import Unreadable, parse
from console.api import billing_shapes as shapes
from console.api.billing_csv import StatementCsv
from console.api.compatibility import asked_targets, fetch_refused, refused, stored
from console.api.pagination import Pages
from console.api.problems import Problem
from console.billing import asked as questions
from console.billing import live
from console.billing.asked import Asked, BadQuestion
from console.billing.billed import Bill
from console.billing.figures import NAMES, Figures
from console.billing.forecast import forecast
from console.billing.models import BillDay, UsageLine
from console.billing.pods import Cost, money_of
from console.billing.preview import Offer, Priced
from console.billing.readers import teams_of
from console.billing.series import series
from console.billing.statements import Query, Row, Statement, statement
from console.live.rows import money
from console.refusals import EXPLAINED
from console.views.billing.bills import days_of
from console.views.billing.lines import lines_of
from console.views.billing.preview import priced
from providers.calendar import day_of, month_of, next_month

_BAND = ("low", "expected", "high")
# The filters that bills know.
_BILLED = ("account", "provider")


def asked_of(request: Request) -> Asked:
    """Raises `Problem` for what cannot be read."""
    try:
        return questions.read(request.query_params, day_of(timezone.now()))
    except BadQuestion as error:
        extra = {"parameter": error.name}
        raise Problem("bad_question", error.text, http=400, extra=extra) from error


def text(value: Decimal) -> str:
    return f"{value:f}"


def figures_of(found: Figures) -> dict[str, Any]:
    values = {name: getattr(found, name) for name in NAMES}
    return {
        name: text(value) if isinstance(value, Decimal) else value for name, value in values.items()
    }


def row_of(group: tuple[str, ...], row: Row, titles: Mapping[tuple[str, str], str]) -> Any:
    pairs = list(zip(group, row.keys, strict=True))
    return {
        "keys": dict(pairs),
        "titles": {name: titles.get((name, key), key) for name, key in pairs},
        "currency": row.currency,
        "figures": figures_of(row.figures),
    }


def bill_of(bill: Bill | None) -> dict[str, Any] | None:
    if bill is None:
        return None
    difference = None if bill.difference is None else text(bill.difference)
    return {
        "billed": text(bill.billed),
        "metered": text(bill.metered),
        "difference": difference,
    }


def statement_of(found: Statement) -> dict[str, Any]:
    group = found.query.group
    return {
        "start": found.query.start,
        "end": found.query.end,
        "at": found.at,
        "group": list(group),
        "rows": [
            {**row_of(group, row, found.titles), "bill": bill_of(row.bill)} for row in found.rows
        ],
        "totals": {code: figures_of(one) for code, one in found.totals.items()},
        "unpriced": figures_of(found.unpriced),
        "bills": {code: bill_of(one) for code, one in found.bills.items()},
        "bill_days": sorted(found.bill_days),
        "metered_anew": found.anew,
    }


def _meters(found: Mapping[str, live.Meter], at: datetime) -> dict[str, Any]:
    return {
        code: {"amount": text(one.value(at)), "per_hour": text(one.per_hour)}
        for code, one in found.items()
    }


class Summary(APIView):
    @extend_schema(
        summary="What is spent now, today and this month, and what is expected",
        operation_id="billing_summary",
        responses=shapes.SummaryShape,
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        found = live.spend(teams_of(request.user), now)
        month = month_of(now)
        ahead = forecast(request.user, Query(month, next_month(month)), now)
        running = sum(one.running for one in found.today.values())
        return Response(
            {
                "at": now,
                "today": _meters(found.today, now),
                "month": _meters(found.month, now),
                "expected": {
                    code: {name: text(getattr(one, name)) for name in _BAND}
                    for code, one in ahead.items()
                },
                "running": running + found.unpriced,
                "unpriced": found.unpriced,
            }
        )


class SeriesView(APIView):
    @extend_schema(
        summary="The same figures by hours or days; the buckets add up to the statement",
        operation_id="billing_series",
        parameters=[*shapes.PERIOD, shapes.GROUP, shapes.STEP, *shapes.WHERE],
        responses=shapes.SeriesShape,
    )
    def get(self, request: Request) -> Response:
        asked = asked_of(request)
        found = series(request.user, asked.query, asked.step, timezone.now())
        buckets = [
            {
                "start": one.start,
                "end": one.end,
                "rows": [
                    row_of(asked.group, Row(keys, code, figures), found.titles)
                    for (keys, code), figures in one.cells.items()
                ],
            }
            for one in found.buckets
        ]
        answer = {"step": asked.step, "group": list(asked.group), "buckets": buckets}
        return Response(answer)


class StatementView(APIView):
    renderer_classes = (JSONRenderer, StatementCsv)

    @extend_schema(
        summary="What was used, what it costs and what was billed, exact to the last digit",
        operation_id="billing_statement",
        parameters=[*shapes.PERIOD, shapes.GROUP, *shapes.WHERE],
        responses={
            (200, "application/json"): shapes.StatementShape,
            (200, "text/csv"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> Response:
        asked = asked_of(request)
        found = statement(request.user, asked.query, timezone.now(), bills=True)
        return Response(statement_of(found))


def line_of(line: UsageLine) -> dict[str, Any]:
    plain = (
        *("id", "provider", "region", "zone", "cluster_uid", "namespace", "workload", "pod_uid"),
        *("labels", "kind", "type", "tier", "spec", "day", "start", "end", "gpu", "seconds"),
        *("currency", "price_source", "estimated", "bound_seconds", "revision", "reason"),
    )
    return {
        **{name: getattr(line, name) for name in plain},
        "account": line.account_id,
        "node": line.node_name,
        "pod": line.pod_name,
        "instance": line.cloud_id,
        "cpu": text(line.cpu),
        "memory": text(line.memory),
        "list_per_hour": None if line.list_per_hour is None else text(line.list_per_hour),
        "per_hour": None if line.per_hour is None else text(line.per_hour),
        "amount": text(line.amount),
        "takes_back": line.takes_back_id,
    }


class Usage(APIView):
    # For the OpenAPI document.
    pagination_class = Pages

    @extend_schema(
        summary="Usage lines as they are written, the newest first, by page",
        operation_id="billing_usage",
        parameters=[*shapes.PERIOD, *shapes.WHERE],
        responses=shapes.UsageLineShape(many=True),
    )
    def get(self, request: Request) -> Response:
        pages = self.pagination_class()
        rows = lines_of(request.user, asked_of(request))
        page = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response([line_of(line) for line in page])


def _pod_lines(cost: Cost) -> list[dict[str, Any]]:
    return [
        {
            "instance": cost.instance.cloud_id,
            "kind": draft.scope.kind,
            "start": draft.line.start,
            "end": draft.line.end,
            "day": draft.line.day,
            "seconds": draft.line.seconds,
            "size": draft.line.size.label,
            "tier": draft.line.size.tier,
            "currency": draft.scope.currency,
            "per_hour": text(draft.line.rate.total) if draft.line.rate else None,
            "price_source": draft.line.rate.source if draft.line.rate else "",
            "amount": text(draft.line.amount),
            "estimated": draft.line.estimated,
            "bound_seconds": draft.line.bound,
        }
        for draft in cost.drafts
    ]


def _pod_days(cost: Cost) -> list[dict[str, Any]]:
    return [
        {
            "instance": cost.instance.cloud_id,
            "day": day.day,
            "currency": day.currency,
            "seconds": day.seconds,
            "metered": text(day.metered),
            "billed": None if day.billed is None else text(day.billed),
            "state": day.state,
        }
        for day in cost.days
    ]


class PodMoneyView(APIView):
    @extend_schema(
        summary="The money of one pod: lines until now, prices, bills; also after its end",
        operation_id="billing_pod",
        responses=shapes.PodMoneyShape,
    )
    def get(self, request: Request, uid: str) -> Response:
        found = money_of(request.user, uid, timezone.now())
        if not found.costs:
            raise Problem(
                "no_such_pod",
                _("No instance of this pod is known, or you may not see it."),
                http=404,
            )
        return Response(
            {
                "pod_uid": uid,
                "at": found.at,
                "totals": {code: figures_of(one) for code, one in found.totals.items()},
                "unpriced": figures_of(found.unpriced),
                "per_hour": {code: text(one) for code, one in found.per_hour.items()},
                "wasted": {code: text(one) for code, one in found.wasted.items()},
                "billed": {code: text(one) for code, one in found.billed.items()},
                "lines": [line for cost in found.costs for line in _pod_lines(cost)],
                "days": [day for cost in found.costs for day in _pod_days(cost)],
            }
        )


def bill_day(day: BillDay) -> dict[str, Any]:
    plain = (
        *("id", "day", "currency", "state", "matched", "only_billed", "only_used"),
        *("asked_at", "trouble"),
    )
    return {
        **{name: getattr(day, name) for name in plain},
        "account": day.account_id,
        "account_name": day.account.name,
        "provider": day.account.provider,
        **{name: text(getattr(day, name)) for name in ("estimate", "billed", "rounding")},
    }


class Reconciliation(APIView):
    @extend_schema(
        summary="How far each day of each credential is settled with the cloud's bill",
        operation_id="billing_reconciliation",
        parameters=[*shapes.PERIOD, *(p for p in shapes.WHERE if p.name in _BILLED)],
        responses=shapes.ReconciliationShape,
    )
    def get(self, request: Request) -> Response:
        asked = asked_of(request)
        days = [bill_day(day) for day in days_of(request.user, asked)]
        return Response({"start": asked.start, "end": asked.end, "days": days})


def _offer(offer: Offer, hours: int) -> dict[str, Any]:
    rate = offer.rate
    parts = {
        f"{name}_per_hour": money(getattr(rate, name)) if rate else None
        for name in ("cpu", "memory", "machine", "storage")
    }
    return {
        "provider": offer.provider,
        "title": offer.title,
        "region": offer.region,
        "node": offer.node,
        "outcome": str(offer.outcome),
        "reason": offer.reason,
        "size": offer.size.label if offer.size else "",
        "currency": rate.currency if rate else "",
        "pod_per_hour": money(rate.total) if rate else None,
        **parts,
        "per_hour": money(offer.per_hour),
        "list_per_hour": money(offer.list_per_hour),
        "per_month": money(offer.for_hours(hours)),
        "over": money(offer.over),
        "price_source": rate.source if rate else "",
        "zone": offer.zone,
        "cheapest": offer.cheapest,
    }


def _priced(one: Priced, hours: int) -> dict[str, Any]:
    subject = one.subject
    asked = {"cpu": money(subject.cpu), "memory": money(subject.memory), "gpu": subject.gpu}
    return {
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
        "replicas": subject.replicas,
        "asked": asked,
        "offers": [_offer(offer, hours) for offer in one.offers],
    }


class Preview(APIView):
    # Nothing is stored, so that a token that may only read may ask too.
    only_reads = True

    @extend_schema(
        summary="What a workload would cost on each cloud, at your own prices",
        operation_id="billing_preview",
        request=shapes.PreviewRequest,
        responses=shapes.PreviewShape,
    )
    def post(self, request: Request) -> Response:
        given = shapes.PreviewRequest(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        found = [_priced(one, data["hours"]) for one in self._priced(request, data)]
        return Response({"hours": data["hours"], "workloads": found})

    def _priced(self, request: Request, data: dict[str, Any]) -> list[Priced]:
        user, cluster = request.user, data.get("cluster", "")
        chosen = asked_targets(
            user,
            node=data.get("node"),
            names=data["providers"],
            region=data["region"],
            cluster=cluster,
        )
        try:
            found = parse(data["yaml"]) if "yaml" in data else stored(user, data)
            return priced(user, check(found, targets=chosen), cluster)
        except Unreadable as error:
            raise Problem.of(refused(error)) from error
        except EXPLAINED as error:
            raise Problem.of(fetch_refused(error)) from error
