"""Small things the parts of the control API share: JSON in and out, files written in one step."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_ROWS = 100_000


def answer(value: Any, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )


def refuse(status: HTTPStatus, why: str) -> web.Response:
    """Return a refusal with its reason."""
    return answer({"error": why}, status)


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn bad bodies and unknown names into answers that say what is wrong."""
    try:
        return await handler(request)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as exc:
        return refuse(HTTPStatus.BAD_REQUEST, str(exc))
    except KeyError as exc:
        return refuse(HTTPStatus.NOT_FOUND, f"unknown: {exc.args[0]}")


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a request, empty when there is no body."""
    raw = await request.read()
    return msgspec.json.decode(raw, type=dict[str, Any]) if raw else {}


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file in one step, so that a reader sees the old text or the new one."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.chmod(mode)
    part.replace(path)
