"""A small server that speaks the live-table protocol for a made-up fleet of pods.

It lets the browser parts be tested alone: ids, rows and the websocket as the console answers
them, with a fixed seed and a rate of events that the test chooses.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

ROOT = Path(__file__).resolve().parent.parent.parent
BATCH_SECONDS = 0.1
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'"
)
STATES = (("Running", "ok"), ("Pending", "warn"), ("Failed", "bad"), ("Completed", "done"))
CLOUDS = ("eci", "acs", "kci")
PAGE = """<!doctype html>
<html lang="{lang}" data-theme="light" data-sprite="/static/vendor/tabler-icons-3.51.0/sprite.svg">
<head><meta charset="utf-8"><title>Pods</title>
<link rel="icon" href="/static/img/spillway.svg">
<link rel="stylesheet" href="/static/css/spillway.css">
<script type="module" src="/static/js/app.js"></script></head>
<body><div data-stream="/ws/stream/" id="page"><main class="main">
<div class="strip warn" id="reconnect" role="status" hidden></div>
<div class="ph"><div><h1>Pods</h1></div><div class="acts">
<button class="btn live" type="button" aria-pressed="true" data-live-toggle>Live</button>
</div></div>
<div class="card"><form class="bar2" id="filter" role="search">
<label class="fld"><input type="search" name="q" aria-label="Filter"></label></form>
<vn-table topic="pods" data-ids-url="/ids/" data-rows-url="/rows/" data-form="filter"
 data-selectable data-label="Pods">
