"""``python -m sandbox``: start the simulated world and keep it until it is told to stop."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from .cluster.vendors import spec_of
from .world import CLUSTERS, Settings, World


def arguments(argv: list[str] | None = None) -> Settings:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="where state is kept")
    parser.add_argument("--ports", default="18080", help="'random', or the base port (18080)")
    parser.add_argument("--clusters", default=",".join(CLUSTERS), help="names, comma separated")
    parser.add_argument("--region", default="cn-hangzhou", help="region of the cloud account")
    parser.add_argument("--speed", type=float, default=1.0, help="divides simulated durations")
    given = parser.parse_args(argv)
    if given.ports != "random" and not given.ports.isdecimal():
        parser.error("--ports is 'random' or a number")
    if given.speed <= 0:
        parser.error("--speed is a positive number")
    clusters = tuple(name for name in given.clusters.split(",") if name)
    try:
        for name in clusters:
            spec_of(name)
    except ValueError as error:
        parser.error(str(error))
    return Settings(
        state_dir=given.state_dir,
        base_port=None if given.ports == "random" else int(given.ports),
        clusters=clusters,
        region=given.region,
        speed=given.speed,
    )


async def run(settings: Settings) -> None:
    """Start the world and wait for SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    world = World(settings)
    await world.start()
    sys.stdout.write(f"world ready: {settings.state_dir / 'world.json'} ({world.control.url})\n")
    sys.stdout.flush()
    try:
        await stopped.wait()
    finally:
        await world.stop()


if __name__ == "__main__":
    asyncio.run(run(arguments()))
