"""One signed call to Kingsoft Cloud's OpenAPI over a kept connection.

Source: package `kingsoftcloud-sdk-python` 1.5.8.114 for the envelope (an action is a form POST on
`/`; lists are dotted paths from index 0). The SDK itself is not used: it opens a connection for
each call, blocks, and drops the token of temporary keys. Bodies hold kubeconfigs and passwords and
are never logged, nor part of an error.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
import certifi
import msgspec

from kube.dial import AddressPolicy
from kube.dial import connector as guarded
from kube.errors import AddressRefused
from providers.errors import (
    AccountTrouble,
    InvalidSpec,
    ProviderError,
    Unavailable,
    UnknownOutcome,
)
from providers.kingsoft import errors
from providers.kingsoft.endpoints import endpoint, policy_for
from providers.kingsoft.signing import Key, signed_headers

VERSIONS = {"kci": "2020-07-02", "vpc": "2016-03-04", "iam": "2015-11-01"}
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5, sock_read=10)
_AGENT = "spillway"


def _utc() -> datetime:
    return datetime.now(UTC)


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested maps and lists as dotted parameters (`Container.0.Name`); None and empty are left out.

    Booleans are written as the Go SDK does (`true`), numbers without exponent.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from flatten(inner, f"{path}.{index}")
    elif isinstance(value, bool):
        yield path, "true" if value else "false"
    elif isinstance(value, Decimal):
        yield path, f"{value.normalize():f}"
    elif value is not None:
        yield path, str(value)


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
        now: Callable[[], datetime] = _utc,
        policy: AddressPolicy | None = None,
    ) -> None:
        self.key = key
        self.region = region
        self.now = now
        self._override = override
        self._policy = policy_for(override, policy or AddressPolicy())
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self,
        action: str,
        parameters: Mapping[str, Any],
        *,
        service: str = "kci",
        version: str = "",
    ) -> dict[str, Any]:
        """The answer's JSON object. `version`: of services whose actions have their own.

        Raises `Unavailable` when the call cannot have arrived, `UnknownOutcome` when it may have
        (no answer, an unreadable one), and the class of the error code otherwise.
        """
        url = endpoint(service, override=self._override) + "/"
        common = {
            "Service": service,
            "Action": action,
            "Version": version or VERSIONS[service],
            "Region": self.region,
        }
        body = urlencode([*flatten(common), *flatten(parameters)]).encode()
        headers = signed_headers(
            self.key,
            method="POST",
            url=url,
            body=body,
            region=self.region,
            service=service,
            at=self.now(),
        )
        status, answer_headers, answer = await self._post(url, headers, body, action)
        return _read(status, answer_headers, answer, action)

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, action: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            connector = guarded(self._policy, ssl=_tls())
            self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT)
        sent = {**headers, "User-Agent": _AGENT}
        try:
            async with self._session.post(
                url, data=body, headers=sent, allow_redirects=False
            ) as answer:
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
    if 200 <= status < 300 and not any(answer.get(name) for name in ("Error", "error")):
        return answer
    raise errors.error(answer, status=status, action=action, retry_after=_wait(headers))


def _wait(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _unreadable(status: int, action: str) -> ProviderError:
    """A 4xx that is no JSON object comes from a gateway in front of the API: nothing happened."""
    told = f"{action}: HTTP {status}, the body is no JSON object"
    if status in {413, 414, 431}:
        return InvalidSpec(told, code="RequestTooLarge")
    if 300 <= status < 500:
        return Unavailable(told, code=f"HTTP{status}")
    return UnknownOutcome(told, code=f"HTTP{status}")
