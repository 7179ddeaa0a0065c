"""The last lines of each container, kept before its instance goes: the cloud forgets them.

Best effort: a log that cannot be read within seconds costs its lines, never the deletion.
"""

from __future__ import annotations

import asyncio
import logging

from addons.pods import store
from addons.pods.work import Work
from providers.base import Logs, RunState
from providers.errors import ProviderError
from providers.seen import decode

log = logging.getLogger(__name__)
LINES = 200
SECONDS = 2.0


def _containers(work: Work) -> list[str]:
    """Those that the cloud has seen running."""
    seen = decode(work.open_row.seen)
    if seen is None:
        return []
    every = (*seen.init_containers, *(seen.containers or ()))
    return [s.name for s in every if s.state.state is not RunState.WAITING or s.restarts > 0]


async def keep_tails(work: Work) -> None:
    provider = await work.provider()
    if not isinstance(provider, Logs):
        return
    row = work.open_row

    async def one(container: str) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                text = await provider.logs(row.cloud_id, container, tail=LINES)
        except (ProviderError, TimeoutError) as error:
            log.info("no last lines of %s in %s: %s", container, row.cloud_id, error)
            return
        await work.writer.do(store.keep_tails, store.Tail(row.pk, container, text))

    await asyncio.gather(*(one(name) for name in _containers(work)))
