"""The control API: how tests and demos look into the simulated world and bend it.

JSON over HTTP on 127.0.0.1. ``GET /`` lists what there is; ``sandbox/README.md`` explains it.
"""

import socket

from aiohttp import web

from .answers import answer, explain


class ControlServer:
    """The HTTP server of the control API."""

    def __init__(self) -> None:
        self.app = web.Application(middlewares=[explain], client_max_size=16 * 1024 * 1024)
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one, ``url`` tells which."""
        self.app.router.add_get("/", self._index)
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        listener = socket.create_server((host, port), backlog=128)
        await web.SockSite(self._runner, listener).start()
        self.url = f"http://{host}:{listener.getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _index(self, _request: web.Request) -> web.Response:
        routes = {
            f"{route.method} {route.resource.canonical}"
            for route in self.app.router.routes()
            if route.resource and route.method != "HEAD"
        }
        return answer({"routes": sorted(routes)})
