from decimal import Decimal

import pytest

from sandbox.clouds.kci import packages
from sandbox.clouds.kci.errors import ApiFault

from .conftest import account

TABLE = packages.tables(["z"])["z", packages.HOURLY]
CLUSTER = {
    "KubeConfig": "apiVersion: v1",
    "ClusterDns": "10.254.0.10",
    "ClusterDomain": "cluster.local",
    "Container": None,
    "Label": [
        {"Key": "cluster-id", "Value": "c-1"},
        {"Key": "namespace", "Value": "default"},
        {"Key": "pod-name", "Value": "web-1"},
    ],
}


@pytest.mark.parametrize(
    ("cpu", "memory", "size"),
    [
        ("0", "0", (2, 4)),
        ("0", "7.8", (2, 8)),
        ("0", "1", (1, 1)),
        ("2.5", "0", (4, 4)),
        ("0.25", "0.5", (1, 1)),
        ("1", "4", (1, 4)),
        ("1", "4.001", (2, 8)),
        ("2", "1", (2, 2)),
        ("2", "3", (2, 4)),
        ("2.001", "3", (4, 4)),
        ("2", "16.5", (4, 32)),
        ("3", "33", (8, 64)),
        ("64", "512", (64, 512)),
        ("1", "512", (64, 512)),
    ],
)
def test_a_size_is_fitted_upward_to_a_package(cpu, memory, size):
    found = packages.fit(Decimal(cpu), Decimal(memory), TABLE)
    assert (found.cpu, found.memory) == size


@pytest.mark.parametrize(("cpu", "memory"), [("64.001", "1"), ("1", "512.001"), ("65", "513")])
def test_nothing_is_sold_above_the_largest_package(cpu, memory):
    with pytest.raises(ApiFault) as refusal:
        packages.fit(Decimal(cpu), Decimal(memory), TABLE)
    assert refusal.value.code == "PackageNotSupported"


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"Cpu": 3, "Memory": 3, "Container": [{"Name": "a", "Image": "x", "Cpu": 9}]}, "N3.4A"),
        (
            {"Container": [{"Name": n, "Image": "x", "Cpu": 1.5, "Memory": 2} for n in "ab"]},
            "N3.4A",
        ),
        ({"InstanceType": "S6.8C"}, "S6.8C"),
        ({"Cpu": 1, "InstanceFamily": "Q1, X7,S6"}, "X7.1A"),
        ({"Cpu": 1, "ChargeType": "Spot", "SpotStrategy": "SpotAsPriceGo"}, "N3.2A"),
        (
            {**CLUSTER, "ContainerSpec": [{"RequestCpu": 5, "LimitCpu": 1, "RequestMem": 2}]},
            "N3.1B",
        ),
        (CLUSTER, "N3.2B"),
    ],
)
def test_the_package_comes_from_type_or_group_or_containers_with_limits_first(params, size):
    assert account().create(**params).instance_type == size


def test_each_zone_has_its_own_table_and_the_first_subnet_that_sells_the_size_is_used():
    cloud = account()
    a, e = cloud.cloud.network.subnets
    small = {2: (2, 4)}
    cloud.cloud.packages["cn-beijing-6a", packages.HOURLY] = small
    group = cloud.create(SubnetId=None, MultiSubnetId=[a, e], Cpu=4, Memory=8)
    assert group.zone == "cn-beijing-6e"
    cloud.cloud.packages["cn-beijing-6e", packages.HOURLY] = small
    with pytest.raises(ApiFault) as refusal:
        cloud.create(SubnetId=None, MultiSubnetId=[a, e], Cpu=4, Memory=8)
    assert refusal.value.code == "PackageNotSupported"


