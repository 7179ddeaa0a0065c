"""Celery's part of the budgets: a nudge; it may be lost, doubled or late without harm."""

from __future__ import annotations

from celery import shared_task

from addons.runtime.loop import runtime
from console.billing.budgets import watch


@shared_task(name="console.watch_budgets")
def watch_budgets() -> None:
    """Look at every budget, unless somebody else is at it."""
    own = runtime()
    own.run(watch.look(own))
