"""The actions the simulated gateway answers, by service, version and name."""

from . import create, discover, groups, models, vpc
from .base import Action, Call, Nothing

KCI, VPC = ("kci", "2020-07-02"), ("vpc", "2016-03-04")

ACTIONS: dict[tuple[str, str, str], Action] = {
    (*KCI, "CreateContainerGroup"): Action(models.CreateContainerGroup, create.create),
    (*KCI, "DescribeContainerGroup"): Action(
        groups.DescribeContainerGroup, groups.describe, "ContainerGroups"
    ),
    (*KCI, "DeleteContainerGroup"): Action(groups.OneGroup, groups.delete),
    (*KCI, "DescribeContainerLog"): Action(groups.DescribeContainerLog, groups.log),
    (*KCI, "ExecContainerCommand"): Action(groups.ExecContainerCommand, groups.execute),
    (*KCI, "DescribeContainerGroupEvents"): Action(groups.OneGroup, groups.events),
    (*KCI, "DescribeContainerGroupCount"): Action(groups.DescribeContainerGroupCount, groups.count),
    (*KCI, "DescribeRegions"): Action(Nothing, discover.regions),
    (*KCI, "DescribeKciPackages"): Action(discover.DescribeKciPackages, discover.kci_packages),
    (*VPC, "DescribeVpcs"): Action(vpc.DescribeVpcs, vpc.vpcs, "VpcSet"),
    (*VPC, "DescribeSubnets"): Action(vpc.DescribeSubnets, vpc.subnets, "SubnetSet"),
    (*VPC, "DescribeSecurityGroups"): Action(
        vpc.DescribeSecurityGroups, vpc.security_groups, "SecurityGroupSet"
    ),
    (*VPC, "DescribeAvailabilityZones"): Action(Nothing, vpc.zones),
}

__all__ = ["ACTIONS", "Action", "Call"]
