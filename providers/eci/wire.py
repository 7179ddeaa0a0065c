"""One signed call to Alibaba Cloud's RPC gateways over a kept connection.

Requests are the official SDK's models, flattened and signed (ACS3-HMAC-SHA256) by its own
functions. Only the transport is ours: the SDK opens a session and builds two TLS contexts for each
call, 30 ms of processor time, which one session for all calls avoids; and the SDK's answer models
lose fields (`StartedAt` of a running container, package alibabacloud-eci20180808 2.1.0), so
answers stay the JSON maps that came.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import certifi
import msgspec
from alibabacloud_openapi_util.client import Client as Flat
from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest
from yarl import URL

from kube.dial import AddressPolicy
from kube.dial import connector as guarded
from kube.errors import AddressRefused
from kube.secret import Secret
from providers.eci import errors
from providers.eci.endpoints import endpoint, host_of
from providers.errors import (
    AccountTrouble,
    InvalidSpec,
    ProviderError,
    Unavailable,
    UnknownOutcome,
)

VERSIONS = {"eci": "2018-08-08", "sts": "2015-04-01", "vpc": "2016-04-28", "ecs": "2014-05-26"}
_ALGORITHM = "ACS3-HMAC-SHA256"
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5, sock_read=10)
_AGENT = "spillway"


@dataclass(frozen=True, slots=True)
class Key:
    """An AccessKey; `token` is the security token of a temporary one."""

    id: str
    secret: Secret
    token: Secret


def _utc() -> datetime:
    return datetime.now(UTC)


def _nonce() -> str:
    return secrets.token_hex(16)


def flatten(model: Any) -> dict[str, str]:
    """An SDK request model, or a map, as flat query parameters (`Container.1.Name`)."""
    fields = model if isinstance(model, Mapping) else model.to_map()
    flat: dict[str, Any] = Flat.query(dict(fields))
    return {key: str(value) for key, value in flat.items() if value is not None}


def signed_headers(
    key: Key,
    *,
    host: str,
    action: str,
    version: str,
    query: Mapping[str, str],
    at: datetime,
    nonce: str,
) -> dict[str, str]:
    """The headers of `POST /?query` with an empty body (Alibaba Cloud, "V3 request signature")."""
    request = DaraRequest()
    request.method, request.pathname, request.query = "POST", "/", dict(query)
    request.headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-version": version,
        "x-acs-date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": _EMPTY,
        "accept": "application/json",
        "user-agent": _AGENT,
    }
    if key.token:
        request.headers["x-acs-accesskey-id"] = key.id
        request.headers["x-acs-security-token"] = key.token.reveal()
    request.headers["Authorization"] = Utils.get_authorization(
        request, _ALGORITHM, _EMPTY, key.id, key.secret.reveal()
    )
    return dict(request.headers)


def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


class Wire:
    """Calls of one key in one region. Not bound to a loop before the first call."""

    def __init__(
        self,
        key: Key,
        *,
        region: str,
        override: str = "",
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
        self._vpc = vpc
        self._policy = policy or AddressPolicy()
        self._session: aiohttp.ClientSession | None = None

    async def call(self, action: str, request: Any, *, product: str = "eci") -> dict[str, Any]:
        """The answer's JSON object.

        Raises `Unavailable` when the call cannot have arrived, `UnknownOutcome` when it may have
        (no answer, an unreadable one), and the class of the error code otherwise.
        """
        base = endpoint(product, self.region, override=self._override, vpc=self._vpc)
        query = flatten(request)
        headers = signed_headers(
            self.key,
            host=host_of(base),
            action=action,
            version=VERSIONS[product],
            query=query,
            at=self.now(),
            nonce=self._nonce(),
        )
        url = URL(f"{base}/?{urlencode(query, quote_via=quote)}", encoded=True)
        status, answer_headers, body = await self._post(url, headers, action)
        return _read(status, answer_headers, body, action)

    async def _post(
        self, url: URL, headers: Mapping[str, str], action: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            connector = guarded(self._policy, ssl=_tls())
            self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT)
        try:
            async with self._session.post(url, headers=headers) as answer:
                return answer.status, answer.headers, await answer.read()
        except AddressRefused as error:
            raise AccountTrouble(f"{action}: {error}", code="AddressRefused") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unavailable(f"{action}: {error}", code="NoConnection") from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise UnknownOutcome(f"{action}: {type(error).__name__}", code="NoAnswer") from error

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _read(status: int, headers: Mapping[str, str], body: bytes, action: str) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise _unreadable(status, action) from error
    if not isinstance(answer, dict):
        raise _unreadable(status, action)
    if status < 400:
        return answer
    left = Utils.get_throttling_time_left({"x-acs-retry-after": headers.get("x-acs-retry-after")})
    raise errors.error(
        code=str(answer.get("Code") or answer.get("code") or ""),
        message=str(answer.get("Message") or answer.get("message") or f"HTTP {status}"),
        request_id=str(answer.get("RequestId") or answer.get("requestId") or ""),
        status=status,
        retry_after=left / 1000 if left else None,
        denied=_denied(answer),
    )


def _denied(answer: Mapping[str, Any]) -> str:
    detail = answer.get("AccessDeniedDetail")
    return str(detail.get("AuthAction") or "") if isinstance(detail, Mapping) else ""


def _unreadable(status: int, action: str) -> ProviderError:
    """A 4xx that is not ECI's own comes from a gateway in front of it, so nothing happened."""
    told = f"{action}: HTTP {status}, the body is no JSON object"
    if status in {413, 414, 431}:
        return InvalidSpec(told, code="RequestTooLarge")
    if 400 <= status < 500:
        return Unavailable(told, code=f"HTTP{status}")
    return UnknownOutcome(told, code=f"HTTP{status}")
