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

    A stage of a task takes ``stage_seconds``; a rollout that is not done after ``rollout_seconds``
    fails the task. ``latency_ms`` passes before a call has its effect. ``acs_activated`` false:
    the account has not activated and authorised ACS. ``roles`` are the service roles granted.
    """

    latency_ms: float = 0.0
    stage_seconds: float = 0.6
    rollout_seconds: float = 60.0
    acs_activated: bool = True
    roles: list[str] = msgspec.field(default_factory=lambda: list(ROLES))

    def updated(self, changes: dict[str, Any]) -> "Knobs":
        """Return a copy with ``changes``; raises msgspec.ValidationError on bad names or types."""
        return msgspec.convert({**msgspec.to_builtins(self), **changes}, Knobs)
