"""What we hold of money: prices, usage lines and their sums, bills, budgets, channels."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _

from console.appended import Appended, AppendedRows
from providers.models import CloudAccount, Instance, Orphan


class PriceEntry(models.Model):
    """A price that a person entered or imported, or that a cloud quoted; see `prices.Entry`.

    What the clouds publish is shipped with their providers and not stored here. Empty fields mean
    "any". A price is never changed: a newer one with the same scope takes over at `valid_from`.
    """

    class Origin(models.TextChoices):
        OPERATOR = "operator", _("Entered")
        IMPORT = "import", _("Imported")
        QUOTE = "quote", _("Quoted by the cloud")

    team = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="prices")
    account = models.ForeignKey(
        CloudAccount, on_delete=models.CASCADE, null=True, blank=True, related_name="prices"
    )
    provider = models.CharField(max_length=16)
    region = models.CharField(max_length=64, blank=True)
    zone = models.CharField(max_length=64, blank=True)
    type = models.CharField(max_length=64, blank=True)
    tier = models.CharField(max_length=64, blank=True)
    item = models.CharField(max_length=16)
    per = models.CharField(max_length=8)
    amount = models.DecimalField(max_digits=20, decimal_places=12)
    currency = models.CharField(max_length=3)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)
    origin = models.CharField(max_length=16, choices=Origin)
    source = models.CharField(max_length=255, blank=True)
    entered_by = models.CharField(max_length=150, blank=True)
    entered_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["provider", "region", "type", "tier", "item", "-valid_from"]
        indexes = [models.Index(fields=["team", "provider", "valid_from"], name="price_scope")]
        verbose_name_plural = "price entries"


class DiscountRule(models.Model):
    """A contract: `factor` times the list price (0.85 is fifteen percent off), where it fits."""

    team = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="discounts")
    account = models.ForeignKey(CloudAccount, on_delete=models.CASCADE, null=True, blank=True)
    name = models.CharField(max_length=64)
    provider = models.CharField(max_length=16)
    region = models.CharField(max_length=64, blank=True)
    type = models.CharField(max_length=64, blank=True)
    tier = models.CharField(max_length=64, blank=True)
    item = models.CharField(max_length=16, blank=True)
    factor = models.DecimalField(max_digits=7, decimal_places=6)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)
    entered_by = models.CharField(max_length=150, blank=True)
    entered_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]


class Scope(models.Model):
    """What every line and every sum is told apart by."""

    team = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(CloudAccount, on_delete=models.PROTECT, related_name="+")
    provider = models.CharField(max_length=16)
    region = models.CharField(max_length=64)
    zone = models.CharField(max_length=64, blank=True)
    cluster_uid = models.CharField(max_length=64, blank=True)
    node_name = models.CharField(max_length=253, blank=True)
    namespace = models.CharField(max_length=253, blank=True)
    workload = models.CharField(max_length=320, blank=True)
    type = models.CharField(max_length=64, blank=True)
    tier = models.CharField(max_length=64, blank=True)
    kind = models.CharField(max_length=16)
    # The billing day of the provider's time zone. Empty currency: unpriced.
    day = models.DateField()
    currency = models.CharField(max_length=3, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.day} {self.namespace}/{self.workload}"


class Sums(models.Model):
    """Figures that add up: seconds, unit-seconds, money. A line that takes back has negative ones.

    `list_amount` is before discounts, `amount` after, and the four parts add up to `amount`.
    `over_*` is the part of the billed size beyond what the pod asked for.
    """

    seconds = models.BigIntegerField(default=0)
    cpu_seconds = models.DecimalField(max_digits=20, decimal_places=3, default=0)
    memory_seconds = models.DecimalField(max_digits=20, decimal_places=3, default=0)
    gpu_seconds = models.BigIntegerField(default=0)
    storage_seconds = models.BigIntegerField(default=0)
    over_cpu_seconds = models.DecimalField(max_digits=20, decimal_places=3, default=0)
    over_memory_seconds = models.DecimalField(max_digits=20, decimal_places=3, default=0)
    list_amount = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    amount = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    cpu_amount = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    memory_amount = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    machine_amount = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    storage_amount = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    over_amount = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    # Seconds by which the cloud's own count may be lower; 0: its own times were heard.
    bound_seconds = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


class UsageLine(Appended, Scope, Sums):
    """Seconds of one instance at one size, one price, on one billing day. Append-only.

    `start <= time < end`, whole seconds, UTC. A correction takes lines back (`takes_back`, the same
    interval with negative figures) and writes new ones of the next `revision`, with a `reason`.
    """

    instance = models.ForeignKey(
        Instance, on_delete=models.PROTECT, null=True, blank=True, related_name="usage"
    )
    # What was never in the ledger: an instance that nobody's pod owned.
    orphan = models.ForeignKey(
        Orphan, on_delete=models.PROTECT, null=True, blank=True, related_name="usage"
    )
    cloud_id = models.CharField(max_length=64, blank=True)
    pod_name = models.CharField(max_length=253, blank=True)
    pod_uid = models.CharField(max_length=64, blank=True)
    labels = models.JSONField(default=dict)
    spec = models.CharField(max_length=64, blank=True)
    start = models.DateTimeField()
    end = models.DateTimeField()
    # 1 on the first line of a life, -1 where that is taken back.
    starts = models.SmallIntegerField(default=0)
    cpu = models.DecimalField(max_digits=8, decimal_places=3, default=0)
    memory = models.DecimalField(max_digits=10, decimal_places=3, default=0)
    gpu = models.PositiveSmallIntegerField(default=0)
    storage = models.PositiveIntegerField(default=0)
    # Of one hour, before and after discounts; empty: unpriced.
    list_per_hour = models.DecimalField(max_digits=18, decimal_places=8, null=True, blank=True)
    per_hour = models.DecimalField(max_digits=18, decimal_places=8, null=True, blank=True)
    price_source = models.CharField(max_length=255, blank=True)
    estimated = models.BooleanField(default=False)
    revision = models.PositiveIntegerField(default=0)
    takes_back = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    objects = AppendedRows["UsageLine"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instance", "start", "revision"],
                condition=models.Q(takes_back=None, instance__isnull=False),
                name="usage_interval",
            ),
            models.UniqueConstraint(
                fields=["orphan", "start", "revision"],
                condition=models.Q(takes_back=None, orphan__isnull=False),
                name="usage_orphan_interval",
            ),
            models.UniqueConstraint(fields=["takes_back"], name="usage_taken_back_once"),
        ]
        indexes = [
            models.Index(fields=["team", "day"], name="usage_team_day"),
            models.Index(fields=["account", "day", "cloud_id"], name="usage_bill"),
            models.Index(fields=["pod_uid"], name="usage_pod"),
        ]


class UsageSum(Scope, Sums):
    """Running sums of usage lines that agree in every field of `Scope`; `key` is their hash.

    `starts` counts the lives that began in it. Grown in the transaction that writes the lines.
    """

    key = models.CharField(max_length=40, unique=True)
    starts = models.BigIntegerField(default=0)
    lines = models.BigIntegerField(default=0)
    estimated_lines = models.BigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["team", "day"], name="usage_sum_day")]


class LiveMeter(models.Model):
    """What runs now and what was posted of one billing day, kept by deltas; see `billing.live`.

    Whole units of 1e-8 of the currency. `per_hour` is the sum of the hourly rates r of what runs,
    `anchor` the sum of r times the second of the day since which it runs, so that the amount of
    the running part at second t is (per_hour * t - anchor) / 3600. `amount` is what was posted.
    Empty currency: unpriced; only `running` counts then.
    """

    key = models.CharField(max_length=40, unique=True)
    team = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    account = models.ForeignKey(CloudAccount, on_delete=models.CASCADE, related_name="+")
    provider = models.CharField(max_length=16)
    cluster_uid = models.CharField(max_length=64, blank=True)
    node_name = models.CharField(max_length=253, blank=True)
    namespace = models.CharField(max_length=253, blank=True)
    day = models.DateField()
    currency = models.CharField(max_length=3, blank=True)
    running = models.BigIntegerField(default=0)
    per_hour = models.BigIntegerField(default=0)
    anchor = models.BigIntegerField(default=0)
    amount = models.BigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["team", "day"], name="live_meter_day")]


class LiveShare(models.Model):
    """The part of a `LiveMeter` that one instance has: what is taken off when it changes."""

    instance = models.OneToOneField(
        Instance, on_delete=models.CASCADE, primary_key=True, related_name="live_share"
    )
    meter = models.CharField(max_length=40)
    per_hour = models.BigIntegerField()
    anchor = models.BigIntegerField()


class BillItem(models.Model):
    """One line of a cloud's bill for one instance and one billing day, as the cloud gave it."""

    account = models.ForeignKey(CloudAccount, on_delete=models.PROTECT, related_name="bill_items")
    day = models.DateField()
    # The cloud account that pays: its number, or what stands for it (`bills.payers`).
    payer = models.CharField(max_length=64, blank=True)
    # As the ledger calls it, else as the bill does; empty for lines that name none (refunds).
    cloud_id = models.CharField(max_length=128, blank=True)
    product = models.CharField(max_length=64)
    item = models.CharField(max_length=64, blank=True)
    region = models.CharField(max_length=64, blank=True)
    usage = models.DecimalField(max_digits=24, decimal_places=6, null=True, blank=True)
    usage_unit = models.CharField(max_length=32, blank=True)
    seconds = models.BigIntegerField(null=True, blank=True)
    list_amount = models.DecimalField(max_digits=20, decimal_places=8)
    amount = models.DecimalField(max_digits=20, decimal_places=8)
    currency = models.CharField(max_length=3)
    # What distinguishes it among the items of its day: the same item heard again replaces it.
    key = models.CharField(max_length=64)
    raw = models.JSONField(default=dict)
    heard_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "key"], name="bill_item")]
        indexes = [models.Index(fields=["account", "day", "cloud_id"], name="bill_day")]


