import pytest

from sandbox.clouds.eci import meter
from sandbox.clouds.eci.errors import ApiFault

from .conftest import START, account


def reasons(group):
    return [event.reason for event in group.events]


def test_an_instance_is_scheduled_then_billed_while_it_pulls_then_runs():
    cloud = account(schedule_seconds=1, pull_seconds=10)
    group = cloud.create()
    assert (group.status, group.ip, meter.billed_from(group)) == ("Scheduling", "", None)
    cloud.pass_time(1.3)
    assert group.status == "Pending"
    assert group.ip.startswith("172.16.0.")
    began = meter.billed_from(group)
    assert START + 0.8 <= began <= START + 1.2
    cloud.pass_time(13)
    assert group.status == "Running"
    assert group.containers[0].ready
    assert reasons(group) == ["SuccessfulAllocated", "Pulling", "Pulled", "Created", "Started"]
    assert meter.billed_seconds(group, cloud.clock()) == int(cloud.clock()) - int(began)


@pytest.mark.parametrize(
    ("policy", "words", "status", "code", "line"),
    [
        ("Never", ["sh", "-c", "echo x; exit 3"], "Failed", 3, "x"),
        ("Never", ["sleep", "20"], "Succeeded", 0, None),
        (
            "OnFailure",
            ["perl", "-Mbignum=bpi", "-wle", "print bpi(2000)"],
            "Succeeded",
            0,
            "3.1415",
        ),
        (
            "Never",
            ["sh", "-c", "for i in $(seq 1 3); do echo n $i; sleep 1; done"],
            "Succeeded",
            0,
            "n 3",
        ),
        ("Never", ["train", "--epochs", "3"], "Succeeded", 0, "train: started"),
    ],
)
def test_a_command_that_ends_ends_the_group_with_its_exit_code(policy, words, status, code, line):
    cloud = account()
    group = cloud.run(*words, RestartPolicy=policy)
    cloud.pass_time(40)
    assert group.status == status
    assert group.containers[0].state.exit_code == code
    content = cloud.call("DescribeContainerLog", ContainerGroupId=group.id)["Content"]
    assert line is None or line in content


def test_on_failure_restarts_with_growing_back_off_and_keeps_the_previous_log():
    cloud = account()
    group = cloud.run("sh", "-c", "echo try; sleep 2; exit 1", RestartPolicy="OnFailure")
    cloud.pass_time(2.5)
    assert group.containers[0].state.reason == "CrashLoopBackOff"
    cloud.pass_time(60)
    restarts = group.containers[0].restarts
    assert 3 <= restarts <= 5
    assert "BackOff" in reasons(group)
    assert group.status == "Running"
    previous = cloud.call("DescribeContainerLog", ContainerGroupId=group.id, LastTime="true")
    assert previous["Content"] == "try\n"


def test_always_restarts_a_program_that_succeeds():
    cloud = account()
    group = cloud.run("echo", "done")
    cloud.pass_time(30)
    assert group.status == "Running"
    assert group.containers[0].restarts >= 2


def test_init_containers_run_one_after_the_other_before_the_main_ones():
    cloud = account()
    init = {"InitContainer__1__Name": "first", "InitContainer__1__Image": "busybox"}
    init |= {"InitContainer__1__Command__1": "sleep", "InitContainer__1__Command__2": "10"}
    init |= {"InitContainer__2__Name": "second", "InitContainer__2__Image": "busybox"}
    group = cloud.create(**init)
    cloud.pass_time(5)
    assert group.status == "Pending"
    assert [c.state.kind for c in group.init_containers] == ["Running", "Waiting"]
    cloud.pass_time(6)
    assert group.status == "Running"
    assert group.containers[0].state.started_at == pytest.approx(START + 10)


def test_a_failing_init_container_fails_a_group_that_never_restarts():
    cloud = account()
    group = cloud.create(
        RestartPolicy="Never",
        InitContainer__1__Name="first",
        InitContainer__1__Image="busybox",
        InitContainer__1__Command__1="false",
    )
    cloud.pass_time(1)
    assert group.status == "Failed"


def test_probes_delay_readiness_and_kill_what_is_not_alive():
    cloud = account()
    probe = "Container__1__"
    slow = cloud.create(
        **{
            f"{probe}ReadinessProbe__HttpGet__Port": 80,
            f"{probe}ReadinessProbe__InitialDelaySeconds": 5,
        }
    )
    dead = cloud.create(
        **{
            f"{probe}LivenessProbe__Exec__Command__1": "false",
            f"{probe}LivenessProbe__PeriodSeconds": 2,
        }
    )
    cloud.pass_time(4)
    assert not slow.containers[0].ready
    cloud.pass_time(2)
    assert slow.containers[0].ready
    cloud.pass_time(3)
    assert dead.containers[0].restarts == 1
    assert dead.containers[0].previous.exit_code == 137


def test_the_meter_counts_whole_seconds_from_pending_to_the_end():
    cloud = account(schedule_seconds=1, pull_seconds=4)
    group = cloud.run("sleep", "100", RestartPolicy="Never", Cpu=2, Memory=4)
    cloud.pass_time(500)
    began, ended = meter.billed_from(group), meter.billed_to(group)
    seconds = meter.billed_seconds(group, cloud.clock())
    assert seconds == int(ended) - int(began)
    assert 102 <= seconds <= 106
    per_second = 2 * 0.000049 + 4 * 0.00000613
    assert float(meter.cost(group, cloud.clock())) == pytest.approx(per_second * seconds)
    assert cloud.cloud.used_cpu == 0


