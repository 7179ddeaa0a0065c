"""Real HTTPS servers on loopback with an authority of their own."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube import AddressPolicy, Kube, Limits, Secret, Target

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOOPBACK = AddressPolicy.of(allow=["127.0.0.0/8"])
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
CANARY = "canary-7d1f0c55-never-show-me"


@dataclass(frozen=True)
class Pair:
    cert: str
    key: str


def make_pair(
    name: str,
    *,
    signer: Pair | None = None,
    days: int = 30,
    hosts: tuple[str, ...] = ("127.0.0.1", "api.test"),
) -> Pair:
    """A certificate and its key; self-signed authority without `signer`; `days` may be negative."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signing_key = subject, key
    if signer:
        issuer = x509.load_pem_x509_certificate(signer.cert.encode()).subject
        signing_key = serialization.load_pem_private_key(signer.key.encode(), None)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=60))
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_name(h) for h in hosts]), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


AUTHORITY = make_pair("test authority")
SERVER = make_pair("api server", signer=AUTHORITY)


@asynccontextmanager
async def serve(
    handler: Handler, *, pair: Pair = SERVER, ask_for_client: bool = False, plain: bool = False
) -> AsyncIterator[str]:
    """Serves `handler` for every path; yields the base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = None if plain else _server_context(pair, ask_for_client)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"{'http' if plain else 'https'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def _server_context(pair: Pair, ask_for_client: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "server.pem"
        path.write_text(pair.cert + pair.key)
        context.load_cert_chain(path)
    if ask_for_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=AUTHORITY.cert)
    return context


def target(server: str, **changes: Any) -> Target:
    values = {"ca_pem": AUTHORITY.cert, "token": Secret(CANARY)} | changes
    return Target(server, **values)


def door(server: str, *, limits: Limits | None = None, **options: Any) -> Kube:
    """A Kube that may dial loopback and trusts the test authority."""
    changes = options.pop("changes", {})
    options.setdefault("policy", LOOPBACK)
    return Kube(target(server, **changes), limits=limits or Limits(timeout=5.0), **options)


@asynccontextmanager
async def api(handler: Handler, **options: Any) -> AsyncIterator[Kube]:
    """A server running `handler` and a door to it."""
    async with serve(handler) as server, door(server, **options) as kube:
        yield kube


def status(code: int, reason: str, message: str = "no", **details: Any) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message}
    body |= {"reason": reason, "code": code, "details": details}
    return web.json_response(body, status=code, headers={"Audit-Id": "audit-1"})


class FakeClock:
    """Time that moves only when told, or when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
