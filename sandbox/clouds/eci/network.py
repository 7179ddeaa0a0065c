"""The account's network: one VPC per region, its vSwitches, security groups and free addresses."""

import ipaddress
from dataclasses import dataclass, field


@dataclass
class VSwitch:
    """A vSwitch and the addresses taken in it."""

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

    def take(self) -> str:
        """Take the next free address; the caller has checked ``free``."""
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


@dataclass
class Network:
    """VPC, vSwitches and security groups of the simulated region."""

    vpc_id: str
    cidr: str
    vswitches: dict[str, VSwitch]
    security_groups: dict[str, SecurityGroup]

    @property
    def default_vswitch(self) -> VSwitch:
        """The vSwitch used when a request names none."""
        return next(iter(self.vswitches.values()))

    @property
    def default_security_group(self) -> SecurityGroup:
        """The security group used when a request names none."""
        return next(iter(self.security_groups.values()))


@dataclass(frozen=True)
class _Layout:
    """What differs between regions: the mark in resource ids, zones with vSwitches, addresses."""

    mark: str
    letters: str
    prefix: str


_LAYOUTS = {
    "cn-hangzhou": _Layout("bp1", "jk", "172.16"),
    "cn-zhangjiakou": _Layout("8vb", "abc", "172.24"),
}
_ELSEWHERE = _Layout("bp1", "jk", "172.16")


def build(region: str) -> Network:
    """Return the network of a fresh account: one vSwitch per zone, one security group."""
    layout = _LAYOUTS.get(region, _ELSEWHERE)
    vpc_id = f"vpc-{layout.mark}spillwaydemo00001"
    vswitches = {}
    for index, letter in enumerate(layout.letters):
        vswitch_id = f"vsw-{layout.mark}spillwaydemo0{letter}001"
        vswitches[vswitch_id] = VSwitch(
            vswitch_id,
            vpc_id,
            f"{region}-{letter}",
            f"{layout.prefix}.{index * 16}.0/20",
            f"demo-{letter}",
        )
    group = SecurityGroup(f"sg-{layout.mark}spillwaydemo00001", vpc_id, "demo")
    return Network(vpc_id, f"{layout.prefix}.0.0/16", vswitches, {group.id: group})
