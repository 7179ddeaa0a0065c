"""Celery's part of the bills: a nudge; it may be lost, doubled or late without harm."""

from __future__ import annotations

from celery import shared_task

from addons.runtime.loop import runtime
from console.billing.bills import round as rounds


@shared_task(name="console.fetch_bills")
def fetch_bills() -> None:
    """Ask the clouds for bills that are due, unless somebody else is at it."""
    own = runtime()
    own.run(rounds.look(own))
