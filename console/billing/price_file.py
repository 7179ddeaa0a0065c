"""Prices from a CSV file: every row is read before any is stored, and each fault is told.

The first line names the columns, in any order: `provider, item, amount, per, currency, valid_from`
must be there; `valid_to, region, zone, type, tier, account, source` may be. A day means midnight of
the billing calendar (UTC+8); a time needs its zone. `account` is the name of a cloud account.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from django.contrib.auth.models import Group
from django.utils.translation import gettext as _

from console.billing.book import NewPrice, PriceError, Unreadable, add_prices, check
from console.billing.models import PriceEntry
from providers.calendar import day_start
from providers.models import CloudAccount

REQUIRED = ("provider", "item", "amount", "per", "currency", "valid_from")
OPTIONAL = ("valid_to", "region", "zone", "type", "tier", "account", "source")
MOST_BYTES = 2_000_000
MOST_ROWS = 10_000
MOST_FAULTS = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in `line` of the file (1 is the header) with `field`, why, and the fix."""

    line: int
    field: str
    why: str
    fix: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.field}: {self.why} {self.fix}"


class FileRefused(PriceError):
    """Nothing was imported. At most a hundred faults are told."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults[:MOST_FAULTS])


def import_csv(team: Group, content: bytes, *, by: str, now: datetime) -> list[PriceEntry]:
    """The prices of a file in UTF-8, all of them. Raises `FileRefused`."""
    prices = read(team, content)
    return add_prices(team, prices, by=by, now=now, origin=PriceEntry.Origin.IMPORT)


def read(team: Group, content: bytes) -> list[NewPrice]:
    """Raises `FileRefused`."""
    rows = _rows(content)
    accounts = {one.name: one for one in CloudAccount.objects.filter(team=team)}
    prices: list[NewPrice] = []
    faults: list[Fault] = []
    for line, row in rows:
        try:
            new = _price(row, accounts)
            check(team, new)
        except Unreadable as error:
            faults.append(Fault(line, error.field, error.why, error.fix))
        else:
            prices.append(new)
    if faults:
        raise FileRefused(faults)
    return prices


def _rows(content: bytes) -> list[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    try:
        lines = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        fix = _("Save the table as CSV, with commas and with quotes around texts that hold them.")
        raise _whole(reader.line_num, _("This is no CSV."), fix) from error
    if not lines:
        raise _whole(1, _("The file is empty."), _("Begin with a line that names the columns."))
    header = [name.strip().lower() for name in lines[0][1]]
    _check_header(header)
    found = [(line, row) for line, row in lines[1:] if any(cell.strip() for cell in row)]
    if not found or len(found) > MOST_ROWS:
        fix = _("Give 1 to %(most)d rows.") % {"most": MOST_ROWS}
        raise _whole(1, _("The file has %(n)d rows of prices.") % {"n": len(found)}, fix)
    _check_lengths(found, len(header))
    return [(n, dict(zip(header, map(str.strip, row), strict=True))) for n, row in found]


def _text(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise _whole(1, _("The file is larger than 2 MB."), _("Import it in parts."))
    if (at := content.find(b"\0")) >= 0:
        line = content[:at].count(b"\n") + 1
        raise _whole(line, _("The file is not in UTF-8."), _("Save it as “CSV UTF-8”."))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        why, fix = _("The file is not in UTF-8."), _("Save it as “CSV UTF-8”.")
        raise _whole(line, why, fix) from error


def _whole(line: int, why: str, fix: str) -> FileRefused:
    return FileRefused([Fault(line, "-", why, fix)])


def _check_header(header: list[str]) -> None:
    faults = [
        Fault(1, name, _("The column is missing."), _("Add it to the first line."))
        for name in REQUIRED
        if name not in header
    ]
    known = ", ".join((*REQUIRED, *OPTIONAL))
    faults += [
        Fault(
            1, name, _("There is no such column."), _("Columns are: %(known)s.") % {"known": known}
        )
        for name in header
        if name not in {*REQUIRED, *OPTIONAL}
    ]
    faults += [
        Fault(1, name, _("The column is there twice."), _("Remove one of them."))
        for name in sorted({name for name in header if header.count(name) > 1})
    ]
    if faults:
        raise FileRefused(faults)


def _check_lengths(rows: list[tuple[int, list[str]]], columns: int) -> None:
    faults = []
    for line, row in rows:
        if len(row) != columns:
            values = {"found": len(row), "columns": columns}
            why = _("The row has %(found)d cells, the first line %(columns)d.") % values
            fix = _("Write amounts without thousands separators, and quote texts with commas.")
            faults.append(Fault(line, "-", why, fix))
    if faults:
        raise FileRefused(faults)


def _price(row: dict[str, str], accounts: dict[str, CloudAccount]) -> NewPrice:
    valid_to = row.get("valid_to", "")
    return NewPrice(
        provider=row["provider"].lower(),
        item=row["item"].lower(),
        amount=_number("amount", row["amount"]),
        per=row["per"].lower(),
        currency=row["currency"].upper(),
        valid_from=moment("valid_from", row["valid_from"]),
        valid_to=moment("valid_to", valid_to) if valid_to else None,
        region=row.get("region", ""),
        zone=row.get("zone", ""),
        type=row.get("type", ""),
        tier=row.get("tier", ""),
        account=_account(row.get("account", ""), accounts),
        source=row.get("source", ""),
    )


def _number(field: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        why = _("“%(value)s” is not a number.") % {"value": text}
        raise Unreadable(field, why, _("Write it like 0.1764.")) from error


def moment(field: str, text: str) -> datetime:
    """A day of the billing calendar, or a time with its zone. Raises `Unreadable`."""
    fix = _("Write a day like 2026-11-01, or a time with its zone like 2026-11-01T08:00:00+08:00.")
    try:
        if len(text) == 10:
            return day_start(date.fromisoformat(text))
        found = datetime.fromisoformat(text)
        found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        why = _("“%(value)s” is no date.") % {"value": text}
        raise Unreadable(field, why, fix) from error
    if found.tzinfo is None:
        raise Unreadable(field, _("The time has no zone."), fix)
    return found


def _account(name: str, accounts: dict[str, CloudAccount]) -> CloudAccount | None:
    if not name:
        return None
    if name not in accounts:
        why = _("There is no cloud account “%(value)s”.") % {"value": name}
        raise Unreadable("account", why, _("Write the name of an account of the team, or nothing."))
    return accounts[name]
