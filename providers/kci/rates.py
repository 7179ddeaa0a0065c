"""How often KCI may be called, per account and region.

Kingsoft publishes no limits for KCI: a cautious start, to be raised by the settings
SPILLWAY_KCI_READ_RATE and SPILLWAY_KCI_WRITE_RATE (calls a second) where the cloud allows more.
Creates and deletes have a bucket each, so that pods can go while many come.
"""

from __future__ import annotations

from providers.buckets import Rate

READ = "read"
CREATE = "CreateContainerGroup"
DELETE = "DeleteContainerGroup"


def rates(read: float, write: float) -> tuple[dict[str, Rate], Rate]:
    """By bucket, and over all; at most two seconds' worth is saved up."""
    buckets = {
        READ: Rate(read, max(1.0, read * 2)),
        CREATE: Rate(write, max(1.0, write * 2)),
        DELETE: Rate(write, max(1.0, write * 2)),
    }
    return buckets, Rate(read + 2 * write, max(2.0, 2 * (read + 2 * write)))
