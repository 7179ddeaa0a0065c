"""Streams to containers."""

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from sandbox.cluster.verbs import Call


async def serve(call: "Call") -> web.StreamResponse | None:
    """Answer a stream, or return None."""
    return None
