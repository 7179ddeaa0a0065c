"""`manage.py audit`: whether the audit trail still is what was written."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console import audit
from console.models import AuditEntry


class Command(BaseCommand):
    help = "Check the hash chain of the audit trail; exit 1 when an entry was changed or removed."

    def handle(self, *args: Any, **options: Any) -> None:
        if wrong := audit.broken():
            raise CommandError(f"The audit trail does not hold: {wrong}.")
        self.stdout.write(f"{AuditEntry.objects.count()} entries, unbroken.")
