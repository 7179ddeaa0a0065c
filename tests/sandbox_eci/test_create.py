import pytest

from sandbox.clouds.eci.errors import ApiFault

from .conftest import account

J, K = "vsw-bp1spillwaydemo0j001", "vsw-bp1spillwaydemo0k001"


def code_of(cloud, action, **flat):
    with pytest.raises(ApiFault) as refusal:
        cloud.call(action, **flat)
    return refusal.value.code


BASE = {
    "ContainerGroupName": "demo",
    "Container__1__Name": "main",
    "Container__1__Image": "nginx",
}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ContainerGroupName": ""}, "MissingContainerGroupName"),
        ({"ContainerGroupName": "Upper"}, "InvalidParameter"),
        ({"ContainerGroupName": "-a"}, "InvalidParameter"),
        ({"Container__1__Image": ""}, "MissingContainer1Image"),
        (
            {"Container__2__Name": "main", "Container__2__Image": "x"},
            "InvalidParameter.DuplicatedName",
        ),
        ({"Container__1__Port__1__Port": 10250}, "InvalidParameter"),
        ({"RestartPolicy": "Sometimes"}, "InvalidParameter"),
        ({"Cpu": 65, "Memory": 1}, "InvalidParameter.CPU.Memory"),
        ({"SpotStrategy": "SpotWithPriceLimit"}, "MissingSpotPriceLimit"),
        (
            {"SpotStrategy": "SpotAsPriceGo", "ComputeCategory__1": "general"},
            "FeatureBasedConstraintConflict",
        ),
        ({"InstanceType": "ecs.nothing.large"}, "InvalidParameter"),
        ({"Container__1__Gpu": 1}, "InvalidParameter"),
        ({"InstanceType": "ecs.c6.large", "Container__1__Gpu": 1}, "InvalidParameter"),
        ({"VSwitchId": "vsw-unknown"}, "InvalidVSwitchId.NotFound"),
        ({"SecurityGroupId": "sg-unknown"}, "InvalidSecurityGroupId.NotFound"),
        ({"Tag__1__Key": "acs:x"}, "InvalidParameter"),
        ({"ClientToken": "x" * 65}, "InvalidParameter"),
        ({"Container__1__VolumeMount__1__Name": "data"}, "InvalidParameter"),
        ({"RegionId": "cn-beijing"}, "InvalidRegionId.NotFound"),
        ({"DryRun": "True"}, "DryRunOperation"),
    ],
)
def test_a_bad_request_is_refused_with_the_documented_code(changes, code):
    cloud = account()
    assert code_of(cloud, "CreateContainerGroup", **{**BASE, **changes}) == code
    assert not cloud.cloud.groups


def test_the_same_token_and_parameters_create_once_even_after_deletion():
    cloud = account()
    first = cloud.create(ClientToken="t1")
    again = cloud.call(
        "CreateContainerGroup", **BASE | {"Container__1__Image": "nginx:1.27"}, ClientToken="t1"
    )
    assert again["ContainerGroupId"] == first.id
    cloud.call("DeleteContainerGroup", ContainerGroupId=first.id)
    after = cloud.call(
        "CreateContainerGroup", **BASE | {"Container__1__Image": "nginx:1.27"}, ClientToken="t1"
    )
    assert after["ContainerGroupId"] == first.id
    assert (
        code_of(cloud, "CreateContainerGroup", **BASE, ClientToken="t1")
        == "IdempotentParameterMismatch"
    )
    assert cloud.create(ClientToken="T1").id != first.id
    cloud.pass_time(24 * 3600 + 1)
    assert cloud.create(ClientToken="t1").id != first.id


def test_a_zone_without_stock_is_skipped_and_all_without_stock_are_refused():
    cloud = account(stock={"cn-hangzhou-j": False})
    group = cloud.create(VSwitchId=f"{J},{K}", ScheduleStrategy="VSwitchOrdered")
    assert (group.zone, group.vswitch_id) == ("cn-hangzhou-k", K)
    assert code_of(cloud, "CreateContainerGroup", **BASE, VSwitchId=J) == "OperationDenied.NoStock"


def test_stock_can_run_out_for_single_specs_and_the_next_type_is_tried():
    cloud = account(stock={"cn-hangzhou-j": {"ecs.gn6i-c4g1.xlarge": False, "4-8Gi": False}})
    gpu = {"Container__1__Gpu": 1, "VSwitchId": J}
    types = "ecs.gn6i-c4g1.xlarge,ecs.gn6i-c8g1.2xlarge"
    group = cloud.create(InstanceType=types, **gpu)
    assert (group.instance_type, group.cpu, group.memory) == ("ecs.gn6i-c8g1.2xlarge", 8, 31)
    assert code_of(cloud, "CreateContainerGroup", **BASE, VSwitchId=J, Cpu=4, Memory=8) == (
        "OperationDenied.NoStock"
    )
    assert cloud.create(VSwitchId=J, Cpu=2, Memory=8).status == "Running"


def test_stock_that_vanishes_while_scheduling_falls_to_the_next_vswitch():
    cloud = account(schedule_seconds=1)
    group = cloud.create(VSwitchId=f"{J},{K}")
    cloud.cloud.knobs = cloud.cloud.knobs.updated({"stock": {"cn-hangzhou-j": False}})
    cloud.pass_time(2)
    assert (group.status, group.zone) == ("Running", "cn-hangzhou-k")


def test_the_vcpu_quota_is_kept_and_given_back():
    cloud = account(quota_cpu=4)
    group = cloud.create(Cpu=4, Memory=8)
    assert cloud.call("ListUsage")["Attributes"]["UsedCpu"] == 4
    assert code_of(cloud, "CreateContainerGroup", **BASE) == "InvalidParameter.ValueExceeded"
    cloud.call("DeleteContainerGroup", ContainerGroupId=group.id)
    assert cloud.create().cpu == 2


def test_sizes_come_from_the_group_the_containers_the_init_containers_or_the_type():
    cloud = account()
    assert (cloud.create().cpu, cloud.create().memory) == (2, 4)
    summed = cloud.create(
        Container__1__Cpu=2,
        Container__1__Memory=4,
        Container__2__Name="side",
        Container__2__Image="x",
        Container__2__Cpu=2.25,
        Container__2__Memory=4.5,
    )
    assert (summed.cpu, summed.memory) == (6, 10)
    init = cloud.create(
        Container__1__Cpu=0.25,
        Container__1__Memory=0.5,
        InitContainer__1__Name="first",
        InitContainer__1__Image="x",
        InitContainer__1__Cpu=4,
        InitContainer__1__Memory=8,
    )
    assert (init.cpu, init.memory) == (4, 8)
    spot = cloud.create(Cpu=1, Memory=1, SpotStrategy="SpotAsPriceGo")
    assert (spot.cpu, spot.memory, spot.instance_type[:6]) == (2, 2, "ecs.c6")


def test_addresses_are_unique_and_come_back():
    cloud = account(limits=False, quota_cpu=100_000)
    groups = [cloud.create() for _ in range(300)]
    cloud.pass_time(1)
    assert len({group.ip for group in groups}) == 300
    free = cloud.cloud.network.vswitches[J].free
    cloud.call("DeleteContainerGroup", ContainerGroupId=groups[0].id)
    assert cloud.cloud.network.vswitches[J].free == free + 1
