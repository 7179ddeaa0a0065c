"""Subnets of a simulated account with their free addresses, and security groups."""

import ipaddress
from dataclasses import dataclass, field


@dataclass
class Subnet:
    """A subnet (Alibaba Cloud says vSwitch) and the addresses taken in it."""

    id: str
    vpc_id: str
    zone: str
    cidr: str
    name: str
    taken: set[str] = field(default_factory=set)
    _cursor: int = 0

    def __post_init__(self) -> None:
        self._first = int(ipaddress.ip_network(self.cidr).network_address)
        self._size = ipaddress.ip_network(self.cidr).num_addresses

    @property
    def capacity(self) -> int:
        """Usable addresses: network, gateway and three more are the system's (VPC manual)."""
        return self._size - 3

    @property
    def free(self) -> int:
        """Addresses that are left."""
        return self.capacity - len(self.taken)

    def take(self, wanted: str = "") -> str:
        """Take ``wanted`` if it is free, else the next address; the caller has checked ``free``."""
        if wanted and wanted not in self.taken:
            self.taken.add(wanted)
            return wanted
        while True:
            self._cursor = self._cursor % self.capacity + 1
            address = str(ipaddress.ip_address(self._first + self._cursor))
            if address not in self.taken:
                self.taken.add(address)
                return address

    def release(self, address: str) -> None:
        """Give an address back."""
        self.taken.discard(address)


@dataclass(frozen=True)
class SecurityGroup:
    """A security group of a VPC."""

    id: str
    vpc_id: str
    name: str
