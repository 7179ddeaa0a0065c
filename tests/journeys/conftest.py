"""The place, registered; the last words of its processes beside a failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.place import Place, Rest, shared


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    place: Place | None = getattr(item, "funcargs", {}).get("place")
    if report.failed and place is not None:
        report.sections.extend((f"log of {name}", text) for name, text in place.house.tails())
    return report


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    found = shared(request.config)
    found.register()
    yield found
    found.settle()


@pytest.fixture
def rest(place: Place) -> Rest:
    return place.rest
