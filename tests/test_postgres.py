"""What leans hardest on the database, on the database of production."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings

from tests.postgres import Postgres

SUITES = (
    "tests/providers/test_ledger.py",
    "tests/providers/test_accounts.py",
    "tests/addons/runtime/test_lease.py",
    "tests/addons/runtime/test_queue.py",
    "tests/addons/runtime/test_drain.py",
    "tests/addons/sweep",
    "tests/addons/watch",
    "tests/addons/pods/test_reconcile.py",
    "tests/console/test_rest.py",
    "tests/console/billing/test_posting.py",
    "tests/console/billing/test_keepers.py",
    "tests/console/billing/test_statements.py",
    "tests/console/billing/test_live.py",
)


@pytest.mark.postgres
@pytest.mark.slow
def test_the_ledger_the_leases_the_mirror_and_rest_work_on_postgresql(postgres: Postgres) -> None:
    environment = os.environ | {"DATABASE_URL": postgres.url}
    # The run has a data directory of its own.
    environment.pop("SPILLWAY_DATA_DIR", None)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-m", "not slow", "--no-header", *SUITES],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert " passed" in run.stdout
    # What SQLite cannot show is skipped there: nothing was, so this was PostgreSQL.
    assert "skipped" not in run.stdout
