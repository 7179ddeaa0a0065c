"""Spot and its end, sidecars, image caches, GPUs, and what of stock is told."""

import pytest

from sandbox.clouds.eci import meter
from sandbox.clouds.eci.errors import ApiFault

from .conftest import account

J, K = "vsw-bp1spillwaydemo0j001", "vsw-bp1spillwaydemo0k001"
SPOT = {"SpotStrategy": "SpotAsPriceGo", "InstanceType": "ecs.c5.large"}


def side(index, **env):
    flat = {
        f"Container__{index}__Name": f"side{index}",
        f"Container__{index}__Image": "nginx",
    }
    for number, (key, value) in enumerate(env.items(), 1):
        flat[f"Container__{index}__EnvironmentVar__{number}__Key"] = key
        flat[f"Container__{index}__EnvironmentVar__{number}__Value"] = value
    return flat


def test_a_reclaimed_spot_instance_warns_three_minutes_ahead_and_then_expires():
    cloud = account()
    group = cloud.create(**SPOT)
    cloud.pass_time(1)
    cloud.cloud.lifecycle.reclaim(group, cloud.clock())
    cloud.cloud.settle(group)
    assert group.status == "Running"
    assert [e.reason for e in group.events if e.type == "Warning"] == ["SpotToBeReleased"]
    cloud.pass_time(179)
    assert group.status == "Running"
    cloud.pass_time(2)
    assert group.status == "Expired"
    (shown,) = cloud.call("DescribeContainerGroups")["ContainerGroups"]
    assert shown["ExpiredTime"]
    assert meter.billed_to(group) is not None


def test_spot_is_billed_at_the_market_price():
    cloud = account()
    spot, plain = cloud.create(**SPOT), cloud.create(InstanceType="ecs.c5.large")
    cloud.pass_time(3600)
    now = cloud.clock()
    assert round(meter.cost(spot, now), 3) * 10 < round(meter.cost(plain, now), 3)


@pytest.mark.parametrize(
    ("stock", "limit", "made"),
    [
        ({}, 1, True),
        ({}, 0.001, False),
        ({"cn-hangzhou-j": {"spot": False}, "cn-hangzhou-k": {"spot": False}}, 1, False),
        ({"cn-hangzhou-j": {"ecs.c5.large spot": False}}, 1, True),
    ],
)
def test_spot_needs_stock_of_its_own_and_a_limit_above_the_market(stock, limit, made):
    cloud = account(stock=stock)
    asked = {**SPOT, "SpotStrategy": "SpotWithPriceLimit", "SpotPriceLimit": limit}
    asked["VSwitchId"] = f"{J},{K}"
    if made:
        assert cloud.create(**asked).status == "Running"
        return
    with pytest.raises(ApiFault, match="NoStock"):
        cloud.create(**asked)
    assert cloud.create(InstanceType="ecs.c5.large").instance_type == "ecs.c5.large"


def test_a_class_without_stock_gives_way_to_the_next_and_alone_decides_the_price():
    cloud = account(stock={"cn-hangzhou-j": {"2-4Gi economy": False}})
    both = {"ComputeCategory__1": "economy", "ComputeCategory__2": "general"}
    group = cloud.create(VSwitchId=J, **both)
    (shown,) = cloud.call("DescribeContainerGroups")["ContainerGroups"]
    assert shown["ComputeCategory"] == "general"
    assert group.request["ComputeCategory"] == ["general"]
    small = cloud.create(
        VSwitchId=J, Cpu=0.5, Memory=1.9, ComputeCategory__1="general", ComputeCategory__2="economy"
    )
    assert (small.cpu, small.memory, small.request["ComputeCategory"]) == (0.5, 2, ["economy"])


def test_sidecars_end_with_the_main_containers_and_their_exit_code_may_not_count():
    cloud = account()
    ignored = {"ECI_CONTAINER_TYPE": "sidecar", "ECI_CONTAINER_IGNORE_EXIT_CODE": "true"}
    job = cloud.run("sleep", "5", RestartPolicy="Never", **side(2, **ignored))
    cloud.pass_time(4)
    assert job.status == "Running"
    cloud.pass_time(2)
    assert job.status == "Succeeded"
    assert job.containers[1].state.signal == 15
    counted = cloud.run(
        "sleep", "5", RestartPolicy="Never", **side(2, ECI_CONTAINER_TYPE="sidecar")
    )
    plain = cloud.run("sleep", "5", RestartPolicy="Never", **side(2))
    cloud.pass_time(6)
    assert counted.status == "Failed"
    assert plain.status == "Running"


