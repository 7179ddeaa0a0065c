"""Celery's part of the books: nudges; each may be lost, doubled or late without harm."""

from __future__ import annotations

from celery import shared_task

from addons.runtime.loop import runtime
from console.billing import posting, quotes, use


@shared_task(name="console.post_usage")
def post_usage() -> None:
    """Write the usage lines of what changed, unless somebody else is at it."""
    own = runtime()
    own.run(own.db(posting.post_due, holder=own.holder(), clock=own.clock))


@shared_task(name="console.ask_prices")
def ask_prices() -> None:
    """Ask the clouds for prices that are due, unless somebody else is at it."""
    own = runtime()
    own.run(quotes.look(own))


@shared_task(name="console.sample_use")
def sample_use() -> None:
    """Ask the clouds that tell it what instances use, unless somebody else is at it."""
    own = runtime()
    own.run(use.look(own))
