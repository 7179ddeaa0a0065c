"""Settings of the simulated CS that tests and demos turn while it runs."""

from typing import Any

import msgspec

ROLES = (
    "AliyunCSDefaultRole",
    "AliyunCSManagedKubernetesRole",
    "AliyunServiceRoleForECI",
    "AliyunServiceRoleForECIVnode",
)


class Knobs(msgspec.Struct, forbid_unknown_fields=True):
    """Durations are in seconds before ``--speed`` divides them.

    The task of a changed configuration shows ``modify_shows_seconds`` after the request.
    A stage of a task takes ``stage_seconds``; a rollout that is not done after ``rollout_seconds``
    fails the task. ``latency_ms`` passes before a call has its effect. ``acs_activated`` false:
    the account has not activated and authorised ACS. ``roles`` are the service roles granted.

    ``addon_versions`` are versions that add-ons have beside the usual ones, each the newest.

    The bill of an hour comes ``bill_delay_seconds`` (not divided) after its end; with
    ``bill_early`` it is there as far as the hour got. ``bill_discount`` is the contract's factor.
    ``bill_missing`` are patterns of instances that it leaves out, ``bill_extra`` lines of instances
    that never were: ``BillingDate``, ``InstanceID``, ``PretaxAmount``, and others as the API names
    them, all text.
    """

    latency_ms: float = 0.0
    stage_seconds: float = 0.6
    addon_versions: dict[str, str] = {}
    modify_shows_seconds: float = 0.5
    rollout_seconds: float = 60.0
    acs_activated: bool = True
    roles: list[str] = msgspec.field(default_factory=lambda: list(ROLES))
    bill_delay_seconds: float = 3600.0
    bill_early: bool = False
    bill_discount: str = "1"
    bill_missing: list[str] = []
    bill_extra: list[dict[str, str]] = []

    def updated(self, changes: dict[str, Any]) -> "Knobs":
        """Return a copy with ``changes``; raises msgspec.ValidationError on bad names or types."""
        return msgspec.convert({**msgspec.to_builtins(self), **changes}, Knobs)
