"""`manage.py watch`: mirror the clusters and keep the nodes alive."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from addons.runtime.loop import runtime
from addons.watch.service import Service


class Command(BaseCommand):
    help = "Watch the registered clusters and play the heartbeat of their virtual nodes."

    def handle(self, *args: Any, **options: Any) -> None:
        running = runtime()

        async def serve() -> None:
            await Service(running).run()

        future = asyncio.run_coroutine_threadsafe(serve(), running.loop)

        def stop(_signal: int, _frame: Any) -> None:
            running.loop.call_soon_threadsafe(future.cancel)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        try:
            future.result()
        except (asyncio.CancelledError, KeyboardInterrupt):
            pass
        finally:
            running.stop()
