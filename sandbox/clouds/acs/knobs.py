"""Settings of the simulated ACS that tests and demos turn while it runs."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import msgspec


class Knobs(msgspec.Struct, forbid_unknown_fields=True):
    """Durations are in seconds before ``--speed`` divides them.

    ``stock`` maps a zone to true or false, or to a mapping of a name to true, false or how many
    instances there may be at once. Names, the most exact first: ``<class>/<size>``
    (``general-purpose/2-4Gi``), a GPU model series, a size, a quality, a class.
    ``large_sizes`` is the approval for more than 16 vCPU or 128 GiB, ``reserved_hpn`` a purchased
    reservation of GPU-HPN capacity. ``notice_seconds`` lies between the warning and the eviction of
    a best-effort instance (not divided).
    """

    schedule_seconds: float = 1.0
    pull_seconds: float = 2.0
    stop_seconds: float = 0.6
    retry_seconds: float = 10.0
    notice_seconds: float = 300.0
    image_pull_fail: list[str] = msgspec.field(
        default_factory=lambda: ["*does-not-exist*", "*no-such-*", "*nonexistent*"]
    )
    stock: dict[str, Any] = {}
    large_sizes: bool = False
    reserved_hpn: bool = False

    def updated(self, changes: dict[str, Any]) -> "Knobs":
        """Return a copy with ``changes``; raises msgspec.ValidationError on bad names or types."""
        return msgspec.convert({**msgspec.to_builtins(self), **changes}, Knobs)

    def in_stock(self, zone: str, names: tuple[str, ...], used: Callable[[str], int]) -> bool:
        """Tell whether a zone has one more; ``used`` counts the living instances of a name."""
        entry = self.stock.get(zone, True)
        if not isinstance(entry, dict):
            return bool(entry)
        for name in names:
            if name in entry:
                left = entry[name]
                return left if isinstance(left, bool) else used(name) < int(left)
        return True

    def pull_fails(self, image: str) -> bool:
        """Tell whether the registry does not know an image."""
        return any(fnmatchcase(image, glob) for glob in self.image_pull_fail)
