"""Shapes of budgets and channels over REST."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s

from console.billing.budgets.manage import THRESHOLDS
from console.models import Budget, Channel


class ScopeShape(s.Serializer[Any]):
    """What a budget counts; empty fields narrow nothing."""

    cluster = s.CharField(required=False, allow_blank=True, help_text="Slug of a cluster")
    namespace = s.CharField(required=False, allow_blank=True)
    workload = s.CharField(required=False, allow_blank=True, help_text="`Deployment/web`")
    account = s.IntegerField(required=False, allow_null=True, help_text="Id of a credential")
    provider = s.CharField(required=False, allow_blank=True)
    node = s.CharField(required=False, allow_blank=True, help_text="Name of a virtual node")


class BudgetRequest(s.Serializer[Any]):
    team = s.CharField(required=False, default="", help_text="Default: your first team")
    name = s.CharField(max_length=64)
    amount = s.DecimalField(max_digits=16, decimal_places=4)
    currency = s.CharField(max_length=3, help_text="ISO 4217; what is in others is not counted")
    period = s.ChoiceField(Budget.Period.choices, default=Budget.Period.MONTH)
    scope = ScopeShape(required=False, default=dict)
    thresholds = s.ListField(
        child=s.IntegerField(), default=list(THRESHOLDS), help_text="Percent of the amount"
    )
    forecast = s.BooleanField(
        default=True, help_text="Tell when the period is expected to end above the amount"
    )
    action = s.ChoiceField(
        Budget.Action.choices,
        default=Budget.Action.NOTIFY,
        help_text="At 100 %: `cordon` the virtual nodes, or `hold` new instances; never kills",
    )
    channels = s.ListField(child=s.IntegerField(), default=list, help_text="Ids of channels")
    enabled = s.BooleanField(default=True)


class BudgetEventShape(s.Serializer[Any]):
    threshold = s.CharField(help_text="Percent, `forecast` or `lifted`")
    at = s.DateTimeField()
    period_start = s.DateTimeField()
    spent = s.DecimalField(max_digits=20, decimal_places=8)
    amount = s.DecimalField(max_digits=16, decimal_places=4)
    action = s.CharField(
        allow_blank=True,
        help_text="`hold` or `cordon` when it acted; `none`: nothing in its scope could be held",
    )
    told = s.DictField(help_text="Channel id -> when, and what went wrong")
    lifted_at = s.DateTimeField(allow_null=True)
    lifted_by = s.CharField(allow_blank=True)


class BudgetShape(s.Serializer[Any]):
    id = s.IntegerField()
    team = s.CharField()
    name = s.CharField()
    scope = ScopeShape()
    amount = s.CharField(help_text="Decimal as text")
    currency = s.CharField()
    period = s.CharField()
    period_start = s.DateTimeField()
    period_end = s.DateTimeField()
    thresholds = s.ListField(child=s.IntegerField())
    forecast = s.BooleanField()
    action = s.CharField()
    channels = s.ListField(child=s.IntegerField())
    enabled = s.BooleanField()
    state = s.ChoiceField(["ok", "near", "over", "held", "off"])
    held = s.IntegerField(help_text="Namespaces, clusters or nodes it holds now")
    spent = s.CharField(help_text="Decimal as text, as of `looked_at`")
    expected = s.CharField(allow_null=True, help_text="At the end of the period")
    looked_at = s.DateTimeField(allow_null=True)
    created_by = s.CharField()
    created_at = s.DateTimeField()


class BudgetReachShape(BudgetShape):
    limits = s.ListField(
        child=s.CharField(),
        help_text="What it does not count and its action does not reach, as sentences",
    )


class BudgetDetailShape(BudgetReachShape):
    events = BudgetEventShape(many=True, help_text="The newest first, at most 100")


class ChannelRequest(s.Serializer[Any]):
    team = s.CharField(required=False, default="", help_text="Default: your first team")
    name = s.CharField(max_length=64)
    kind = s.ChoiceField(Channel.Kind.choices)
    address = s.CharField(
        max_length=2000,
        write_only=True,
        help_text="Recipients of mail between commas, or the https:// URL; never shown again",
    )
    secret = s.CharField(
        max_length=255,
        required=False,
        default="",
        allow_blank=True,
        write_only=True,
        help_text="What signs: of a webhook, or of a DingTalk or Feishu robot",
    )


class ChannelShape(s.Serializer[Any]):
    id = s.IntegerField()
    team = s.CharField()
    name = s.CharField()
    kind = s.CharField()
    shown = s.CharField(help_text="Recipients, or the host alone")
    signed = s.BooleanField()
    last_tried_at = s.DateTimeField(allow_null=True)
    last_error = s.CharField(allow_blank=True)
    created_at = s.DateTimeField()


class TestShape(s.Serializer[Any]):
    ok = s.BooleanField()
    error = s.CharField(allow_blank=True)


class BudgetTestShape(s.Serializer[Any]):
    channels = s.DictField(child=s.CharField(allow_blank=True), help_text="Id -> what went wrong")


class LiftShape(s.Serializer[Any]):
    lifted = s.IntegerField(help_text="How many holds ended")
