"""Every action through the unmodified official SDK, on the wire."""

import json

import pytest
from ksyun.client.kci.v20200702 import models as kci
from ksyun.common.exception.ksyun_sdk_exception import KsyunSDKException


def refusal_of(error):
    """Return (code, message) of a refusal; the SDK hands over the answer as its message."""
    answer = json.loads(error.value.message)
    assert answer["RequestId"]
    return answer["Error"]["Code"], answer["Error"]["Message"]


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


async def test_the_same_create_twice_makes_two_groups(wire):
    first = await wire.call(kci.CreateContainerGroupRequest, wire.wanted())
    second = await wire.call(kci.CreateContainerGroupRequest, wire.wanted())
    assert first["ContainerGroupId"] != second["ContainerGroupId"]
    assert (await wire.call(kci.DescribeContainerGroupRequest))["TotalCount"] == 2


async def test_delete_and_log(wire):
    created = await wire.call(kci.CreateContainerGroupRequest, wire.wanted())
    group = {"ContainerGroupId": created["ContainerGroupId"]}
    wire.clock.shift += 25
    wanted = {**group, "ContainerName": "main", "Tail": 2}
    content = (await wire.call(kci.DescribeContainerLogRequest, wanted))["Content"]
    assert content.count("\n") == 2
    assert "kube-probe" in content
    assert set(await wire.call(kci.DeleteContainerGroupRequest, group)) == {"RequestId"}
    with pytest.raises(KsyunSDKException) as refusal:
        await wire.call(kci.DeleteContainerGroupRequest, group)
    assert refusal_of(refusal)[0] == "ContainerGroupNotFound"


async def test_a_wrong_secret_is_refused(wire):
    with pytest.raises(KsyunSDKException) as refusal:
        await wire.call(kci.DescribeContainerGroupRequest, secret="wrong")
    assert refusal.value.code == "ServerNetworkError"
    assert refusal_of(refusal)[0] == "SignatureDoesNotMatch"
