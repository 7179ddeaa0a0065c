"""Simulated accounts on a loop of their own, credentials for them, and the ledger's rows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from django.contrib.auth.models import Group as Team

from kube.secret import Secret
from providers import sealing
from providers.models import CloudAccount, Instance
from sandbox.clouds.groups import meter
from sandbox.clouds.groups.model import Group
from tests.console import cast as make
from tests.console.billing import books
from tests.sandbox_bills.clouds import Aliyun, Kingsoft, aliyun_account, kingsoft_account

T = TypeVar("T")


class Clouds:
    """Both accounts; whatever touches them runs on their loop."""

    def __init__(self) -> None:
        self.aliyun: Aliyun
        self.kingsoft: Kingsoft
        self.loop = asyncio.new_event_loop()

    def do(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        async def call() -> T:
            return function(*args, **kwargs)

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(20)

    def bills_asked(self) -> int:
        store = self.aliyun.account.cloud.store
        return len(self.do(store.calls, 0, "DescribeInstanceBill", 10_000))


@contextmanager
def clouds(directory: Path) -> Iterator[Clouds]:
    made = Clouds()
    thread = threading.Thread(target=made.loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()

    async def enter() -> None:
        made.aliyun = await stack.enter_async_context(aliyun_account(directory))
        made.kingsoft = await stack.enter_async_context(kingsoft_account())

    try:
        asyncio.run_coroutine_threadsafe(enter(), made.loop).result(20)
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), made.loop).result(20)
        made.loop.call_soon_threadsafe(made.loop.stop)
        thread.join(10)
        made.loop.close()


def credential(
    team: Team, provider: str, url: str, pair: tuple[str, str], **fields: Any
) -> CloudAccount:
    row = make.account(team, provider=provider, endpoint=url, capabilities=[], **fields)
    sealing.seal_into(row, key_id=pair[0], secret=Secret(pair[1]), token=Secret(""))
    row.save()
    return row


def row_of(account: CloudAccount, group: Group, **fields: Any) -> Instance:
    """What the ledger knows of a group that ended, times as the cloud shows them."""
    begin, end = meter.billed_from(group), meter.billed_to(group)
    assert begin is not None
    assert end is not None
    known: dict[str, Any] = {
        "cloud_id": group.id,
        "zone": group.zone,
        "cpu": Decimal(str(group.cpu)),
        "memory": Decimal(str(group.memory)),
    }
    row: Instance = books.life(account, _whole(begin), _whole(end), **known | fields)
    return row


def vanished(account: CloudAccount, group: Group, *, late: int) -> Instance:
    """The same, of one that nobody saw end: it was missing `late` seconds after its end."""
    row = row_of(account, group)
    assert row.billed_from is not None
    assert row.billed_to is not None
    row.alive_at = row.billed_from + timedelta(seconds=1)
    row.billed_to += timedelta(seconds=late)
    row.seen = {k: v for k, v in row.seen.items() if k != "ended_at"} | {"state": "running"}
    row.save()
    return row


def _whole(at: float) -> datetime:
    return datetime.fromtimestamp(int(at), UTC)
