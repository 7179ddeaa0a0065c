"""The Celery application: `celery -A console worker` and `celery -A console beat`.

A task is only a nudge (design: "Celery is a nudge; the database is the truth"): it may be lost,
doubled or late without harm.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

app = Celery("spillway")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["addons", "providers"])
