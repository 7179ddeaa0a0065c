"""A receiver of notices on loopback that checks signatures by the documents of each robot.

Written against the documents, not against our sender: DingTalk "Custom robot access", WeCom "Group
robot configuration", Feishu "Custom bot usage guide", Standard Webhooks 1.0.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SECRETS = {
    "webhook": "whsec_" + base64.b64encode(b"k" * 24).decode(),
    "dingtalk": "SEC" + "d" * 32,
    "feishu": "feishu-secret",
}


def digest(key: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


class Receiver:
    """`got` holds (kind, body) of what was accepted; `refuse` so many first; `pieces` answers
    byte by byte, in chunks."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.refuse = 0
        self.redirect = ""
        self.pieces = False
        self.url = ""

    def address(self, kind: str) -> str:
        paths = {
            "webhook": "/hook",
            "dingtalk": "/robot/send?access_token=tok",
            "wecom": "/cgi-bin/webhook/send?key=tok",
            "feishu": "/open-apis/bot/v2/hook/tok",
        }
        return self.url + paths[kind]

    def answer(self, path: str, headers: dict[str, str], raw: bytes) -> tuple[int, dict[str, Any]]:
        if self.refuse:
            self.refuse -= 1
            return 503, {}
        body = json.loads(raw)
        url = urlsplit(path)
        kind = {"hook": "webhook", "robot": "dingtalk", "cgi-bin": "wecom", "open-apis": "feishu"}[
            url.path.split("/")[1]
        ]
        check = getattr(self, f"_{kind}")
        error = check(parse_qs(url.query), headers, raw, body)
        if not error:
            self.got.append((kind, body))
            self.headers.append(headers)
        return self._said(kind, error)

    def _said(self, kind: str, error: str) -> tuple[int, dict[str, Any]]:
        if kind == "webhook":
            return (401 if error else 204), {}
        if kind == "feishu":
            return 200, {"code": 19021 if error else 0, "msg": error or "success"}
        return 200, {"errcode": 310000 if error else 0, "errmsg": error or "ok"}

    def _webhook(self, query: Any, headers: dict[str, str], raw: bytes, body: Any) -> str:
        key = base64.b64decode(SECRETS["webhook"].removeprefix("whsec_"))
        stamped = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + raw
        return "" if headers["webhook-signature"] == f"v1,{digest(key, stamped)}" else "signature"

    def _dingtalk(self, query: Any, headers: Any, raw: bytes, body: Any) -> str:
        stamp, secret = query["timestamp"][0], SECRETS["dingtalk"]
        good = query["sign"][0] == digest(secret.encode(), f"{stamp}\n{secret}".encode())
        fits = body["msgtype"] == "markdown" and {"title", "text"} == set(body["markdown"])
        return "" if good and fits and len(stamp) == 13 else "sign not match"

    def _wecom(self, query: Any, headers: Any, raw: bytes, body: Any) -> str:
        fits = query["key"] == ["tok"] and body["msgtype"] == "markdown"
        return "" if fits and len(body["markdown"]["content"].encode()) <= 4096 else "invalid"

    def _feishu(self, query: Any, headers: Any, raw: bytes, body: Any) -> str:
        key = f"{body['timestamp']}\n{SECRETS['feishu']}".encode()
        fits = body["msg_type"] == "text" and body["content"]["text"]
        return "" if body["sign"] == digest(key, b"") and fits else "sign match fail"


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.redirect:
                self.send_response(302)
                self.send_header("Location", receiver.redirect)
                self.end_headers()
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, told = receiver.answer(self.path, headers, raw)
            text = json.dumps(told).encode() if status != 204 else b""
            self.send_response(status)
            if receiver.pieces:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for byte in text:
                    self.wfile.write(b"1\r\n%c\r\n" % byte)
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
                return
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *given: Any) -> None:
            del given

    return Handler


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
