"""What we hold of the clusters: the clusters, their virtual nodes, the mirror of pods, the work."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _

from addons.components.models import FleetMember, FleetUpgrade, Installation, Revision
from providers.models import CloudAccount, Instance

__all__ = [
    "Cluster",
    "Decision",
    "FleetMember",
    "FleetUpgrade",
    "Identity",
    "Installation",
    "Operation",
    "PodRow",
    "Revision",
    "ShardLease",
    "Step",
    "VirtualNode",
]


class Cluster(models.Model):
    """A registered cluster. The kubeconfig was parsed to fields; its secret is sealed."""

    class State(models.TextChoices):
        CONNECTED = "connected", _("Connected")
        DEGRADED = "degraded", _("Degraded")
        UNREACHABLE = "unreachable", _("Unreachable")

    team = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="clusters")
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=64)
    # The UID of the namespace kube-system: the identity of a cluster.
    uid = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=32, blank=True)
    environment = models.CharField(max_length=32, blank=True)
    version = models.CharField(max_length=64, blank=True)
    server = models.CharField(max_length=255)
    tls_server_name = models.CharField(max_length=255, blank=True)
    insecure_skip_tls_verify = models.BooleanField(default=False)
    ca_pem = models.TextField(blank=True)
    client_cert_pem = models.TextField(blank=True)
    sealed_client_key = models.TextField(blank=True)
    sealed_token = models.TextField(blank=True)
    credential_expires_at = models.DateTimeField(null=True, blank=True)
    account = models.ForeignKey(
        CloudAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="clusters"
    )
    region = models.CharField(max_length=64, blank=True)
    # Zone -> subnet id, and the security group: the defaults of a new virtual node.
    subnets = models.JSONField(default=dict)
    security_group = models.CharField(max_length=160, blank=True)
    tags = models.JSONField(default=dict)
    # Its id at the cloud that made or registered it, and what that cloud says of it.
    vendor_id = models.CharField(max_length=64, blank=True)
    vendor_facts = models.JSONField(default=dict)
    # The ConfigMap kube-system/eci-profile as it is now, and what is wrong in it.
    profile = models.JSONField(default=dict)
    profile_problems = models.JSONField(default=list)
    profile_seen_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.CONNECTED)
    state_reason = models.CharField(max_length=64, blank=True)
    state_message = models.TextField(blank=True)
    checks = models.JSONField(default=list)
    checked_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    paused = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.slug


class VirtualNode(models.Model):
    """A node that our workers play the kubelet of (hosted delivery)."""

    class State(models.TextChoices):
        INSTALLING = "installing", _("Installing")
        READY = "ready", _("Ready")
        NOT_READY = "not_ready", _("Not ready")
        REMOVING = "removing", _("Removing")

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="nodes")
    account = models.ForeignKey(CloudAccount, on_delete=models.PROTECT, related_name="nodes")
    # A second account of the same vendor, which takes the pods that ask for its provider.
    second_account = models.ForeignKey(
        CloudAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="second_nodes"
    )
    name = models.CharField(max_length=253)
    provider = models.CharField(max_length=16)
    region = models.CharField(max_length=64)
    zone = models.CharField(max_length=64)
    # [{"zone": ..., "subnet": ...}, ...]: its own zone first, then where to go when that is short.
    placements = models.JSONField(default=list)
    security_group = models.CharField(max_length=160)
    # The provider's `node_settings`, as text.
    settings = models.JSONField(default=dict)
    uid = models.CharField(max_length=64, blank=True)
    version = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.INSTALLING)
    unschedulable = models.BooleanField(default=False)
    conditions = models.JSONField(default=list)
    labels = models.JSONField(default=dict)
    taints = models.JSONField(default=list)
    capacity = models.JSONField(default=dict)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    removing_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "name"], name="virtual_node_name"),
        ]
        ordering = ["cluster_id", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def shard(self) -> str:
        return f"node:{self.pk}"

    @property
    def accounts(self) -> tuple[CloudAccount, ...]:
        """Who may serve its pods, the default first."""
        return (self.account, *((self.second_account,) if self.second_account else ()))


class PodRow(models.Model):
    """The mirror of a pod that is on, or asks for, a virtual node. Never ahead of the API."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="pods")
    node = models.ForeignKey(
        VirtualNode, on_delete=models.SET_NULL, null=True, blank=True, related_name="pods"
    )
    instance = models.ForeignKey(
        Instance, on_delete=models.SET_NULL, null=True, blank=True, related_name="pods"
    )
    uid = models.CharField(max_length=64)
    namespace = models.CharField(max_length=253)
    name = models.CharField(max_length=253)
    labels = models.JSONField(default=dict)
    workload_kind = models.CharField(max_length=63, blank=True)
    workload_name = models.CharField(max_length=253, blank=True)
    node_name = models.CharField(max_length=253, blank=True)
    phase = models.CharField(max_length=16, default="Pending")
    # What kubectl prints under STATUS: Running, Pending, ContainerCreating, Terminating, ...
    status = models.CharField(max_length=64, default="Pending")
    reason = models.CharField(max_length=128, blank=True)
    message = models.TextField(blank=True)
    ready = models.PositiveSmallIntegerField(default=0)
    containers = models.PositiveSmallIntegerField(default=0)
    restarts = models.PositiveIntegerField(default=0)
    ip = models.CharField(max_length=64, blank=True)
    resource_version = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField()
    scheduled_at = models.DateTimeField(null=True, blank=True)
    running_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deleting_at = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)
    # The one sentence: why it is not further on. A code of `addons.pods.reasons` and its values.
    blocker = models.CharField(max_length=64, blank=True)
    blocker_values = models.JSONField(default=dict)
    next_try_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    # The ConfigMaps and Secrets it reads: ["configmaps/ns/name", ...].
    references = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "uid"], name="pod_uid"),
        ]
        indexes = [
            models.Index(fields=["node", "gone_at"], name="pod_node"),
            models.Index(fields=["cluster", "namespace", "name"], name="pod_name"),
            models.Index(fields=["gone_at", "created_at"], name="pod_created"),
        ]

    @property
    def key(self) -> str:
        return f"pod:{self.cluster_id}:{self.namespace}/{self.name}"

    @property
    def workload(self) -> str:
        """`Deployment/web`; empty where nobody owns it."""
        return f"{self.workload_kind}/{self.workload_name}" if self.workload_name else ""


