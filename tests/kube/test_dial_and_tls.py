from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from kube import AddressPolicy, Limits, diagnose, errors
from tests.kube.world import (
    AUTHORITY,
    CANARY,
    LOOPBACK,
    Secret,
    door,
    make_pair,
    serve,
    target,
)


async def fine(request: web.Request) -> web.Response:
    return web.json_response({"gitVersion": "v1.33.0"})


class Names(AbstractResolver):
    """Resolves every name to the next of the given answers."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if not self.answers:
            raise OSError("no such host")
        address = self.answers.pop(0)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("169.254.1.1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("0.1.2.3", "reserved"),
        ("169.254.169.254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("2002:7f00:1::", "loopback"),
        ("localhost", "not-an-address"),
        ("2130706433", "not-an-address"),
    ],
)
def test_dangerous_addresses_are_refused(address: str, rule: str) -> None:
    with pytest.raises(errors.AddressRefused) as refused:
        AddressPolicy().check(address)
    assert refused.value.rule == rule


@pytest.mark.parametrize("address", ["8.8.8.8", "10.1.2.3", "192.168.7.7", "2001:4860::8888"])
def test_ordinary_and_private_addresses_may_be_dialled(address: str) -> None:
    AddressPolicy().check(address)


def test_deny_wins_over_allow_and_a_wide_allow_never_opens_a_metadata_service() -> None:
    policy = AddressPolicy.of(allow=["0.0.0.0/0", "::/0"], deny=["10.0.0.0/8"])
    policy.check("127.0.0.1")
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "169.254.169.254", "100.100.100.200"):
        with pytest.raises(errors.AddressRefused):
            policy.check(address)
    AddressPolicy.of(allow=["100.100.100.200/32"]).check("100.100.100.200")


def test_the_hosts_own_address_is_recognised_without_asking_for_a_list() -> None:
    own = _own_address()
    with pytest.raises(errors.AddressRefused) as refused:
        AddressPolicy().check(own)
    assert refused.value.rule in {"own-address", "loopback"}
    AddressPolicy.of(allow=[own]).check(own)


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


async def test_a_literal_address_is_checked_at_the_dial() -> None:
    async with serve(fine) as server, door(server, policy=AddressPolicy()) as kube:
        with pytest.raises(errors.AddressRefused):
            await kube.version()
        assert kube.circuit == "closed"


async def test_a_name_that_turns_to_a_forbidden_address_is_refused_at_the_dial() -> None:
    only_one = AddressPolicy.of(allow=["127.0.0.1/32"])
    async with serve(fine) as server:
        port = server.rsplit(":", 1)[1]
        named = f"https://api.test:{port}"
        for answer, allowed in (("127.0.0.1", True), ("127.0.0.2", False)):
            async with door(named, policy=only_one, resolver=Names(answer)) as kube:
                if allowed:
                    assert await kube.version()
                else:
                    with pytest.raises(errors.AddressRefused, match=r"127\.0\.0\.2"):
                        await kube.version()


async def test_a_name_without_an_address_fails_in_the_dns_phase() -> None:
    async with door("https://api.test:6443", resolver=Names()) as kube:
        with pytest.raises(errors.Unreachable) as caught:
            await kube.version()
    assert (caught.value.phase, caught.value.outcome_unknown) == ("dns", False)


async def test_a_closed_port_is_told_as_refused() -> None:
    async with door(f"https://127.0.0.1:{_closed_port()}") as kube:
        with pytest.raises(errors.Unreachable) as caught:
            await kube.version()
    assert caught.value.phase == "refused"


def _closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def _tls_code(server: str, **changes: Any) -> str:
    async with door(server, changes=changes) as kube:
        with pytest.raises(errors.TlsFailed) as caught:
            await kube.version()
    return caught.value.code


async def test_certificate_problems_have_names() -> None:
    stranger = make_pair("another authority")
    expired = make_pair("api", signer=AUTHORITY, days=-1)
    elsewhere = make_pair("api", signer=AUTHORITY, hosts=("other.test",))
    alone = make_pair("alone")
    async with serve(fine) as server:
        assert await _tls_code(server, ca_pem=stranger.cert) == "unknown-ca"
        assert await _tls_code(server, tls_server_name="wrong.test") == "wrong-host"
    async with serve(fine, pair=expired) as server:
        assert await _tls_code(server) == "expired"
    async with serve(fine, pair=elsewhere) as server:
        assert await _tls_code(server) == "wrong-host"
        async with door(server, changes={"tls_server_name": "other.test"}) as kube:
            assert await kube.version()
    async with serve(fine, pair=alone) as server:
        assert await _tls_code(server) in {"self-signed", "unknown-ca"}
        async with door(server, changes={"insecure_skip_tls_verify": True}) as kube:
            assert await kube.version()


@pytest.mark.parametrize(
    "changes",
    [
        {"ca_pem": "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----"},
        {"client_cert_pem": AUTHORITY.cert, "client_key_pem": Secret(CANARY)},
        {"client_cert_pem": AUTHORITY.cert, "client_key_pem": Secret(make_pair("x").key)},
    ],
)
async def test_unusable_pem_is_a_bad_target_and_shows_nothing(changes: dict[str, Any]) -> None:
    async with door("https://127.0.0.1:1", changes=changes) as kube:
        with pytest.raises(errors.BadTarget) as caught:
            await kube.version()
    assert CANARY not in f"{caught.value!r}{caught.value.__cause__!r}"


@pytest.mark.parametrize(
    "server", ["ftp://x", "https://", "api.test:6443", "https://u:p@api.test", "https://h/?q=1"]
)
def test_a_server_that_is_not_a_plain_https_address_is_a_bad_target(server: str) -> None:
    with pytest.raises(errors.BadTarget):
        door(server)


def test_a_client_key_never_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kube.tls import context_for

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    client = make_pair("operator", signer=AUTHORITY)
    asked = target("https://h", client_cert_pem=client.cert, client_key_pem=Secret(client.key))
    context_for(asked)
    monkeypatch.delattr("os.memfd_create", raising=False)
    context_for(asked)
    assert list(tmp_path.iterdir()) == []


async def test_the_diagnosis_walks_from_name_to_certificate() -> None:
    async with serve(fine) as server:
        port = int(server.rsplit(":", 1)[1])
        names = await diagnose.dns("127.0.0.1", policy=LOOPBACK)
        reached = await diagnose.tcp("127.0.0.1", port, policy=LOOPBACK)
        shaken = await diagnose.tls("127.0.0.1", port, target=target(server), policy=LOOPBACK)
    assert (names.addresses, names.error) == (("127.0.0.1",), None)
    assert (reached.address, reached.error) == ("127.0.0.1", None)
    assert shaken.error is None
    assert shaken.protocol.startswith("TLSv1.")
    assert shaken.certificate is not None
    assert shaken.certificate.subject == "CN=api server"
    assert shaken.certificate.issuer == "CN=test authority"
    assert shaken.certificate.names == ("api.test", "127.0.0.1")
    assert shaken.seconds > 0


async def test_the_diagnosis_shows_the_certificate_that_is_not_trusted() -> None:
    expired = make_pair("api", signer=AUTHORITY, days=-1)
    async with serve(fine, pair=expired) as server:
        port = int(server.rsplit(":", 1)[1])
        asked = target(server, insecure_skip_tls_verify=True)
        shaken = await diagnose.tls("127.0.0.1", port, target=asked, policy=LOOPBACK)
    assert isinstance(shaken.error, errors.TlsFailed)
    assert shaken.error.code == "expired"
    assert shaken.certificate is not None


async def test_the_diagnosis_returns_failures_as_data() -> None:
    refused = await diagnose.dns("127.0.0.1", policy=AddressPolicy())
    assert isinstance(refused.error, errors.AddressRefused)
    unknown = await diagnose.dns("no-such-host.invalid", policy=LOOPBACK, timeout=3)
    assert isinstance(unknown.error, errors.Unreachable)
    closed = await diagnose.tcp("127.0.0.1", _closed_port(), policy=LOOPBACK)
    assert isinstance(closed.error, errors.Unreachable)
    assert closed.error.phase == "refused"
    async with serve(fine, plain=True) as server:
        port = int(server.rsplit(":", 1)[1])
        plain = await diagnose.tls("127.0.0.1", port, target=target(server), policy=LOOPBACK)
    assert isinstance(plain.error, errors.TlsFailed)
    assert plain.error.code == "handshake"


async def test_a_server_that_never_accepts_times_out() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        limits = Limits(timeout=0.5)
        async with door(f"https://127.0.0.1:{port}", limits=limits) as kube:
            with pytest.raises((errors.DeadlineExceeded, errors.Unreachable)):
                await kube.version()
