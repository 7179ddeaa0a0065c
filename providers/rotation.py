"""Move every sealed column to the first vault key."""

from __future__ import annotations

from django.apps import apps
from django.db import models

from providers import vault


def rotate() -> dict[str, int]:
    """Model label -> how many rows were re-wrapped. Safe to repeat and to interrupt.

    A row changed meanwhile is left alone (the new value is already under the first key).
    """
    return {label: _rotate(label, fields) for label, fields in vault.SEALED.items()}


def _rotate(label: str, fields: tuple[str, ...]) -> int:
    manager = apps.get_model(label)._default_manager
    moved = 0
    for row in manager.all().only("pk", *fields).iterator(chunk_size=500):
        moved += _rewrap(manager, row, fields)
    return moved


def _rewrap(
    manager: models.Manager[models.Model], row: models.Model, fields: tuple[str, ...]
) -> int:
    old = {field: str(getattr(row, field)) for field in fields}
    new = {field: vault.rewrap(blob) for field, blob in old.items()}
    if new == old:
        return 0
    return manager.filter(pk=row.pk, **old).update(**new)