class BillDay(models.Model):
    """How far a billing day of an account is compared with the cloud's bill."""

    class State(models.TextChoices):
        ESTIMATED = "estimated", _("Estimated")
        PARTLY = "partly", _("Partly billed")
        FINAL = "final", _("Final")

    account = models.ForeignKey(CloudAccount, on_delete=models.CASCADE, related_name="bill_days")
    day = models.DateField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=16, choices=State, default=State.ESTIMATED)
    estimate = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    billed = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    # Of the difference: what the cloud's rounding explains.
    rounding = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    matched = models.PositiveIntegerField(default=0)
    # Instances that only the bill knows, and that only we know.
    only_billed = models.PositiveIntegerField(default=0)
    only_used = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField(null=True, blank=True)
    trouble = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "day", "currency"], name="bill_day_account")
        ]


class Channel(models.Model):
    """Where notices go. The address of a robot holds its token, so it is sealed like a secret."""

    class Kind(models.TextChoices):
        EMAIL = "email", _("E-mail")
        WEBHOOK = "webhook", _("Webhook")
        DINGTALK = "dingtalk", _("DingTalk")
        WECOM = "wecom", _("WeCom")
        FEISHU = "feishu", _("Feishu")

    team = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="channels")
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=16, choices=Kind)
    # E-mail: the recipients, comma separated. Others: host only, to recognise it by.
    shown = models.CharField(max_length=255, blank=True)
    sealed_address = models.TextField(blank=True)
    sealed_secret = models.TextField(blank=True)
    last_tried_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="channel_name")]
        ordering = ["name"]


