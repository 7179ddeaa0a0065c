"""The whole product under load: real processes against the simulated world on this machine.

    python -m bench.scale [--pods 1000] [--stable 2000] [--idle 60] [--skip limited|free|idle]

`limited`: the pods are bound to one virtual node at once and the cloud keeps its documented limits
(a burst of 100 creates, then 1,000 a minute). `free`: the same without limits on either side.
`idle`: what watch and worker use while so many pods run and nothing happens. The simulated cluster
and cloud share the machine's cores with the product.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from kube import PODS, AddressPolicy, Kube, Limits, parse_kubeconfig
from tests.chaos import manifests as m
from tests.chaos.house import QUICK, House

PRODUCT = ("watch", "worker")
BURST, PER_SECOND = 100, 1000 / 60
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds so far, resident MiB now and at its peak."""

    cpu: float
    now: float
    peak: float


def usage(pid: int) -> Usage:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    now, peak = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return Usage((int(fields[11]) + int(fields[12])) / TICK, now, peak)


def used(house: House) -> dict[str, Usage]:
    return {name: usage(house.pid(name)) for name in PRODUCT}


@contextmanager
def fresh_house(**extra: str) -> Iterator[House]:
    directory = Path(tempfile.mkdtemp(prefix="sp-bench-"))
    house = House(directory, extra=extra)
    try:
        yield house.start()
    finally:
        house.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _kube(house: House) -> Kube:
    parsed = parse_kubeconfig(Path(house.kubeconfig).read_text())
    target = parsed.target(parsed.current_context)
    policy = AddressPolicy.of(allow=["127.0.0.0/8"])
    return Kube(target, policy=policy, limits=Limits(in_flight=32, timeout=60.0))


async def _bind(house: House, app: str, count: int) -> None:
    async with _kube(house) as kube:
        await asyncio.gather(
            *(
                kube.create(PODS, m.bound(f"{app}-{i}", labels={"app": app}), "default")
                for i in range(count)
            )
        )


async def _running(house: House, app: str) -> int:
    async with _kube(house) as kube:
        listing = await kube.list(PODS, "default", labels=f"app={app}")
    return sum(pod["status"].get("phase") == "Running" for pod in listing.items)


def run_pods(house: House, app: str, count: int, *, deadline: float) -> float:
    """Seconds from the first create to the last pod Running, by the API server's own history."""
    since = house.world.now()[1]
    uvloop.run(_bind(house, app, count))
    end = time.monotonic() + deadline
    while uvloop.run(_running(house, app)) < count:
        assert time.monotonic() < end, f"not all of {count} Running after {deadline} s"
        time.sleep(1.0)
    writes = [w for w in house.world.history(since) if w["name"].startswith(f"{app}-")]
    first = min(w["time"] for w in writes if w["verb"] == "create")
    last: dict[str, float] = {}
    for write in writes:
        if write["phase"] == "Running":
            last.setdefault(write["uid"], write["time"])
    return max(last.values()) - first


def limited(count: int) -> float:
    """The ratio of the time taken to the least that the cloud's limits allow."""
    floor = (count - BURST) / PER_SECOND
    with fresh_house() as house:
        seconds = run_pods(house, "load", count, deadline=floor * 3)
    print(f"documented limits: {count:,} pods Running in {seconds:.1f} s", end="; ")
    print(f"the limit's own floor is {floor:.1f} s, ratio {seconds / floor:.2f}")
    return seconds / floor


def free(count: int) -> None:
    with fresh_house(SPILLWAY_CLOUD_RATE_FACTOR="1000") as house:
        house.world.knobs(limits=False, quota_cpu=5000, **QUICK)
        before = used(house)
        seconds = run_pods(house, "load", count, deadline=300)
        print(f"without limits: {count:,} pods Running in {seconds:.1f} s", end="; ")
        print(f"{count / seconds:.0f} pods/s")
        for name, after in used(house).items():
            cpu = after.cpu - before[name].cpu
            print(f"  {name:8} {cpu:6.1f} CPU s  peak {after.peak:6.0f} MiB")


def idle(count: int, seconds: float) -> float:
    """Percent of one core that watch and worker use together while nothing happens."""
    with fresh_house(SPILLWAY_CLOUD_RATE_FACTOR="1000") as house:
        house.world.knobs(limits=False, quota_cpu=5000, **QUICK)
        run_pods(house, "load", count, deadline=600)
        time.sleep(30.0)
        before = used(house)
        time.sleep(seconds)
        after = used(house)
    total = 0.0
    print(f"idle for {seconds:.0f} s with {count:,} stable pods:")
    for name in PRODUCT:
        share = (after[name].cpu - before[name].cpu) / seconds * 100
        total += share
        grown = after[name].now - before[name].now
        print(f"  {name:8} {share:5.2f} % of a core  {after[name].now:6.0f} MiB ({grown:+.1f})")
    print(f"  together {total:5.2f} % of a core")
    return total


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--stable", type=int, default=2000)
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument("--skip", action="append", default=[], choices=["limited", "free", "idle"])
    asked = parser.parse_args(argv)
    steps: dict[str, Any] = {
        "limited": lambda: limited(asked.pods),
        "free": lambda: free(asked.pods),
        "idle": lambda: idle(asked.stable, asked.idle),
    }
    for name, step in steps.items():
        if name not in asked.skip:
            step()


if __name__ == "__main__":
    main()
