"""What is sent to KCI, judged by the official SDK, the documented signatures and the simulator."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ksyun.client.kci.v20200702 import models
from ksyun.client.kci.v20200702.client import KciClient
from ksyun.common.credential import Credential

from kube.secret import Secret
from providers.base import (
    ClusterAccess,
    Container,
    File,
    InstanceState,
    Placement,
    Volume,
    VolumeKind,
)
from providers.errors import InvalidSpec
from providers.kci import request, sizes
from providers.kingsoft.signing import Key, signed_headers
from providers.kingsoft.wire import flatten
from providers.tags import Owner, tags_of
from tests.providers.contract import name_of, until_state
from tests.providers.full import FULL
from tests.providers.kci_cloud import Simulated

AT = datetime(2026, 11, 21, tzinfo=UTC)
KEY = Key("AKTEST", Secret("SKTEST"), Secret(""))
HOST = "https://kci.api.ksyun.com/"
OWNER = Owner(
    "spillway-0123456789ab",
    "6f1b1f7a-1b1b-4c1b-8b1b-0123456789ab",
    "virtual-kubelet01",
    "default",
    "web-0",
    "0d5cbe6e-1b1b-4c1b-8b1b-0123456789ff",
    2,
)
KCI_FULL = replace(
    FULL,
    region="cn-beijing-6",
    volumes=(
        *(volume for volume in FULL.volumes if volume.kind is not VolumeKind.FLEX),
        Volume(
            "disk",
            VolumeKind.FLEX,
            driver=request.DISK_DRIVER,
            fs_type="ext4",
            options={"volumeHandle": "vol-1"},
        ),
        Volume("host", VolumeKind.HOST_PATH, path="/var/log"),
    ),
    containers=(replace(FULL.containers[0], privileged=True), *FULL.containers[1:]),
    tags=tags_of(OWNER),
    options={"k8s.ksyun.com/kci-host-aliases": '[{"ip": "10.0.0.8", "hostnames": ["cache"]}]'},
)


def in_cluster_mode() -> Any:
    access = ClusterAccess(
        Secret("apiVersion: v1"),
        "default",
        "web-0",
        "virtual-kubelet01",
        dns=("10.254.0.10", "10.254.0.11"),
    )
    settings = {"KCI_KUBE_PROXY": "true", "KCI_CLUSTER_ID": "kce-1"}
    return replace(KCI_FULL, cluster=access, settings=settings)


def signature(**changes: Any) -> str:
    fields: dict[str, Any] = {
        "method": "POST",
        "url": HOST,
        "body": b"",
        "region": "cn-beijing-6",
        "service": "kci",
        "at": AT,
    }
    return signed_headers(KEY, **fields | changes)["Authorization"]


def test_a_post_is_signed_as_the_official_client_does() -> None:
    body = (
        b"ContainerGroupId=11111111-2222-3333-4444-555555555555&Service=kci"
        b"&Action=DeleteContainerGroup&Version=2020-07-02&SdkVersion=SDK_PYTHON_1.5.8.114"
        b"&Region=cn-beijing-6&Accesskey=AKTEST&Language=zh-CN"
    )
    assert signature(body=body) == (
        "AWS4-HMAC-SHA256 Credential=AKTEST/20261121/cn-beijing-6/kci/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, "
        "Signature=ccbe518c6b1bf5e8814d51f2a97562a5fbe60acffc20e36a38de0f910a25f6c8"
    )


def test_a_query_is_signed_in_the_order_of_names_then_values() -> None:
    query = (
        "Label.0=x&Label.0.Key=cluster-id&Name=a+b%2Bc&Action=DescribeRegions&Version=2020-07-02"
    )
    found = signature(method="GET", url=f"{HOST}?{query}")
    assert found.endswith(
        "Signature=3b87b81c424f5c3d7d204f4d53277ec319a4bdf6da1c2a6d546a2845e7cd48fb"
    )


def test_the_token_of_a_temporary_key_is_sent_and_signed() -> None:
    key = replace(KEY, token=Secret("the-token"))
    headers = signed_headers(
        key, method="POST", url=HOST, body=b"", region="cn-beijing-6", service="kci", at=AT
    )
    assert headers["x-ksc-security-token"] == "the-token"
    assert "x-amz-date;x-ksc-security-token," in headers["Authorization"]
    other = signed_headers(
        replace(KEY, token=Secret("another")),
        method="POST",
        url=HOST,
        body=b"",
        region="cn-beijing-6",
        service="kci",
        at=AT,
    )
    assert other["Authorization"] != headers["Authorization"]


@pytest.mark.parametrize("spec", [KCI_FULL, in_cluster_mode()], ids=["standalone", "cluster"])
def test_every_parameter_is_one_of_the_official_model(spec: Any) -> None:
    sent = request.create(spec)
    assert sent.keys() <= vars(models.CreateContainerGroupRequest()).keys()


@pytest.mark.parametrize("spec", [KCI_FULL, in_cluster_mode()], ids=["standalone", "cluster"])
def test_the_official_client_writes_the_same_form(spec: Any) -> None:
    sent = request.create(spec)
    official = KciClient(Credential("a", "b"), "cn-beijing-6")._format_params(None, sent)
    ours = dict(flatten(sent))
    assert ours.keys() == official.keys()
    assert {name: text.lower() for name, text in ours.items()} == {
        name: str(value).lower() for name, value in official.items()
    }


def test_a_flat_request_has_the_documented_names() -> None:
    flat = dict(flatten(request.create(KCI_FULL)))
    expected = {
        "ContainerGroupName": (
            "default-web-0.0d5cbe6e1b1b4c1b8b1b0123456789ff.2."
            "6f1b1f7a1b1b4c1b8b1b0123456789ab.spillway-0123456789ab"
        ),
        "KciType": "RBKCI",
        "ChargeType": "HourlyInstantSettlement",
        "MultiSubnetId.0": "vsw-1",
        "MultiSubnetId.1": "vsw-2",
        "SecurityGroupId.0": "sg-1",
        "Cpu": "2",
        "Memory": "4",
        "RestartPolicy": "OnFailure",
        "Container.0.Name": "main",
        "Container.0.Command.0": "nginx",
        "Container.0.Arg.1": "daemon off;",
        "Container.0.Cpu": "1.5",
        "Container.0.EnvironmentVar.0.Key": "A",
        "Container.0.EnvironmentVar.2.ValueFrom.FieldRef.FieldPath": "status.podIP",
        "Container.0.Port.1.Protocol": "UDP",
        "Container.0.VolumeMount.0.ReadOnly": "true",
        "Container.0.LivenessProbe.HttpGet.Scheme": "HTTPS",
        "Container.0.ReadinessProbe.Exec.Command.1": "/ready",
        "Container.0.SecurityContext.Privileged": "true",
        "Container.1.LivenessProbe.TcpSocket.Port": "81",
        "InitContainer.0.Name": "init",
        "Volume.0.Type": "EmptyDirVolume",
        "Volume.1.ConfigFileVolume.DefaultMode": "420",
        "Volume.1.ConfigFileVolume.ConfigFileToPath.0.mode": "384",
        "Volume.2.NFSVolume.Server": "nas.example",
        "Volume.3.EBSVolume.VolumeId": "vol-1",
        "Volume.4.HostPathVolume.Path": "/var/log",
        "ImageRegistryCredential.0.Username": "robot",
        "HostAliase.0.Hostname.1": "db.example",
        "HostAliase.1.Ip": "10.0.0.8",
        "DnsConfig.NameServer.0": "10.0.0.10",
        "DnsConfig.Option.0.Name": "ndots",
        "Label.0.Key": "cluster-id",
        "Label.0.Value": "6f1b1f7a-1b1b-4c1b-8b1b-0123456789ab",
    }
    assert {name: flat.get(name) for name in expected} == expected
    content = flat["Volume.1.ConfigFileVolume.ConfigFileToPath.1.Content"]
    assert base64.b64decode(content) == bytes(range(256))


def test_an_empty_file_is_a_file() -> None:
    empty = Volume("empty", VolumeKind.FILES, files=(File("none", b""),))
    flat = dict(flatten(request.create(replace(KCI_FULL, volumes=(empty,)))))
    assert flat["Volume.0.ConfigFileVolume.ConfigFileToPath.0.Content"] == ""


def test_in_cluster_mode_the_agent_is_told_where_the_cluster_is_and_no_containers() -> None:
    flat = dict(flatten(request.create(in_cluster_mode())))
    expected = {
        "KubeConfig": "apiVersion: v1",
        "ClusterDns": "10.254.0.10,10.254.0.11",
        "ClusterDomain": "cluster.local",
        "KubeProxy.Enabled": "true",
        "ContainerSpec.0.LimitCpu": "1.5",
        "ContainerSpec.1.LimitMem": "1",
        "Label.0.Value": "kce-1",
        "Label.1.Value": "default",
        "Label.2.Value": "web-0",
        "Label.3.Value": "virtual-kubelet01",
    }
    assert {name: flat.get(name) for name in expected} == expected
    assert not [name for name in flat if name.startswith(("Container.", "Volume", "Dns"))]


def test_what_is_asked_is_sent_until_the_packages_of_the_cloud_are_known() -> None:
    asking = (Container("main", "a", cpu=Decimal("2.0001"), memory=None),)
    spec = replace(KCI_FULL, containers=asking)
    flat = dict(flatten(request.create(spec)))
    assert (flat["Cpu"], flat.get("Memory")) == ("2.001", None)
    known = replace(spec, settings={sizes.PACKAGES: "3:2.5,6"})
    flat = dict(flatten(request.create(known)))
    assert (flat["Cpu"], flat["Memory"]) == ("3", "2.5")


def test_the_pod_names_its_subnet_and_groups_before_the_node() -> None:
    own = {
        "k8s.ksyun.com/kci-subnet-id": "subnet-9",
        "k8s.ksyun.com/kci-security-group-id": "sg-7, sg-8",
    }
    flat = dict(flatten(request.create(replace(KCI_FULL, options=own))))
    assert flat["SubnetId"] == "subnet-9"
    assert (flat["SecurityGroupId.0"], flat["SecurityGroupId.1"]) == ("sg-7", "sg-8")
    assert "MultiSubnetId.0" not in flat
    several = dict(flatten(request.create(replace(KCI_FULL, security_group="sg-1,sg-2"))))
    assert several["SecurityGroupId.1"] == "sg-2"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"placements": (Placement("z", ""),)}, "no subnet"),
        ({"security_group": ""}, "no security group"),
        (
            {"options": {"k8s.ksyun.com/kci-security-group-id": "a,b,c,d"}},
            "at most 3 security group ids",
        ),
        ({"volumes": (Volume("oss", VolumeKind.FLEX, driver="alicloud/oss"),)}, "alicloud/oss"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is(changes: Any, told: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        request.create(replace(KCI_FULL, **changes))
    assert told in refused.value.message


async def test_the_cloud_takes_a_pod_that_uses_everything(kci: Simulated) -> None:
    place = kci.place
    spec = replace(
        KCI_FULL,
        name=name_of("full"),
        region=place.region,
        placements=place.placements,
        security_group=place.security_group,
        containers=tuple(replace(c, gpu=0) for c in KCI_FULL.containers),
    )
    client = kci.client()
    created = await client.create(spec, token="t")
    seen = await until_state(client, created, {InstanceState.RUNNING}, seconds=20)
    assert seen.containers is not None
    assert [c.name for c in seen.containers] == ["main", "sidecar"]
    (call,) = kci.calls("CreateContainerGroup")
    assert "hunter2" not in repr(call)
