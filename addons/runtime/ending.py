"""Ending tasks for certain.

`asyncio.wait_for` of Python 3.11 drops a cancellation that arrives together with the result
(cpython issue 86296, mended in 3.12), and redis-py calls it on every write. A task cancelled at
that instant goes on as if nothing had been said; so it is said again.
"""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_SECONDS = 1.0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks and wait until each is over; what they raise is dropped."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