class InstanceUse(models.Model):
    """What an instance was seen to use: busy vCPUs, and GiB of its working set."""

    instance = models.OneToOneField(
        Instance, on_delete=models.CASCADE, primary_key=True, related_name="use"
    )
    samples = models.PositiveIntegerField(default=0)
    cpu_sum = models.DecimalField(max_digits=16, decimal_places=6, default=0)
    cpu_peak = models.DecimalField(max_digits=12, decimal_places=6, default=0)
    memory_sum = models.DecimalField(max_digits=16, decimal_places=6, default=0)
    memory_peak = models.DecimalField(max_digits=12, decimal_places=6, default=0)
    # Of the last measure, by the cloud's clock.
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.instance_id}: {self.cpu_peak} vCPU, {self.memory_peak} GiB at most"


class Budget(models.Model):
    """An amount for a scope and a period, who hears when it is used up, and what is done then.

    `scope` narrows by the fields of `Scope`: {"cluster": slug, "namespace": ..., "workload": ...,
    "account": id, "provider": ..., "node": name}; empty: the whole team.
    """

    class Period(models.TextChoices):
        DAY = "day", _("Day")
        WEEK = "week", _("Week")
        MONTH = "month", _("Month")

    class Action(models.TextChoices):
        NOTIFY = "notify", _("Notify only")
        CORDON = "cordon", _("Cordon the virtual nodes")
        HOLD = "hold", _("Refuse new instances")

    team = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="budgets")
    name = models.CharField(max_length=64)
    scope = models.JSONField(default=dict)
    amount = models.DecimalField(max_digits=16, decimal_places=4)
    currency = models.CharField(max_length=3)
    period = models.CharField(max_length=8, choices=Period, default=Period.MONTH)
    # Percent of the amount; `forecast` also tells when the forecast crosses 100 %.
    thresholds = models.JSONField(default=list)
    forecast = models.BooleanField(default=True)
    action = models.CharField(max_length=8, choices=Action, default=Action.NOTIFY)
    channels = models.ManyToManyField(Channel, blank=True, related_name="budgets")
    enabled = models.BooleanField(default=True)
    spent = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    expected = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="budget_name")]
        ordering = ["name"]


class BudgetEvent(models.Model):
    """A threshold of a budget that was crossed: once per period, told once to each channel."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="events")
    period_start = models.DateTimeField()
    # `50`, `80`, `100`, ... percent, or `forecast`; `lifted` when the action was taken back.
    threshold = models.CharField(max_length=16)
    at = models.DateTimeField()
    spent = models.DecimalField(max_digits=20, decimal_places=8)
    amount = models.DecimalField(max_digits=16, decimal_places=4)
    # Channel id -> {"at": ..., "error": ...}, {} until it was told.
    told = models.JSONField(default=dict)
    action = models.CharField(max_length=8, blank=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "period_start", "threshold"], name="budget_told_once"
            )
        ]
        ordering = ["-at"]


class Export(models.Model):
    """A file of usage that is made in the background and fetched once it is ready."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    team = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+", null=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    format = models.CharField(max_length=16)
    query = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    file = models.CharField(max_length=255, blank=True)
    rows = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
