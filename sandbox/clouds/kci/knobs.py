"""Settings of the simulated Kingsoft Cloud that tests and demos turn while it runs."""

from fnmatch import fnmatchcase
from typing import Any

import msgspec

PRICES = {
    "HourlyInstantSettlement": {"cpu": "0.1512", "memory": "0.0396", "gpu": "7.2"},
    "Spot": {"cpu": "0.0504", "memory": "0.0144", "gpu": "2.4"},
}


class Knobs(msgspec.Struct, forbid_unknown_fields=True):
    """Durations are in seconds before ``--speed`` divides them.

    ``stock`` maps a zone to false (nothing left), "late" (accepted, then CreateError), true, or to
    a mapping of spec to such a value; a spec is a package (``N3.4B``) or ``<vCPU>-<GiB>Gi``.
    ``latency_ms`` passes before a call has its effect, ``answer_ms`` between effect and answer.
    ``consistency_ms`` hides a new instance from every Describe for so long. Kingsoft publishes no
    call limits: ``limits`` applies ``calls_per_second`` to every action, with as many as a burst.
    KCE begins a change of a component after ``component_seconds``.

    ``prices`` are those of the account's contract, by charge type and item, for one unit and hour.
    The bill of an hour comes ``bill_delay_seconds`` (not divided) after its end; with
    ``bill_early`` it is there as far as the hour got. ``bill_discount`` is the contract's factor.
    ``bill_missing`` are patterns of instances that it leaves out, ``bill_extra`` lines of instances
    that never were: ``billDay`` (ISO), ``instanceId``, ``billRealAmount``, ``duration``, all text.
    """

    latency_ms: float = 0.0
    answer_ms: float = 0.0
    limits: bool = True
    calls_per_second: float = 100.0
    consistency_ms: float = 0.0
    schedule_seconds: float = 1.0
    pull_seconds: float = 2.0
    run_seconds: float = 30.0
    stop_seconds: float = 0.0
    cache_seconds: float = 3.0
    component_seconds: float = 1.0
    image_pull_hang: list[str] = []
    image_pull_fail: list[str] = msgspec.field(
        default_factory=lambda: ["*does-not-exist*", "*no-such-image*"]
    )
    stock: dict[str, Any] = {}
    quota_cpu: float = 1000.0
    quota_groups: int = 1000
    pending_limit_minutes: float = 240.0
    prices: dict[str, dict[str, str]] = msgspec.field(default_factory=lambda: dict(PRICES))
    bill_delay_seconds: float = 3600.0
    bill_early: bool = False
    bill_discount: str = "1"
    bill_missing: list[str] = []
    bill_extra: list[dict[str, str]] = []

    def updated(self, changes: dict[str, Any]) -> "Knobs":
        """Return a copy with ``changes``; raises msgspec.ValidationError on bad names or types."""
        return msgspec.convert({**msgspec.to_builtins(self), **changes}, Knobs)

    def in_stock(self, zone: str, specs: list[str]) -> bool | str:
        """Return True, False or "late" for a zone and the names of the size wanted."""
        entry = self.stock.get(zone, True)
        if not isinstance(entry, dict):
            return entry if entry == "late" else bool(entry)
        for spec in specs:
            if spec in entry:
                return "late" if entry[spec] == "late" else bool(entry[spec])
        return True

    def pull_hangs(self, image: str) -> bool:
        """Tell whether the pull of an image never ends."""
        return any(fnmatchcase(image, glob) for glob in self.image_pull_hang)

    def pull_fails(self, image: str) -> bool:
        """Tell whether the registry does not know an image."""
        return any(fnmatchcase(image, glob) for glob in self.image_pull_fail)
