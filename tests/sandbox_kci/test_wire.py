"""Every action through the unmodified official SDK, on the wire."""

import asyncio
import json
import uuid

import aiohttp
import pytest
from ksyun.client.iam.v20151101 import client as iam_client
from ksyun.client.iam.v20151101 import models as iam
from ksyun.client.kce.v20190806 import client as kce_client
from ksyun.client.kce.v20190806 import models as kce
from ksyun.client.kce.v20231115 import client as clusters_client
from ksyun.client.kce.v20231115 import models as clusters
from ksyun.client.kci.v20200702 import models as kci
from ksyun.client.sts.v20151101 import client as sts_client
from ksyun.client.sts.v20151101 import models as sts
from ksyun.client.vpc.v20160304 import client as vpc_client
from ksyun.client.vpc.v20160304 import models as vpc
from ksyun.common.exception.ksyun_sdk_exception import KsyunSDKException
from ksyun.common.profile.client_profile import ClientProfile
from ksyun.common.profile.http_profile import HttpProfile

from sandbox.clouds.kci.actions import ACTIONS
from sandbox.clouds.kci.cloud import Cluster

CLUSTER_LABELS = [
    {"Key": "cluster-id", "Value": "c-1"},
    {"Key": "namespace", "Value": "default"},
    {"Key": "pod-name", "Value": "web-1"},
]
CLUSTER = {
    "KubeConfig": "apiVersion: v1",
    "ClusterDns": "10.254.0.10",
    "ClusterDomain": "cluster.local",
    "Container": None,
    "ContainerSpec": [{"RequestCpu": 1, "LimitCpu": 2, "LimitMem": 3}],
    "Label": CLUSTER_LABELS,
}


def refusal_of(error):
    """Return (code, message) of a refusal; the SDK hands over the answer as its message."""
    answer = json.loads(error.value.message)
    assert answer["RequestId"]
    return answer["Error"]["Code"], answer["Error"]["Message"]


async def create(wire, name="demo", **params):
    wanted = wire.wanted(name, **params)
    return (await wire.call(kci.CreateContainerGroupRequest, wanted))["ContainerGroupId"]


async def listed(wire, **params):
    return await wire.call(kci.DescribeContainerGroupRequest, params)


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_full_request_survives_the_wire_and_is_shown_again_in_the_plural(wire, method):
    container = {
        "Name": "main",
        "Image": "registry/app:1",
        "Cpu": 1.5,
        "Memory": 3,
        "Command": ["sh", "-c"],
        "Arg": ["echo 'a b' && sleep 1000"],
        "Port": [{"Port": 80, "Protocol": "TCP"}],
        "EnvironmentVar": [
            {"Key": "MODE", "Value": "a=b&c d"},
            {"Key": "IP", "ValueFrom": {"FieldRef": {"FieldPath": "status.podIP"}}},
        ],
        "VolumeMount": [{"Name": "files", "MountPath": "/etc/app", "ReadOnly": True}],
        "ReadinessProbe": {
            "HttpGet": {"Path": "/healthz", "Port": 80, "Scheme": "HTTP"},
            "PeriodSeconds": 5,
        },
    }
    files = {"ConfigFileToPath": [{"Path": "app.conf", "Content": "eA==", "mode": 420}]}
    wanted = wire.wanted(
        "full",
        Container=[container],
        Volume=[{"Name": "files", "Type": "ConfigFileVolume", "ConfigFileVolume": files}],
        RestartPolicy="OnFailure",
        Label=[{"Key": "pod-name", "Value": "web-1"}],
        DnsConfig={"NameServer": ["10.0.0.2"], "Search": ["a.b"]},
        HostAliase=[{"Ip": "10.0.0.9", "Hostname": ["db"]}],
        EipAllocationId="eip-1",
        RetainIp=False,
    )
    created = await wire.call(kci.CreateContainerGroupRequest, wanted, method=method)
    assert set(created) == {"RequestId", "ContainerGroupId"}
    answer = await wire.call(kci.DescribeContainerGroupRequest, method=method)
    assert (answer["TotalCount"], answer["Marker"]) == (1, 0)
    (shown,) = answer["ContainerGroups"]
    assert shown["ContainerGroupId"] == created["ContainerGroupId"]
    assert (shown["Cpu"], shown["Memory"], shown["InstanceType"]) == (2, 4, "N3.2B")
    assert (shown["Status"], shown["KciMode"]) == ("Running", "STANDALONE")
    (port,) = shown["NetworkInterfaceAttributes"]
    assert port["PrivateIpAddress"].startswith("10.0.")
    assert port["PublicIp"]
    (main,) = shown["Containers"]
    assert (main["Commands"], main["Args"]) == (["sh", "-c"], ["echo 'a b' && sleep 1000"])
    assert main["EnvironmentVars"][0] == {"Key": "MODE", "Value": "a=b&c d"}
    assert main["EnvironmentVars"][1]["ValueFrom"]["FieldRef"]["FieldPath"] == "status.podIP"
    assert main["Ports"] == [{"Port": 80, "Protocol": "TCP"}]
    assert main["VolumeMounts"][0]["ReadOnly"] is True
    assert main["ReadinessProbe"]["HttpGet"]["Path"] == "/healthz"
    assert (main["CurrentState"]["State"], main["RestartCount"]) == ("Running", 0)
    assert shown["Volumes"][0]["ConfigFileVolume"] == {"ConfigFileToPaths": [{"Path": "app.conf"}]}
    assert shown["Labels"] == [{"Key": "pod-name", "Value": "web-1"}]
    assert shown["DnsConfig"] == {"NameServers": ["10.0.0.2"], "Searches": ["a.b"]}
    assert shown["HostAliases"] == [{"Ip": "10.0.0.9", "Hostnames": ["db"]}]


