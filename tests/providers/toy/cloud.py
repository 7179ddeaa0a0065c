"""The Toy cloud: JSON over HTTP, one region, everything in memory.

    GET    /who                       -> {"account", "may": [action, ...]}
    POST   /instances {token, ...}    -> {"instance", "request"}; the token is idempotent
    GET    /instances?after=&tag.k=v  -> {"instances": [...], "next": place or null}, two a page
    GET    /instances/<id>            -> {"instance"}
    DELETE /instances/<id>            -> {"request"}

`Authorization: Bearer <key>`. A refusal is {"code", "message", "request"}. An instance starts, runs
after `START_SECONDS`, and is gone as soon as it is deleted.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]
START_SECONDS = 0.05
PAGE = 2
REGION, ZONE = "toyland-1", "toyland-1-a"
KEYS = {"toy-full": ("list", "get", "create", "delete"), "toy-none": ()}


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class ToyCloud:
    """`made` is every instance ever made, gone ones too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._tokens: dict[str, tuple[Json, str]] = {}
        self.made: dict[str, Json] = {}

    def answer(self, method: str, url: str, key: str, body: Json) -> Json:
        parts = urlsplit(url)
        query, steps = dict(parse_qsl(parts.query)), parts.path.strip("/").split("/")
        if key not in KEYS:
            raise Refused(401, "BadKey", "there is no such key")
        if steps == ["who"]:
            return {"account": "toy-account-1", "may": list(KEYS[key])}
        with self._lock:
            return self._allowed(method, steps, key, query, body)

    def _allowed(
        self, method: str, steps: list[str], key: str, query: dict[str, str], body: Json
    ) -> Json:
        actions = {("POST", 1): "create", ("GET", 1): "list", ("GET", 2): "get"}
        action = actions.get((method, len(steps)), "delete")
        if action not in KEYS[key]:
            raise Refused(403, "NoGrant", f"the key may not {action}")
        if action == "create":
            return {"instance": self._create(body), "request": f"r-{next(self._numbers)}"}
        if action == "list":
            return self._list(query)
        instance = self._find(steps[1])
        if action == "delete":
            instance["deleted"] = True
        return {"instance": self._told(instance), "request": f"r-{next(self._numbers)}"}

    def _create(self, body: Json) -> str:
        token, wanted = body.pop("token"), json.loads(json.dumps(body))
        if token in self._tokens:
            first, name = self._tokens[token]
            if first != wanted:
                raise Refused(409, "TokenUsed", "the token was used for something else")
            return name
        if body["cpu"] > 8:
            raise Refused(400, "TooLarge", "a toy has 8 vCPU at most")
        name = f"toy-{next(self._numbers)}"
        self._tokens[token] = wanted, name
        self.made[name] = {"id": name, **wanted, "created": time.time(), "deleted": False}
        return name

    def _find(self, name: str) -> Json:
        found = self.made.get(name)
        if found is None or found["deleted"]:
            raise Refused(404, "NoInstance", f"there is no {name}")
        return found

    def _list(self, query: dict[str, str]) -> Json:
        wanted = {k.removeprefix("tag."): v for k, v in query.items() if k.startswith("tag.")}
        live = [
            instance
            for instance in self.made.values()
            if not instance["deleted"] and wanted.items() <= instance["tags"].items()
        ]
        start = int(query.get("after", "0"))
        page, more = live[start : start + PAGE], start + PAGE < len(live)
        return {
            "instances": [self._told(instance) for instance in page],
            "next": start + PAGE if more else None,
        }

    def _told(self, instance: Json) -> Json:
        runs = time.time() - instance["created"] >= START_SECONDS
        return {**instance, "state": "run" if runs else "start", "ip": "10.9.0.1", "zone": ZONE}


def _handler(cloud: ToyCloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            try:
                self._send(200, cloud.answer(self.command, self.path, key, body))
            except Refused as error:
                told = {"code": error.code, "message": error.message, "request": "r-refused"}
                self._send(error.status, told)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815

        def _send(self, status: int, body: Json) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_parts: Any) -> None:
            pass

    return Handler


@contextmanager
def serving() -> Iterator[tuple[ToyCloud, str]]:
    """The cloud and its address."""
    cloud = ToyCloud()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(cloud))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield cloud, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
