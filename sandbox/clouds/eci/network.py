"""The account's network: one VPC per region, its vSwitches, security groups and free addresses."""

from dataclasses import dataclass

from ..groups.network import SecurityGroup
from ..groups.network import Subnet as VSwitch

__all__ = ["Network", "SecurityGroup", "VSwitch", "build"]


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
