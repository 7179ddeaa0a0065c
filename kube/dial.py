"""Which addresses may be dialled, checked on the address itself at the moment of the dial.

The check runs where the socket is made: after DNS, for every address tried, for literal
addresses too, and for every new connection. A name that answers differently the second time
(DNS re-binding) gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver

from kube.errors import AddressRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]

METADATA: frozenset[Address] = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, Kingsoft, OpenStack
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS pod identity
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure wire server
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # AWS over IPv6
        "fd00:ec2::23",  # AWS EKS pod identity over IPv6
        "fd20:ce::254",  # Google over IPv6
    )
)
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What may be dialled.

    `deny` wins over everything. `allow` lifts the built-in refusals (loopback, link-local,
    multicast, unspecified, reserved, this host's own addresses); a metadata service is lifted
    only by an entry for exactly that address. Everything else, private ranges included, may
    be dialled.
    """

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()

    @classmethod
    def of(cls, *, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> AddressPolicy:
        """From CIDR texts; ValueError names the first that is not one."""
        return cls(
            tuple(ip_network(text.strip(), strict=False) for text in allow),
            tuple(ip_network(text.strip(), strict=False) for text in deny),
        )

    def check(self, address: str) -> None:
        """Raises AddressRefused when `address`, or one embedded in it, must not be dialled."""
        try:
            outer = ip_address(address.partition("%")[0])
        except ValueError as error:
            raise AddressRefused(address, rule="not-an-address") from error
        for candidate in _embedded(outer):
            rule = self._refusal(candidate)
            if rule:
                raise AddressRefused(address, rule=rule)

    def _refusal(self, address: Address) -> str:
        if any(address in network for network in self.deny):
            return "denied"
        if address in METADATA:
            exact = ip_network(address)
            return "" if exact in self.allow else "metadata"
        if any(address in network for network in self.allow):
            return ""
        return _built_in_refusal(address)


def _embedded(address: Address) -> Iterator[Address]:
    """The address and the IPv4 addresses that IPv6 transition forms carry inside."""
    yield address
    if not isinstance(address, IPv6Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _built_in_refusal(address: Address) -> str:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return ""
    for rule in ("unspecified", "loopback", "link_local", "multicast"):
        if getattr(address, f"is_{rule}"):
            return rule.replace("_", "-")
    if isinstance(address, IPv4Address) and (address.is_reserved or int(address) >> 24 == 0):
        return "reserved"
    if isinstance(address, IPv6Address) and address.is_site_local:
        return "link-local"
    return "own-address" if _is_own(address) else ""


def _is_own(address: Address) -> bool:
    """Whether the kernel would reach `address` from that same address, so it is this host's.

    Connecting a UDP socket only looks up the route; nothing is sent.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            source = str(probe.getsockname()[0])
    except OSError:
        return False
    return ip_address(source.partition("%")[0]) == address


def connector(
    policy: AddressPolicy,
    *,
    ssl: SSLContext | bool = True,
    resolver: AbstractResolver | None = None,
    keepalive: float = 30.0,
) -> aiohttp.TCPConnector:
    """A connector whose every socket is made only after `policy` has seen its address."""

    def guarded(info: AddrInfo) -> socket.socket:
        family, kind, proto, _, sockaddr = info
        policy.check(str(sockaddr[0]))
        made = socket.socket(family, kind, proto)
        _keep_alive(made)
        return made

    return aiohttp.TCPConnector(
        limit=0,
        ssl=ssl,
        resolver=resolver or aiohttp.ThreadedResolver(),
        socket_factory=guarded,
        keepalive_timeout=keepalive,
        ttl_dns_cache=10,
        happy_eyeballs_delay=None,
    )


def _keep_alive(sock: socket.socket) -> None:
    """A dead peer of a quiet stream is noticed after about a minute, not after two hours."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
