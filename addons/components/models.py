"""What is installed where, and every revision of it."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _


class Installation(models.Model):
    """A component in a cluster. The row says what we want there and what was done last."""

    class State(models.TextChoices):
        INSTALLING = "installing", _("Installing")
        INSTALLED = "installed", _("Installed")
        CHANGING = "changing", _("Changing")
        FAILED = "failed", _("Failed")
        UNINSTALLING = "uninstalling", _("Uninstalling")

    cluster = models.ForeignKey(
        "addons.Cluster", on_delete=models.CASCADE, related_name="installations"
    )
    component = models.CharField(max_length=64)
    delivery = models.CharField(max_length=16)
    release = models.CharField(max_length=63)
    namespace = models.CharField(max_length=63, default="kube-system")
    version = models.CharField(max_length=64, blank=True)
    # Without secrets: a credential is named by its id.
    values = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State, default=State.INSTALLING)
    # Installed by others and recognised by us.
    adopted = models.BooleanField(default=False)
    # Why it is only half there, in the words of the operation that failed.
    mark = models.TextField(blank=True)
    # Objects that differ from the revision: [{"object": ..., "field": ..., ...}].
    drift = models.JSONField(default=list)
    drift_at = models.DateTimeField(null=True, blank=True)
    operation = models.ForeignKey(
        "addons.Operation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "component"], name="one_installation"),
        ]
        ordering = ["cluster_id", "component"]

    def __str__(self) -> str:
        return f"{self.component} {self.version}"


class Revision(models.Model):
    """One state of an installation, as it was applied; append-only but for its status."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        DEPLOYED = "deployed", _("Deployed")
        SUPERSEDED = "superseded", _("Superseded")
        FAILED = "failed", _("Failed")
        UNINSTALLED = "uninstalled", _("Uninstalled")

    installation = models.ForeignKey(
        Installation, on_delete=models.CASCADE, related_name="revisions"
    )
    number = models.PositiveIntegerField()
    action = models.CharField(max_length=16)
    version = models.CharField(max_length=64)
    values = models.JSONField(default=dict)
    # The manifests as applied; the data of Secrets is left out.
    objects_applied = models.JSONField(default=list)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    actor = models.CharField(max_length=150)
    note = models.TextField(blank=True)
    operation = models.ForeignKey(
        "addons.Operation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["installation", "number"], name="revision_number"),
        ]
        ordering = ["-number"]


class FleetUpgrade(models.Model):
    """One component brought to one version on many clusters, in waves."""

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        STOPPED = "stopped", _("Stopped")
        SUCCEEDED = "succeeded", _("Succeeded")
        CANCELLED = "cancelled", _("Cancelled")

    team = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="fleet_upgrades")
    component = models.CharField(max_length=64)
    version = models.CharField(max_length=64)
    batch = models.PositiveSmallIntegerField(default=10)
    pause_seconds = models.PositiveIntegerField(default=0)
    stop_on_failure = models.BooleanField(default=True)
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]


class FleetMember(models.Model):
    """A cluster of a fleet upgrade; wave 0 is the canary."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        SKIPPED = "skipped", _("Skipped")

    upgrade = models.ForeignKey(FleetUpgrade, on_delete=models.CASCADE, related_name="members")
    installation = models.ForeignKey(Installation, on_delete=models.CASCADE, related_name="+")
    wave = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    detail = models.TextField(blank=True)
    operation = models.ForeignKey(
        "addons.Operation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["upgrade", "installation"], name="fleet_member"),
        ]
        ordering = ["wave", "id"]