<template data-bulk>
<button class="btn sm" type="button" data-url="/bulk/">Delete</button></template>
<div class="tw"><table class="table" id="plain"><thead><tr><th>Name</th></tr></thead>
<tbody><tr><td>pod-0</td></tr></tbody></table></div></vn-table></div></main></div>
<div class="toasts" id="toasts" role="region" aria-label="Notifications"></div>
<dialog class="dlg" id="confirm"></dialog></body></html>"""


class Fleet:
    """Pods by id, and the events that happen to them."""

    def __init__(self, *, pods: int, events_per_second: float, seed: int = 7) -> None:
        self.random = random.Random(seed)
        self.rate = events_per_second
        self.start = datetime.now(UTC)
        self.rows = {number: self._pod(number) for number in range(1, pods + 1)}
        self.sockets: dict[web.WebSocketResponse, set[int]] = {}
        self.seq = 0
        self.sent_bytes = 0
        self.bulk: list[int] = []
        self.refuse_sockets = False

    def _pod(self, number: int) -> dict[str, Any]:
        status, tone = self.random.choice(STATES)
        provider = CLOUDS[number % len(CLOUDS)]
        return {
            "id": number,
            "name": f"pod-{number}",
            "namespace": f"team-{number % 9}",
            "cluster": "prod",
            "cluster_name": "prod-hangzhou",
            "status": status,
            "tone": tone,
            "reason": "OOMKilled" if tone == "bad" else "",
            "provider": provider,
            "instance_id": f"{provider}-{self.random.getrandbits(40):010x}",
            "asked": "1.5 / 3Gi" if provider == "acs" else "2 / 4Gi",
            "spec": "2 / 4Gi",
            "node": "virtual-kubelet-cn-hangzhou-k",
            "zone": "cn-hangzhou-k",
            "ready": "1/1",
            "restarts": 0,
            "ip": f"10.0.{number // 250 % 250}.{number % 250}",
            "price_per_hour": None if provider == "kci" else "0.4128",
            "currency": "" if provider == "kci" else "CNY",
            "created_at": (self.start - timedelta(seconds=number * 37)).isoformat(),
            "blocker": "",
            "deleted": False,
            "url": f"/pods/{number}/",
        }

    def restart(self, number: int) -> dict[str, Any]:
        """One event: the pod restarts and may change its state."""
        status, tone = self.random.choice(STATES)
        row = self.rows[number]
        row |= {"restarts": row["restarts"] + 1, "status": status, "tone": tone}
        return row

    async def announce(
        self, *, up: list[dict[str, Any]], gone: list[int], add: int = 0, dele: int = 0
    ) -> None:
        """One frame for every socket, with the rows of its window only."""
        self.seq += 1
        for socket, window in list(self.sockets.items()):
            frame = {
                "t": "pods",
                "seq": self.seq,
                "up": [row for row in up if row["id"] in window],
                "gone": [number for number in gone if number in window],
                "add": add,
                "del": dele,
                "total": len(self.rows),
            }
            text = json.dumps(frame)
            self.sent_bytes += len(text)
            await socket.send_str(text)

    async def live(self) -> None:
        """`rate` events a second over the whole fleet, a tenth of them adds and removals."""
        while True:
            await asyncio.sleep(BATCH_SECONDS)
            count = round(self.rate * BATCH_SECONDS)
            if count and self.sockets:
                numbers = self.random.choices(list(self.rows), k=max(count - count // 10, 1))
                up = {number: self.restart(number) for number in numbers}
                await self.announce(
                    up=list(up.values()), gone=[], add=count // 20, dele=count // 20
                )

    async def page(self, request: web.Request) -> web.Response:
        text = PAGE.format(lang=request.query.get("lang", "en"))
        return web.Response(
            text=text, content_type="text/html", headers={"Content-Security-Policy": CSP}
        )

    async def ids(self, request: web.Request) -> web.Response:
        word = request.query.get("q", "")
        ids = [number for number, row in self.rows.items() if word in row["name"]]
        if request.query.get("sort") == "-name":
            ids.reverse()
        facets = {"status": {"Running": len(ids)}}
        return web.json_response(
            {"ids": ids, "total": len(ids), "view": "token", "seq": self.seq, "facets": facets}
        )

    async def some(self, request: web.Request) -> web.Response:
        wanted = [int(text) for text in request.query["ids"].split(",")]
        return web.json_response({"rows": [self.rows[n] for n in wanted if n in self.rows]})

    async def delete(self, request: web.Request) -> web.Response:
        self.bulk = (await request.json())["ids"]
        return web.json_response({"done": len(self.bulk)})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_sockets:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"t": "hello", "seq": self.seq})
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._hear(socket, json.loads(message.data))
        finally:
            self.sockets.pop(socket, None)
        return socket

    def _hear(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        if message["op"] == "sub" and message["topic"] == "pods":
            self.sockets[socket] = set(message["ids"])
        elif message["op"] == "unsub":
            self.sockets.pop(socket, None)

    async def drop_sockets(self) -> None:
        for socket in list(self.sockets):
            await socket.close()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.page)
        app.router.add_get("/ids/", self.ids)
        app.router.add_get("/rows/", self.some)
        app.router.add_post("/bulk/", self.delete)
        app.router.add_get("/ws/stream/", self.stream)
        app.router.add_static("/static", ROOT / "static")
        return app


class Running:
    """A fleet that serves on `url`; `call` runs a coroutine on its loop."""

    def __init__(self, fleet: Fleet, loop: asyncio.AbstractEventLoop, url: str) -> None:
        self.fleet, self.loop, self.url = fleet, loop, url

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)


@contextmanager
def serving(fleet: Fleet) -> Iterator[Running]:
    """The fleet on a free loopback port, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[web.AppRunner, str, asyncio.Task[None]]:
        runner = web.AppRunner(fleet.app(), shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return runner, f"http://{host}:{port}", asyncio.create_task(fleet.live())

    async def stop(runner: web.AppRunner, task: asyncio.Task[None]) -> None:
        task.cancel()
        await fleet.drop_sockets()
        await runner.cleanup()

    runner, url, task = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield Running(fleet, loop, url)
    finally:
        asyncio.run_coroutine_threadsafe(stop(runner, task), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
