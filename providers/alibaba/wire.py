"""One signed call to a gateway of Alibaba Cloud over a kept connection.

Requests are flattened and signed by the official SDK's own functions. Only the transport is ours:
the SDK opens a session and builds two TLS contexts for each call, 30 ms of processor time, which
one session for all calls avoids; and the SDK's answer models lose fields (`StartedAt` of a running
container, package alibabacloud-eci20180808 2.1.0), so answers stay the JSON maps that came.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol
from urllib.parse import quote, urlencode

import aiohttp
import certifi
import msgspec
from alibabacloud_tea_openapi.utils import Utils
from yarl import URL

from kube.dial import AddressPolicy
from kube.dial import connector as guarded
from kube.errors import AddressRefused
from providers.alibaba import errors
from providers.alibaba.endpoints import BILLING, endpoint, host_of, sites
from providers.alibaba.signing import Key, flatten, signed_headers
from providers.errors import (
    AccountTrouble,
    InvalidSpec,
    ProviderError,
    Unavailable,
    UnknownOutcome,
)

VERSIONS = {
    "sts": "2015-04-01",
    "vpc": "2016-04-28",
    "ecs": "2014-05-26",
    "cs": "2015-12-15",
    "ram": "2015-05-01",
    "acc": "2024-04-02",
    "bssapi": "2017-12-14",
}
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5, sock_read=10)


class Translate(Protocol):
    """An error answer as an exception, as `providers.alibaba.errors.error`."""

    def __call__(
        self,
        *,
        code: str,
        message: str,
        request_id: str,
        status: int,
        retry_after: float | None,
        denied: str,
    ) -> ProviderError: ...


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request, ready to be signed. `action` is what RAM calls it."""

    product: str
    action: str
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""


def _utc() -> datetime:
    return datetime.now(UTC)


def _nonce() -> str:
    return secrets.token_hex(16)


_OTHER_SITE = "NotApplicable"


def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


