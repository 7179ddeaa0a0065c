"""CS with the official client: add-ons, tasks, what goes wrong."""

import asyncio
import json

import pytest
from alibabacloud_cs20151215 import models as cs
from alibabacloud_cs20151215.client import Client as CsClient
from alibabacloud_ram20150501 import models as ram
from alibabacloud_ram20150501.client import Client as RamClient
from darabonba.exceptions import DaraException

from sandbox.clouds.groups.faults import Fault
from sandbox.world import Settings, World

from .conftest import House

VIRTUAL_NODE = "ack-virtual-node"


async def refusal(awaitable):
    with pytest.raises(DaraException) as caught:
        await awaitable
    return caught.value.code


async def install(house, cluster, name=VIRTUAL_NODE, version="v2.13.0", config=None):
    wanted = cs.InstallClusterAddonsRequestBody(name=name, version=version, config=config)
    request = cs.InstallClusterAddonsRequest(body=[wanted])
    return (await house.cs().install_cluster_addons_async(house.id(cluster), request)).body.task_id


async def ended(house, task_id):
    while True:
        task = (await house.cs().describe_task_info_async(task_id)).body
        if task.state not in {"running", "paused"}:
            return task
        await asyncio.sleep(0.05)


async def tasks(house, cluster):
    asked = cs.DescribeClusterTasksRequest()
    found = await house.cs().describe_cluster_tasks_async(house.id(cluster), asked)
    return found.body.tasks


async def modify(house, config, cluster="ack-hangzhou"):
    request = cs.ModifyClusterAddonRequest(config=json.dumps(config))
    client = house.cs()
    before = await tasks(house, cluster)
    answer = await client.modify_cluster_addon_async(house.id(cluster), "kube-apiserver", request)
    assert not hasattr(answer, "body")
    while len(found := await tasks(house, cluster)) == len(before):
        await asyncio.sleep(0.02)
    return found[0]


async def test_what_is_on_offer_depends_on_the_kind_of_cluster(house):
    client = house.cs()
    for name, unlike in (("ack-hangzhou", "ack-co-scheduler"), ("idc-zhangjiakou", "coredns")):
        request = cs.ListAddonsRequest(cluster_id=house.id(name))
        offered = (await client.list_addons_async(request)).body.addons
        names = {addon.name for addon in offered}
        assert VIRTUAL_NODE in names
        assert unlike not in names
    request = cs.DescribeAddonRequest(cluster_id=house.id("ack-hangzhou"), version="v2.10.4")
    body = (await client.describe_addon_async(VIRTUAL_NODE, request)).body
    assert [newer.version for newer in body.newer_versions] == ["v2.10.5", "v2.13.0"]
    request = cs.DescribeAddonRequest(cluster_id=house.id("ack-hangzhou"))
    schema = (await client.describe_addon_async("kube-apiserver", request)).body.config_schema
    assert "featureGates" in json.loads(schema)["properties"]


async def test_clusters_are_found_with_their_state_and_kubeconfig(house):
    client = house.cs()
    request = cs.DescribeClustersV1Request(name="idc")
    (found,) = (await client.describe_clusters_v1_async(request)).body.clusters
    assert (found.cluster_id, found.cluster_type, found.state) == (
        house.id("idc-zhangjiakou"),
        "ExternalKubernetes",
        "running",
    )
    detail = (await client.describe_cluster_detail_async(found.cluster_id)).body
    assert detail.region_id == "cn-zhangjiakou"
    request = cs.DescribeClusterUserKubeconfigRequest(temporary_duration_minutes=15)
    shown = await client.describe_cluster_user_kubeconfig_async(found.cluster_id, request)
    assert house.cluster("idc-zhangjiakou").url in shown.body.config
    agent = await client.describe_external_agent_async(
        found.cluster_id, cs.DescribeExternalAgentRequest(agent_mode="restricted")
    )
    assert "ack-cluster-agent" in agent.body.config
    assert await refusal(client.describe_cluster_detail_async("c0")) == "ErrorClusterNotFound"


