"""One notice in the form of each kind of channel, and what its answer means. Pure.

Webhook: JSON, signed as the Standard Webhooks specification 1.0 has it. `webhook-id` is the same
in every retry, `webhook-timestamp` is when it was tried, in seconds, `webhook-signature` is `v1,`
and the Base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}` with the secret (the Base64 part of a
`whsec_...` secret, else its text). Any 2xx accepts.

DingTalk: "Custom robot access": `timestamp` (milliseconds) and `sign` in the query, HMAC-SHA256
over `{timestamp}\\n{secret}` with the secret; `errcode` 0 accepts.
WeCom: "Group robot configuration": markdown of at most 4,096 bytes; `errcode` 0 accepts.
Feishu: "Custom bot usage guide": `timestamp` (seconds) and `sign` in the body, HMAC-SHA256 over
nothing with the key `{timestamp}\\n{secret}`; `code` 0 accepts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from console.models import Channel
from kube.secret import Secret

WECOM_BYTES = 4096
_TEXT_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class Notice:
    """`id` names it over all retries, `at` is when what it tells happened. `facts` are label and
    value, `type` and `data` are for programs."""

    id: str
    title: str
    text: str
    facts: tuple[tuple[str, str], ...]
    url: str
    type: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plain(self) -> str:
        lines = [self.text, "", *(f"{label}: {value}" for label, value in self.facts), "", self.url]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Sending:
    url: Secret
    body: bytes
    headers: Mapping[str, str]


Form = Callable[[Notice, Secret, Secret, datetime], Sending]


def webhook(notice: Notice, url: Secret, secret: Secret, now: datetime) -> Sending:
    body = _json({"type": notice.type, "timestamp": notice.at.isoformat(), "data": notice.data})
    stamp = str(int(now.timestamp()))
    signed = b".".join((notice.id.encode(), stamp.encode(), body))
    headers = {
        "webhook-id": notice.id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{_sign(webhook_key(secret), signed)}",
    }
    return Sending(url, body, headers)


def dingtalk(notice: Notice, url: Secret, secret: Secret, now: datetime) -> Sending:
    text = _cut(f"### {notice.title}\n\n{_markdown(notice)}", _TEXT_BYTES)
    body = _json({"msgtype": "markdown", "markdown": {"title": notice.title, "text": text}})
    if not secret:
        return Sending(url, body, {})
    stamp = str(int(now.timestamp() * 1000))
    key = secret.reveal()
    sign = _sign(key.encode(), f"{stamp}\n{key}".encode())
    sep = "&" if "?" in url.reveal() else "?"
    query = urlencode({"timestamp": stamp, "sign": sign})
    return Sending(Secret(f"{url.reveal()}{sep}{query}"), body, {})


def wecom(notice: Notice, url: Secret, secret: Secret, now: datetime) -> Sending:
    del secret, now
    text = _cut(f"### {notice.title}\n{_markdown(notice)}", WECOM_BYTES)
    return Sending(url, _json({"msgtype": "markdown", "markdown": {"content": text}}), {})


def feishu(notice: Notice, url: Secret, secret: Secret, now: datetime) -> Sending:
    text = _cut(f"Spillway: {notice.title}\n{notice.plain}", _TEXT_BYTES)
    body: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
    if secret:
        stamp = str(int(now.timestamp()))
        key = f"{stamp}\n{secret.reveal()}".encode()
        body = {"timestamp": stamp, "sign": _sign(key, b""), **body}
    return Sending(url, _json(body), {})


FORMS: Mapping[str, Form] = {
    Channel.Kind.WEBHOOK: webhook,
    Channel.Kind.DINGTALK: dingtalk,
    Channel.Kind.WECOM: wecom,
    Channel.Kind.FEISHU: feishu,
}


def refusal(kind: str, status: int, answer: bytes) -> str:
    """Why it was not accepted, in the receiver's words; empty when it was."""
    if not 200 <= status < 300:
        return f"HTTP {status}"
    if kind == Channel.Kind.WEBHOOK:
        return ""
    try:
        told = json.loads(answer)
        code = told.get("code", told.get("StatusCode")) if kind == Channel.Kind.FEISHU else None
        code = told.get("errcode") if code is None else code
    except (ValueError, AttributeError):
        return "the answer is not the robot's"
    if code == 0:
        return ""
    return f"{code}: {told.get('errmsg') or told.get('msg') or ''}"[:200]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _sign(key: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def webhook_key(secret: Secret) -> bytes:
    """What signs: the Base64 after `whsec_`, decoded, of any other secret the text itself."""
    text = secret.reveal()
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return text.encode()


def _markdown(notice: Notice) -> str:
    lines = [notice.text, *(f"> {label}: **{value}**" for label, value in notice.facts)]
    return "\n\n".join([*lines, f"[Spillway]({notice.url})"])


def _cut(text: str, most: int) -> str:
    """At most so many bytes of UTF-8, never half a character."""
    raw = text.encode()
    return text if len(raw) <= most else raw[: most - 3].decode("utf-8", "ignore") + "…"
