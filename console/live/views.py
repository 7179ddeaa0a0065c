"""Signed view tokens: they bind a live table to its reader, topic and filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.http import QueryDict

_SALT = "spillway.live.view"
MAX_AGE = 24 * 3600


@dataclass(frozen=True, slots=True)
class View:
    user_id: int
    topic: str
    params: dict[str, str]
    total: int


def params_of(query: QueryDict | dict[str, Any]) -> dict[str, str]:
    """The filters of an address, without what only the transport needs."""
    skip = {"ids", "format", "cursor", "limit"}
    return {key: str(query[key]) for key in query if key not in skip and query[key] != ""}


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
