"""Signed view tokens: they bind a live table to its reader, topic and filters."""

from __future__ import annotations

from dataclasses import dataclass

from django.core import signing
from django.http import QueryDict

_SALT = "spillway.live.view"
MAX_AGE = 24 * 3600


@dataclass(frozen=True, slots=True)
class View:
    user_id: int
    topic: str
    params: str
    total: int


def params_of(query: QueryDict) -> str:
    """The filters of an address as a query string, without what only the transport needs."""
    kept = query.copy()
    for name in ("ids", "format", "cursor", "limit", "part"):
        kept.pop(name, None)
    for name in [name for name in kept if not any(kept.getlist(name))]:
        del kept[name]
    return kept.urlencode()


def sign(view: View) -> str:
    value = {"u": view.user_id, "t": view.topic, "p": view.params, "n": view.total}
    return signing.dumps(value, salt=_SALT, compress=True)


def read(token: str) -> View | None:
    """None for a token that is forged, too old or not ours."""
    try:
        value = signing.loads(token, salt=_SALT, max_age=MAX_AGE)
    except signing.BadSignature:
        return None
    return View(value["u"], value["t"], value["p"], value["n"])