async def test_a_group_of_a_cluster_tells_no_containers_and_keeps_its_kubeconfig_secret(wire):
    group_id = await create(wire, **CLUSTER)
    (shown,) = (await listed(wire))["ContainerGroups"]
    assert (shown["KciMode"], shown["Status"]) == ("Cluster", "Running")
    assert (shown["Cpu"], shown["Memory"]) == (2, 4)
    assert "Containers" not in shown
    assert {label["Key"] for label in shown["Labels"]} >= {"cluster-id", "pod-name"}
    counted = {"Label": {"Key": "cluster-id", "Value": ["c-1", "c-2"]}}
    counts = await wire.call(kci.DescribeContainerGroupCountRequest, counted)
    assert counts["ClusterPodCounts"] == [
        {"ClusterId": "c-1", "Count": 1},
        {"ClusterId": "c-2", "Count": 0},
    ]
    wanted = {"ContainerGroupId": group_id, "ContainerName": "main"}
    with pytest.raises(KsyunSDKException) as refusal:
        await wire.call(kci.DescribeContainerLogRequest, wanted)
    assert refusal_of(refusal)[0] == "ContainerNotFound"
    line = wire.cloud.store.calls(0, "CreateContainerGroup", 1)[0]
    assert line.parameters["KubeConfig"] == "***"
    assert line.container_group_id == group_id


async def test_the_same_create_twice_makes_two_groups(wire):
    assert await create(wire) != await create(wire)
    assert (await listed(wire))["TotalCount"] == 2


async def test_a_page_holds_at_most_the_limit_and_the_marker_leads_through_all(wire):
    made = [await create(wire, f"g-{i}") for i in range(5)]
    seen, marker, pages = [], 0, 0
    while pages == 0 or marker:
        page = await listed(wire, MaxResults=2, Marker=marker)
        seen += [group["ContainerGroupId"] for group in page["ContainerGroups"]]
        marker, pages = page["Marker"], pages + 1
        assert page["TotalCount"] == 5
    assert (pages, seen) == (3, made)