def test_a_container_may_be_left_out_of_the_size():
    cloud = account()
    group = cloud.create(
        Container__1__Cpu=2,
        Container__1__Memory=4,
        Container__2__Cpu=8,
        Container__2__Memory=16,
        **side(2, __ECI_RESOURCE_IGNORE__="TRUE"),
    )
    assert (group.cpu, group.memory) == (2, 4)


def test_containers_share_the_gpus_of_a_type_and_a_job_ends_with_its_log_readable():
    cloud = account()
    job = cloud.create(
        "registry.example/vectoradd:1",
        InstanceType="ecs.gn5-c4g1.xlarge",
        Container__1__Gpu=1,
        Container__2__Gpu=1,
        Container__2__Name="look",
        Container__2__Image="cuda",
        Container__2__Command__1="nvidia-smi",
        RestartPolicy="Never",
    )
    cloud.pass_time(10)
    assert job.status == "Succeeded"
    told = cloud.call("DescribeContainerLog", ContainerGroupId=job.id, ContainerName="main")
    assert "Test PASSED" in told["Content"]
    assert (
        "NVIDIA-SMI"
        in cloud.call("DescribeContainerLog", ContainerGroupId=job.id, ContainerName="look")[
            "Content"
        ]
    )
    with pytest.raises(ApiFault):
        cloud.create(InstanceType="ecs.gn5-c4g1.xlarge", Container__1__Gpu=2)


def test_an_image_cache_is_ready_after_a_while_and_spares_the_pull():
    cloud = account(pull_seconds=10)
    cache_id = cloud.call("CreateImageCache", ImageCacheName="warm", Image__1="nginx:1.27")[
        "ImageCacheId"
    ]
    with pytest.raises(ApiFault, match="IncorrectStatus"):
        cloud.create(ImageSnapshotId=cache_id)
    with pytest.raises(ApiFault, match="InvalidParameter"):
        cloud.create(ImageSnapshotId="imc-none")
    cloud.pass_time(31)
    (shown,) = cloud.call("DescribeImageCaches")["ImageCaches"]
    assert (shown["Status"], shown["Images"]) == ("Ready", ["nginx:1.27"])
    matched, missed = (
        cloud.create(image, AutoMatchImageCache="True") for image in ("nginx:1.27", "b")
    )
    named, plain = cloud.create(ImageSnapshotId=cache_id), cloud.create()
    assert [g.status for g in (matched, named)] == ["Running", "Running"]
    assert [g.status for g in (missed, plain)] == ["Pending", "Pending"]
    assert cache_id in matched.events[1].message
    assert any(event.reason == "ImageCacheMissed" for event in missed.events)
    assert cloud.call("ListUsage")["Attributes"]["UsedImageCacheCount"] == 1
    cloud.call("DeleteImageCache", ImageCacheId=cache_id)
    assert cloud.call("DescribeImageCaches")["TotalCount"] == 0


def test_stock_of_a_type_is_told_for_itself_and_for_spot():
    stock = {"cn-hangzhou-j": {"ecs.c6.large": "low", "ecs.g6.large spot": False}}
    cloud = account(stock=stock)

    def told(name, **more):
        answer = cloud.call(
            "DescribeAvailableResource",
            ZoneId="cn-hangzhou-j",
            DestinationResource__Category="InstanceType",
            DestinationResource__Value=name,
            **more,
        )
        (zone,) = answer["AvailableZones"]["AvailableZone"]
        (kind,) = zone["AvailableResources"]["AvailableResource"]
        (one,) = kind["SupportedResources"]["SupportedResource"]
        return one["StatusCategory"]

    assert told("ecs.c6.large") == "ClosedWithStock"
    assert told("ecs.g6.large") == "WithStock"
    assert told("ecs.g6.large", SpotResource__SpotStrategy="SpotAsPriceGo") == "WithoutStock"


def test_zhangjiakou_has_three_zones_with_vswitches_and_sells_gpu_types():
    regions = account().call("DescribeRegions", RegionId="cn-zhangjiakou")["Regions"]
    zones = [f"cn-zhangjiakou-{letter}" for letter in "abc"]
    assert regions[0]["Zones"] == zones
    cloud = account()
    told = cloud.call(
        "DescribeAvailableResource",
        RegionId="cn-zhangjiakou",
        DestinationResource__Category="InstanceType",
        DestinationResource__Value="ecs.gn5-c4g1.xlarge",
    )["AvailableZones"]["AvailableZone"]
    assert [zone["ZoneId"] for zone in told] == zones
