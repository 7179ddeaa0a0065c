"""The shapes of rows and requests, for validation and for the OpenAPI document.

Output shapes mirror `console.live.topics`: REST lists, live tables and pages show the same cells.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s


def _text(**kw: Any) -> s.CharField:
    return s.CharField(allow_blank=True, **kw)


class PodShape(s.Serializer[Any]):
    id = s.IntegerField()
    uid = s.CharField()
    name = s.CharField()
    namespace = s.CharField()
    cluster = s.CharField(help_text="Slug of the cluster")
    cluster_name = s.CharField()
    status = s.CharField(help_text="What kubectl prints under STATUS")
    tone = s.ChoiceField(["ok", "prog", "warn", "bad", "done", "mute"])
    reason = _text()
    workload_kind = _text()
    workload = _text()
    provider = _text(help_text="Of its instance; empty while it is open which one it gets")
    instance_id = _text()
    asked = _text(help_text="Size asked for, for example `1.5 / 3Gi`; empty: nothing was asked")
    spec = _text(help_text="Billed size, for example `2 / 4Gi`")
    node = _text()
    zone = _text()
    ready = s.CharField(help_text="`1/1`")
    restarts = s.IntegerField()
    ip = _text()
    price_per_hour = s.CharField(allow_null=True, help_text="Decimal as text; null: no price known")
    currency = _text(help_text="ISO 4217")
    created_at = s.DateTimeField()
    running_at = s.DateTimeField(allow_null=True)
    blocker = _text(help_text="One sentence: why it is not further on")
    next_try_at = s.DateTimeField(allow_null=True)
    deleted = s.BooleanField()
    url = s.CharField(help_text="The page of the pod")


class NodeShape(s.Serializer[Any]):
    id = s.IntegerField()
    name = s.CharField()
    cluster = s.CharField()
    cluster_name = s.CharField()
    state = s.ChoiceField(["installing", "ready", "not_ready", "removing"])
    status = s.CharField()
    tone = s.CharField()
    reason = _text()
    unschedulable = s.BooleanField()
    provider = s.CharField(help_text="Of the first credential")
    providers = s.ListField(child=s.CharField(), help_text="Of all its credentials")
    region = s.CharField()
    zone = s.CharField()
    version = _text()
    pods_used = s.IntegerField()
    pods_capacity = s.IntegerField(allow_null=True)
    cpu_used = s.FloatField(help_text="vCPU, as billed")
    cpu_capacity = s.FloatField(help_text="vCPU")
    memory_used = s.IntegerField(help_text="Bytes, as billed")
    memory_capacity = s.IntegerField(help_text="Bytes")
    price_per_hour = s.CharField(allow_null=True)
    currency = _text()
    taints = s.IntegerField()
    heartbeat_at = s.DateTimeField(allow_null=True)
    created_at = s.DateTimeField()
    url = s.CharField()


class CurrencyCostShape(s.Serializer[Any]):
    per_hour = s.CharField(help_text="Decimal as text, after discounts")
    today = s.CharField(help_text="Since midnight, UTC+8")
    month = s.CharField()


class PlaceCostShape(s.Serializer[Any]):
    """What its instances cost now and cost so far."""

    currencies = s.DictField(child=CurrencyCostShape(), help_text="By currency")
    unpriced = s.IntegerField(help_text="Instances that run and have no price")


class NodeDetailShape(NodeShape):
    labels = s.DictField(child=s.CharField())
    taint_list = s.ListField(child=s.DictField(child=s.CharField()))
    conditions = s.ListField(child=s.DictField())
    capacity = s.DictField(child=s.CharField())
    placements = s.ListField(child=s.DictField(child=s.CharField()))
    security_group = _text()
    credential = s.IntegerField()
    second_credential = s.IntegerField(allow_null=True)
    settings = s.DictField(child=s.CharField())
    snippet = s.CharField(help_text="YAML that sends a pod here")
    cost = PlaceCostShape()


class StockShape(s.Serializer[Any]):
    size = s.CharField()
    zone = s.CharField()
    state = s.ChoiceField(["available", "low", "none", "unknown"])
    short_until = s.DateTimeField(
        allow_null=True, help_text="It ran short lately and is not asked for before"
    )


class SupplyShape(s.Serializer[Any]):
    credential = s.IntegerField()
    provider = s.CharField()
    tells_stock = s.BooleanField(help_text="Whether this cloud tells its stock at all")
    tells_quota = s.BooleanField()
    stock = StockShape(many=True)
    cpu_used = s.CharField(allow_null=True, help_text="vCPU, decimal as text")
    cpu_max = s.CharField(allow_null=True)
    problems = s.ListField(child=s.CharField())


class ClusterShape(s.Serializer[Any]):
    id = s.IntegerField()
    slug = s.CharField()
    name = s.CharField()
    state = s.ChoiceField(["connected", "degraded", "unreachable"])
    status = s.CharField()
    tone = s.CharField()
    reason = _text()
    paused = s.BooleanField()
    kind = _text()
    version = _text()
    region = _text()
    nodes_ready = s.IntegerField()
    nodes_total = s.IntegerField()
    pods = s.IntegerField()
    price_per_hour = s.CharField(allow_null=True)
    currency = _text()
    last_seen_at = s.DateTimeField(allow_null=True)
    credential = s.IntegerField(allow_null=True, help_text="Of the cloud that it belongs to")
    url = s.CharField()


class HeldComponentShape(s.Serializer[Any]):
    component = s.CharField()
    version = _text()
    delivery = s.CharField()


class HeldShape(s.Serializer[Any]):
    components = HeldComponentShape(many=True)
    nodes = s.ListField(child=s.CharField())
    instances = s.IntegerField()
    cost_per_hour = s.DictField(child=s.CharField(), help_text="By currency")


class RolesShape(s.Serializer[Any]):
    yaml = s.CharField(help_text="Manifests to apply: what virtual nodes need")
    components = s.CharField(help_text="More, where components are put into the cluster")


class OperationShape(s.Serializer[Any]):
    id = s.IntegerField()
    kind = s.CharField()
    target = s.CharField()
    cluster = _text()
    cluster_name = _text()
    state = s.ChoiceField(["queued", "running", "succeeded", "failed", "cancelled"])
    status = s.CharField()
    title = s.CharField()
    tone = s.CharField()
    reason = _text(help_text="The error, if it failed")
    steps_done = s.IntegerField()
    steps_total = s.IntegerField()
    actor = s.CharField()
    created_at = s.DateTimeField()
    started_at = s.DateTimeField(allow_null=True)
    ended_at = s.DateTimeField(allow_null=True)
    seconds = s.IntegerField(allow_null=True)
    url = s.CharField()


class OrphanShape(s.Serializer[Any]):
    id = s.IntegerField()
    instance_id = s.CharField()
    name = s.CharField()
    provider = s.CharField()
    account = s.CharField()
    region = s.CharField()
    zone = _text()
    owner = _text(help_text="namespace/pod it was made for")
    reason_code = s.CharField()
    reason = _text()
    status = s.CharField()
    tone = s.CharField()
    spec = _text()
    price_per_hour = s.CharField(allow_null=True)
    cost_so_far = s.CharField(allow_null=True)
    currency = _text()
    created_at = s.DateTimeField(allow_null=True)
    found_at = s.DateTimeField()
    deleting = s.BooleanField()
    deleted = s.BooleanField()


class MomentShape(s.Serializer[Any]):
    at = s.DateTimeField()
    source = s.ChoiceField(["kubernetes", "cloud", "spillway"])  # type: ignore[assignment]
    warning = s.BooleanField()
    reason = s.CharField()
    text = s.CharField()
    count = s.IntegerField()
    request_id = _text()


class TimelineShape(s.Serializer[Any]):
    moments = MomentShape(many=True)
    missing = s.ListField(child=s.CharField(), help_text="Sources that did not answer in time")


class LogShape(s.Serializer[Any]):
    text = s.CharField(help_text="Lines that start with an RFC 3339 time")
    kept_at = s.DateTimeField(allow_null=True, help_text="Set: kept after the instance had ended")


class StepShape(s.Serializer[Any]):
    index = s.IntegerField()
    name = s.CharField()
    label = s.CharField()  # type: ignore[assignment]
    state = s.ChoiceField(["waiting", "running", "done", "failed"])
    detail = _text()
    started_at = s.DateTimeField(allow_null=True)
    ended_at = s.DateTimeField(allow_null=True)


class LogLineShape(s.Serializer[Any]):
    at = s.DateTimeField()
    text = s.CharField()
    level = s.CharField()


class OperationDetailShape(OperationShape):
    steps = StepShape(many=True)
    log = LogLineShape(many=True)
    fix = _text()
    can_cancel = s.BooleanField()
    can_retry = s.BooleanField()


class TokenShape(s.Serializer[Any]):
    id = s.IntegerField()
    name = s.CharField()
    prefix = s.CharField()
    scope = s.ChoiceField(["read", "write"])
    created_at = s.DateTimeField()
    expires_at = s.DateTimeField(allow_null=True)
    last_used_at = s.DateTimeField(allow_null=True)
    last_used_ip = s.CharField(allow_null=True)


class NewTokenShape(TokenShape):
    token = s.CharField(help_text="Shown this once")


class CheckShape(s.Serializer[Any]):
    code = s.CharField()
    state = s.ChoiceField(["ok", "warn", "bad", "skipped"])
    title = s.CharField()
    detail = _text()
    fix = _text()
    ms = s.IntegerField()


class ClusterDetailShape(ClusterShape):
    checks = CheckShape(many=True, help_text="As they were when it was looked at last")


class KubeconfigProblemShape(s.Serializer[Any]):
    code = s.CharField()
    path = _text(help_text="Where in the file")
    message = s.CharField()
    fix = _text()
    blocking = s.BooleanField()


class ContextShape(s.Serializer[Any]):
    name = s.CharField()
    cluster = s.CharField()
    user = s.CharField()
    server = _text()
    auth_kind = s.CharField()
    namespace = _text()
    insecure = s.BooleanField()
    usable = s.BooleanField()
    certificate_expires = s.DateTimeField(allow_null=True)
    problems = KubeconfigProblemShape(many=True)


class KubeconfigShape(s.Serializer[Any]):
    current_context = _text()
    problems = KubeconfigProblemShape(many=True)
    contexts = ContextShape(many=True)


# --- requests -----------------------------------------------------------------------------------


class Text(s.CharField):
    """Text; flags and lists are taken as JSON has them."""

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, bool):
            return "true" if data else "false"
        if isinstance(data, list):
            return ",".join(str(item) for item in data)
        return super().to_internal_value(data)


class Texts(s.DictField):
    """Values of the fields that a provider asks for."""

    def __init__(self, **kw: Any) -> None:
        child = Text(max_length=512_000, allow_blank=True, trim_whitespace=False)
        super().__init__(child=child, required=False, default=dict, **kw)


class KubeconfigRequest(s.Serializer[Any]):
    kubeconfig = s.CharField(max_length=512_000, write_only=True, trim_whitespace=False)
    context = s.CharField(  # type: ignore[assignment]
        required=False, allow_blank=True, default=""
    )


class ClusterRequest(KubeconfigRequest):
    name = s.CharField(max_length=64)
    slug = s.SlugField(max_length=63, required=False, allow_blank=True, default="")
    environment = s.CharField(max_length=32, required=False, allow_blank=True, default="")
    region = s.CharField(max_length=64, required=False, allow_blank=True, default="")
    kind = s.CharField(max_length=32, required=False, allow_blank=True, default="")
    credential = s.IntegerField(required=False, allow_null=True, default=None)
    tags = s.DictField(child=s.CharField(max_length=128), required=False, default=dict)
    team = s.CharField(required=False, allow_blank=True, default="")


class ClusterChange(s.Serializer[Any]):
    name = s.CharField(max_length=64, required=False)
    environment = s.CharField(max_length=32, required=False, allow_blank=True)
    region = s.CharField(max_length=64, required=False, allow_blank=True)
    credential = s.IntegerField(required=False, allow_null=True)
    tags = s.DictField(child=s.CharField(max_length=128), required=False)
    paused = s.BooleanField(required=False)
    vendor_id = s.CharField(
        max_length=64,
        required=False,
        allow_blank=True,
        help_text="Its id at its cloud, confirmed there; empty: it is looked for anew",
    )


class PlacementRequest(s.Serializer[Any]):
    zone = s.CharField(max_length=64)
    subnet = s.CharField(max_length=64)


class NodeRequest(s.Serializer[Any]):
    cluster = s.CharField(help_text="Slug of the cluster")
    credential = s.IntegerField()
    second_credential = s.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Of another product of the same vendor; labels of each pod choose between them",
    )
    zone = s.CharField(max_length=64)
    name = s.CharField(max_length=253, required=False, allow_blank=True, default="")
    placements = PlacementRequest(
        many=True,
        required=False,
        default=list,
        help_text="Needed where the cloud tells its subnets",
    )
    security_group = s.CharField(
        max_length=256, required=False, allow_blank=True, default="", help_text="Comma separated"
    )
    security_groups = s.ListField(
        child=s.CharField(max_length=64), required=False, default=list, help_text="Or as a list"
    )
    settings = Texts(help_text="By name, as `node_settings` of /api/v1/providers/ lists them")


class NodeRemoval(s.Serializer[Any]):
    instances = s.ChoiceField(["delete", "leave"], default="delete")


class TokenRequest(s.Serializer[Any]):
    name = s.CharField(max_length=64)
    scope = s.ChoiceField(["read", "write"], default="read")
    days = s.IntegerField(min_value=1, max_value=366, default=90)


class ProfileShape(s.Serializer[Any]):
    username = s.CharField(read_only=True)
    language = s.ChoiceField(["", "en", "zh-hans"], required=False)
    time_zone = s.CharField(max_length=64, required=False, allow_blank=True)
    theme = s.ChoiceField(["auto", "light", "dark"], required=False)
    density = s.ChoiceField(["comfortable", "compact"], required=False)
    shortcuts = s.BooleanField(required=False)
    teams = s.DictField(child=s.CharField(), read_only=True, help_text="Team -> role")


class ProviderLoadShape(s.Serializer[Any]):
    provider = s.CharField()
    pods = s.IntegerField(help_text="That have an instance and have not ended")
    unpriced = s.IntegerField()
    spend_per_hour = s.DictField(child=s.CharField(), help_text="Currency -> decimal as text")


class OverviewShape(s.Serializer[Any]):
    clusters = s.IntegerField()
    clusters_connected = s.IntegerField()
    nodes = s.IntegerField()
    nodes_ready = s.IntegerField()
    pods_running = s.IntegerField()
    pods_pending = s.IntegerField()
    pods_failed = s.IntegerField()
    orphans = s.IntegerField()
    spend_per_hour = s.DictField(child=s.CharField(), help_text="Currency -> decimal as text")
    pods_unpriced = s.IntegerField()
    providers = ProviderLoadShape(many=True)