class Decision(models.Model):
    """What we did to a pod and why; append-only; feeds the timeline.

    `code` is one of `addons.pods.reasons`, `values` fill its sentence in the reader's language.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE)
    pod_uid = models.CharField(max_length=64)
    at = models.DateTimeField()
    code = models.CharField(max_length=64)
    values = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    epoch = models.PositiveBigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["pod_uid", "at"], name="decision_pod")]


class ShardLease(models.Model):
    """Who works on a shard (a virtual node, an account's region, a cluster's watch) right now."""

    shard = models.CharField(max_length=255, primary_key=True)
    holder = models.CharField(max_length=128, blank=True)
    epoch = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField()


class Operation(models.Model):
    """A long action with steps, a log, a cancel and an address."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    team = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="operations")
    cluster = models.ForeignKey(Cluster, on_delete=models.SET_NULL, null=True, blank=True)
    kind = models.CharField(max_length=32)
    target = models.CharField(max_length=255)
    arguments = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    error = models.TextField(blank=True)
    fix = models.TextField(blank=True)
    actor = models.CharField(max_length=150)
    cancel_asked = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    log = models.JSONField(default=list)

    class Meta:
        ordering = ["-id"]


class Step(models.Model):
    """One resumable step of an operation; safe to repeat."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="steps")
    index = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    detail = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operation", "index"], name="step_index"),
        ]
        ordering = ["index"]


class Hold(models.Model):
    """No new instances for a namespace, or none on a node, until it is lifted.

    `source` is who holds (`budget:3`); pods that run are left alone. A node is held by a cordon,
    which is taken back with the hold when it was not there before (`cordoned`). `node_name` is that
    of a node which a vendor's own virtual kubelet runs, and which has no row.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="holds")
    node = models.ForeignKey(
        VirtualNode, on_delete=models.CASCADE, null=True, blank=True, related_name="holds"
    )
    node_name = models.CharField(max_length=253, blank=True, default="")
    namespace = models.CharField(max_length=253, blank=True)
    source = models.CharField(max_length=64)
    reason = models.TextField()
    cordoned = models.BooleanField(default=False)
    placed_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "namespace", "source"],
                condition=models.Q(lifted_at=None, node=None, node_name=""),
                name="one_hold_per_namespace",
            ),
            models.UniqueConstraint(
                fields=["cluster", "node_name", "source"],
                condition=models.Q(lifted_at=None) & ~models.Q(node_name=""),
                name="one_hold_per_vendor_node",
            ),
            models.UniqueConstraint(
                fields=["node", "source"],
                condition=models.Q(lifted_at=None, node__isnull=False),
                name="one_hold_per_node",
            ),
        ]


class Identity(models.Model):
    """The one row that names this installation on the instances it pays for; never changes."""

    name = models.CharField(max_length=64, unique=True)
