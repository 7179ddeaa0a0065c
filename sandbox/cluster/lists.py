"""LIST: paging with continue tokens over a consistent snapshot.

A limited list keeps the entries it saw (they are immutable, so this costs a reference each); the
token names that snapshot. It expires with the event window or after five minutes: 410.
"""

import base64
import binascii
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from sandbox.cluster import errors
from sandbox.cluster.clock import Clock
from sandbox.cluster.resources import Resource
from sandbox.cluster.selectors import Match, exact_field
from sandbox.cluster.store import WINDOW, Entry, Store

Obj = dict[str, Any]
KEPT = 128
LIFETIME = 300.0
TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: the entries, the list's resourceVersion, what follows."""

    entries: list[Entry]
    revision: int
    token: str = ""
    remaining: int | None = None


@dataclass(slots=True)
class _Snapshot:
    entries: list[Entry]
    revision: int
    made: float


class Pager:
    """Makes pages and remembers the snapshots that continue tokens name."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._kept: OrderedDict[str, _Snapshot] = OrderedDict()

    def select(
        self, resource: Resource, namespace: str | None, fields: str, match: Match | None
    ) -> list[Entry]:
        """Return the matching entries in key order; a name selector reads one key."""
        name = exact_field(fields, "metadata.name") if fields else None
        if name is not None and (namespace is not None or not resource.namespaced):
            entry = self._store.get(resource.storage, namespace or "", name)
            found = [entry] if entry else []
        else:
            found = self._store.ordered(resource.storage, namespace)
        return found if match is None else [e for e in found if match(e.obj)]

    def page(self, entries: list[Entry], limit: int, *, count_rest: bool) -> Page:
        """Return the first page of a fresh list."""
        revision = self._store.revision
        if not limit or len(entries) <= limit:
            return Page(entries, revision)
        return self._cut(
            _Snapshot(entries, revision, self._clock.monotonic()), 0, limit, count_rest
        )

    def resume(self, token: str, limit: int, *, count_rest: bool) -> Page:
        """Return the page a continue token names; ApiError 400 or 410."""
        try:
            named = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            key, offset = f"{named['rv']}", int(named["start"])
            snapshot_key = f"{key}/{named['id']}"
        except (binascii.Error, ValueError, KeyError, TypeError) as error:
            raise errors.bad_request(f"continue key is not valid: {error}") from error
        snapshot = self._kept.get(snapshot_key)
        if snapshot is None or not self._fresh(snapshot):
            raise errors.expired(TOO_OLD)
        return self._cut(snapshot, offset, limit or len(snapshot.entries), count_rest)

    def _fresh(self, snapshot: _Snapshot) -> bool:
        behind = self._store.revision - snapshot.revision
        young = self._clock.monotonic() - snapshot.made < LIFETIME
        return young and behind <= WINDOW

    def _cut(self, snapshot: _Snapshot, offset: int, limit: int, count_rest: bool) -> Page:
        part = snapshot.entries[offset : offset + limit]
        rest = len(snapshot.entries) - offset - len(part)
        if rest <= 0:
            return Page(part, snapshot.revision)
        identity = f"{snapshot.revision}/{id(snapshot)}"
        self._kept[identity] = snapshot
        self._kept.move_to_end(identity)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        body = {"v": "meta.k8s.io/v1", "rv": snapshot.revision, "start": offset + len(part)}
        raw = json.dumps({**body, "id": id(snapshot)}).encode()
        token = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        return Page(part, snapshot.revision, token, rest if count_rest else None)