async def test_an_installed_add_on_is_listed_configured_and_removed(house):
    task = await ended(house, await install(house, "ack-hangzhou"))
    assert (task.state, [stage.state for stage in task.stages]) == ("success", ["success"] * 3)
    at = int(task.events[0].timestamp) / 1000
    assert abs(at - house.world.aliyun.cloud.now()) < 60
    client, cluster = house.cs(), house.id("ack-hangzhou")
    shown = (await client.get_cluster_addon_instance_async(cluster, VIRTUAL_NODE)).body
    assert (shown.version, shown.state) == ("v2.13.0", "active")
    again = install(house, "ack-hangzhou")
    assert await refusal(again) == "AddonAlreadyInstalled"
    objects = await client.list_cluster_addon_instance_resources_async(cluster, VIRTUAL_NODE)
    assert [o.name for o in objects.body.kubernetes_objects] == ["eci-profile"]
    request = cs.UnInstallClusterAddonsRequest(
        addons=[cs.UnInstallClusterAddonsRequestAddons(name=VIRTUAL_NODE)]
    )
    removed = (await client.un_install_cluster_addons_async(cluster, request)).body.task_id
    assert (await ended(house, removed)).state == "success"
    listed = (await client.list_cluster_addon_instances_async(cluster)).body.addons
    assert VIRTUAL_NODE not in {addon.name for addon in listed}


async def test_feature_gates_are_kept_and_replace_earlier_values(house):
    first = await modify(house, {"requestTimeout": "90s"})
    assert first.task_type == "cluster_addon_modify"
    await ended(house, first.task_id)
    gates = {"featureGates": "ACSPodResourcesMutation=true"}
    await ended(house, (await modify(house, gates)).task_id)
    client, cluster = house.cs(), house.id("ack-hangzhou")
    shown = (await client.get_cluster_addon_instance_async(cluster, "kube-apiserver")).body
    assert json.loads(shown.config) == gates
    assert await refusal(modify(house, {"featureGate": "x"})) == "InvalidParameter"


async def test_without_acs_the_version_that_needs_it_is_refused(house):
    house.world.aliyun.cloud.turn({"acs_activated": False})
    assert await refusal(install(house, "ack-hangzhou")) == "ServiceNotEnabled"
    older = await ended(house, await install(house, "ack-hangzhou", version="v2.10.5"))
    assert older.state == "success"


async def test_a_planted_fault_fails_the_task_in_its_stage_and_a_second_try_works(house):
    fault = Fault(action="task.apply", code="AddonOperationFailed.FailedCallingWebhook")
    house.world.aliyun.cloud.cs.faults.plant(fault)
    task = await ended(house, await install(house, "ack-hangzhou"))
    assert (task.state, task.error.code) == ("fail", fault.code)
    assert [stage.state for stage in task.stages] == ["success", "fail", "waiting"]
    assert (await ended(house, await install(house, "ack-hangzhou"))).state == "success"


async def test_an_upgrade_is_paused_resumed_and_conflicts_with_another_change(house):
    await ended(house, await install(house, "ack-hangzhou", version="v2.10.4"))
    client, cluster = house.cs(), house.id("ack-hangzhou")
    house.world.aliyun.cloud.turn({"stage_seconds": 3.0})
    wanted = cs.UpgradeClusterAddonsRequestBody(
        component_name=VIRTUAL_NODE, version="v2.10.4", next_version="v2.13.0"
    )
    request = cs.UpgradeClusterAddonsRequest(body=[wanted])
    task_id = (await client.upgrade_cluster_addons_async(cluster, request)).body.task_id
    conflict = client.upgrade_cluster_addons_async(cluster, request)
    assert await refusal(conflict) == "AddonOperationConflict"
    await client.pause_component_upgrade_async(cluster, VIRTUAL_NODE)
    assert (await client.describe_task_info_async(task_id)).body.state == "paused"
    await client.resume_component_upgrade_async(cluster, VIRTUAL_NODE)
    assert (await ended(house, task_id)).state == "success"
    request = cs.DescribeClusterAddonsUpgradeStatusRequest(component_ids=[VIRTUAL_NODE])
    status = await client.describe_cluster_addons_upgrade_status_async(cluster, request)
    info = status.body[VIRTUAL_NODE]
    assert (info["addon_info"]["version"], info["can_upgrade"]) == ("v2.13.0", False)


