"""Pod addresses: taken from the node's CIDR, free again when the pod has ended."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


class Addresses:
    """The addresses of one node's CIDR, handed out in turn."""

    def __init__(self, cidr: str) -> None:
        network = ipaddress.ip_network(cidr)
        self._first = int(network.network_address) + 2
        self._size = max(1, network.num_addresses - 3)
        self._next = 0

    def take(self, used: Iterable[str]) -> str:
        """The next address that is not in `used`; the first again when all are."""
        taken = set(used)
        for _ in range(self._size):
            address = str(ipaddress.ip_address(self._first + self._next))
            self._next = (self._next + 1) % self._size
            if address not in taken:
                return address
        return str(ipaddress.ip_address(self._first))