async def test_lists_are_filtered_by_ids_project_search_and_filters(wire):
    a, e = wire.cloud.network.subnets
    first = await create(wire, "web-one", ProjectId=101)
    second = await create(wire, "web-two", SubnetId=e, Memory=4.0, Cpu=2.0)

    async def ids(**params):
        page = await listed(wire, **params)
        return [group["ContainerGroupId"] for group in page["ContainerGroups"]]

    async def filtered(name, *values):
        return await ids(Filter=[{"Name": name, "Value": list(values)}])

    assert await ids(ContainerGroupId=[second, str(uuid.uuid4())]) == [second]
    assert await ids(ProjectId=[101]) == [first]
    assert await ids(Search="one") == [first]
    assert await ids(Search=wire.cloud.groups[second].ip) == [second]
    assert await filtered("subnet-id", a) == [first]
    assert await filtered("availability-zone.name", "cn-beijing-6e") == [second]
    assert await filtered("status", "Running", "Failed") == [first, second]
    assert await filtered("vpc-id", "other") == []
    with pytest.raises(KsyunSDKException) as refusal:
        await filtered("label", "x")
    assert refusal_of(refusal)[0] == "InvalidParameterValue"
    wire.key().projects = [101]
    assert await ids() == [first]


async def test_log_events_and_delete(wire):
    group = {"ContainerGroupId": await create(wire)}
    wire.clock.shift += 25
    wanted = {**group, "ContainerName": "main", "Tail": 2}
    content = (await wire.call(kci.DescribeContainerLogRequest, wanted))["Content"]
    assert content.count("\n") == 2
    assert "kube-probe" in content
    told = (await wire.call(kci.DescribeContainerGroupEventsRequest, group))["Events"]
    assert {"Pulled", "Started"} <= {event["Reason"] for event in told}
    with pytest.raises(KsyunSDKException) as refusal:
        await wire.call(kci.DescribeContainerLogRequest, {**wanted, "Tail": 2001})
    assert refusal_of(refusal)[0] == "InvalidParameterValue"
    assert set(await wire.call(kci.DeleteContainerGroupRequest, group)) == {"RequestId"}
    assert (await listed(wire))["TotalCount"] == 0
    with pytest.raises(KsyunSDKException) as refusal:
        await wire.call(kci.DeleteContainerGroupRequest, group)
    assert refusal_of(refusal)[0] == "ContainerGroupNotFound"


