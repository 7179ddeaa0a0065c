"""Why a budget or a channel cannot be so, and what both have in common.

BudgetError   `field` is what to correct (empty: none of them), `fix` what to do about it
"""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

# Control characters and what else ends a line: a name becomes the subject of a mail.
_LINE_ENDS = {"Cc", "Zl", "Zp"}


class BudgetError(Exception):
    """Texts are in the reader's language."""

    def __init__(self, field: str, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.field, self.message, self.fix = field, message, fix


def check_name(name: str) -> None:
    if not name.strip() or len(name) > 64:
        raise BudgetError("name", _("Give it a name of at most 64 characters."))
    if any(unicodedata.category(one) in _LINE_ENDS for one in name):
        raise BudgetError("name", _("A name is one line, without control characters."))
