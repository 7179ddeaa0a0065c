"""The actions the simulated gateway answers, by service, version and name."""

from . import bills, caches, components, create, discover, groups, iam, kce, models, vpc
from .base import Action, Call, Nothing

KCI, VPC = ("kci", "2020-07-02"), ("vpc", "2016-03-04")
IAM, STS = ("iam", "2015-11-01"), ("sts", "2015-11-01")
KCE, KCE_CLUSTERS = ("kce", "2019-08-06"), ("kce", "2023-11-15")
KCE_ADDONS = ("kce", "2023-01-01")
BILLS, DAILY_BILLS = ("bill-union", "2020-01-01"), ("bill-union", "2022-12-22")
ITEM_BILLS = ("bill-union", "2025-08-01")

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
    (*KCI, "CreateImageCache"): Action(caches.CreateImageCache, caches.create),
    (*KCI, "UpdateImageCache"): Action(caches.UpdateImageCache, caches.update),
    (*KCI, "DeleteImageCache"): Action(caches.OneCache, caches.delete),
    (*KCI, "DescribeImageCache"): Action(caches.DescribeImageCache, caches.describe, "ImageCaches"),
    (*KCI, "MatchImageCache"): Action(caches.MatchImageCache, caches.match),
    (*KCI, "DescribeImageCacheEvent"): Action(caches.OneCache, caches.events),
    (*IAM, "ListAccessKeys"): Action(iam.OfUser, iam.list_keys),
    (*IAM, "CreateAccessKey"): Action(iam.OfUser, iam.create_key),
    (*IAM, "UpdateAccessKey"): Action(iam.UpdateAccessKey, iam.update_key),
    (*IAM, "DeleteAccessKey"): Action(iam.OneKey, iam.delete_key),
    (*IAM, "ListAllUserAccessKeys"): Action(Nothing, iam.list_all_keys),
    (*IAM, "GetAccountAllProjectsByParams"): Action(iam.Projects, iam.projects),
    (*STS, "AssumeRole"): Action(iam.AssumeRole, iam.assume_role),
    (*KCE_CLUSTERS, "DescribeCluster"): Action(kce.DescribeCluster, kce.describe, "ClusterSet"),
    (*KCE, "DescribeCluster"): Action(kce.DescribeCluster, kce.describe, "ClusterSet"),
    (*KCE, "DownloadClusterConfig"): Action(kce.DownloadClusterConfig, kce.download),
    (*KCE_ADDONS, "DescribeAddonList"): Action(components.DescribeAddonList, components.offered),
    (*KCE, "InstallComponent"): Action(components.InstallComponent, components.install),
    (*KCE, "ListComponentInstance"): Action(
        components.ListComponentInstance, components.listed, "Data"
    ),
    (*KCE, "UpdateComponentInstance"): Action(
        components.ChangeComponentInstance, components.update
    ),
    (*KCE, "DeleteComponentInstance"): Action(
        components.ChangeComponentInstance, components.delete
    ),
    (*BILLS, "ListProductGroups"): Action(Nothing, bills.product_groups),
    (*BILLS, "DescribeProductCode"): Action(Nothing, bills.product_codes),
    (*BILLS, "DescribeInstanceSummaryBills"): Action(bills.InstanceSummary, bills.instance_summary),
    (*DAILY_BILLS, "QueryInstanceConsume"): Action(bills.InstanceConsume, bills.instance_consume),
    (*ITEM_BILLS, "QueryItemBills"): Action(bills.ItemBills, bills.item_bills),
    (*VPC, "DescribeVpcs"): Action(vpc.DescribeVpcs, vpc.vpcs, "VpcSet"),
    (*VPC, "DescribeSubnets"): Action(vpc.DescribeSubnets, vpc.subnets, "SubnetSet"),
    (*VPC, "DescribeSecurityGroups"): Action(
        vpc.DescribeSecurityGroups, vpc.security_groups, "SecurityGroupSet"
    ),
    (*VPC, "DescribeAvailabilityZones"): Action(Nothing, vpc.zones),
}

__all__ = ["ACTIONS", "Action", "Call"]