async def test_a_lost_answer_leaves_a_task_that_can_be_found(house):
    fault = Fault(action="InstallClusterAddons", lost_answer=True)
    house.world.aliyun.cloud.cs.faults.plant(fault)
    with pytest.raises(Exception, match=r"(?i)disconnect|connection|reset"):
        await install(house, "ack-hangzhou")
    tasks = await house.cs().describe_cluster_tasks_async(
        house.id("ack-hangzhou"), cs.DescribeClusterTasksRequest()
    )
    assert [task.task_type for task in tasks.body.tasks] == ["cluster_addon_install"]


async def test_throttling_and_errors_are_planted_by_action(house):
    faults = house.world.aliyun.cloud.cs.faults
    faults.plant(Fault(action="ListAddons", code="Throttling.User", retry_after_ms=1500))
    faults.plant(Fault(action="ListAddons", code="ServiceUnavailable"))
    asked = cs.ListAddonsRequest(cluster_id=house.id("ack-hangzhou"))
    with pytest.raises(DaraException) as throttled:
        await house.cs().list_addons_async(asked)
    assert (throttled.value.code, throttled.value.retry_after) == ("Throttling.User", 1500)
    assert await refusal(house.cs().list_addons_async(asked)) == "ServiceUnavailable"
    assert (await house.cs().list_addons_async(asked)).body.addons


async def test_ack_co_scheduler_runs_in_a_registered_cluster(house):
    task = await install(house, "idc-zhangjiakou", "ack-co-scheduler", "v1.1.0")
    assert (await ended(house, task)).state == "success"
    client = house.cluster("idc-zhangjiakou").client
    assert client.look("deployments.apps", "ack-co-scheduler", "kube-system")
    policies = "resourcepolicies.scheduling.alibabacloud.com"
    assert client.look("customresourcedefinitions.apiextensions.k8s.io", policies)
    wrong = install(house, "ack-hangzhou", "ack-co-scheduler", "v1.1.0")
    assert await refusal(wrong) == "AddonNotFound"


async def test_only_who_may_may(house):
    client = house.cs(house.pair("no permission"))
    listing = client.list_addons_async(cs.ListAddonsRequest(cluster_id=house.id("ack-hangzhou")))
    assert await refusal(listing) == "StatusForbidden"


async def test_the_address_of_eci_answers_for_cs_and_ram_too(house):
    client = CsClient(house.config(cloud="eci"))
    listed = await client.describe_clusters_v1_async(cs.DescribeClustersV1Request())
    assert len(listed.body.clusters) == 2
    users = await RamClient(house.config(cloud="eci")).list_users_async(ram.ListUsersRequest())
    assert {user.user_name for user in users.body.users.user} == {"full-access", "no-permission"}


async def test_a_cancelled_upgrade_leaves_the_version_and_frees_the_add_on(house):
    await ended(house, await install(house, "ack-hangzhou", version="v2.10.4"))
    client, cluster = house.cs(), house.id("ack-hangzhou")
    house.world.aliyun.cloud.turn({"stage_seconds": 30.0})
    wanted = cs.UpgradeClusterAddonsRequestBody(component_name=VIRTUAL_NODE, next_version="v2.13.0")
    request = cs.UpgradeClusterAddonsRequest(body=[wanted])
    task_id = (await client.upgrade_cluster_addons_async(cluster, request)).body.task_id
    await client.cancel_component_upgrade_async(cluster, VIRTUAL_NODE)
    assert (await client.describe_task_info_async(task_id)).body.state == "canceled"
    shown = (await client.get_cluster_addon_instance_async(cluster, VIRTUAL_NODE)).body
    assert (shown.version, shown.state) == ("v2.10.4", "active")
    house.world.aliyun.cloud.turn({"stage_seconds": 0.0})
    again = (await client.upgrade_cluster_addons_async(cluster, request)).body.task_id
    assert (await ended(house, again)).state == "success"


async def test_a_task_that_a_restart_of_the_world_interrupted_goes_on(tmp_path):
    settings = Settings(tmp_path, base_port=None, clusters=("ack-hangzhou",), speed=10.0)
    world = World(settings)
    await world.start()
    world.aliyun.cloud.turn({"stage_seconds": 30.0})
    task_id = await install(House(world), "ack-hangzhou")
    await world.stop()
    again = World(settings)
    again.aliyun.cloud.turn({"stage_seconds": 0.0})
    await again.start()
    try:
        assert (await ended(House(again), task_id)).state == "success"
    finally:
        await again.stop()
