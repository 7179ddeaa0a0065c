"""One HTTP session to one API server: deadlines, bounds, circuit breaker, errors translated."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from kube import errors
from kube.breaker import Breaker
from kube.clock import Clock
from kube.dial import AddressPolicy, connector
from kube.status import error_from
from kube.target import Limits, Target
from kube.tls import context_for, tls_failure

USER_AGENT = "spillway"
_READ_ONLY = {"GET", "HEAD"}
_READ_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class ServerDate:
    """The last Date header seen and how many seconds it is ahead of our clock (+- 1 s)."""

    date: datetime
    skew: float


class Transport:
    """Sends requests to `target`; every failure leaves as a `KubeError`.

    Redirects are never followed and proxies of the environment never used. The token is sent
    over https only. Nothing is retried here; aiohttp itself repeats GET, PUT and DELETE once when
    a reused connection turns out to be closed.
    """

    def __init__(
        self,
        target: Target,
        *,
        name: str,
        policy: AddressPolicy,
        limits: Limits,
        clock: Clock,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._target = target
        self._base = _base_url(target.server)
        self._host = self._base.host or ""
        self._policy = policy
        self._limits = limits
        self._clock = clock
        self._resolver = resolver
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self.breaker = Breaker(limits, clock, name=name)
        self.server_date: ServerDate | None = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> bytes:
        """The whole answer of a 2xx; its deadline covers queueing, sending and reading."""
        seconds = timeout or self._limits.timeout
        headers = {"Content-Type": content_type} if body is not None else {}
        request = _Request(method, self._url(path, query), headers, body)
        async with self._attempt(request, seconds), self._answer(request) as response:
            return await self._read(response)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        silence: float | None = None,
        accept: str = "application/json",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An open 2xx answer, to be read in pieces; `silence` bounds the gap between two.

        Only opening it takes a slot, so that long streams never starve calls.
        """
        request = _Request("GET", self._url(path, query), {"Accept": accept}, silence=silence)
        opened = self._answer(request)
        async with self._attempt(request, self._limits.timeout):
            response = await opened.__aenter__()
        try:
            yield response
        finally:
            response.close()
            await opened.__aexit__(None, None, None)

    @property
    def hidden(self) -> str:
        """What a server might say back and must not be repeated."""
        return self._target.token.reveal() if self._target.token else ""

    async def close(self) -> None:
        """Closes the connections; a later call raises RuntimeError."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def _attempt(self, request: _Request, seconds: float) -> AsyncIterator[None]:
        """One place among the calls in flight, under a deadline and the breaker's eye."""
        sent = probe = False
        try:
            async with asyncio.timeout(seconds), self._slots:
                probe = self.breaker.enter()
                sent = True
                yield
                self.breaker.succeeded()
        except TimeoutError as error:
            if sent:
                self.breaker.failed()
            where = "waiting for an answer" if sent else "queued behind other calls"
            raise errors.DeadlineExceeded(
                f"{request.method} {request.url.path}: no result within {seconds:g} s ({where})",
                seconds=seconds,
                outcome_unknown=sent and request.writes,
            ) from error
        finally:
            self.breaker.leave(probe)

    @asynccontextmanager
    async def _answer(self, request: _Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Headers of a 2xx; raises for the rest and keeps the breaker's books."""
        try:
            response = await self._open().request(
                request.method,
                request.url,
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                server_hostname=self._target.tls_server_name or None,
                timeout=self._timeouts(request.silence),
            )
        except (aiohttp.ClientError, OSError, ssl.SSLError, UnicodeError) as error:
            if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                raise
            self.breaker.failed()
            raise translate(error, host=self._host, writes=request.writes) from error
        try:
            self._note_date(response.headers.get("Date", ""))
            if not 200 <= response.status < 300:
                await self._refuse(response, f"{request.method} {request.url.path}")
            yield response
        finally:
            response.release()

    async def _refuse(self, response: aiohttp.ClientResponse, what: str) -> None:
        data = await self._read(response)
        self.breaker.succeeded()
        raise error_from(
            response.status,
            response.headers,
            data,
            what=what,
            hidden=self.hidden,
        )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async for part in response.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > self._limits.max_body:
                    response.close()
                    raise errors.UnexpectedAnswer(
                        f"answer is larger than {self._limits.max_body} bytes"
                    )
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                raise
            self.breaker.failed()
            writes = response.method not in _READ_ONLY
            raise translate(error, host=self._host, writes=writes) from error
        return b"".join(parts)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("this Kube is closed")
        if self._session is None:
            tls = context_for(self._target) if self._base.scheme == "https" else True
            headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
            if self._target.token and self._base.scheme == "https":
                headers["Authorization"] = f"Bearer {self._target.token.reveal()}"
            self._session = aiohttp.ClientSession(
                connector=connector(self._policy, ssl=tls, resolver=self._resolver),
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                read_bufsize=_READ_BUFFER,
            )
        return self._session

    def _url(self, path: str, query: Mapping[str, str] | None) -> URL:
        url = URL(f"{str(self._base).rstrip('/')}{path}", encoded=True)
        return url.with_query(query) if query else url

    def _timeouts(self, silence: float | None) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=self._limits.connect_timeout, sock_read=silence
        )

    def _note_date(self, header: str) -> None:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        self.server_date = ServerDate(date, date.timestamp() - self._clock.time())


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None = None
    silence: float | None = None

    @property
    def writes(self) -> bool:
        return self.method not in _READ_ONLY


def _base_url(server: str) -> URL:
    try:
        url = URL(server)
    except ValueError as error:
        raise errors.BadTarget("the server address is not a URL") from error
    if url.scheme not in {"https", "http"} or not url.host:
        raise errors.BadTarget("the server address must be https://host[:port][/path]")
    if url.user or url.password or url.query_string or url.fragment:
        raise errors.BadTarget("the server address must not hold a user, a query or a fragment")
    return url


def translate(error: BaseException, *, host: str, writes: bool) -> errors.KubeError:
    """Our exception for one of aiohttp's or the system's."""
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return tls_failure(error, host=host)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return _connect_failure(error, host)
    if isinstance(error, aiohttp.SocketTimeoutError):
        return errors.WatchStalled(f"{host} sent nothing for too long")
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):
        return errors.BadTarget("the server address is not a URL")
    return errors.Unreachable(
        f"connection to {host} was lost ({type(error).__name__})",
        phase="http",
        outcome_unknown=writes,
    )


def _connect_failure(
    error: aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError, host: str
) -> errors.Unreachable:
    """Nothing was sent yet in any of these."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return errors.Unreachable(f"no address found for {host}", phase="dns")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return errors.Unreachable(f"{host} did not accept a connection in time", phase="timeout")
    cause = error.os_error
    if isinstance(cause, ConnectionRefusedError):
        return errors.Unreachable(f"{host} refused the connection", phase="refused")
    reason = cause.strerror or type(cause).__name__
    return errors.Unreachable(f"no connection to {host} ({reason})", phase="tcp")