UNKNOWN = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"ContainerGroupName": "-web"}, "InvalidParameterValue"),
        ({"ContainerGroupName": "Web"}, "InvalidParameterValue"),
        ({"ContainerGroupName": "a" * 129}, "InvalidParameterValue"),
        ({"ContainerGroupName": None}, "MissingParameter"),
        ({"SubnetId": None}, "MissingParameter"),
        ({"SubnetId": UNKNOWN}, "SubnetNotFound"),
        ({"SubnetId": None, "MultiSubnetId": ["x"] * 6}, "InvalidParameterValue"),
        ({"SecurityGroupId": None}, "MissingParameter"),
        ({"SecurityGroupId": [UNKNOWN]}, "SecurityGroupNotFound"),
        ({"SecurityGroupId": [UNKNOWN] * 4}, "SecurityGroupLimitExceeded"),
        ({"KciType": "VK"}, "InvalidParameterValue"),
        ({"ChargeType": "Monthly"}, "InvalidParameterValue"),
        ({"ChargeType": "Spot", "SpotStrategy": "Cheap"}, "InvalidParameterValue"),
        ({"Cpu": "1.2345"}, "InvalidParameterValue"),
        ({"Cpu": 257}, "InvalidParameterValue"),
        ({"Memory": "NaN"}, "InvalidParameterValue"),
        ({"InstanceType": "N3.3B"}, "PackageNotSupported"),
        ({"InstanceFamily": "Q1"}, "PackageNotSupported"),
        ({"Label": [{"Key": "team", "Value": "a"}]}, "InvalidParameterValue"),
        ({"Label": [{"Key": "namespace", "Value": "a_"}]}, "InvalidParameterValue"),
        ({"EipAllocationId": "a", "MultiEipAllocationId": ["b"]}, "InvalidParameterValue"),
        ({"RetainIp": True, "RetainIpHours": 8761}, "InvalidParameterValue"),
        ({"ImageCacheId": UNKNOWN}, "ImageCacheNotFound"),
        ({"Container": None}, "MissingParameter"),
        ({"RestartPolicy": "Sometimes"}, "InvalidParameterValue"),
        ({"Container": [{"Name": "Main", "Image": "x"}]}, "InvalidParameterValue"),
        ({"Container": [{"Name": "a"}]}, "MissingParameter"),
        ({"Container": [{"Name": "a", "Image": "x"}] * 2}, "InvalidParameterValue"),
        (
            {"Container": [{"Name": "a", "Image": "x", "EnvironmentVar": [{"Key": "1"}]}]},
            "InvalidParameterValue",
        ),
        (
            {"Container": [{"Name": "a", "Image": "x", "Port": [{"Port": "http"}]}]},
            "InvalidParameterValue",
        ),
        (
            {
                "Container": [
                    {
                        "Name": "a",
                        "Image": "x",
                        "VolumeMount": [{"Name": "v", "MountPath": "/v"}],
                    }
                ]
            },
            "InvalidParameterValue",
        ),
        ({"Volume": [{"Name": "v", "Type": "NFSVolume"}]}, "MissingParameter"),
        ({"Volume": [{"Name": "v", "Type": "Secret"}]}, "InvalidParameterValue"),
        ({**CLUSTER, "KubeConfig": None}, "MissingParameter"),
        ({**CLUSTER, "ClusterDns": None}, "MissingParameter"),
        ({**CLUSTER, "Label": CLUSTER["Label"][:2]}, "MissingParameter"),
        (
            {**CLUSTER, "DataDisk": [{"VolumeName": "dd", "Type": "EHDD", "Size": 10}] * 9},
            "InvalidParameterValue",
        ),
        (
            {**CLUSTER, "DataDisk": [{"VolumeName": "dd", "Type": "ESSD_PL2", "Size": 460}]},
            "InvalidParameterValue",
        ),
        (
            {"AdvanceSettings": {"SystemDisk": {"Type": "Local_SSD", "Size": 101}}},
            "InvalidParameterValue",
        ),
    ],
)
def test_what_the_api_refuses(params, code):
    cloud = account()
    with pytest.raises(ApiFault) as refusal:
        cloud.create(**params)
    assert refusal.value.code == code
    assert not cloud.cloud.groups


def test_what_the_api_accepts_beyond_the_usual():
    cloud = account()
    disk = {"VolumeName": "data", "Type": "ESSD_PL1", "Size": 40, "DeleteWithInstance": True}
    disks = [disk] * 8
    settings = {"SystemDisk": {"Type": "SSD3.0", "Size": 20}}
    assert cloud.create(**CLUSTER, DataDisk=disks, AdvanceSettings=settings).status == "Running"
    volumes = [
        {"Name": "a", "Type": "EmptyDirVolume"},
        {"Name": "b", "Type": "NFSVolume", "NFSVolume": {"Server": "10.0.0.5", "Path": "/x"}},
        {"Name": "c", "Type": "EBSVolume", "EBSVolume": {"VolumeId": "v-1", "FsType": "xfs"}},
        {"Name": "d", "Type": "HostPathVolume", "HostPathVolume": {"Path": "/tmp"}},
    ]
    group = cloud.create(Volume=volumes, HostPID=True, Gpu=1, MultiEipAllocationId=["e-1"])
    shown = cloud.shown(group)
    assert [volume["Type"] for volume in shown["Volumes"]] == [v["Type"] for v in volumes]
    assert shown["Gpu"] == 1.0


def test_stock_addresses_and_quota_run_out():
    cloud = account(stock={"cn-beijing-6a": False, "cn-beijing-6e": {"2-4Gi": False}})
    a, e = cloud.cloud.network.subnets

    def refused(code, **params):
        with pytest.raises(ApiFault) as refusal:
            cloud.create(**params)
        assert refusal.value.code == code

    refused("InsufficientCapacity")
    refused("InsufficientCapacity", SubnetId=None, MultiSubnetId=[a, e])
    group = cloud.create(SubnetId=None, MultiSubnetId=[a, e], Cpu=4, Memory=8)
    assert group.zone == "cn-beijing-6e"
    subnet = cloud.cloud.network.subnets[e]
    subnet.taken |= {f"x{i}" for i in range(subnet.free)}
    refused("SubnetIpInsufficient", SubnetId=e, Cpu=4, Memory=8)
    cloud.cloud.knobs = cloud.cloud.knobs.updated({"stock": {}, "quota_cpu": 6})
    cloud.create()
    refused("QuotaExceeded")
    cloud.cloud.knobs = cloud.cloud.knobs.updated({"quota_cpu": 100, "quota_groups": 2})
    refused("QuotaExceeded")
