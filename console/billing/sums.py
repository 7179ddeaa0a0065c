"""Running sums: rows that grow by increments, in the transaction that writes the lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.db import connections, router
from django.db.models import DecimalField, Field, Model

from console.billing import figures
from console.billing.drafts import SCOPE, Scope
from console.billing.figures import NAMES, NOTHING, Figures
from console.billing.models import UsageSum


def total(parts: Iterable[tuple[Scope, Figures]]) -> dict[Scope, Figures]:
    found: dict[Scope, Figures] = {}
    for scope, more in parts:
        found[scope] = found.get(scope, NOTHING) + more
    return found


def grow_sums(increments: Mapping[Scope, Figures]) -> None:
    """Add these figures to the sums of their scopes."""
    rows = [
        UsageSum(
            key=scope.key,
            team_id=scope.team,
            account_id=scope.account,
            **{name: getattr(scope, name) for name in SCOPE[2:]},
            **dict(zip(NAMES, figures.values(more), strict=True)),
        )
        for scope, more in increments.items()
        if any(figures.values(more))
    ]
    grow(rows, NAMES)


def grow(rows: Sequence[UsageSum] | Sequence[Model], increments: Sequence[str]) -> None:
    """Insert each row, or add its `increments` to the row that has its `key`.

    In the order of the keys, so that two transactions never wait for each other. SQLite keeps
    decimals as floats: rounding after each addition keeps them exact.
    """
    if not rows:
        return
    model = type(rows[0])
    connection = connections[router.db_for_write(model)]
    quote = connection.ops.quote_name
    columns = [one for one in model._meta.concrete_fields if not one.primary_key]
    table = quote(model._meta.db_table)
    sql = (
        f"INSERT INTO {table} ({', '.join(quote(str(one.column)) for one in columns)}) "  # noqa: S608 - own names
        f"VALUES ({', '.join(['%s'] * len(columns))}) ON CONFLICT ({quote('key')}) DO UPDATE SET "
        + ", ".join(
            f"{quote(str(one.column))} = {_added(one, table, quote(str(one.column)), connection)}"
            for one in columns
            if one.name in increments
        )
    )
    ordered = sorted(rows, key=lambda row: str(row.key))  # type: ignore[attr-defined]
    given = [
        [one.get_db_prep_save(getattr(row, one.attname), connection) for one in columns]
        for row in ordered
    ]
    with connection.cursor() as cursor:
        cursor.executemany(sql, given)


def _added(column: Field[object, object], table: str, name: str, connection: object) -> str:
    text = f"{table}.{name} + EXCLUDED.{name}"
    if getattr(connection, "vendor", "") == "sqlite" and isinstance(column, DecimalField):
        return f"ROUND({text}, {column.decimal_places})"
    return text
