"""What we hold of people: membership of teams, preferences, API tokens, the audit trail."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _

from console.appended import Appended, AppendedRows, AppendOnly
from console.billing.models import (
    BillDay,
    BillItem,
    Budget,
    BudgetEvent,
    Channel,
    DiscountRule,
    Export,
    InstanceUse,
    LiveMeter,
    LiveShare,
    PriceEntry,
    UsageLine,
    UsageSum,
)

__all__ = [
    "ApiToken",
    "AppendOnly",
    "AuditEntry",
    "AuditHead",
    "BillDay",
    "BillItem",
    "Budget",
    "BudgetEvent",
    "Channel",
    "DiscountRule",
    "Export",
    "IdempotencyKey",
    "InstanceUse",
    "LiveMeter",
    "LiveShare",
    "Membership",
    "PriceEntry",
    "Profile",
    "UsageLine",
    "UsageSum",
]


class Membership(models.Model):
    """The role of a user in a team (a team is a Django group)."""

    class Role(models.TextChoices):
        VIEWER = "viewer", _("Viewer")
        OPERATOR = "operator", _("Operator")
        OWNER = "owner", _("Owner")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    team = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "team"], name="one_role_per_team")]


class Profile(models.Model):
    """How a user wants the console to look."""

    class Theme(models.TextChoices):
        AUTO = "auto", _("Same as the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class Density(models.TextChoices):
        COMFORTABLE = "comfortable", _("Comfortable")
        COMPACT = "compact", _("Compact")

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile"
    )
    language = models.CharField(max_length=16, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.AUTO)
    density = models.CharField(max_length=16, choices=Density, default=Density.COMFORTABLE)
    shortcuts = models.BooleanField(default=True)


class ApiToken(models.Model):
    """A token for automation. Only its SHA-256 is kept; the text is shown once."""

    class Scope(models.TextChoices):
        READ = "read", _("Read")
        WRITE = "write", _("Read and write")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=64)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.READ)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_ip = models.GenericIPAddressField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]


class IdempotencyKey(models.Model):
    """The answer given to a key, so that a repeated request has one effect."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key")]


class AuditEntry(Appended):
    """One row per mutating call; append-only; each row's hash covers the row before it."""

    at = models.DateTimeField()
    team = models.ForeignKey(Group, on_delete=models.PROTECT, null=True, blank=True)
    actor = models.CharField(max_length=150)
    via = models.CharField(max_length=16)
    ip = models.GenericIPAddressField(null=True, blank=True)
    action = models.CharField(max_length=64)
    target = models.CharField(max_length=255)
    detail = models.JSONField(default=dict)
    result = models.CharField(max_length=16)
    request_id = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64, unique=True)
    hash = models.CharField(max_length=64, unique=True)

    objects = AppendedRows["AuditEntry"].as_manager()

    class Meta:
        ordering = ["-id"]


class AuditHead(models.Model):
    """The end of the audit trail: one row, locked while the trail grows.

    It orders writers, and shows when the newest entries were cut off.
    """

    length = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64)
