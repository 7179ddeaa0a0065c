"""The account's network: one VPC, a subnet in each of two zones, three security groups."""

from dataclasses import dataclass

from ..groups.network import SecurityGroup, Subnet

_VPC = "5f1d4c1e-0001-4b5e-9c1a-7d2b9e6a0001"


@dataclass
class Network:
    """VPC, subnets and security groups of the simulated region; ids are UUIDs."""

    vpc_id: str
    cidr: str
    subnets: dict[str, Subnet]
    security_groups: dict[str, SecurityGroup]

    @property
    def default_security_group(self) -> SecurityGroup:
        """The first security group."""
        return next(iter(self.security_groups.values()))


def build(region: str, zone_letters: str = "ae") -> Network:
    """Return the network of a fresh account."""
    subnets = {}
    for index, letter in enumerate(zone_letters, 1):
        subnet_id = f"5f1d4c1e-000{index}-4b5e-9c1a-7d2b9e6a1000"
        cidr = f"10.0.{(index - 1) * 16}.0/20"
        zone = f"{region}{letter}"
        subnets[subnet_id] = Subnet(subnet_id, _VPC, zone, cidr, f"demo-{letter}")
    groups = {}
    for index, name in enumerate(("demo", "web", "open"), 1):
        group_id = f"5f1d4c1e-000{index}-4b5e-9c1a-7d2b9e6a2000"
        groups[group_id] = SecurityGroup(group_id, _VPC, name)
    return Network(_VPC, "10.0.0.0/16", subnets, groups)
