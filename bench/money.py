"""A million usage lines over 90 days: `python -m bench.money [--lines 1000000] [--on DATABASE]`.

On SQLite and on a PostgreSQL server of its own, one process each. The lines are filled in bulk:
long lives with a line a day, short ones with two; what is measured is the product's own code.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import quantiles
from typing import Any

import psycopg

from tests.postgres import Postgres, binaries

DATABASES = ("sqlite", "postgresql")
DAYS = 90
LONG_DAYS = 50
NOW = datetime(2026, 11, 18, 4, tzinfo=UTC)
OPEN = 2000
RUNS = 20


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--on", choices=DATABASES, help="one of them only, in this process")
    asked = parser.parse_args(argv)
    if asked.on == "postgresql" and binaries() is None:
        print("\nno PostgreSQL server under /usr/lib/postgresql (Debian: postgresql)")
        return
    if asked.on:
        with _database(asked.on):
            _measure(asked.on, asked.lines)
        return
    for name in DATABASES:
        command = [sys.executable, "-m", "bench.money", "--lines", str(asked.lines), "--on", name]
        subprocess.run(command, check=True)


@contextmanager
def _database(name: str) -> Iterator[None]:
    """Django, settled on an empty database."""
    with tempfile.TemporaryDirectory(prefix="sp-bench-") as home:
        os.environ["SPILLWAY_DATA_DIR"] = home
        os.environ["REDIS_URL"] = f"unix://{home}/r.sock"
        server = None
        if name == "postgresql":
            server = _server()
            os.environ["DATABASE_URL"] = server.url
        try:
            _django()
            yield
        finally:
            if server is not None:
                server.stop()


def _server() -> Postgres:
    found = binaries()
    assert found is not None
    server = Postgres(found)
    server.start()
    maintenance = server.url.removesuffix("spillway") + "postgres"
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute("CREATE DATABASE spillway")
    return server


def _django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    import django

    import tests.env  # noqa: F401 - what the environment does not set

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _measure(name: str, lines: int) -> None:
    from bench import money_rows, money_runs

    print(f"\n{name}", flush=True)
    begun = time.monotonic()
    team = money_rows.fill(lines, days=DAYS, long_days=LONG_DAYS, now=NOW)
    print(f"  filled in {time.monotonic() - begun:.0f} s: {money_rows.counted()}", flush=True)
    money_runs.measure(team, NOW, days=DAYS, runs=RUNS, still_open=OPEN)


def timed(what: str, work: Callable[[], Any], runs: int) -> float:
    """Print the median and the 95th percentile of so many runs; give the latter, in seconds."""
    work()
    took = []
    for _ in range(runs):
        begun = time.monotonic()
        work()
        took.append(time.monotonic() - begun)
    cuts = quantiles(took, n=20, method="inclusive")
    print(f"  {what}: p50 {cuts[9] * 1000:,.0f} ms, p95 {cuts[18] * 1000:,.0f} ms", flush=True)
    return cuts[18]


if __name__ == "__main__":
    main()
