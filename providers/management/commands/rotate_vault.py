"""`manage.py rotate_vault`: re-wrap every stored secret with the first key of VAULT_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from providers.rotation import rotate


class Command(BaseCommand):
    help = "Re-wrap all stored secrets with the first vault key; then older keys may be removed."

    def handle(self, *args: Any, **options: Any) -> None:
        for label, moved in rotate().items():
            self.stdout.write(f"{label}: {moved} rows re-wrapped")