class Wire:
    """Calls of one key in one region. Not bound to a loop before the first call.

    `override` serves every product but those that `endpoints` names. Calls raise `Unavailable`
    when they cannot have arrived, `UnknownOutcome` when they may have (no answer, an unreadable
    one), and the class of the error code otherwise.
    """

    product: ClassVar[str] = "cs"
    versions: ClassVar[Mapping[str, str]] = VERSIONS
    translate: ClassVar[Translate] = staticmethod(errors.error)

    def __init__(
        self,
        key: Key,
        *,
        region: str,
        override: str = "",
        endpoints: Mapping[str, str] | None = None,
        vpc: bool = False,
        now: Callable[[], datetime] = _utc,
        nonce: Callable[[], str] = _nonce,
        policy: AddressPolicy | None = None,
    ) -> None:
        self.key = key
        self.region = region
        self.now = now
        self._nonce = nonce
        self._override = override
        self._endpoints = dict(endpoints or {})
        self._vpc = vpc
        self._policy = policy or AddressPolicy()
        self._site = ""
        self._session: aiohttp.ClientSession | None = None

    def with_key(self, key: Key) -> Wire:
        """Calls of another key to the same place."""
        return type(self)(
            key,
            region=self.region,
            override=self._override,
            endpoints=self._endpoints,
            vpc=self._vpc,
            now=self.now,
            nonce=self._nonce,
            policy=self._policy,
        )

    async def call(self, action: str, request: Any, *, product: str = "") -> dict[str, Any]:
        """An action in RPC style: the answer's JSON object."""
        sent = _Sent(product or self.product, action, "POST", "/", flatten(request))
        return await self._call(sent)

    async def roa(
        self,
        action: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        product: str = "cs",
    ) -> dict[str, Any]:
        """An action in ROA style; `body` goes as JSON. An empty answer is an empty map."""
        data = b"" if body is None else msgspec.json.encode(body)
        return await self._call(_Sent(product, action, method, path, flatten(query or {}), data))

    async def _call(self, sent: _Sent) -> dict[str, Any]:
        override = self._endpoints.get(sent.product) or self._override
        base = endpoint(sent.product, self.region, override=override, vpc=self._vpc)
        if sent.product == BILLING and base in sites(self.region):
            return await self._of_its_site(sent)
        return await self._at(base, sent)

    async def _of_its_site(self, sent: _Sent) -> dict[str, Any]:
        """From the site that the account is of, once one of them did not refuse it as another's."""
        first, second = (self._site, "") if self._site else sites(self.region)
        try:
            answer = await self._at(first, sent)
            if not second or answer.get("Code") != _OTHER_SITE:
                self._site = first
                return answer
        except ProviderError as error:
            if not second or error.code != _OTHER_SITE:
                raise
        answer = await self._at(second, sent)
        self._site = second
        return answer

    async def _at(self, base: str, sent: _Sent) -> dict[str, Any]:
        headers = signed_headers(
            self.key,
            host=host_of(base),
            action=sent.action,
            version=self.versions[sent.product],
            query=sent.query,
            at=self.now(),
            nonce=self._nonce(),
            method=sent.method,
            path=sent.path,
            body=sent.body,
        )
        text = urlencode(sent.query, quote_via=quote)
        url = URL(f"{base}{sent.path}{'?' if text else ''}{text}", encoded=True)
        status, answer_headers, body = await self._send(url, headers, sent)
        if status < 300 and not body.strip() and sent.path != "/":
            return {}
        return self._read(status, answer_headers, body, sent.action)

    async def _send(
        self, url: URL, headers: Mapping[str, str], sent: _Sent
    ) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            connector = guarded(self._policy, ssl=_tls())
            self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT)
        action, data = sent.action, sent.body or None
        try:
            async with self._session.request(
                sent.method, url, headers=headers, data=data, allow_redirects=False
            ) as answer:
                return answer.status, answer.headers, await answer.read()
        except AddressRefused as error:
            raise AccountTrouble(f"{action}: {error}", code="AddressRefused") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unavailable(f"{action}: {error}", code="NoConnection") from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise UnknownOutcome(f"{action}: {type(error).__name__}", code="NoAnswer") from error

    def _read(
        self, status: int, headers: Mapping[str, str], body: bytes, action: str
    ) -> dict[str, Any]:
        try:
            answer = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise _unreadable(status, action) from error
        if not isinstance(answer, dict):
            raise _unreadable(status, action)
        if status < 400:
            return answer
        raise self._refused(status, headers, answer)

    def _refused(
        self, status: int, headers: Mapping[str, str], answer: Mapping[str, Any]
    ) -> ProviderError:
        wait = {"x-acs-retry-after": headers.get("x-acs-retry-after")}
        left = Utils.get_throttling_time_left(wait)
        return self.translate(
            code=str(answer.get("Code") or answer.get("code") or ""),
            message=str(answer.get("Message") or answer.get("message") or f"HTTP {status}"),
            request_id=str(
                answer.get("RequestId") or answer.get("requestId") or answer.get("request_id") or ""
            ),
            status=status,
            retry_after=left / 1000 if left else None,
            denied=_denied(answer),
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _denied(answer: Mapping[str, Any]) -> str:
    detail = answer.get("AccessDeniedDetail") or answer.get("accessDeniedDetail")
    return str(detail.get("AuthAction") or "") if isinstance(detail, Mapping) else ""


def _unreadable(status: int, action: str) -> ProviderError:
    """A 4xx that is not the API's own comes from a gateway in front of it: nothing happened."""
    told = f"{action}: HTTP {status}, the body is no JSON object"
    if status in {413, 414, 431}:
        return InvalidSpec(told, code="RequestTooLarge")
    if 400 <= status < 500:
        return Unavailable(told, code=f"HTTP{status}")
    return UnknownOutcome(told, code=f"HTTP{status}")
