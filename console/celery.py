"""The Celery application: `celery -A console worker` and `celery -A console beat`.

A task is only a nudge (design: "Celery is a nudge; the database is the truth"): it may be lost,
doubled or late without harm.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

app = Celery("spillway")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(
    [
        *("addons", "providers", "console.billing"),
        *(f"console.billing.{part}" for part in ("bills", "budgets", "exports")),
    ]
)

# Each worker also has a queue of its own: the proof that it still consumes goes there.
app.conf.worker_direct = True
app.conf.beat_schedule = {
    name.partition(".")[2]: {
        "task": name,
        "schedule": seconds,
        "options": {"expires": max(seconds, 5)},
    }
    for name, seconds in (
        ("addons.nudge_due", 2.0),
        ("addons.sweep_all", settings.SWEEP_SECONDS),
        ("addons.resync", 30.0),
        ("addons.purge", 3600.0),
        ("console.post_usage", 5.0),
        ("console.watch_budgets", 10.0),
        ("console.make_exports", 30.0),
        ("console.fetch_bills", settings.BILL_SECONDS / 10),
        ("console.ask_prices", 120.0),
        ("console.sample_use", 300.0),
    )
}


@worker_init.connect
@beat_init.connect
def _refuse_bad_setup(**_: Any) -> None:
    """Celery runs Django's checks but does not look at what they found."""
    from console.checks import refuse_bad_setup

    try:
        refuse_bad_setup()
    except ImproperlyConfigured as error:
        # Celery logs other exceptions of signals and goes on.
        raise SystemExit(str(error)) from error
