from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sandbox_bills.clouds import Aliyun, Kingsoft, aliyun_account, kingsoft_account


@pytest.fixture
async def aliyun(tmp_path: Path) -> AsyncIterator[Aliyun]:
    async with aliyun_account(tmp_path) as made:
        yield made


@pytest.fixture
async def kingsoft() -> AsyncIterator[Kingsoft]:
    async with kingsoft_account() as made:
        yield made
