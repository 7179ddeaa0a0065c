"""What a reconciler is given and what it gives back.

A key names something to look at, never an event: `pod:<cluster id>:<namespace>/<name>`,
`node:<virtual node id>`, `operation:<id>`, `drift:<installation id>`, `fleet:<fleet upgrade id>`,
`sweep:<account id>:<region>`. A shard is what one lease covers: `node:<virtual node id>`,
`cluster:<id>` (operations, drift), `fleet:<fleet upgrade id>`, `sweep:<account id>:<region>`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from kube import Kube
from providers.base import Provider

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`requeue_after` seconds (None: only when something changes), and why, for the row.

    `reason` is a code of `addons.pods.reasons`; `failed` makes the key's back-off grow.
    """

    requeue_after: float | None = None
    reason: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    failed: bool = False


class LeaseLost(Exception):
    """Another holder has the shard: make no paid call and no write; drop the work."""


class Held(Protocol):
    """A lease that this process holds. `check` is local and cheap; `fence` is for transactions."""

    shard: str
    epoch: int

    def check(self, needed_seconds: float = 0.0) -> None:
        """Raise `LeaseLost` unless the lease is ours for at least so long."""

    def fence(self) -> None:
        """Inside a transaction: raise `LeaseLost` unless the row still has our epoch."""


class Context(Protocol):
    """Everything a reconciler may touch. One per drain of one shard."""

    lease: Held
    now: Callable[[], datetime]

    async def kube(self, cluster_id: int) -> Kube:
        """The pooled client of the cluster, made once per process and credential version."""

    async def provider(self, account_id: int, region: str) -> Provider:
        """The pooled client of the cloud account in this region."""

    async def db(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Run ORM code in the bounded executor (autocommit; open your own transaction)."""

    async def enqueue(self, shard: str, key: str, *, delay: float = 0.0) -> None: ...

    async def announce(self, topic: str, *ids: int) -> None:
        """Tell the web processes that these rows changed; after commit only."""


Reconciler = Callable[[Context, str], Awaitable[Outcome]]
