"""What the world asks of a simulated cloud."""

from typing import Any, Protocol

from aiohttp import web


class Cloud(Protocol):
    """A cloud account of the world. State is on disk: it survives a restart, also after kill -9."""

    @property
    def name(self) -> str:
        """Its key in ``world.json`` and the first element of its control paths."""

    async def start(self, host: str, port: int) -> None:
        """Listen. Port 0 picks free ones; a cloud that needs several adds multiples of ten."""

    async def stop(self) -> None:
        """Stop listening, write everything down and close files."""

    def describe(self) -> dict[str, Any]:
        """Return this cloud's part of ``world.json``; called after ``start``."""

    def routes(self) -> list[web.RouteDef]:
        """Return its control API, every path below ``/<name>/``; called after ``start``."""

    def save(self) -> None:
        """Write all state down now; called every few seconds as well."""

    def reset(self) -> None:
        """Forget instances, calls, faults and knobs; keys stay."""
