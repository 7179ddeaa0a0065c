"""Rows and things as text: a table as kubectl draws it, JSON or YAML with all that REST said."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import yaml

Row = Mapping[str, Any]
# Heading and what stands under it: a key of the row, or what a function makes of the row.
Column = tuple[str, str | Callable[[Row], object]]

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


def as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def as_yaml(value: object) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    return text.rstrip("\n")


def width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value) or "-"
    # A control character would move the cursor or speak to the terminal.
    return "".join(c if c.isprintable() else " " for c in str(value))


def _cells(row: Row, columns: Sequence[Column]) -> list[str]:
    return [cell(row.get(what) if isinstance(what, str) else what(row)) for _name, what in columns]


class Table:
    """Lines under headings; widths grow with what was drawn, so that lines may come later."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._widths = [width(name) for name, _what in columns]

    def heading(self) -> str:
        return self._line([name for name, _what in self._columns])

    def lines(self, rows: Iterable[Row]) -> list[str]:
        found = [_cells(row, self._columns) for row in rows]
        for cells in found:
            self._widths = [max(w, width(c)) for w, c in zip(self._widths, cells, strict=True)]
        return [self._line(cells) for cells in found]

    def _line(self, cells: Sequence[str]) -> str:
        padded = [c + " " * (w - width(c)) for c, w in zip(cells, self._widths, strict=True)]
        return "   ".join(padded).rstrip()


def table(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    drawn = Table(columns)
    lines = drawn.lines(rows)
    return "\n".join([drawn.heading(), *lines])


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """`Name:   value` lines, values under one another."""
    found = [(f"{name}:", cell(value)) for name, value in pairs]
    wide = max((width(name) for name, _value in found), default=0)
    return "\n".join(f"{name}{' ' * (wide - width(name))}  {value}" for name, value in found)


def when(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def stamp(text: str | None) -> str:
    """In the time zone of this terminal, to the second."""
    then = when(text)
    return then.astimezone().strftime("%Y-%m-%d %H:%M:%S") if then else "-"


def span(seconds: float) -> str:
    """`42s`, `18m`, `5h`, `18d`: the largest unit, as kubectl's AGE from two of a unit on."""
    whole = max(0, int(seconds))
    for size, unit in _UNITS:
        if whole >= 2 * size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def money(row: Row, key: str = "price_per_hour") -> str:
    value = row.get(key)
    return f"{value} {row.get('currency', '')}/h".replace(" /", "/") if value else "-"


def gib(size: float | None) -> str:
    return "-" if size is None else f"{size / 2**30:.4g}Gi"
