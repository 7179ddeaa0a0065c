import random

from sandbox.clouds.eci import meter
from sandbox.clouds.eci.cloud import EciCloud
from sandbox.clouds.groups.store import Store

from .conftest import account


def reopened(before, path):
    """Open the state of an account again, as after kill -9: nothing was closed."""
    cloud = EciCloud(Store(path), now=before.clock, rng=random.Random(1), region="cn-hangzhou")
    return type(before)(cloud, before.clock)


def test_a_killed_account_comes_back_with_all_it_confirmed_and_catches_up(tmp_path):
    path = tmp_path / "eci.sqlite3"
    before = account(Store(path))
    before.cloud.save_settings()
    running = before.create(ClientToken="t", Tag__1__Key="uid", Tag__1__Value="1", Cpu=2, Memory=4)
    job = before.run("sleep", "50", RestartPolicy="Never")
    before.pass_time(10)
    deleted = before.create("redis")
    before.call("DeleteContainerGroup", ContainerGroupId=deleted.id)
    before.cloud.store.commit()
    after = reopened(before, path)
    after.pass_time(100)
    again = after.cloud.groups[running.id]
    assert (again.status, again.ip, again.tags) == ("Running", running.ip, {"uid": "1"})
    assert meter.billed_seconds(again, after.clock()) == 110
    ended = after.cloud.groups[job.id]
    assert ended.status == "Succeeded"
    assert meter.billed_seconds(ended, after.clock()) == 50
    assert deleted.id not in after.cloud.groups
    assert len(list(after.cloud.store.groups())) == 3
    assert [k.access_key_secret for k in after.cloud.keys.values()] == [
        k.access_key_secret for k in before.cloud.keys.values()
    ]
    assert after.cloud.used_cpu == 2
    same = after.create(ClientToken="t", Tag__1__Key="uid", Tag__1__Value="1", Cpu=2, Memory=4)
    assert same.id == running.id
    assert after.create("redis").ip != running.ip


def test_reset_forgets_instances_calls_and_knobs_but_not_the_keys(tmp_path):
    world = account(Store(tmp_path / "eci.sqlite3"), quota_cpu=50)
    world.create()
    keys = list(world.cloud.keys)
    world.cloud.reset()
    assert not world.cloud.groups
    assert list(world.cloud.store.groups()) == []
    assert (world.cloud.knobs.quota_cpu, world.cloud.used_cpu) == (1000, 0)
    assert list(world.cloud.keys) == keys
    assert world.create().seq > 1
