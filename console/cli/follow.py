"""Looking on: an operation until its end, a list as it changes.

Both ask again and again: REST takes tokens, the websocket of the pages takes sessions.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from console.cli.api import Json, Params
from console.cli.errors import CommandError, Unreachable
from console.cli.output import Column, Row, Table, as_yaml, when
from console.cli.shell import Shell

LOOK_SECONDS = 0.5
# A list that takes long to read is read less often: at most this part of the time.
_SHARE = 0.2
# How long Spillway may be away while somebody looks on.
PATIENCE_SECONDS = 120.0
_MARKS = {"done": "ok", "failed": "failed", "running": "...", "waiting": ""}


def operation(shell: Shell, number: int) -> Json:
    """The operation at its end; its log goes to standard error meanwhile.

    Raises `CommandError` when it failed or was cancelled, with its cause and fix.
    """
    try:
        return _ended(_followed(shell, number))
    except KeyboardInterrupt:
        shell.note(f"The operation goes on; `spillway operation watch {number}` looks again.")
        raise


def _followed(shell: Shell, number: int) -> Json:
    shown = 0
    for found in _looks(shell, number):
        log = found["log"]
        for line in log[shown:]:
            shell.note(_log_line(line))
        shown = len(log)
        if found["state"] in {"succeeded", "failed", "cancelled"}:
            return found
    raise AssertionError("looks do not end")


def _looks(shell: Shell, number: int) -> Iterator[Json]:
    since = time.monotonic()
    while True:
        try:
            found: Json = shell.api.get(f"operations/{number}/")
        except Unreachable:
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise
        else:
            since = time.monotonic()
            yield found
        shell.sleep(LOOK_SECONDS)


def _log_line(line: Json) -> str:
    at = when(line.get("at"))
    stamp = at.astimezone().strftime("%H:%M:%S") if at else "--:--:--"
    mark = "" if line.get("level", "info") == "info" else f" {line['level']}:"
    return f"{stamp}{mark} {line.get('text', '')}"


def _ended(found: Json) -> Json:
    if found["state"] == "succeeded":
        return found
    number, what = found["id"], found.get("title") or found["kind"]
    retry = f"`spillway operation retry {number}` goes on from the failed step."
    raise CommandError(
        f"{what}: {found['state']}. {found.get('reason', '')}".strip(),
        fix=f"{found.get('fix', '')} {retry}".strip(),
        code=f"operation_{found['state']}",
        details={"operation": number},
    )


def steps(found: Json) -> list[Json]:
    """The steps with how long each took, for a table."""
    return [{**step, "took": _took(step), "mark": _MARKS[step["state"]]} for step in found["steps"]]


def _took(step: Json) -> str:
    start, end = when(step.get("started_at")), when(step.get("ended_at"))
    return f"{(end - start).total_seconds():.1f}s" if start and end else ""


def changes(
    shell: Shell,
    path: str,
    params: Params,
    columns: Sequence[Column],
    *,
    watched: Sequence[str],
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """First all rows, then those that are new, differ in `watched`, or are gone.

    With `--output json` one object per line, as `{"type": ADDED|MODIFIED|DELETED, "object": ...}`.
    """
    drawn = Table(columns)
    known: dict[Any, Row] = {}
    since = time.monotonic()
    while not enough():
        start = time.monotonic()
        try:
            rows = {row["id"]: row for row in shell.api.pages(path, params)}
        except Unreachable:
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise
            shell.sleep(LOOK_SECONDS)
            continue
        since = time.monotonic()
        _tell(shell, drawn, _differences(known, rows, watched), first=not known)
        known = dict(rows)
        shell.sleep(max(LOOK_SECONDS, (since - start) * (1 - _SHARE) / _SHARE))


def _differences(
    known: dict[Any, Row], rows: dict[Any, Json], watched: Sequence[str]
) -> list[tuple[str, Row]]:
    found: list[tuple[str, Row]] = []
    for number, row in rows.items():
        before = known.get(number)
        if before is None:
            found.append(("ADDED", row))
        elif any(before.get(key) != row.get(key) for key in watched):
            found.append(("MODIFIED", row))
    found += [("DELETED", row) for number, row in known.items() if number not in rows]
    return found


def _tell(shell: Shell, drawn: Table, found: Sequence[tuple[str, Row]], *, first: bool) -> None:
    if not shell.for_people:
        for kind, row in found:
            event = {"type": kind, "object": row}
            line = json.dumps(event, ensure_ascii=False)
            shell.say(f"---\n{as_yaml(event)}" if shell.output == "yaml" else line)
        return
    gone = {id(row) for kind, row in found if kind == "DELETED"}
    lines = drawn.lines([row for _kind, row in found])
    if first and lines:
        shell.say(drawn.heading())
    for (_kind, row), line in zip(found, lines, strict=True):
        shell.say(f"{line}   (gone)" if id(row) in gone else line)
