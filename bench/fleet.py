"""A fleet upgrade in waves on this machine: `python -m bench.fleet [--clusters 50] [--batch 10]`.

All clusters are simulated ones in one process; the worker's part runs here, on an SQLite file and a
Redis of its own. A component is installed everywhere by real operations, one cluster of wave 2 is
meddled with, the upgrade stops there, that cluster is repaired and the upgrade goes on to its end.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

_HOME = tempfile.TemporaryDirectory(prefix="sp-bench-")
os.environ["SPILLWAY_DATA_DIR"] = _HOME.name
os.environ["REDIS_URL"] = f"unix://{_HOME.name}/r.sock"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

import django  # noqa: E402 - the settings are read from the environment above

import tests.env  # noqa: E402, F401 - what it does not set

django.setup()

from django.core.management import call_command  # noqa: E402

from addons.components import fleet  # noqa: E402
from addons.models import FleetUpgrade, Operation  # noqa: E402
from addons.runtime.loop import Runtime  # noqa: E402
from bench.scale import usage  # noqa: E402
from tests.addons.components.fleet_house import NAME, NEW, House, register, serving  # noqa: E402
from tests.conftest import RedisServer  # noqa: E402

T = TypeVar("T")
PER_CLUSTER = 8.0


@contextmanager
def fresh_house(count: int) -> Iterator[tuple[House, int]]:
    """So many registered clusters, and the process they run in."""
    call_command("migrate", verbosity=0)
    redis = RedisServer(_HOME.name)
    redis.start()
    runtime = Runtime(redis_url=redis.url).start()
    try:
        with serving(Path(_HOME.name), count) as (pid, clusters):
            yield House(runtime, [register(**one) for one in clusters]), pid
    finally:
        runtime.stop()
        redis.stop()


def timed(what: str, work: Callable[[], T]) -> T:
    cpu, begun = usage(os.getpid()).cpu, time.monotonic()
    result = work()
    took, used = time.monotonic() - begun, usage(os.getpid()).cpu - cpu
    print(f"{what}: {took:.1f} s, {used:.1f} CPU s", flush=True)
    return result


def _told(upgrade: FleetUpgrade) -> None:
    for wave in fleet.waves_of(upgrade):
        took = ""
        if wave.started_at and wave.ended_at:
            took = f" in {(wave.ended_at - wave.started_at).total_seconds():.1f} s"
        print(f"  wave {wave.number}: {wave.clusters} clusters, {wave.state}{took}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet")
    parser.add_argument("--clusters", type=int, default=50)
    parser.add_argument("--batch", type=int, default=10)
    given = parser.parse_args(arguments)
    patience = max(60.0, PER_CLUSTER * given.clusters)
    with fresh_house(given.clusters) as (house, pid):
        team = house.clusters[0].team
        print(f"{given.clusters} clusters in one process: {usage(pid).now:.0f} MiB")
        rows = timed(f"installed {NAME} on all", lambda: house.install(seconds=patience))
        broken = rows[min(given.batch + 1 + given.batch // 2, len(rows) - 1)]
        house.meddle(broken.cluster)
        upgrade = fleet.start(team, NAME, NEW, rows, batch=given.batch, actor="bench")
        timed("until the failure stopped it", lambda: house.settled(upgrade, "stopped"))
        _told(upgrade)
        house.repair(broken)
        fleet.resume(upgrade)
        ended = ("succeeded", "stopped")
        timed("from there to its end", lambda: house.settled(upgrade, *ended, seconds=patience))
        _told(upgrade)
        tried = Operation.objects.filter(kind="upgrade-component").count()
        images = ", ".join(sorted(house.images(*house.clusters)))
        print(f"{upgrade.state}; {tried} upgrades begun; images in the clusters: {images}")
        print(f"the clusters used {usage(pid).cpu:.1f} CPU s, {usage(pid).now:.0f} MiB")


if __name__ == "__main__":
    main(sys.argv[1:])
