"""Why a budget or a channel cannot be so.

BudgetError   `field` is what to correct (empty: none of them), `fix` what to do about it
"""

from __future__ import annotations


class BudgetError(Exception):
    """Texts are in the reader's language."""

    def __init__(self, field: str, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.field, self.message, self.fix = field, message, fix
