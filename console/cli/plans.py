"""A plan as people read it: what stands against an action, and all that it would change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from console.cli.api import Json
from console.cli.errors import Refused
from console.cli.output import Column, cell, money, table

_VALUES: tuple[Column, ...] = (
    ("PARAMETER", "key"),
    ("", lambda row: row["state"].replace("_", " ")),
    ("OLD DEFAULT", lambda row: shown(row["old_default"])),
    ("NEW DEFAULT", lambda row: shown(row["new_default"])),
    ("YOURS", lambda row: shown(row["yours"])),
    ("WILL BE", lambda row: shown(row["result"])),
)
_WHOLE = {
    "missing": "(is not there)",
    "surplus": "(is not wanted)",
    "refused": "(is refused)",
    "field": "",
}
OBJECTS: tuple[Column, ...] = (
    ("OBJECT", "object"),
    ("FIELD", lambda row: row["field"] or _WHOLE[row["kind"]]),
    ("IS", lambda row: shown(_without(row["live"], row["wanted"]))),
    ("WILL BE", lambda row: shown(_without(row["wanted"], row["live"]))),
)
_AFFECTED: tuple[Column, ...] = (
    ("POD", lambda row: f"{row['namespace']}/{row['pod']}"),
    ("OWNER", "owner"),
    ("INSTANCE", "instance"),
    ("COST", money),
)
_LONGEST = 60


def _without(value: Any, other: Any) -> Any:
    """Of two lists only what the other one does not have."""
    if isinstance(value, list) and isinstance(other, list):
        return [item for item in value if item not in other]
    return value


def shown(value: Any) -> str:
    if value is None or isinstance(value, str):
        text = value or ""
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def text(plan: Json) -> str:
    return "\n\n".join(part for part in _parts(plan) if part)


def _parts(plan: Json) -> Iterator[str]:
    version = f", version {plan['version']}" if plan.get("version") else ""
    yield f"{plan['action'].capitalize()} {plan['component']}{version} ({plan['delivery']})"
    yield checklist(plan["checks"])
    yield _table([row for row in plan["rows"] if _tells(row)], _VALUES)
    yield _table(plan["objects"], OBJECTS)
    if plan["surplus"]:
        yield f"Removed: {', '.join(plan['surplus'])}"
    if plan["nodes"]:
        yield f"Virtual nodes: {', '.join(plan['nodes'])}"
    yield leaving(plan)
    if plan["auto_rollback"]:
        yield f"If it fails it goes back to revision {plan['auto_rollback']} by itself."


def checklist(checks: Sequence[Json]) -> str:
    """What was looked at, a line each, with the fix under what is not as it should be."""
    lines = []
    for check in checks:
        found = f": {check['detail']}" if check["detail"] else ""
        lines.append(f"{check['state']:<7} {cell(check['title'] + found)}")
        if check["fix"] and check["state"] in {"warn", "bad"}:
            lines.append(f"        fix: {cell(check['fix'])}")
    return "\n".join(lines)


def _tells(row: Json) -> bool:
    """Whether a parameter is worth a line: a new one that nobody sets is not."""
    return row["state"] != "added" or row["result"] not in (None, row["new_default"])


def leaving(plan: Json) -> str:
    """Pods and instances that an uninstall ends, and what they cost; empty when there are none."""
    affected = plan["affected"]
    if not affected:
        return ""
    costs = [f"{amount} {currency}/h" for currency, amount in plan["cost_per_hour"].items()]
    pods = "1 pod runs" if len(affected) == 1 else f"{len(affected)} pods run"
    head = f"{pods} there{', for ' + ' + '.join(costs) if costs else ''}:"
    return f"{head}\n{table(affected, _AFFECTED)}"


def _table(rows: Sequence[Json], columns: Sequence[Column]) -> str:
    return table(rows, columns) if rows else ""


def judge(plan: Json) -> None:
    """Raises `Refused` when a check stands in the way."""
    bad = [check for check in plan["checks"] if check["state"] == "bad"]
    if plan["blocking"]:
        names = "; ".join(check["title"] for check in bad)
        fix = bad[0]["fix"] if bad else ""
        raise Refused(f"It would be refused: {names}", fix=fix, code="checks_failed")
