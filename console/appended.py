"""Rows that are written once: never changed and never deleted."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import models


class AppendOnly(Exception):
    """Rows of this table are written once; they are never changed and never deleted."""


M = TypeVar("M", bound=models.Model)


class AppendedRows(models.QuerySet[M]):
    def update(self, **kwargs: Any) -> int:
        raise AppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly


class Appended(models.Model):
    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly
