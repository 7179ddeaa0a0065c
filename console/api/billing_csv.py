"""A statement as CSV: a row for each group and currency, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer, JSONRenderer

from console.billing.exports.cells import cell
from console.billing.figures import NAMES


class StatementCsv(BaseRenderer):
    """`Accept: text/csv`, or `format=csv` in the address. Refusals stay JSON."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if "rows" not in data:
            return JSONRenderer().render(data)
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(_heading(data["group"]))
        writer.writerows(_cells(data, row) for row in data["rows"])
        return file.getvalue().encode()


def _heading(group: list[str]) -> list[str]:
    named = [text for name in group for text in (name, f"{name}_title")]
    return ["start", "end", *named, "currency", *NAMES, "billed", "difference"]


def _cells(data: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    names = [text for name in data["group"] for text in (row["keys"][name], row["titles"][name])]
    figures = [str(row["figures"][name]) for name in NAMES]
    days = (data["start"].isoformat(), data["end"].isoformat())
    bill = row["bill"] or {}
    billed = [bill.get(name) or "" for name in ("billed", "difference")]
    return [*days, *map(cell, names), row["currency"], *figures, *billed]
