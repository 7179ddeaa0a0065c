"""Review resources."""

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from sandbox.cluster.verbs import Call


async def serve(call: "Call") -> web.Response | None:
    """Answer a review, or return None when the request is no review."""
    return None
