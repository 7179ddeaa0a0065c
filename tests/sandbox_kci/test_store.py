import json
import random

from sandbox.clouds.groups import meter
from sandbox.clouds.groups.store import Store
from sandbox.clouds.kci import view
from sandbox.clouds.kci.account import KciAccount
from sandbox.clouds.kci.cloud import KciCloud

from .conftest import account


def reopened(before, path):
    """Open the state of an account again, as after kill -9: nothing was closed."""
    cloud = KciCloud(Store(path), now=before.clock, rng=random.Random(1))
    return type(before)(cloud, before.clock)


def test_a_killed_account_comes_back_with_all_it_confirmed_and_catches_up(tmp_path):
    path = tmp_path / "kci.sqlite3"
    before = account(Store(path))
    temporary = before.cloud.issue_temporary(3600)
    running = before.create(Cpu=2, Memory=4)
    job = before.run("sleep", "50", RestartPolicy="Never")
    kept = before.create(ContainerGroupName="kept", RetainIp=True)
    before.call("DeleteContainerGroup", ContainerGroupId=kept.id)
    before.pass_time(10)
    before.cloud.store.commit()
    after = reopened(before, path)
    after.pass_time(100)
    again = after.cloud.groups[running.id]
    assert (view.status(again), again.ip) == ("Running", running.ip)
    assert meter.billed_seconds(again, after.clock()) == 110
    assert view.status(after.cloud.groups[job.id]) == "Succeeded"
    assert kept.id not in after.cloud.groups
    assert after.create(ContainerGroupName="kept").ip == kept.ip
    assert after.cloud.keys.by_id == before.cloud.keys.by_id
    assert after.cloud.keys.by_id[temporary.access_key_id].token == temporary.token
    assert after.cloud.used_cpu == 4


def test_a_reset_forgets_instances_and_settings_but_no_key():
    cloud = account()
    cloud.create()
    key = cloud.cloud.keys.lasting()[0]
    key.disabled = True
    cloud.cloud.reset()
    assert (cloud.cloud.groups, cloud.cloud.used_cpu, key.disabled) == ({}, 0, False)
    assert list(cloud.cloud.store.groups()) == []
    assert all(not subnet.taken for subnet in cloud.cloud.network.subnets.values())


def test_temporary_keys_are_forgotten_a_day_after_their_end():
    cloud = account()
    first = cloud.cloud.issue_temporary(900)
    cloud.pass_time(900 + 86401)
    second = cloud.cloud.issue_temporary(900)
    assert first.access_key_id not in cloud.cloud.keys.by_id
    assert second.access_key_id in cloud.cloud.keys.by_id


async def test_the_account_describes_itself_to_the_world(tmp_path):
    cloud = KciAccount(tmp_path, now=lambda: 1_800_000_000.0, rng=random.Random(5))
    await cloud.start("127.0.0.1", 0)
    told = cloud.describe()
    await cloud.stop()
    assert json.loads(json.dumps(told)) == told
    assert told["region"] == "cn-beijing-6"
    assert [subnet["zone"] for subnet in told["subnets"]] == ["cn-beijing-6a", "cn-beijing-6e"]
    assert {key["note"] for key in told["keys"]} == {"full access", "no permission"}
