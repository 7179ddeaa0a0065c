"""Shapes of the money over REST. Money and unit-seconds are decimals as text; days are UTC+8."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s

from console.api.compatibility import AskedShape, CompatibilityRequest
from console.billing import asked as questions
from console.billing import groups
from console.billing.models import BillDay, PriceEntry
from console.billing.preview import MONTH_HOURS


def _query(name: str, text: str, **kw: Any) -> OpenApiParameter:
    return OpenApiParameter(name, kw.pop("type", str), description=text, **kw)


PERIOD = [
    _query("period", "Default: month, to date", enum=list(questions.PERIODS)),
    _query("start", "Billing day, instead of `period`", type=OpenApiTypes.DATE),
    _query("end", "The first billing day after it", type=OpenApiTypes.DATE),
    _query("currency", "ISO 4217; default: all, each apart"),
]
WHERE = [
    *(
        _query(name, "Any of these; repeat it", many=True)
        for name in (*groups.GROUPS, *groups.LINE_GROUPS)
    ),
    _query("label:<key>", "Value of a pod label, for any key"),
]
GROUP = _query(
    "group",
    "One or several between commas: any of the filters, `label:<key>` among them; "
    "default: namespace",
)
STEP = _query("step", "Of the buckets", enum=list(questions.STEPS))


class MoneyShape(s.Serializer[Any]):
    amount = s.CharField()
    per_hour = s.CharField(help_text="By what it grows from `at` on")


class SummaryShape(s.Serializer[Any]):
    """Each by currency; currencies are never added."""

    at = s.DateTimeField()
    today = s.DictField(child=MoneyShape(), help_text="Since midnight, UTC+8")
    month = s.DictField(child=MoneyShape(), help_text="Month to date")
    expected = s.DictField(
        child=s.DictField(child=s.CharField()),
        help_text="`low`, `expected` and `high` at the end of the month",
    )
    running = s.IntegerField(help_text="Instances that are billed now")
    unpriced = s.IntegerField(help_text="Those of them whose price nobody knows")


class FiguresShape(s.Serializer[Any]):
    seconds = s.IntegerField(help_text="Of instances")
    cpu_seconds = s.CharField(help_text="vCPU-seconds, as billed")
    memory_seconds = s.CharField(help_text="GiB-seconds, as billed")
    gpu_seconds = s.IntegerField()
    storage_seconds = s.IntegerField(help_text="GiB-seconds beyond the free part")
    over_cpu_seconds = s.CharField(help_text="Beyond what the pods asked for")
    over_memory_seconds = s.CharField()
    list_amount = s.CharField(help_text="Before discounts")
    amount = s.CharField(help_text="After discounts; the four parts add up to it")
    cpu_amount = s.CharField()
    memory_amount = s.CharField()
    machine_amount = s.CharField(help_text="Machine types and GPUs")
    storage_amount = s.CharField()
    over_amount = s.CharField(help_text="Part of the amount beyond what the pods asked for")
    bound_seconds = s.IntegerField(help_text="By which the clouds' own count may differ")
    starts = s.IntegerField(help_text="Instances whose life began in it")
    lines = s.IntegerField()
    estimated_lines = s.IntegerField(help_text="Of lives whose ends the cloud did not tell")


class StatementRowShape(s.Serializer[Any]):
    keys = s.DictField(child=s.CharField(), help_text="Group -> key; empty: it has none")
    titles = s.DictField(child=s.CharField(), help_text="Group -> what people call it")
    currency = s.CharField(help_text="Empty: unpriced", allow_blank=True)
    figures = FiguresShape()


class RowBillShape(s.Serializer[Any]):
    billed = s.CharField(help_text="Of the instances of the row, on days whose bill is complete")
    metered = s.CharField(help_text="On the same days")
    difference = s.CharField(
        allow_null=True, help_text="Billed beyond what was metered; null: none of it has a price"
    )


class BilledRowShape(StatementRowShape):
    bill = RowBillShape(allow_null=True, help_text="null: no bill tells of it yet")


class StatementShape(s.Serializer[Any]):
    start = s.DateField()
    end = s.DateField(help_text="The first day after it")
    at = s.DateTimeField(help_text="Up to when what still runs is counted")
    group = s.ListField(child=s.CharField())
    rows = BilledRowShape(many=True, help_text="The largest amount first")
    totals = s.DictField(child=FiguresShape(), help_text="By currency; the sum of the rows")
    unpriced = FiguresShape(help_text="In no total")
    bills = s.DictField(child=RowBillShape(), help_text="By currency; the sum of the rows")
    bill_days = s.ListField(
        child=s.DateField(), help_text="Days of which some credential's bill is complete"
    )
    metered_anew = s.BooleanField(
        help_text="Prices of the past changed so much that it holds the old ones until all lines "
        "are written anew; ask again in some minutes"
    )


class BucketShape(s.Serializer[Any]):
    start = s.DateTimeField()
    end = s.DateTimeField()
    rows = StatementRowShape(many=True)


class SeriesShape(s.Serializer[Any]):
    step = s.ChoiceField(list(questions.STEPS))
    group = s.ListField(child=s.CharField())
    buckets = BucketShape(many=True)


class UsageLineShape(s.Serializer[Any]):
    id = s.IntegerField()
    account = s.IntegerField()
    provider = s.CharField()
    region = s.CharField()
    zone = s.CharField()
    cluster_uid = s.CharField()
    node = s.CharField()
    namespace = s.CharField()
    workload = s.CharField()
    pod = s.CharField()
    pod_uid = s.CharField()
    instance = s.CharField(help_text="The cloud's id of the instance")
    labels = s.DictField(child=s.CharField())
    kind = s.ChoiceField(["running", "starting", "failed", "orphan"])
    type = s.CharField()
    tier = s.CharField()
    spec = s.CharField()
    day = s.DateField()
    start = s.DateTimeField()
    end = s.DateTimeField(help_text="The first second after it")
    cpu = s.CharField()
    memory = s.CharField()
    gpu = s.IntegerField()
    seconds = s.IntegerField(help_text="Negative: the line takes another one back")
    currency = s.CharField()
    list_per_hour = s.CharField(allow_null=True)
    per_hour = s.CharField(allow_null=True, help_text="null: unpriced")
    amount = s.CharField()
    price_source = s.CharField()
    estimated = s.BooleanField()
    bound_seconds = s.IntegerField()
    revision = s.IntegerField()
    takes_back = s.IntegerField(allow_null=True)
    reason = s.CharField()


class PodLineShape(s.Serializer[Any]):
    instance = s.CharField()
    kind = s.CharField()
    start = s.DateTimeField()
    end = s.DateTimeField()
    day = s.DateField()
    seconds = s.IntegerField()
    size = s.CharField()
    tier = s.CharField()
    currency = s.CharField()
    per_hour = s.CharField(allow_null=True)
    price_source = s.CharField()
    amount = s.CharField()
    estimated = s.BooleanField()
    bound_seconds = s.IntegerField()


class PodDayShape(s.Serializer[Any]):
    instance = s.CharField()
    day = s.DateField()
    currency = s.CharField()
    seconds = s.IntegerField()
    metered = s.CharField()
    billed = s.CharField(allow_null=True, help_text="null: no bill tells of it")
    state = s.ChoiceField(BillDay.State.choices)


class PodMoneyShape(s.Serializer[Any]):
    pod_uid = s.CharField()
    at = s.DateTimeField()
    totals = s.DictField(child=FiguresShape())
    unpriced = FiguresShape()
    per_hour = s.DictField(child=s.CharField(), help_text="From now on, by currency")
    wasted = s.DictField(child=s.CharField(), help_text="Before it ran, or without an owner")
    billed = s.DictField(child=s.CharField())
    lines = PodLineShape(many=True)
    days = PodDayShape(many=True)


class BillDayShape(s.Serializer[Any]):
    id = s.IntegerField()
    account = s.IntegerField()
    account_name = s.CharField()
    provider = s.CharField()
    day = s.DateField()
    currency = s.CharField()
    state = s.ChoiceField(BillDay.State.choices)
    estimate = s.CharField(help_text="Metered here")
    billed = s.CharField()
    rounding = s.CharField(help_text="Of the difference: what the cloud's rounding explains")
    matched = s.IntegerField()
    only_billed = s.IntegerField(help_text="Instances that only the bill knows")
    only_used = s.IntegerField(help_text="Instances that only were metered")
    asked_at = s.DateTimeField(allow_null=True)
    trouble = s.CharField(allow_blank=True)


class ReconciliationShape(s.Serializer[Any]):
    start = s.DateField()
    end = s.DateField()
    days = BillDayShape(many=True)


class PreviewRequest(CompatibilityRequest):
    hours = s.IntegerField(
        min_value=1, max_value=744, default=MONTH_HOURS, help_text="Hours a month that it runs"
    )


class OfferShape(s.Serializer[Any]):
    provider = s.CharField()
    title = s.CharField()
    region = s.CharField()
    node = s.CharField()
    outcome = s.ChoiceField(["works", "ignores", "refused", "elsewhere"])
    reason = s.CharField(allow_blank=True)
    size = s.CharField(allow_blank=True, help_text="Billed size of one pod")
    currency = s.CharField(allow_blank=True)
    pod_per_hour = s.CharField(allow_null=True, help_text="null: no price is known")
    cpu_per_hour = s.CharField(allow_null=True)
    memory_per_hour = s.CharField(allow_null=True)
    machine_per_hour = s.CharField(allow_null=True)
    storage_per_hour = s.CharField(allow_null=True)
    per_hour = s.CharField(allow_null=True, help_text="Of all its pods")
    list_per_hour = s.CharField(allow_null=True)
    per_month = s.CharField(allow_null=True, help_text="Of `hours` hours")
    over = s.CharField(allow_null=True, help_text="Part beyond what the pod asks for, 0 to 1")
    price_source = s.CharField(allow_blank=True)
    zone = s.CharField(
        allow_blank=True, help_text="Of the price, where it is sold by zone: the cheapest"
    )
    cheapest = s.BooleanField()


class PricedShape(s.Serializer[Any]):
    kind = s.CharField()
    namespace = s.CharField()
    name = s.CharField()
    replicas = s.IntegerField()
    asked = AskedShape()
    offers = OfferShape(many=True)


class PreviewShape(s.Serializer[Any]):
    hours = s.IntegerField()
    workloads = PricedShape(many=True)


class PriceShape(s.Serializer[Any]):
    id = s.IntegerField(allow_null=True, help_text="null: shipped, it cannot be withdrawn")
    provider = s.CharField()
    region = s.CharField(allow_blank=True, help_text="`@mainland`, `@abroad`; empty: any")
    zone = s.CharField(allow_blank=True)
    type = s.CharField(allow_blank=True, help_text="Machine type; `*`: any")
    tier = s.CharField(allow_blank=True)
    account = s.IntegerField(allow_null=True)
    item = s.ChoiceField(["cpu", "memory", "instance", "gpu", "storage"])
    amount = s.CharField()
    per = s.ChoiceField(["second", "hour"])
    currency = s.CharField()
    valid_from = s.DateTimeField(allow_null=True)
    valid_to = s.DateTimeField(allow_null=True)
    origin = s.ChoiceField(["shipped", *PriceEntry.Origin.values])
    source = s.CharField(allow_blank=True)  # type: ignore[assignment]
    source_date = s.CharField(allow_blank=True)
    entered_by = s.CharField(allow_blank=True)
    withdrawn_at = s.DateTimeField(allow_null=True)
