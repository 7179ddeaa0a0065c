from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.providers import acs_cloud, kci_cloud
from tests.providers.cloud import Simulated, simulated


@pytest.fixture
async def eci(tmp_path: Path) -> AsyncIterator[Simulated]:
    async with simulated(tmp_path) as made:
        yield made


@pytest.fixture
async def kci(tmp_path: Path) -> AsyncIterator[kci_cloud.Simulated]:
    async with kci_cloud.simulated(tmp_path) as made:
        yield made


@pytest.fixture
async def acs() -> AsyncIterator[acs_cloud.Simulated]:
    async with acs_cloud.simulated() as made:
        yield made
