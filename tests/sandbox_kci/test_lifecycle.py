import pytest

from sandbox.clouds.groups import meter
from sandbox.clouds.kci import view
from sandbox.clouds.kci.errors import ApiFault

from .conftest import START, account


def test_an_instance_is_pending_then_pulls_then_runs_and_is_billed_from_its_creation():
    cloud = account(schedule_seconds=1, pull_seconds=10)
    group = cloud.create()
    assert (view.status(group), cloud.shown(group)["NetworkInterfaceAttributes"]) == ("Pending", [])
    assert meter.billed_from(group) is None
    cloud.pass_time(1.3)
    assert view.status(group) == "ImagePulling"
    assert cloud.shown(group)["Containers"][0]["CurrentState"]["State"] == "Waiting"
    cloud.pass_time(13)
    shown = cloud.shown(group)
    assert shown["Status"] == "Running"
    assert shown["CreateTime"] == view.stamp(START)
    assert shown["CreateTime"].endswith("00")
    assert meter.billed_from(group) == START
    cloud.pass_time(85.7)
    assert meter.billed_seconds(group, cloud.clock()) == 100


def test_times_are_beijing_time_without_a_zone():
    assert view.stamp(0.9) == "1970-01-01 08:00:00"


@pytest.mark.parametrize(
    ("policy", "words", "status", "code", "line"),
    [
        ("Never", ["sh", "-c", "echo x; exit 3"], "Failed", 3, "x"),
        ("Never", ["sleep", "20"], "Succeeded", 0, None),
        ("OnFailure", ["sh", "-c", "echo done"], "Succeeded", 0, "done"),
    ],
)
def test_a_command_that_ends_ends_the_group_and_its_bill(policy, words, status, code, line):
    cloud = account()
    group = cloud.run(*words, RestartPolicy=policy)
    cloud.pass_time(60)
    shown = cloud.shown(group)
    assert shown["Status"] == status
    assert ("SucceededTime" in shown) == (status == "Succeeded")
    state = shown["Containers"][0]["CurrentState"]
    assert (state["State"], state["ExitCode"]) == ("Terminated", code)
    assert state["FinishTime"] >= state["StartTime"]
    billed = meter.billed_seconds(group, cloud.clock())
    cloud.pass_time(60)
    assert meter.billed_seconds(group, cloud.clock()) == billed <= 21
    if line:
        log = cloud.call("DescribeContainerLog", ContainerGroupId=group.id, ContainerName="main")
        assert log["Content"] == f"{line}\n"


def test_a_container_that_fails_is_restarted_with_its_previous_state_shown():
    cloud = account()
    group = cloud.run("sh", "-c", "sleep 5; exit 7")
    cloud.pass_time(8)
    (main,) = cloud.shown(group)["Containers"]
    assert (main["RestartCount"], main["PreviousState"]["ExitCode"]) == (1, 7)
    assert cloud.shown(group)["Status"] == "Running"


def test_init_containers_run_first_and_probes_act():
    cloud = account()
    group = cloud.create(
        InitContainer=[{"Name": "prepare", "Image": "busybox", "Command": ["sleep", "5"]}],
        Container=[
            {
                "Name": "main",
                "Image": "nginx",
                "LivenessProbe": {
                    "Exec": {"Command": ["false"]},
                    "PeriodSeconds": 2,
                    "FailureThreshold": 2,
                },
            }
        ],
    )
    assert view.status(group) == "Pending"
    cloud.pass_time(6)
    assert view.status(group) == "Running"
    cloud.pass_time(6)
    assert cloud.shown(group)["Containers"][0]["RestartCount"] == 1


def test_an_image_that_nobody_has_keeps_the_group_pulling():
    cloud = account()
    group = cloud.create("nginx:does-not-exist")
    cloud.pass_time(100)
    assert view.status(group) == "ImagePulling"
    reason = cloud.shown(group)["Containers"][0]["CurrentState"]["Reason"]
    assert reason == "ImagePullBackOff"
    events = cloud.call("DescribeContainerGroupEvents", ContainerGroupId=group.id)["Events"]
    assert {"Failed", "BackOff"} <= {event["Reason"] for event in events}


def test_late_stock_ends_in_create_error_without_a_bill_until_deleted():
    cloud = account(stock={"cn-beijing-6a": "late"})
    group = cloud.create()
    assert cloud.shown(group)["Status"] == "CreateError"
    cloud.pass_time(7 * 86400)
    assert cloud.shown(group)["Status"] == "CreateError"
    assert (meter.billed_seconds(group, cloud.clock()), cloud.cloud.used_cpu) == (0, 0)
    cloud.call("DeleteContainerGroup", ContainerGroupId=group.id)
    with pytest.raises(ApiFault):
        cloud.cloud.get(group.id)


def test_deleting_ends_the_bill_and_gives_the_address_back():
    cloud = account()
    group = cloud.create()
    subnet = cloud.cloud.network.subnets[group.vswitch_id]
    assert group.ip in subnet.taken
    cloud.pass_time(60)
    cloud.call("DeleteContainerGroup", ContainerGroupId=group.id)
    cloud.pass_time(60)
    assert meter.billed_seconds(group, cloud.clock()) == 60
    assert (subnet.taken, cloud.cloud.used_cpu) == (set(), 0)


def test_an_address_is_kept_for_the_same_name_in_the_same_subnet_for_some_hours():
    cloud = account()
    first = cloud.create(RetainIp=True, RetainIpHours=1)
    cloud.call("DeleteContainerGroup", ContainerGroupId=first.id)
    other = cloud.create(ContainerGroupName="other")
    again = cloud.create(RetainIp=True, RetainIpHours=1)
    assert again.ip == first.ip != other.ip
    cloud.call("DeleteContainerGroup", ContainerGroupId=again.id)
    cloud.pass_time(3601)
    assert cloud.create().ip != first.ip


def test_an_image_cache_expires_after_its_days():
    cloud = account()
    network = cloud.cloud.network
    cloud.call(
        "CreateImageCache",
        ImageCacheName="base",
        SubnetId=next(iter(network.subnets)),
        SecurityGroupId=network.default_security_group.id,
        Image=["nginx"],
        RetentionDays=2,
        ImageCacheType="Rapid",
    )
    (row,) = cloud.call("DescribeImageCache")["ImageCaches"]
    assert (row["ImageCacheSize"], row["ExpireTime"]) == (40, view.stamp(START + 2 * 86400))
    cloud.pass_time(2 * 86400)
    assert cloud.call("DescribeImageCache")["TotalCount"] == 0
