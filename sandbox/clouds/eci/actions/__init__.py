"""The actions the simulated gateway answers, by version and name."""

from . import caches, create, discover, exec_, groups, logs, metrics, neighbours, tags, write
from .base import Action, Call, Handler

ECI, STS, VPC, ECS = "2018-08-08", "2015-04-01", "2016-04-28", "2014-05-26"
PRODUCTS = {ECI: "eci", STS: "sts", VPC: "vpc", ECS: "ecs"}

ACTIONS: dict[tuple[str, str], Action] = {
    (ECI, "CreateContainerGroup"): Action(create.create, writes=True),
    (ECI, "DescribeContainerGroups"): Action(groups.describe, listing="ContainerGroups"),
    (ECI, "DescribeContainerGroupStatus"): Action(groups.status, listing="Data"),
    (ECI, "DescribeContainerGroupEvents"): Action(groups.events, listing="Data"),
    (ECI, "DeleteContainerGroup"): Action(write.delete, writes=True),
    (ECI, "RestartContainerGroup"): Action(write.restart, writes=True),
    (ECI, "UpdateContainerGroup"): Action(write.update, writes=True),
    (ECI, "DescribeContainerLog"): Action(logs.describe),
    (ECI, "ExecContainerCommand"): Action(exec_.execute),
    (ECI, "DescribeContainerGroupMetric"): Action(metrics.describe),
    (ECI, "DescribeMultiContainerGroupMetric"): Action(metrics.describe_multi),
    (ECI, "DescribeContainerGroupPrice"): Action(discover.price),
    (ECI, "DescribeRegions"): Action(discover.regions),
    (ECI, "DescribeAvailableResource"): Action(discover.available),
    (ECI, "ListUsage"): Action(discover.usage),
    (ECI, "CreateImageCache"): Action(caches.create, writes=True),
    (ECI, "DescribeImageCaches"): Action(caches.describe),
    (ECI, "DeleteImageCache"): Action(caches.delete, writes=True),
    (ECI, "TagResources"): Action(tags.tag, writes=True),
    (ECI, "UntagResources"): Action(tags.untag, writes=True),
    (ECI, "ListTagResources"): Action(tags.list_tags),
    (STS, "GetCallerIdentity"): Action(neighbours.caller_identity, open=True),
    (VPC, "DescribeVpcs"): Action(neighbours.vpcs),
    (VPC, "DescribeVSwitches"): Action(neighbours.vswitches),
    (VPC, "DescribeZones"): Action(neighbours.zones),
    (ECS, "DescribeSecurityGroups"): Action(neighbours.security_groups),
}

__all__ = ["ACTIONS", "PRODUCTS", "Action", "Call", "Handler"]
