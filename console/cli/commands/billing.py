"""`spillway billing`"""

from __future__ import annotations

from decimal import Decimal

import click

from console.cli import find
from console.cli.api import Json
from console.cli.output import Column, Row, stamp
from console.cli.shell import Shell, common, complete, pass_shell

_HOUR = 3600
_name = click.argument("name", shell_complete=complete("billing/budgets/", "name"))


@click.group()
def billing() -> None:
    """What pods cost, and budgets."""


@billing.command()
@common
@pass_shell
def summary(shell: Shell) -> None:
    """Show what is spent now, today and this month, and what is expected."""
    found = shell.api.get("billing/summary/")
    if not shell.for_people:
        shell.dump(found)
        return
    shell.rows(_spent(found), SPENT, none="Nothing was spent this month.")
    if found["unpriced"]:
        shell.note(f"{found['unpriced']} running instances have no price and are not in it.")


SPENT: tuple[Column, ...] = (
    ("CURRENCY", "currency"),
    ("PER HOUR", "per_hour"),
    ("TODAY", "today"),
    ("MONTH", "month"),
    ("EXPECTED", "expected"),
)


def _spent(found: Json) -> list[Row]:
    return [
        {
            "currency": currency,
            "per_hour": _money(found["today"].get(currency, {}).get("per_hour"), 4),
            "today": _money(found["today"].get(currency, {}).get("amount")),
            "month": _money(month["amount"]),
            "expected": _money(found["expected"].get(currency, {}).get("expected")),
        }
        for currency, month in sorted(found["month"].items())
    ]


@billing.command()
@click.option("--period", help="today, 7d, month or last-month.  [default: month]")
@click.option("--start", help="First billing day (UTC+8), instead of --period.")
@click.option("--end", help="The first day after the last one.")
@click.option("--group", "-g", default="namespace", help="By what, several between commas.")
@click.option(
    "--where", "-w", multiple=True, metavar="NAME=VALUE", help="Only these; may be repeated."
)
@click.option("--currency", help="Only this one.")
@common
@pass_shell
def statement(
    shell: Shell,
    /,
    group: str,
    where: tuple[str, ...],
    **given: str | None,
) -> None:
    """Show what was used and what it costs, by namespace or by anything else."""
    asked: dict[str, str | list[str] | None] = {"group": group, **given}
    for term in where:
        name, equals, value = term.partition("=")
        if not equals:
            raise click.BadParameter(f"{term!r} is not NAME=VALUE", param_hint="--where")
        before = asked.get(name)
        asked[name] = [*(before if isinstance(before, list) else []), value]
    found = shell.api.get("billing/statement/", asked)
    if not shell.for_people:
        shell.dump(found)
        return
    columns = tuple(_group_column(name) for name in found["group"])
    shell.rows(found["rows"], (*columns, *FIGURES), none="Nothing was used.")
    for currency, total in found["totals"].items():
        shell.note(f"In all {_money(total['amount'])} {currency}.")
    if found["unpriced"]["lines"]:
        shell.note(f"{found['unpriced']['lines']} usage lines have no price and are in no total.")


def _group_column(name: str) -> Column:
    return name.upper(), lambda row: row["titles"].get(name) or row["keys"].get(name)


def _of_bill(row: Row, name: str) -> str:
    return _money((row["bill"] or {}).get(name))


def _hours(name: str) -> Column:
    return f"{_TITLES[name]}-H", lambda row: f"{_in_hours(row['figures'][name]):.2f}"


_TITLES = {"cpu_seconds": "VCPU", "memory_seconds": "GIB", "gpu_seconds": "GPU"}


def _in_hours(seconds: str | int) -> Decimal:
    return Decimal(seconds) / _HOUR


FIGURES: tuple[Column, ...] = (
    (
        "COST",
        lambda row: (
            f"{_money(row['figures']['amount'])} {row['currency']}"
            if row["currency"]
            else "unpriced"
        ),
    ),
    *(_hours(name) for name in _TITLES),
    ("PODS", lambda row: row["figures"]["starts"]),
    ("BILLED", lambda row: _of_bill(row, "billed")),
    ("DIFFERENCE", lambda row: _of_bill(row, "difference")),
)
BUDGETS: tuple[Column, ...] = (
    ("NAME", "name"),
    ("STATE", "state"),
    ("SPENT", lambda row: f"{_money(row['spent'])}/{_money(row['amount'])} {row['currency']}"),
    ("USED", lambda row: f"{Decimal(row['spent']) * 100 / Decimal(row['amount']):.0f}%"),
    ("EXPECTED", lambda row: _money(row["expected"])),
    ("PERIOD", "period"),
    ("SCOPE", lambda row: ",".join(f"{key}={text}" for key, text in row["scope"].items())),
    ("ACTION", "action"),
    ("LOOKED AT", lambda row: stamp(row["looked_at"])),
)


@billing.command()
@common
@pass_shell
def budgets(shell: Shell) -> None:
    """List budgets, and what they hold."""
    rows = sorted(shell.api.pages("billing/budgets/"), key=lambda row: str(row["name"]))
    shell.rows(rows, BUDGETS, none="There are no budgets.")


@billing.command()
@_name
@common
@pass_shell
def lift(shell: Shell, name: str) -> None:
    """Let new instances be made again although the budget NAME is used up."""
    rows = [row for row in shell.api.pages("billing/budgets/") if row["name"] == name]
    budget = find.one(rows, f"budget {name}", named="team", list_with="spillway billing budgets")
    done = shell.api.post(f"billing/budgets/{budget['id']}/lift/")
    shell.result(done, f"budget/{name}: {done['lifted']} holds lifted")


def _money(text: str | None, places: int = 2) -> str:
    return "-" if text is None else f"{Decimal(text):.{places}f}"
