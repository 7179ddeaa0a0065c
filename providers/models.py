"""What we hold of the clouds: accounts, the ledger of paid instances, the last lines of logs."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _


class CloudAccount(models.Model):
    """A cloud key and what was proven about it. Secrets are sealed by `providers.vault`."""

    team = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="cloud_accounts")
    name = models.CharField(max_length=64)
    provider = models.CharField(max_length=16)
    region = models.CharField(max_length=64)
    # Empty: the documented endpoint of the region.
    endpoint = models.CharField(max_length=255, blank=True)
    access_key_id = models.CharField(max_length=128)
    sealed_secret = models.TextField()
    sealed_token = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    # Where a temporary key is read again and again: {"cluster": its UID, "namespace": ..., "name":
    # ...} of a ConfigMap; what its secret key is ciphered with is sealed. Empty: given by a person.
    key_source = models.JSONField(default=dict)
    sealed_cipher = models.TextField(blank=True)
    # Of the provider's own making and not secret. `endpoints`: where another API of the vendor
    # answers, by product ({"cs": URL}), in the place of its documented address.
    settings = models.JSONField(default=dict)
    rotated_at = models.DateTimeField()
    account_id = models.CharField(max_length=64, blank=True)
    identity = models.CharField(max_length=255, blank=True)
    capabilities = models.JSONField(default=list)
    verified_at = models.DateTimeField(null=True, blank=True)
    verify_ms = models.PositiveIntegerField(null=True, blank=True)
    # The breaker: nothing is failed or deleted for this account until a person resumes it.
    halted_at = models.DateTimeField(null=True, blank=True)
    halt_reason = models.CharField(max_length=64, blank=True)
    halt_detail = models.JSONField(default=dict)
    trouble = models.CharField(max_length=64, blank=True)
    trouble_message = models.TextField(blank=True)
    # What was refused (create, read, delete): only the same, answered well, ends the trouble.
    trouble_source = models.CharField(max_length=16, blank=True)
    # Deletions without a person's word in the cycle that began then.
    deletions_since = models.DateTimeField(null=True, blank=True)
    deletions = models.PositiveIntegerField(default=0)
    swept_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="cloud_account_name"),
        ]
        ordering = ["name"]

    @property
    def masked_key(self) -> str:
        return f"{self.access_key_id[:4]}••••{self.access_key_id[-4:]}"


class RamGrant(models.Model):
    """A user of the cloud's access management, made for one add-on, and its key.

    The row is there before the user is. `deliveries` are the clusters that hold the key as a
    Secret: [{"cluster": UID, "namespace": ..., "name": ..., "key": AccessKey id, "at": ...}].
    """

    class State(models.TextChoices):
        GRANTING = "granting", _("Granting")
        GRANTED = "granted", _("Granted")
        REVOKED = "revoked", _("Revoked")

    account = models.ForeignKey(CloudAccount, on_delete=models.PROTECT, related_name="ram_grants")
    addon = models.CharField(max_length=64)
    user = models.CharField(max_length=64)
    policy = models.CharField(max_length=128)
    access_key_id = models.CharField(max_length=128, blank=True)
    sealed_secret = models.TextField(blank=True)
    # A key that a newer one replaced and that is not disabled yet.
    old_key_id = models.CharField(max_length=128, blank=True)
    deliveries = models.JSONField(default=list)
    state = models.CharField(max_length=16, choices=State, default=State.GRANTING)
    actor = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "addon"], name="ram_grant"),
        ]
        ordering = ["addon"]
        verbose_name_plural = "RAM grants"

    def __str__(self) -> str:
        return f"{self.policy} -> {self.user}"


class Instance(models.Model):
    """The ledger: one row per attempt to run one pod as one paid instance.

    `state` only moves forward: intent, creating, active, deleting, closed. A row closes when
    the cloud was seen without the instance (twice), or when it is known that none was made.
    """

    class State(models.TextChoices):
        INTENT = "intent", _("Intent")
        CREATING = "creating", _("Creating")
        ACTIVE = "active", _("Active")
        DELETING = "deleting", _("Deleting")
        CLOSED = "closed", _("Closed")

    OPEN = (State.INTENT, State.CREATING, State.ACTIVE, State.DELETING)

    account = models.ForeignKey(CloudAccount, on_delete=models.PROTECT, related_name="instances")
    provider = models.CharField(max_length=16)
    region = models.CharField(max_length=64)
    zone = models.CharField(max_length=64, blank=True)
    cluster_uid = models.CharField(max_length=64)
    node_name = models.CharField(max_length=253)
    namespace = models.CharField(max_length=253)
    pod_name = models.CharField(max_length=253)
    pod_uid = models.CharField(max_length=64)
    generation = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=16, choices=State, default=State.INTENT)
    token = models.CharField(max_length=64)
    cloud_id = models.CharField(max_length=64, blank=True)
    # The shard that paid for it and the epoch of its lease then; a lower epoch never writes here.
    shard = models.CharField(max_length=255)
    epoch = models.PositiveBigIntegerField(default=0)
    asked_cpu = models.DecimalField(max_digits=8, decimal_places=3, null=True, blank=True)
    asked_memory = models.DecimalField(max_digits=10, decimal_places=3, null=True, blank=True)
    cpu = models.DecimalField(max_digits=8, decimal_places=3, null=True, blank=True)
    memory = models.DecimalField(max_digits=10, decimal_places=3, null=True, blank=True)
    gpu = models.PositiveSmallIntegerField(default=0)
    spec = models.CharField(max_length=64, blank=True)
    # Machine type, tier and GiB of charged storage of the billed size, as `base.Size` has them.
    type = models.CharField(max_length=64, blank=True)
    tier = models.CharField(max_length=64, blank=True)
    storage = models.PositiveIntegerField(default=0)
    # The sizes before the present one, oldest first: [{"until": time, "since": the last time it
    # was seen, "size": `base.Size`}].
    sizes = models.JSONField(default=list)
    size_told_at = models.DateTimeField(null=True, blank=True)
    # Whose pod it was when it was asked for: `Deployment/web`, and the pod's labels.
    workload = models.CharField(max_length=320, blank=True)
    labels = models.JSONField(default=dict)
    price_per_hour = models.DecimalField(max_digits=14, decimal_places=8, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    cloud_state = models.CharField(max_length=32, blank=True)
    ip = models.CharField(max_length=64, blank=True)
    # The cloud's last word on it, as `providers.ledger` encodes `base.Instance`.
    seen = models.JSONField(default=dict)
    seen_at = models.DateTimeField(null=True, blank=True)
    # When it was last seen, and was not over.
    alive_at = models.DateTimeField(null=True, blank=True)
    missing_since = models.DateTimeField(null=True, blank=True)
    missing_count = models.PositiveSmallIntegerField(default=0)
    adopted = models.BooleanField(default=False)
    request_id = models.CharField(max_length=64, blank=True)
    # What is asked under the token, until the answer is known.
    sealed_request = models.TextField(blank=True)
    error_code = models.CharField(max_length=128, blank=True)
    error_message = models.TextField(blank=True)
    intended_at = models.DateTimeField()
    # When the create was first called.
    called_at = models.DateTimeField(null=True, blank=True)
    cloud_created_at = models.DateTimeField(null=True, blank=True)
    billed_from = models.DateTimeField(null=True, blank=True)
    billed_to = models.DateTimeField(null=True, blank=True)
    # When its first container ran.
    started_at = models.DateTimeField(null=True, blank=True)
    # Whether a fact of its bill changed since its usage lines were written, and up to where those
    # reach.
    unposted = models.BooleanField(default=False)
    posted_until = models.DateTimeField(null=True, blank=True)
    # When a final bill told how long it cost: `billed_from` and `billed_to` are exact since then.
    settled_at = models.DateTimeField(null=True, blank=True)
    delete_asked_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pod_uid", "generation"], name="instance_generation"),
            models.UniqueConstraint(
                fields=["pod_uid"],
                condition=~models.Q(state="closed"),
                name="one_open_instance_per_pod",
            ),
            models.UniqueConstraint(
                fields=["account", "cloud_id"],
                condition=~models.Q(cloud_id=""),
                name="instance_cloud_id",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "state"], name="instance_account_state"),
            models.Index(fields=["cluster_uid", "node_name", "state"], name="instance_node_state"),
            models.Index(
                fields=["id"], condition=models.Q(unposted=True), name="instance_unposted"
            ),
            models.Index(fields=["billed_to"], name="instance_billed_to"),
        ]

    def __str__(self) -> str:
        return self.shown_id or f"{self.namespace}/{self.pod_name}#{self.generation}"

    @property
    def shown_id(self) -> str:
        """What people call it."""
        return str(self.seen.get("shown_id") or self.cloud_id)


class Orphan(models.Model):
    """An instance that runs and costs while no live pod owns it; closed by deletion or adoption."""

    account = models.ForeignKey(CloudAccount, on_delete=models.CASCADE, related_name="orphans")
    instance = models.ForeignKey(Instance, on_delete=models.SET_NULL, null=True, blank=True)
    cloud_id = models.CharField(max_length=64)
    name = models.CharField(max_length=253)
    region = models.CharField(max_length=64)
    zone = models.CharField(max_length=64, blank=True)
    cluster_uid = models.CharField(max_length=64, blank=True)
    namespace = models.CharField(max_length=253, blank=True)
    pod_name = models.CharField(max_length=253, blank=True)
    pod_uid = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=64)
    cloud_state = models.CharField(max_length=32, blank=True)
    spec = models.CharField(max_length=64, blank=True)
    # `base.Size`, {} where the cloud did not tell it, and since when it is billed.
    size = models.JSONField(default=dict)
    billed_from = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Of one that no row of the ledger knows: whether a price changed since its lines were written.
    unposted = models.BooleanField(default=False)
    price_per_hour = models.DecimalField(max_digits=14, decimal_places=8, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    created_at = models.DateTimeField(null=True, blank=True)
    found_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    delete_asked_at = models.DateTimeField(null=True, blank=True)
    delete_asked_by = models.CharField(max_length=150, blank=True)
    last_error = models.TextField(blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "cloud_id"],
                condition=models.Q(closed_at=None),
                name="one_open_orphan",
            ),
        ]


class LogTail(models.Model):
    """The last lines of a container, kept when its instance ended (the cloud forgets them)."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="log_tails")
    container = models.CharField(max_length=253)
    text = models.TextField()
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "container"], name="log_tail_container"),
        ]
