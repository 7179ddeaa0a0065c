"""Shapes of components, installations, plans, fleet upgrades and RAM grants."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s

from console.api.shapes import PlaceCostShape

DELIVERIES = ["hosted", "in_cluster", "managed"]


def _text(**kw: Any) -> s.CharField:
    return s.CharField(allow_blank=True, **kw)


class RequirementsShape(s.Serializer[Any]):
    kubernetes = _text(help_text="A range such as `>=1.26`")
    components = s.DictField(child=s.CharField(), help_text="Name -> range")
    services = s.ListField(child=s.CharField(), help_text="Cloud services to be activated")
    provider = _text(help_text="The cloud whose regions count")


class VersionShape(s.Serializer[Any]):
    version = s.CharField()
    released = s.DateField(allow_null=True)
    notes = _text()
    requires = RequirementsShape()
    breaking = s.BooleanField()
    renamed = s.DictField(child=s.CharField(), help_text="Key of the version before -> of this one")
    images = s.ListField(child=s.CharField())
    schema = s.JSONField(help_text="JSON Schema (2020-12) of the values")


class PermissionShape(s.Serializer[Any]):
    what = s.CharField()
    why = s.CharField()


class ComponentShape(s.Serializer[Any]):
    name = s.CharField()
    title = s.CharField()
    summary = s.CharField()
    group = s.ChoiceField(["core", "scheduling", "platform"])
    vendor = s.CharField()
    system = s.BooleanField(help_text="It cannot be uninstalled")
    deliveries = s.ListField(child=s.ChoiceField(DELIVERIES))
    providers = s.ListField(child=s.CharField())
    kinds = s.ListField(child=s.CharField(), help_text="Kinds of clusters; empty: all")
    conflicts = s.ListField(child=s.CharField())
    latest = s.CharField()
    permissions = PermissionShape(many=True)
    documentation = _text()
    source = _text(help_text="What the catalogue entry was made from")  # type: ignore[assignment]
    dated = s.DateField(allow_null=True)
    installed = _text(required=False, help_text="With `cluster`: the version that is there")
    installation = s.IntegerField(required=False, allow_null=True, help_text="With `cluster`")
    newest = _text(required=False, help_text="With `cluster`: the newest version that fits")
    compatible = s.BooleanField(required=False, help_text="With `cluster`")
    why = _text(required=False, help_text="With `cluster`: why no version fits")
    nodes = s.ListField(
        child=s.CharField(),
        required=False,
        help_text="With `cluster`: virtual nodes that show it is there though nobody installed it",
    )


class ComponentDetailShape(ComponentShape):
    versions = VersionShape(many=True)


class InstallationShape(s.Serializer[Any]):
    id = s.IntegerField()
    component = s.CharField()
    title = s.CharField()
    cluster = s.CharField(help_text="Slug of the cluster")
    cluster_name = s.CharField()
    delivery = s.ChoiceField(DELIVERIES)
    release = s.CharField()
    namespace = s.CharField()
    version = _text(help_text="Empty: its installation never finished")
    latest = _text()
    upgrade = s.BooleanField(help_text="The catalogue has a newer version")
    state = s.ChoiceField(["installing", "installed", "changing", "failed", "uninstalling"])
    status = s.CharField()
    tone = s.CharField()
    reason = _text(help_text="Why it is only half there")
    adopted = s.BooleanField()
    drifted = s.IntegerField(help_text="Fields that differ, as of `drift_at`")
    drift_at = s.DateTimeField(allow_null=True)
    operation = s.IntegerField(allow_null=True, help_text="The last one")
    created_at = s.DateTimeField()
    url = s.CharField()


class DifferenceShape(s.Serializer[Any]):
    object = s.CharField(help_text="`Deployment kube-system/virtual-kubelet`")
    field = _text()
    live = s.JSONField(allow_null=True)
    wanted = s.JSONField(allow_null=True)
    kind = s.ChoiceField(["field", "missing", "surplus", "refused"])


class VendorNodeShape(s.Serializer[Any]):
    name = s.CharField()
    status = s.CharField(help_text="As kubectl prints it: `Ready`, `NotReady,SchedulingDisabled`")
    role = _text()
    zone = _text()
    version = _text(help_text="The kubelet's")
    created_at = s.CharField()


class InstallationDetailShape(InstallationShape):
    values = s.JSONField(help_text="What was set; credentials by their id")
    effective = s.JSONField(help_text="With the version's defaults")
    drift = DifferenceShape(many=True)
    cost = PlaceCostShape(
        allow_null=True,
        help_text="Of its virtual nodes; null: it brings none, or a vendor's kubelet runs them and "
        "their instances are not metered here",
    )


class RevisionShape(s.Serializer[Any]):
    number = s.IntegerField()
    action = s.CharField()
    version = s.CharField()
    status = s.ChoiceField(["pending", "deployed", "superseded", "failed", "uninstalled"])
    values = s.JSONField()
    objects = s.ListField(child=s.CharField())
    actor = s.CharField()
    note = _text()
    operation = s.IntegerField(allow_null=True)
    created_at = s.DateTimeField()


class LogContainerShape(s.Serializer[Any]):
    pod = s.CharField()
    container = s.CharField()
    namespace = s.CharField()
    ready = s.BooleanField()
    restarts = s.IntegerField()
    state = s.CharField()


class ComponentLogShape(s.Serializer[Any]):
    text = s.CharField(help_text="Lines that start with an RFC 3339 time; empty: it has no pods")
    containers = LogContainerShape(many=True)


class PlanCheckShape(s.Serializer[Any]):
    code = s.CharField()
    state = s.ChoiceField(["ok", "warn", "bad"], help_text="`bad` blocks")
    title = s.CharField()
    detail = _text()
    fix = _text()


class PlanRowShape(s.Serializer[Any]):
    key = s.CharField()
    old_default = s.JSONField(allow_null=True)
    new_default = s.JSONField(allow_null=True)
    yours = s.JSONField(allow_null=True)
    result = s.JSONField(allow_null=True)
    state = s.ChoiceField(
        ["added", "removed", "renamed", "default_changed", "kept", "changed", "dropped"]
    )
    renamed_from = _text()


class AffectedShape(s.Serializer[Any]):
    namespace = s.CharField()
    pod = s.CharField()
    uid = s.CharField()
    node = s.CharField()
    owner = _text(help_text="Empty: nobody brings the pod back")
    phase = s.CharField()
    instance = _text()
    spec = _text()
    price_per_hour = _text(help_text="Decimal as text; empty: no price known")
    currency = _text()


class PlanValuesShape(s.Serializer[Any]):
    before = s.JSONField()
    after = s.JSONField()


class PlanShape(s.Serializer[Any]):
    action = s.CharField()
    component = s.CharField()
    version = s.CharField()
    delivery = s.CharField()
    blocking = s.BooleanField()
    checks = PlanCheckShape(many=True)
    values = PlanValuesShape()
    rows = PlanRowShape(many=True, help_text="Keys whose value or default changes")
    objects = DifferenceShape(many=True, help_text="As the API server's dry run tells")
    surplus = s.ListField(child=s.CharField(), help_text="Objects that go")
    nodes = s.ListField(child=s.CharField())
    affected = AffectedShape(many=True, help_text="Of an uninstall: what runs on its nodes")
    cost_per_hour = s.DictField(child=s.CharField(), help_text="Currency -> decimal as text")
    auto_rollback = s.IntegerField(
        allow_null=True, help_text="The revision that a failure goes back to by itself"
    )


# --- requests -----------------------------------------------------------------------------------


class _DryRun(s.Serializer[Any]):
    dry_run = s.BooleanField(default=False, help_text="Answer with the plan; change nothing")


class _Canaried(_DryRun):
    canary_image = s.CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        default="",
        help_text="Image of the canary pod; empty: the one that the settings name",
    )


class ChangeRequest(_Canaried):
    version = s.CharField(max_length=64, required=False, allow_blank=True, default="")
    values = s.DictField(
        required=False, allow_null=True, default=None, help_text="Absent: as they are"
    )


class InstallRequest(ChangeRequest):
    cluster = s.CharField(help_text="Slug of the cluster")
    component = s.CharField()
    delivery = s.ChoiceField(
        DELIVERIES, required=False, default="", allow_blank=True, help_text="Empty: the first"
    )


class AdoptRequest(_DryRun):
    cluster = s.CharField(help_text="Slug of the cluster")
    component = s.CharField()
    delivery = s.ChoiceField(
        DELIVERIES, required=False, default="", allow_blank=True, help_text="Empty: the first"
    )


class ConfigureRequest(_Canaried):
    values = s.DictField()


class RollbackRequest(_Canaried):
    revision = s.IntegerField(
        min_value=1, required=False, allow_null=True, default=None, help_text="Absent: the last one"
    )


class UninstallRequest(_DryRun):
    instances = s.ChoiceField(
        ["delete", "leave"],
        default="delete",
        help_text="`leave`: they go on, billed, on the orphan list",
    )


class RepairRequest(_DryRun):
    pass


# --- fleet upgrades -------------------------------------------------------------------------------


class FleetUpgradeShape(s.Serializer[Any]):
    id = s.IntegerField()
    component = s.CharField()
    version = s.CharField()
    state = s.ChoiceField(["running", "paused", "stopped", "succeeded", "cancelled"])
    status = s.CharField()
    tone = s.CharField()
    reason = _text()
    batch = s.IntegerField()
    pause_seconds = s.IntegerField()
    stop_on_failure = s.BooleanField()
    waves = s.IntegerField()
    clusters = s.IntegerField()
    done = s.IntegerField()
    failed = s.IntegerField()
    actor = s.CharField()
    created_at = s.DateTimeField()
    ended_at = s.DateTimeField(allow_null=True)
    url = s.CharField()


class FleetMemberShape(s.Serializer[Any]):
    wave = s.IntegerField(help_text="0 is the canary")
    cluster = s.CharField()
    installation = s.IntegerField()
    state = s.ChoiceField(["waiting", "running", "done", "failed", "skipped"])
    detail = _text()
    operation = s.IntegerField(allow_null=True)
    started_at = s.DateTimeField(allow_null=True)
    ended_at = s.DateTimeField(allow_null=True)


class FleetUpgradeDetailShape(FleetUpgradeShape):
    members = FleetMemberShape(many=True)


class FleetUpgradeRequest(s.Serializer[Any]):
    component = s.CharField()
    version = s.CharField()
    clusters = s.ListField(
        child=s.CharField(),
        required=False,
        default=list,
        help_text="Slugs; empty: every cluster that has an older version",
    )
    canary = s.CharField(
        required=False, allow_blank=True, default="", help_text="Slug; empty: the first"
    )
    batch = s.IntegerField(min_value=1, max_value=100, default=10)
    pause_seconds = s.IntegerField(min_value=0, max_value=86_400, default=0)
    stop_on_failure = s.BooleanField(default=True)
    team = s.CharField(required=False, allow_blank=True, default="")


class FleetResumeRequest(s.Serializer[Any]):
    failed = s.ChoiceField(["retry", "leave"], default="retry")


# --- RAM grants -----------------------------------------------------------------------------------


class RamDeliveryShape(s.Serializer[Any]):
    cluster = s.CharField(help_text="Slug")
    holds_key = s.BooleanField(allow_null=True, help_text="null: the cluster did not answer")


class RamGrantShape(s.Serializer[Any]):
    addon = s.CharField()
    user = s.CharField()
    policy = s.CharField()
    state = s.ChoiceField(["granting", "granted", "revoked"])
    granted = s.BooleanField(
        required=False, allow_null=True, help_text="As the cloud tells now; null: not asked"
    )
    access_key_id = _text(help_text="Masked")
    clusters = RamDeliveryShape(many=True)
    operation = s.IntegerField(allow_null=True, help_text="The one that works on it now")
    note = _text()
    actor = s.CharField()
    created_at = s.DateTimeField()
    rotated_at = s.DateTimeField(allow_null=True)


class RamGrantRequest(s.Serializer[Any]):
    addon = s.CharField(max_length=64)
    cluster = s.CharField(
        required=False,
        allow_blank=True,
        default="",
        help_text="Slug of the cluster that gets the Secret; empty: none",
    )
    replace = s.BooleanField(
        default=False, help_text="Put the key in the place of one that Spillway did not make"
    )
