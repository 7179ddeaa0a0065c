"""One house for the whole session; each test finds it healthy and leaves it empty."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.house import QUICKLY, House, wait_until
from tests.chaos.walk import CLUSTERS as WALKED
from tests.chaos.walk import Keys, Walk

# As many calls as the world takes: what is tried with all clouds is not the pace.
RATES = {"SPILLWAY_KCI_READ_RATE": "100", "SPILLWAY_KCI_WRITE_RATE": "50"}
# A step that deletes instances asks for three seconds of it.
LEASE = {"SPILLWAY_LEASE_SECONDS": "5"}
CLUSTERS = ("ack-hangzhou", "idc-zhangjiakou", "kce-beijing", "acs-hangzhou")


@pytest.fixture(scope="session")
def running_house() -> Iterator[House]:
    directory = Path(tempfile.mkdtemp(prefix="sp-house-"))
    made = House(directory)
    try:
        yield made.start()
        wait_until(lambda: not made.pods(), seconds=60, what="no pod is left")
        wait_until(lambda: not made.world.running(), seconds=60, what="nothing is billed")
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def clouds() -> Iterator[House]:
    """A second house with every kind of cluster and every cloud."""
    directory = Path(tempfile.mkdtemp(prefix="sp-clouds-"))
    made = House(directory, clusters=CLUSTERS, extra={**QUICKLY, **RATES})
    try:
        yield made.start()
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def walk() -> Iterator[Walk]:
    """A third house: many clusters, in which components are installed, changed and removed."""
    directory = Path(tempfile.mkdtemp(prefix="sp-walk-"))
    made = House(directory, speed=2.0, clusters=WALKED, extra={**QUICKLY, **RATES, **LEASE})
    made.filler = Keys(directory, made.port, empty=False)
    try:
        yield Walk(made.start())
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _house(item: pytest.Item) -> House | None:
    given = getattr(item, "funcargs", {})
    walk: Walk | None = given.get("walk")
    found: House | None = given.get("house") or given.get("clouds") or (walk and walk.house)
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """The last lines of every process beside a failure."""
    report = yield
    house = _house(item)
    if report.failed and house is not None:
        report.sections.extend((f"log of {name}", text) for name, text in house.tails())
    return report


@pytest.fixture
def house(running_house: House) -> Iterator[House]:
    """Whole and healthy; what the test made is deleted, and gone before the session ends."""
    running_house.revive()
    running_house.world.heal()
    yield running_house
    running_house.revive()
    running_house.world.heal()
    running_house.empty()
