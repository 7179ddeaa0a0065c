"""`/ws/stream/`: one socket per page. See `static/js/stream.js` for the other end.

client  {"op": "sub", "topic": "pods", "view": token, "ids": [<= 200]}   a table
        {"op": "sub", "topic": "pod:12"} | "op:7" | "node:3" | "cluster:2" | "credential:4"
        | "installation:5" | "fleet:6" | "overview"
        {"op": "unsub", "topic": ...}   {"op": "ping"}
server  {"t": "hello", "seq": n}, {"t": "pong"}, {"t": "resync", "topic": ...}, frames of the hub
close   4401 not signed in (any more), 4408 the browser reads too slowly, 1013 no live data now
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import Http404
from django.utils import translation

from addons.models import Cluster, FleetUpgrade, Installation, Operation, PodRow, VirtualNode
from console.access import access, rights_of
from console.live import views
from console.live.hub import Flag, Frame, Socket, Table, hub
from console.live.topics import TOPICS
from providers.models import CloudAccount

MAX_WINDOW = 200
MAX_TOPICS = 16
# Frames that may wait for a slow browser before it is sent away to resync.
MAX_WAITING = 256
# How often the reader's rights are looked at again while the socket is open.
RECHECK_SECONDS = 20.0
LISTEN_SECONDS = 3.0
_FLAGS: dict[str, tuple[str, type[Model]]] = {
    "pod": ("pods", PodRow),
    "op": ("operations", Operation),
    "node": ("nodes", VirtualNode),
    "cluster": ("clusters", Cluster),
    "credential": ("accounts", CloudAccount),
    "installation": ("installations", Installation),
    "fleet": ("fleet_upgrades", FleetUpgrade),
}


async def _db(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await database_sync_to_async(function, thread_sensitive=False)(*args, **kwargs)


class StreamConsumer(AsyncWebsocketConsumer):
    socket: Socket | None = None

    async def connect(self) -> None:
        self.items: dict[str, Table | Flag] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.waiting: asyncio.Queue[Frame | int] = asyncio.Queue()
        user = self.scope.get("user")
        if not isinstance(user, User) or not user.is_active:
            await self.close(code=4401)
            return
        hub.start()
        try:
            await asyncio.wait_for(hub.listening.wait(), LISTEN_SECONDS)
        except TimeoutError:
            await self.close(code=1013)
            return
        self.socket = await _db(self._socket, user)
        hub.sockets.add(self.socket)
        await self.accept()
        self.tasks = [asyncio.create_task(work()) for work in (self._write, self._recheck)]
        self.put({"t": "hello", "seq": hub.seq})

    def _socket(self, user: User) -> Socket:
        profile = getattr(user, "profile", None)
        cookie = self.scope.get("cookies", {}).get("django_language", "")
        wanted = (profile.language if profile else "") or cookie
        language = wanted if translation.check_for_language(wanted) else "en"
        return Socket(user, rights_of(user), language, self.put, self.end)

    async def disconnect(self, code: int) -> None:
        for task in self.tasks:
            task.cancel()
        for name in list(self.items):
            self._drop(name)
        if self.socket:
            hub.sockets.discard(self.socket)

    def put(self, frame: Frame) -> None:
        """Never waits: a browser that does not keep up is sent away and reads everything anew."""
        if self.waiting.qsize() >= MAX_WAITING:
            self.end(4408)
        else:
            self.waiting.put_nowait(frame)

    def end(self, code: int) -> None:
        while not self.waiting.empty():
            self.waiting.get_nowait()
        self.waiting.put_nowait(code)

    async def _write(self) -> None:
        while True:
            frame = await self.waiting.get()
            if isinstance(frame, int):
                await self.close(code=frame)
                return
            await self.send(text_data=json.dumps(frame, separators=(",", ":")))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = json.loads(text_data or "")
            operation, topic = message["op"], str(message.get("topic", ""))
        except (ValueError, KeyError, TypeError):
            self.put({"t": "error", "message": "not a known message"})
            return
        if operation == "ping":
            self.put({"t": "pong", "seq": hub.seq})
        elif operation == "unsub":
            self._drop(topic)
        elif operation == "sub" and topic in TOPICS:
            await self._subscribe_table(topic, message)
        elif operation == "sub":
            await self._subscribe_flag(topic)

    def _drop(self, topic: str) -> None:
        if item := self.items.pop(topic, None):
            hub.remove(item)

    def _keep(self, item: Table | Flag) -> None:
        self._drop(item.name)
        if len(self.items) >= MAX_TOPICS:
            self.put({"t": "error", "message": f"at most {MAX_TOPICS} topics"})
            return
        self.items[item.name] = item
        hub.add(item)

    async def _subscribe_table(self, name: str, message: dict[str, Any]) -> None:
        assert self.socket
        view = views.read(str(message.get("view", "")))
        given = message.get("ids")
        if view is None or view.user_id != self.socket.user.pk or view.topic != name:
            self.put({"t": "resync", "topic": name})
            return
        ids = given[:MAX_WINDOW] if isinstance(given, list) else []
        window = {pk for pk in ids if isinstance(pk, int)}
        table = self.items.get(name)
        if isinstance(table, Table) and table.params == view.params:
            hub.move(table, window)
            total = len(table.pinned)
        else:
            table = Table(self.socket, TOPICS[name], view.params, window=window)
            table.pinned = set(await _db(table.topic.ids, self.socket.user, view.params))
            self._keep(table)
            total = view.total
        self._catch_up(table, total)

    def _catch_up(self, table: Table, total: int) -> None:
        """What became different between the browser's reading of the ids and now."""
        gone = sorted(table.window - table.pinned)
        more = len(table.pinned) - total
        if gone or more:
            counts = {"add": max(0, more), "del": max(0, -more), "total": len(table.pinned)}
            self.put({"t": table.name, "seq": hub.seq, "up": [], "gone": gone, **counts})

    async def _subscribe_flag(self, name: str) -> None:
        assert self.socket
        if name == "overview":
            self._keep(Flag(self.socket, name, every=1.0))
            return
        kind, _colon, number = name.partition(":")
        if kind in _FLAGS and number.isdecimal():
            topic, model = _FLAGS[kind]
            try:
                await _db(access, model, self.socket.user, pk=int(number))
            except Http404:
                pass
            else:
                self._keep(Flag(self.socket, name, topic, int(number)))
                return
        self.put({"t": "error", "message": "unknown topic"})

    async def _recheck(self) -> None:
        """A session that ended closes the stream; rights that changed make it start anew."""
        assert self.socket
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            user = await _db(self._signed_in)
            if user is None:
                self.end(4401)
                return
            rights = await _db(rights_of, user)
            self.socket.user = user
            if rights != self.socket.rights:
                self.socket.rights = rights
                for name in list(self.items):
                    self._drop(name)
                    self.put({"t": "resync", "topic": name})

    def _signed_in(self) -> User | None:
        """The user of the session as it stands in the database now."""
        store = import_module(settings.SESSION_ENGINE).SessionStore
        session = store(self.scope["session"].session_key)
        user = get_user(SimpleNamespace(session=session))  # type: ignore[arg-type]
        return user if isinstance(user, User) and user.is_active else None