async def test_a_command_opens_a_session_once_within_30_seconds(wire):
    wanted = {
        "ContainerGroupId": await create(wire),
        "ContainerName": "main",
        "Command": ["/bin/sh"],
        "TTY": True,
    }
    uri = (await wire.call(kci.ExecContainerCommandRequest, wanted))["WebSocketUri"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(uri) as socket:
            await socket.send_bytes(b"\x00echo hi $HOSTNAME\rexit 4\r")
            frames = [message.data async for message in socket]
        assert b"hi demo" in b"".join(frame[1:] for frame in frames if frame[0] == 1)
        assert json.loads(frames[-1][1:])["details"]["causes"][0]["message"] == "4"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(uri)
        late = (await wire.call(kci.ExecContainerCommandRequest, wanted))["WebSocketUri"]
        wire.clock.shift += 31
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(late)


async def test_regions_and_packages_say_what_is_sold_where(wire):
    regions = (await wire.call(kci.DescribeRegionsRequest))["Regions"]
    assert regions[0]["AvailabilityZones"] == ["cn-beijing-6a", "cn-beijing-6e"]

    async def sold(charge):
        wanted = {"ChargeType": charge, "AvailabilityZone": "cn-beijing-6a", "KciType": "RBKCI"}
        rows = (await wire.call(kci.DescribeKciPackagesRequest, wanted))["Packages"]
        return {row["Cpu"]: row["Mem"] for row in rows}

    hourly = await sold("HourlyInstantSettlement")
    assert hourly[2.0] == [2.0, 4.0, 8.0, 16.0]
    assert 1.0 not in await sold("Spot")


async def test_an_image_cache_is_made_used_changed_and_deleted(wire):
    wire.cloud.knobs = wire.cloud.knobs.updated({"cache_seconds": 30, "pull_seconds": 1000})
    network = wire.cloud.network
    wanted = {
        "ImageCacheName": "base",
        "SubnetId": next(iter(network.subnets)),
        "SecurityGroupId": network.default_security_group.id,
        "Image": ["nginx:1.27", "redis:7"],
        "RetentionDays": 1,
    }
    made = (await wire.call(kci.CreateImageCacheRequest, wanted))["ImageCacheId"]

    async def shown(**params):
        return (await wire.call(kci.DescribeImageCacheRequest, params))["ImageCaches"]

    statuses = []
    for _ in range(4):
        statuses.append((await shown(ImageCacheId=[made]))[0]["Status"])
        wire.clock.shift += 11
    assert statuses == ["Preparing", "Creating", "SnapshotCreating", "Ready"]
    found = await wire.call(kci.MatchImageCacheRequest, {"Image": ["redis:7"]})
    assert found["ImageCaches"] == [{"ImageCacheId": made, "ImageCacheName": "base"}]
    await create(wire, "cold")
    await create(wire, "warm", ImageCacheId=made)
    await create(wire, "matched", AutoMatchImageCache=True)
    groups = (await listed(wire))["ContainerGroups"]
    assert [group["Status"] for group in groups] == ["ImagePulling", "Running", "Running"]
    assert (await shown(Image="redis"))[0]["LastUsedTime"]
    changed = {"ImageCacheId": made, "Image": ["nginx:does-not-exist"]}
    await wire.call(kci.UpdateImageCacheRequest, changed)
    assert (await shown())[0]["Status"] == "Updating"
    wire.clock.shift += 31
    (failed,) = await shown()
    assert (failed["Status"], "not found" in failed["Reason"]) == ("Failed", True)
    events = await wire.call(kci.DescribeImageCacheEventRequest, {"ImageCacheId": made})
    assert events["Events"][-1]["Reason"] == "Failed"
    await wire.call(kci.DeleteImageCacheRequest, {"ImageCacheId": made})
    assert await shown() == []


async def test_the_network_answers_on_the_same_address(wire):
    await create(wire)
    how = {"maker": vpc_client.VpcClient}
    (shown,) = (await wire.call(vpc.DescribeVpcsRequest, **how))["VpcSet"]
    only = {"Filter": [{"Name": "availability-zone-name", "Value": ["cn-beijing-6a"]}]}
    (subnet,) = (await wire.call(vpc.DescribeSubnetsRequest, only, **how))["SubnetSet"]
    assert (subnet["VpcId"], subnet["AvailbleIPNumber"]) == (shown["VpcId"], "4092")
    page = await wire.call(vpc.DescribeSubnetsRequest, {"MaxResults": 1}, **how)
    rest = {"MaxResults": 1, "NextToken": page["NextToken"]}
    (last,) = (await wire.call(vpc.DescribeSubnetsRequest, rest, **how))["SubnetSet"]
    assert last["AvailabilityZoneName"] == "cn-beijing-6e"
    groups = (await wire.call(vpc.DescribeSecurityGroupsRequest, **how))["SecurityGroupSet"]
    assert groups[0]["SecurityGroupId"] == wire.cloud.network.default_security_group.id
    zones = await wire.call(vpc.DescribeAvailabilityZonesRequest, **how)
    assert len(zones["AvailabilityZoneInfo"]) == 2


async def test_keys_are_listed_made_disabled_and_deleted(wire):
    how = {"maker": iam_client.IamClient}

    async def status():
        answer = await wire.call(iam.ListAccessKeysRequest, **how)
        members = answer["ListAccessKeyResult"]["AccessKeyMetadata"]["Member"]
        return {member["AccessKeyId"]: member["Status"] for member in members}

    first = wire.key().access_key_id
    made = await wire.call(iam.CreateAccessKeyRequest, {"UserName": "spillway"}, **how)
    second = made["CreateAccessKeyResult"]["AccessKey"]
    assert await status() == {first: "Active", second["AccessKeyId"]: "Active"}
    key = wire.cloud.keys.by_id[second["AccessKeyId"]]
    assert (await wire.call(kci.DescribeContainerGroupRequest, key=key))["TotalCount"] == 0
    one = {"UserName": "spillway", "AccessKeyId": key.access_key_id}
    await wire.call(iam.UpdateAccessKeyRequest, {**one, "Status": "Inactive"}, **how)
    assert (await status())[key.access_key_id] == "Inactive"
    with pytest.raises(KsyunSDKException) as refusal:
        await wire.call(kci.DescribeContainerGroupRequest, key=key)
    assert refusal_of(refusal)[0] == "InvalidClientTokenId"
    await wire.call(iam.DeleteAccessKeyRequest, one, **how)
    assert await status() == {first: "Active"}
    used = (await wire.call(iam.ListAllUserAccessKeysRequest, **how))["AccessKeyList"]
    assert used[0]["AkLastUsedTime"]
    projects = await wire.call(iam.GetAccountAllProjectsByParamsRequest, {"Ps": 1, "Pn": 1}, **how)
    assert projects["ListProjectResult"]["Total"] == 2


async def test_a_role_gives_a_temporary_key_that_lists_do_not_show(wire):
    krn = f"krn:ksc:iam::{wire.cloud.account_id}:role/spillway"
    wanted = {"RoleKrn": krn, "RoleSessionName": "s", "DurationSeconds": "900"}
    how = {"maker": sts_client.StsClient}
    answer = (await wire.call(sts.AssumeRoleRequest, wanted, **how))["AssumeRoleResult"]
    given = answer["Credentials"]
    assert wire.cloud.keys.by_id[given["AccessKeyId"]].token == given["SecurityToken"]
    assert answer["AssumedRoleUser"]["Krn"].endswith("assumed-role/spillway/s")
    keys = await wire.call(iam.ListAccessKeysRequest, maker=iam_client.IamClient)
    assert len(keys["ListAccessKeyResult"]["AccessKeyMetadata"]["Member"]) == 1
    with pytest.raises(KsyunSDKException) as refusal:
        await wire.call(sts.AssumeRoleRequest, {**wanted, "DurationSeconds": "899"}, **how)
    assert refusal_of(refusal)[0] == "InvalidParameterValue"


async def test_a_cluster_is_found_and_its_kubeconfig_downloaded(wire):
    cluster_id = str(uuid.uuid4())
    wire.cloud.clusters = [Cluster(cluster_id, "kce-beijing", "v1.36.1", "apiVersion: v1")]
    found = await wire.call(
        clusters.DescribeClusterRequest, {"Search": "beijing"}, maker=clusters_client.KceClient
    )
    (shown,) = found["ClusterSet"]
    assert (shown["ClusterId"], shown["Status"]) == (cluster_id, "running")
    how = {"maker": kce_client.KceClient}
    asked = {"ClusterId": cluster_id}
    config = await wire.call(kce.DownloadClusterConfigRequest, asked, **how)
    assert (config["Expose"], config["ClusterConfig"]) == (True, "apiVersion: v1")
    for wrong, code in (("", "Required"), ("x", "Invalid"), (str(uuid.uuid4()), "NotFound")):
        with pytest.raises(KsyunSDKException) as refusal:
            await wire.call(kce.DownloadClusterConfigRequest, {"ClusterId": wrong}, **how)
        assert refusal_of(refusal)[0].endswith(code)


@pytest.mark.parametrize(
    ("service", "models"),
    [("kci", kci), ("iam", iam), ("sts", sts), ("kce", kce), ("kce", clusters), ("vpc", vpc)],
)
def test_every_parameter_of_the_sdk_is_read_under_its_name(service, models):
    served = {
        name: action.model for (where, _, name), action in ACTIONS.items() if where == service
    }
    known = {name: model for name in served if (model := getattr(models, f"{name}Request", None))}
    assert known
    unread = {"Action", "ProvidedIpv6CidrBlock"}
    for name, model in known.items():
        assert set(vars(model())) - unread <= set(served[name].__struct_encode_fields__), name


def test_all_fifteen_kci_actions_of_the_sdk_are_served():
    names = {name.removesuffix("Request") for name in vars(kci) if name.endswith("Request")}
    served = {name for service, _, name in ACTIONS if service == "kci"}
    assert served == names
    assert len(served) == 15


async def test_an_endpoint_with_its_scheme_in_the_host_header_works_as_well(wire):
    client = wire.client()
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=wire.gateway.url))
    client = type(client)(client.credential, client.region, profile=profile)
    answer = await asyncio.to_thread(client.DescribeRegions, kci.DescribeRegionsRequest())
    assert json.loads(answer)["Regions"]
