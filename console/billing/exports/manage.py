"""Asking for a file, making it, handing it out, forgetting it.

The file lies in the data directory, which web and workers share, under a name that nobody guesses.
It belongs to whoever asked for it, with the rights they had when it was made.
"""

from __future__ import annotations

import contextlib
import csv
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction
from kombu.exceptions import KombuError

from addons.runtime.contract import LeaseLost
from console.access import rights_of
from console.billing.exports import focus, usage
from console.billing.exports.billed import Billed
from console.billing.exports.cells import cell
from console.billing.exports.source import Asked, Names
from console.models import Export

log = logging.getLogger(__name__)

FORMATS = ("usage", "focus")
KEPT = timedelta(days=7)
LONGEST = timedelta(days=400)
# Rows: a few seconds.
KEEP_EVERY = 20_000
# One user's files that are not made yet.
MOST_WAITING = 5


class TooMany(Exception):
    """Wait until those that were asked for are made."""


def ask(
    user: User,
    *,
    kind: str,
    start: date,
    end: date,
    where: Mapping[str, tuple[str, ...]],
    team: Group | None,
    now: datetime,
) -> Export:
    """Queue a file of the billing days `start <= day < end`. Raises `TooMany`."""
    waiting = Export.objects.filter(user=user, state=Export.State.WAITING)
    if waiting.count() >= MOST_WAITING:
        raise TooMany
    query = {
        "start": start.isoformat(),
        "end": end.isoformat(),
        "where": {name: list(texts) for name, texts in where.items()},
    }
    export = Export.objects.create(user=user, team=team, format=kind, query=query, created_at=now)
    transaction.on_commit(nudge)
    return export


def nudge() -> None:
    """Beat does it again when the broker is away."""
    try:
        current_app.send_task("console.make_exports", retry=False, ignore_result=True)
    except (KombuError, redis.RedisError, OSError) as error:
        log.warning("exports wait for the next beat: %s", error)


def make_waiting(now: datetime, keep: Callable[[], None] = lambda: None) -> int:
    """Make every file that waits, forget old ones; how many were made.

    `keep` is called every now and then; it raises `LeaseLost` when somebody else is at it.
    """
    _forget(now)
    waiting = list(Export.objects.filter(state=Export.State.WAITING).order_by("pk"))
    for export in waiting:
        make(export, now, keep)
    return len(waiting)


def make(export: Export, now: datetime, keep: Callable[[], None] = lambda: None) -> None:
    try:
        name, count, left = _write(export, keep)
    except LeaseLost:
        raise
    except Exception as error:  # Told to whoever asked; the other files are made all the same.
        log.exception("export %s could not be made", export.pk)
        _settle(export, state=Export.State.FAILED, error=type(error).__name__, ready_at=now)
        return
    query = {**export.query, "unpriced": left}
    _settle(
        export, state=Export.State.READY, file=name, rows=count, query=query, error="", ready_at=now
    )


def _settle(export: Export, **fields: Any) -> None:
    Export.objects.filter(pk=export.pk, state=Export.State.WAITING).update(**fields)


def _write(export: Export, keep: Callable[[], None]) -> tuple[str, int, int]:
    asked = Asked.of(_teams(export), export.query)
    heading: Iterable[str] = usage.COLUMNS
    left = focus.Left()
    rows: Iterator[list[Any]] = usage.rows(asked)
    if export.format == "focus":
        heading = focus.COLUMNS
        rows = focus.Writer(Names.read(), Billed.read(asked), left).rows(asked)
    name = f"{export.pk}-{secrets.token_urlsafe(16)}.csv"
    folder = directory()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f"{name}.part"
    with part.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heading)
        count = 0
        for row in rows:
            if count % KEEP_EVERY == 0:
                keep()
            writer.writerow([cell(value) for value in row])
            count += 1
    part.replace(folder / name)
    return name, count, left.unpriced


def _teams(export: Export) -> frozenset[int] | None:
    """What the user may see now, narrowed to the team that was asked for."""
    rights = rights_of(export.user)
    if export.team_id is None:
        return None if rights.everything else rights.teams
    return frozenset({export.team_id}) if rights.cover({export.team_id}) else frozenset()


def directory() -> Path:
    return Path(settings.DATA_DIR) / "exports"


def path_of(export: Export) -> Path | None:
    """None when it is not ready, or not on this machine any more."""
    path = directory() / Path(export.file).name if export.file else None
    return path if path is not None and path.is_file() else None


def delete(export: Export) -> None:
    if (path := path_of(export)) is not None:
        path.unlink(missing_ok=True)
    export.delete()


def _forget(now: datetime) -> None:
    for export in Export.objects.filter(created_at__lt=now - KEPT):
        delete(export)
    oldest = (now - KEPT).timestamp()
    with contextlib.suppress(FileNotFoundError):
        for path in directory().iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
