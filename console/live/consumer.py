"""`/ws/stream/`: one socket per page. See `static/js/stream.js` for the other end.

client  {"op": "sub", "topic": "pods", "view": token, "ids": [<= 200]}   a table
        {"op": "sub", "topic": "pod:12"} | "op:7" | "node:3" | "cluster:2" | "overview"
        {"op": "unsub", "topic": ...}   {"op": "ping"}
server  {"t": "hello", "seq": n}, {"t": "pong"}, {"t": "resync", "topic": ...}, frames of the hub
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import User
from django.http import Http404
from django.utils import translation

from addons.models import Cluster, Operation, PodRow, VirtualNode
from console.access import access
from console.live import views
from console.live.hub import Flag, Table, hub
from console.live.topics import TOPICS

MAX_WINDOW = 200
MAX_TOPICS = 16
# How often the reader's rights are looked at again while the socket is open.
RECHECK_SECONDS = 30.0
_FLAGS: dict[str, tuple[str, Any]] = {
    "pod": ("pods", PodRow),
    "op": ("operations", Operation),
    "node": ("nodes", VirtualNode),
    "cluster": ("clusters", Cluster),
}


class StreamConsumer(AsyncWebsocketConsumer):
    user: User
    language: str

    async def connect(self) -> None:
        user = self.scope.get("user")
        self.items: dict[str, Table | Flag] = {}
        self.recheck: asyncio.Task[None] | None = None
        if not isinstance(user, User) or not user.is_active:
            await self.close(code=4401)
            return
        self.user = user
        self.language = await sync_to_async(self._language)()
        await self.accept()
        hub.start()
        self.recheck = asyncio.create_task(self._recheck())
        await self.send_frame({"t": "hello", "seq": hub.seq})

    def _language(self) -> str:
        profile = getattr(self.user, "profile", None)
        cookie = self.scope.get("cookies", {}).get("django_language", "")
        wanted = (profile.language if profile else "") or cookie
        return wanted if translation.check_for_language(wanted) else "en"

    async def disconnect(self, code: int) -> None:
        if self.recheck:
            self.recheck.cancel()
        for item in self.items.values():
            hub.remove(item)
        self.items.clear()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = json.loads(text_data or "")
            operation, topic = message["op"], str(message.get("topic", ""))
        except (ValueError, KeyError, TypeError):
            await self.send_frame({"t": "error", "message": "not a known message"})
            return
        if operation == "ping":
            await self.send_frame({"t": "pong", "seq": hub.seq})
        elif operation == "unsub":
            self._drop(topic)
        elif operation == "sub" and topic in TOPICS:
            await self._subscribe_table(topic, message)
        elif operation == "sub":
            await self._subscribe_flag(topic)

    async def send_frame(self, frame: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(frame, separators=(",", ":")))

    def _drop(self, topic: str) -> None:
        if item := self.items.pop(topic, None):
            hub.remove(item)

    def _keep(self, topic: str, item: Table | Flag) -> None:
        self._drop(topic)
        if len(self.items) < MAX_TOPICS:
            self.items[topic] = item
            hub.add(item)

    async def _subscribe_table(self, name: str, message: dict[str, Any]) -> None:
        view = views.read(str(message.get("view", "")))
        ids = message.get("ids")
        if view is None or view.user_id != self.user.pk or view.topic != name:
            await self.send_frame({"t": "resync", "topic": name})
            return
        wanted = {i for i in (ids or [])[:MAX_WINDOW] if isinstance(i, int)}
        known = self.items.get(name)
        if isinstance(known, Table) and known.params == view.params:
            known.window = wanted & known.pinned
            return
        topic = TOPICS[name]
        pinned = set(await sync_to_async(topic.ids)(self.user, view.params))
        table = Table(topic, self.user, self.language, view.params, self.send_frame)
        table.pinned, table.window = pinned, wanted & pinned
        self._keep(name, table)
        if difference := len(pinned) - view.total:
            frame = {"up": [], "gone": [], "add": max(0, difference), "del": max(0, -difference)}
            await self.send_frame({"t": name, "seq": hub.seq, **frame, "total": len(pinned)})

    async def _subscribe_flag(self, name: str) -> None:
        if name == "overview":
            self._keep(name, Flag(name, "", None, self.send_frame, every=1.0))
            return
        kind, _colon, number = name.partition(":")
        if kind not in _FLAGS or not number.isdecimal():
            await self.send_frame({"t": "error", "message": "unknown topic"})
            return
        topic, model = _FLAGS[kind]
        try:
            await sync_to_async(access)(model, self.user, pk=int(number))
        except Http404:
            await self.send_frame({"t": "error", "message": "unknown topic"})
            return
        self._keep(name, Flag(name, topic, int(number), self.send_frame))

    async def _recheck(self) -> None:
        """Rights that were taken away end the live view within half a minute."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            self.user = await sync_to_async(_fresh)(self.user)
            if not self.user.is_active:
                await self.close(code=4401)
                return
            for name, item in list(self.items.items()):
                if isinstance(item, Table):
                    item.user = self.user
                    seen = await sync_to_async(item.topic.matching)(
                        self.user, item.params, item.window
                    )
                    if seen != item.window:
                        self._drop(name)
                        await self.send_frame({"t": "resync", "topic": name})
                elif item.id is not None and not await self._may_see(item):
                    self._drop(name)

    async def _may_see(self, flag: Flag) -> bool:
        _topic, model = _FLAGS[flag.name.partition(":")[0]]
        try:
            await sync_to_async(access)(model, self.user, pk=flag.id)
        except Http404:
            return False
        return True


def _fresh(user: User) -> User:
    return User.objects.select_related("profile").get(pk=user.pk)
