"""The steps of reaching an API server, one at a time, for a person who wants to know which fails.

Each step dials only what the address policy allows, takes its own deadline, measures how long it
took and returns its failure as data instead of raising it.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509

from kube.clock import SYSTEM_CLOCK, Clock
from kube.dial import AddressPolicy
from kube.errors import KubeError, TlsFailed, Unreachable
from kube.target import Target
from kube.tls import context_for, tls_failure

_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DnsCheck:
    """`addresses` in the order of preference, refused ones included; `seconds` it took."""

    host: str
    seconds: float
    addresses: tuple[str, ...] = ()
    error: KubeError | None = None


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """`address` is the one that accepted, or the last that did not."""

    host: str
    port: int
    seconds: float
    address: str = ""
    error: KubeError | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the server showed; `names` are its DNS names and addresses."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    sha256: str


@dataclass(frozen=True, slots=True)
class TlsCheck:
    """`error` is a TlsFailed with the chain's problem; `certificate` is shown all the same.

    With `insecure_skip_tls_verify` a chain problem is still told, so that the page can show what
    is being skipped.
    """

    host: str
    port: int
    seconds: float
    protocol: str = ""
    certificate: Certificate | None = None
    error: KubeError | None = None


async def dns(
    host: str,
    *,
    policy: AddressPolicy,
    timeout: float = _SECONDS,
    clock: Clock = SYSTEM_CLOCK,
) -> DnsCheck:
    """Resolves `host`; an AddressRefused names the first address that may not be dialled."""
    start = clock.monotonic()
    addresses: tuple[str, ...] = ()
    error: KubeError | None = None
    try:
        async with asyncio.timeout(timeout):
            addresses = await _addresses(host)
        for address in addresses:
            policy.check(address)
    except KubeError as failure:
        error = failure
    except TimeoutError:
        error = Unreachable(f"no answer about {host} within {timeout:g} s", phase="dns")
    return DnsCheck(host, clock.monotonic() - start, addresses, error)


async def tcp(
    host: str,
    port: int,
    *,
    policy: AddressPolicy,
    timeout: float = _SECONDS,
    clock: Clock = SYSTEM_CLOCK,
) -> TcpCheck:
    """Connects to the first address of `host` that accepts, and hangs up."""
    start = clock.monotonic()
    error: KubeError | None = None
    address = ""
    try:
        async with _connected(host, port, policy, timeout) as sock:
            address = str(sock.getpeername()[0])
    except KubeError as failure:
        error = failure
    return TcpCheck(host, port, clock.monotonic() - start, address, error)


async def tls(
    host: str,
    port: int,
    *,
    target: Target,
    policy: AddressPolicy,
    timeout: float = _SECONDS,
    clock: Clock = SYSTEM_CLOCK,
) -> TlsCheck:
    """Shakes hands twice: without verification to see the certificate, then as a call would."""
    start = clock.monotonic()
    name = target.tls_server_name or host
    check = TlsCheck(host, port, 0.0)
    trusting = replace(
        target, insecure_skip_tls_verify=True, client_cert_pem="", client_key_pem=None, token=None
    )
    strict = replace(trusting, insecure_skip_tls_verify=False)
    try:
        shown, protocol = await _handshake(
            host, port, name=name, context=context_for(trusting), policy=policy, timeout=timeout
        )
        check = replace(check, certificate=_certificate(shown), protocol=protocol)
        await _handshake(
            host, port, name=name, context=context_for(strict), policy=policy, timeout=timeout
        )
    except KubeError as failure:
        check = replace(check, error=failure)
    return replace(check, seconds=clock.monotonic() - start)


async def _addresses(host: str) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"no address found for {host}", phase="dns") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


@asynccontextmanager
async def _connected(
    host: str, port: int, policy: AddressPolicy, timeout: float
) -> AsyncIterator[socket.socket]:
    """A connected socket; every address is checked before it is dialled."""
    loop = asyncio.get_running_loop()
    failure: KubeError = Unreachable(f"no address found for {host}", phase="dns")
    try:
        async with asyncio.timeout(timeout):
            addresses = await _addresses(host)
    except TimeoutError as error:
        raise failure from error
    for address in addresses:
        policy.check(address)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            try:
                async with asyncio.timeout(timeout):
                    await loop.sock_connect(sock, (address, port))
            except OSError as error:
                failure = _refused(error, f"{address}:{port}", timeout)
                continue
            yield sock
            return
    raise failure


def _refused(error: OSError, where: str, timeout: float) -> Unreachable:
    if isinstance(error, TimeoutError):
        return Unreachable(f"{where} did not answer within {timeout:g} s", phase="timeout")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"{where} refused the connection", phase="refused")
    return Unreachable(f"no connection to {where} ({error.strerror or 'error'})", phase="tcp")


async def _handshake(
    host: str,
    port: int,
    *,
    name: str,
    context: ssl.SSLContext,
    policy: AddressPolicy,
    timeout: float,
) -> tuple[bytes, str]:
    """The certificate (DER) and protocol version of one handshake."""
    async with _connected(host, port, policy, timeout) as sock:
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(
                    sock=sock.dup(), ssl=context, server_hostname=name
                )
        except TimeoutError as error:
            raise TlsFailed(f"TLS with {host}: no answer in time", code="handshake") from error
        except (ssl.SSLError, OSError) as error:
            raise tls_failure(error, host=host) from error
        try:
            session: ssl.SSLObject = writer.get_extra_info("ssl_object")
            return session.getpeercert(binary_form=True) or b"", session.version() or ""
        finally:
            writer.transport.abort()


def _certificate(der: bytes) -> Certificate | None:
    try:
        shown = x509.load_der_x509_certificate(der)
        names = _names(shown)
    except ValueError:
        return None
    return Certificate(
        subject=shown.subject.rfc4514_string(),
        issuer=shown.issuer.rfc4514_string(),
        names=names,
        not_before=shown.not_valid_before_utc,
        not_after=shown.not_valid_after_utc,
        sha256=hashlib.sha256(der).hexdigest(),
    )


def _names(shown: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts = extension.get_values_for_type(x509.DNSName)
    addresses = extension.get_values_for_type(x509.IPAddress)
    return (*hosts, *(str(address) for address in addresses))