def test_deleting_ends_billing_at_once_unless_containers_need_time_to_stop():
    cloud = account()
    group = cloud.create()
    cloud.pass_time(60)
    cloud.call("DeleteContainerGroup", ContainerGroupId=group.id)
    assert group.deleted_at == cloud.clock()
    assert meter.billed_seconds(group, cloud.clock() + 99) == 60
    with pytest.raises(ApiFault) as refusal:
        cloud.call("DeleteContainerGroup", ContainerGroupId=group.id)
    assert refusal.value.status == 404


def test_a_pre_stop_hook_keeps_the_group_terminating_and_billed_within_its_grace():
    cloud = account()
    hook = {"Container__1__LifecyclePreStopHandlerExec__1": "sleep"}
    hook["Container__1__LifecyclePreStopHandlerExec__2"] = "60"
    group = cloud.create(TerminationGracePeriodSeconds=20, **hook)
    cloud.pass_time(10)
    cloud.call("DeleteContainerGroup", ContainerGroupId=group.id)
    assert group.status == "Terminating"
    with pytest.raises(ApiFault) as refusal:
        cloud.call("DeleteContainerGroup", ContainerGroupId=group.id)
    assert refusal.value.code == "OperationConflict"
    cloud.pass_time(19)
    assert group.status == "Terminating"
    cloud.pass_time(2)
    assert group.gone
    assert meter.billed_seconds(group, cloud.clock()) == 30


def test_force_deletes_without_waiting_for_the_grace():
    cloud = account(stop_seconds=10)
    group = cloud.create()
    cloud.pass_time(1)
    cloud.call("DeleteContainerGroup", ContainerGroupId=group.id, Force="true")
    assert group.gone


def test_scheduling_that_fails_is_free_and_forgotten_after_a_day():
    cloud = account(schedule_seconds=1, stock={"cn-hangzhou-j": "late"})
    group = cloud.create()
    cloud.pass_time(2)
    assert group.status == "ScheduleFailed"
    assert "NoStock" in reasons(group)
    created = next(c for c in group.conditions if c.type == "ContainerInstanceCreated")
    assert (created.status, created.reason) == ("False", "ContainerGroup.NoStock")
    assert meter.billed_seconds(group, cloud.clock()) == 0
    assert cloud.cloud.used_cpu == 0
    cloud.pass_time(24 * 3600)
    assert group.gone


def test_a_pull_that_hangs_is_billed_until_the_pending_limit_fails_it():
    cloud = account(image_pull_hang=["*slow*"])
    group = cloud.create("registry/slow:1")
    cloud.pass_time(240 * 60 - 1)
    assert group.status == "Pending"
    cloud.pass_time(2)
    assert group.status == "Failed"
    assert meter.billed_seconds(group, cloud.clock()) == 240 * 60


def test_an_image_that_does_not_exist_backs_off_and_stays_pending():
    cloud = account()
    group = cloud.create("registry/does-not-exist:1")
    cloud.pass_time(100)
    assert group.status == "Pending"
    assert group.containers[0].state.reason == "ImagePullBackOff"
    assert next(e for e in group.events if e.reason == "BackOff").count == 4


def test_the_active_deadline_fails_the_group():
    cloud = account()
    group = cloud.create(ActiveDeadlineSeconds=30)
    cloud.pass_time(31)
    assert group.status == "Failed"
    assert "DeadlineExceeded" in reasons(group)
    assert group.failed_at == pytest.approx(START + 30)


def test_ended_groups_are_kept_one_hour_and_then_only_the_newest_hundred():
    cloud = account(limits=False)
    groups = [cloud.run("true", RestartPolicy="Never") for _ in range(130)]
    cloud.pass_time(3500)
    assert sum(not g.gone for g in groups) == 130
    cloud.pass_time(200)
    assert [g.gone for g in groups] == [True] * 30 + [False] * 100


def test_restart_and_update_rebuild_in_place_and_keep_billing():
    cloud = account()
    group = cloud.create(Cpu=2, Memory=4)
    cloud.pass_time(10)
    cloud.call("RestartContainerGroup", ContainerGroupId=group.id)
    assert group.status == "Restarting"
    cloud.pass_time(10)
    assert (group.status, group.containers[0].restarts) == ("Running", 1)
    changed = {"Container__1__Name": "main", "Container__1__Image": "nginx:2"}
    changed |= {"Tag__1__Key": "team", "Tag__1__Value": "a"}
    cloud.call("UpdateContainerGroup", ContainerGroupId=group.id, Cpu=4, Memory=8, **changed)
    assert group.status == "Updating"
    cloud.pass_time(10)
    assert (group.status, group.containers[0].image) == ("Running", "nginx:2")
    assert group.tags == {"team": "a"}
    assert [(s.cpu, meter.segment_seconds(s, cloud.clock())) for s in group.segments] == [
        (2.0, 20),
        (4.0, 10),
    ]


def test_a_group_that_is_not_alive_cannot_be_restarted():
    cloud = account()
    group = cloud.run("true", RestartPolicy="Never")
    cloud.pass_time(1)
    with pytest.raises(ApiFault) as refusal:
        cloud.call("RestartContainerGroup", ContainerGroupId=group.id)
    assert refusal.value.code == "IncorrectStatus"


def test_speed_shortens_durations_but_not_the_clock():
    cloud = account()
    cloud.cloud.lifecycle._speed = 10.0
    group = cloud.run("sleep", "100", RestartPolicy="Never")
    cloud.pass_time(10.5)
    assert group.status == "Succeeded"
    assert meter.billed_seconds(group, cloud.clock()) == 10
