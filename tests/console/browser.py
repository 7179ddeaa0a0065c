"""A page's end of the live stream."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client

from console.asgi import application
from console.live import hub as hubs
from console.live import views
from console.live.topics import TOPICS
from tests.console.socket import WebSocket

Frame = dict[str, Any]


class Browser:
    """One page's socket, signed in by a real session."""

    def __init__(self, user: User | None, origin: str = "http://testserver") -> None:
        self.user = user
        self.cookie = self._sign_in(user) if user else ""
        headers = [(b"origin", origin.encode()), (b"host", b"testserver")]
        if self.cookie:
            headers.append((b"cookie", f"sessionid={self.cookie}".encode()))
        self.socket = WebSocket(application, "/ws/stream/", headers)

    def _sign_in(self, user: User) -> str:
        client = Client()
        client.force_login(user)
        return client.cookies["sessionid"].value

    async def open(self) -> Browser:
        connected, code = await self.socket.connect(timeout=5)
        assert connected, code
        assert (await self.hear())["t"] == "hello"
        return self

    async def say(self, **message: Any) -> None:
        await self.socket.send_text(json.dumps(message))

    async def hear(self, seconds: float = 2.0) -> Frame:
        return dict(await self.socket.receive_json(seconds))

    async def hear_until(self, wanted: Callable[[Frame], bool], seconds: float = 5.0) -> Frame:
        end = time.monotonic() + seconds
        while True:
            frame = await self.hear(max(0.01, end - time.monotonic()))
            if wanted(frame):
                return frame

    async def look_at(self, topic: str, query: str = "") -> list[int]:
        """What the page does: read the ids, then subscribe to the first of them."""
        assert self.user
        params = views.params_of(QueryDict(query))
        ids = await sync_to_async(TOPICS[topic].ids)(self.user, params)
        token = views.sign(views.View(self.user.pk, topic, params, len(ids)))
        await self.say(op="sub", topic=topic, view=token, ids=ids[:200])
        await self.settle()
        return ids

    async def settle(self) -> list[Frame]:
        """Everything sent before the answer to a ping; rows repeated from the last seconds too."""
        await asyncio.sleep(2 * hubs.FLUSH_SECONDS)
        await self.say(op="ping")
        frames = []
        while (frame := await self.hear())["t"] != "pong":
            frames.append(frame)
        return frames

    async def close(self) -> None:
        await self.socket.disconnect()
