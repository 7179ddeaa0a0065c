"""What is sent to ECI, judged by the official SDK."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from alibabacloud_eci20180808 import models
from alibabacloud_eci20180808.client import Client
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions

from kube.secret import Secret
from providers.base import Container, EnvVar, File, InstanceState, Placement
from providers.eci import options, request
from providers.eci.wire import Key, flatten, signed_headers
from providers.errors import InvalidSpec
from tests.providers.cloud import Simulated
from tests.providers.contract import until_state
from tests.providers.full import FULL

PREFIX = "k8s.aliyun.com/"


def without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_empty(v) for k, v in value.items() if v is not None and v != []}
    return [without_empty(v) for v in value] if isinstance(value, list) else value


def test_every_parameter_is_one_of_the_official_model() -> None:
    sent = request.create(FULL, token="t")
    model = models.CreateContainerGroupRequest().from_map(sent)
    assert without_empty(model.to_map()) == sent


async def test_the_official_client_sends_the_same_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caught: dict[str, str] = {}

    async def keep(_self: Any, _params: Any, req: Any, _runtime: Any) -> dict[str, Any]:
        caught.update(req.query)
        return {"body": {}, "headers": {}, "statusCode": 200}

    monkeypatch.setattr(Client, "call_api_async", keep)
    client = Client(Config(access_key_id="a", access_key_secret="b", endpoint="eci.example"))
    sent = request.create(FULL, token="t")
    model = models.CreateContainerGroupRequest().from_map(sent)
    await client.create_container_group_with_options_async(model, RuntimeOptions())
    assert flatten(sent) == {key: str(value) for key, value in caught.items()}


def test_a_flat_request_has_the_documented_names() -> None:
    flat = flatten(request.create(FULL, token="tok"))
    expected = {
        "ClientToken": "tok",
        "VSwitchId": "vsw-1,vsw-2",
        "ScheduleStrategy": "VSwitchOrdered",
        "Cpu": "2.0",
        "Memory": "4.0",
        "Container.1.Port.2.Protocol": "UDP",
        "Container.1.EnvironmentVar.1.Value": "1 2*~/é",
        "Container.1.EnvironmentVar.3.FieldRef.FieldPath": "status.podIP",
        "Container.1.LivenessProbe.HttpGet.Scheme": "HTTPS",
        "Container.1.ReadinessProbe.Exec.Command.2": "/ready",
        "Container.1.LifecyclePostStartHandlerHttpGetPort": "80",
        "Container.1.LifecyclePreStopHandlerExec.1": "nginx",
        "Container.1.SecurityContext.Capability.Add.1": "NET_ADMIN",
        "Container.1.VolumeMount.1.ReadOnly": "True",
        "Container.2.LivenessProbe.TcpSocket.Port": "81",
        "Container.2.LifecyclePreStopHandlerTcpSocketPort": "81",
        "InitContainer.1.SecurityContext.RunAsUser": "0",
        "Volume.2.ConfigFileVolume.ConfigFileToPath.1.Path": "app.toml",
        "Volume.2.ConfigFileVolume.ConfigFileToPath.1.Mode": "384",
        "Volume.4.FlexVolume.Options": '{"volumeSize": "20"}',
        "ImageRegistryCredential.1.Password": "hunter2",
        "DnsConfig.Option.1.Name": "ndots",
        "HostAliase.1.Hostname.2": "db.example",
        "SpotStrategy": "SpotWithPriceLimit",
        "SpotPriceLimit": "0.25",
        "SpotDuration": "0",
        "AutoCreateEip": "True",
        "EipBandwidth": "10",
        "RamRoleName": "reader",
        "AutoMatchImageCache": "True",
        "EphemeralStorage": "50",
        "AcrRegistryInfo.2.RegionId": "cn-beijing",
        "ActiveDeadlineSeconds": "600",
        "TerminationGracePeriodSeconds": "45",
    }
    assert {key: flat.get(key) for key in expected} == expected
    content = flat["Volume.2.ConfigFileVolume.ConfigFileToPath.2.Content"]
    assert base64.b64decode(content) == bytes(range(256))
    tags = {flat[f"Tag.{n}.Key"]: flat[f"Tag.{n}.Value"] for n in range(1, 5)}
    assert tags == {
        "spillway-console": "c",
        "spillway-pod-uid": "u",
        "team": "blue",
        "stage": "prod",
    }
    assert "other" not in str(flat)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"eci-use-specs": "4-8Gi,ecs.c6.xlarge"}, {"Cpu": "4.0", "Memory": "8.0"}),
        (
            {"eci-use-specs": "ecs.c6.xlarge, ecs.g6.xlarge"},
            {"InstanceType": "ecs.c6.xlarge,ecs.g6.xlarge"},
        ),
        ({"eci-instance-type": "ecs.gn6i-c4g1.xlarge"}, {"InstanceType": "ecs.gn6i-c4g1.xlarge"}),
        ({"eci-cpu": "4", "eci-memory": "8Gi"}, {"Cpu": "4.0", "Memory": "8.0"}),
        ({"eci-vswitch": "vsw-9"}, {"VSwitchId": "vsw-9"}),
        (
            {"eci-vswitch": "vsw-9,vsw-8", "eci-schedule-strategy": "VSwitchRandom"},
            {"VSwitchId": "vsw-9,vsw-8", "ScheduleStrategy": "VSwitchRandom"},
        ),
        ({"eci-security-group": "sg-9"}, {"SecurityGroupId": "sg-9"}),
        ({"eci-imc-id": "imc-1", "eci-auto-imc": "true"}, {"ImageSnapshotId": "imc-1"}),
        ({"eci-enable-ipv6": "true"}, {"Ipv6AddressCount": "1"}),
        ({"eci-eip-instanceid": "eip-1"}, {"EipInstanceId": "eip-1", "AutoCreateEip": None}),
        ({"eip-bandwidth": "10"}, {"EipBandwidth": None}),
        (
            {"eci-vswitch": "vsw-9,vsw-8"},
            {"VSwitchId": "vsw-9,vsw-8", "ScheduleStrategy": "VSwitchRandom"},
        ),
        ({"eci-security-group": "sg-9,sg-8"}, {"SecurityGroupId": "sg-9"}),
        (
            {"eci-use-specs": "2-4Gi", "eci-compute-category": "economy,general"},
            {"ComputeCategory.1": "economy", "ComputeCategory.2": "general"},
        ),
        (
            {"eci-spot-strategy": "SpotAsPriceGo", "eci-spot-duration": "1"},
            {"SpotStrategy": "SpotAsPriceGo", "SpotDuration": "1"},
        ),
        (
            {"eci-instance-family": "ecs.c6,ecs.g6"},
            {"InstanceType": "ecs.c6.large,ecs.g6.large"},
        ),
        (
            {"eci-fixed-ip": "true", "eci-fixed-ip-retain-hour": "24"},
            {"FixedIp": "true", "FixedIpRetainHour": "24"},
        ),
        (
            {
                "eci-custom-dnsconfig": '{"nameservers":"10.0.0.2,10.0.0.3","searches":"a.example",'
                '"options":"ndots:2,edns0"}'
            },
            {
                "DnsConfig.NameServer.2": "10.0.0.3",
                "DnsConfig.Search.1": "a.example",
                "DnsConfig.Option.1.Value": "2",
                "DnsConfig.Option.2.Name": "edns0",
            },
        ),
        (
            {"eci-custom-hosts": '[{"host":"a.example","ip":"10.0.0.7"}]'},
            {"HostAliase.2.Ip": "10.0.0.7", "HostAliase.2.Hostname.1": "a.example"},
        ),
        ({"eci-gpu-driver-version": "tesla=535"}, {"GpuDriverVersion": "tesla=535"}),
        ({"eci-core-pattern": "/data/core"}, {"CorePattern": "/data/core"}),
        ({"eci-data-cache-bucket": "default"}, {"DataCacheBucket": "default"}),
        ({"plain-http-registry": "reg.example:80"}, {"PlainHttpRegistry": "reg.example:80"}),
        ({"eci-resource-group-id": "rg-1"}, {"ResourceGroupId": "rg-1"}),
    ],
)
def test_annotations_become_parameters(options: dict[str, str], expected: dict[str, str]) -> None:
    spec = replace(FULL, options={PREFIX + key: value for key, value in options.items()})
    flat = flatten(request.create(spec, token="t"))
    assert {key: flat.get(key) for key in expected} == expected
    models.CreateContainerGroupRequest().from_map(request.create(spec, token="t")).validate()
    assert not ("ImageSnapshotId" in flat and "AutoMatchImageCache" in flat)
    assert ("InstanceType" in flat) is not ("Cpu" in flat)


def test_bandwidth_is_bytes_in_the_annotation_and_bits_in_the_parameter() -> None:
    own = {"kubernetes.io/ingress-bandwidth": "40M", "kubernetes.io/egress-bandwidth": "1KB"}
    sent = request.create(replace(FULL, options=own), token="t")
    assert (sent["IngressBandwidth"], sent["EgressBandwidth"]) == (320_000_000, 8_000)


def test_every_parameter_of_the_table_is_one_of_the_official_model() -> None:
    known = models.CreateContainerGroupRequest().__dict__
    flat = {name.replace("_", "").lower() for name in known}
    for option in options.TABLE.values():
        assert not option.parameter or option.parameter.lower() in flat


@pytest.mark.parametrize(
    "options",
    [
        {"eci-spot-duration": "long"},
        {"eci-with-eip": "maybe"},
        {"eci-extra-ephemeral-storage": "50Mi"},
        {"eci-cpu": "two"},
        {"eci-use-specs": "2x4"},
        {"eci-use-specs": "2-4Gi,2-8Gi,4-8Gi,4-16Gi,8-16Gi,8-32Gi"},
        {"eci-instance-generation": "new"},
        {"eci-schedule-strategy": "Random"},
        {"eci-security-group": "sg-1,sg-2,sg-3,sg-4,sg-5,sg-6"},
        {"eci-vswitch": "j"},
        {"eci-spot-price-limit": "0.1234"},
        {"eci-fail-strategy": "retry"},
        {"eci-max-pending-minute": "5"},
        {"eci-compute-category": "cheap"},
        {"eci-private-ip-address": "here"},
        {"eci-custom-dnsconfig": "8.8.8.8"},
        {"eci-custom-hosts": '{"host": "a", "ip": "1.1.1.1"}'},
        {"eci-custom-tags": "a:1,b:2,c:3,d:4"},
        {"eci-core-pattern": "|/bin/sh"},
        {"eci-gpu-driver-version": "535"},
        {"eip-isp": "5G"},
    ],
)
def test_an_annotation_that_cannot_be_read_is_named(options: dict[str, str]) -> None:
    (key,) = options
    spec = replace(FULL, options={PREFIX + key: options[key]})
    with pytest.raises(InvalidSpec, match=f"{PREFIX}{key}"):
        request.create(spec, token="t")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("default-web-0", "default-web-0"),
        ("Upper_Case.dots", "upper-case-dots"),
        ("-x-", "pod-x"),
        ("a" * 200, "a" * 128),
    ],
)
def test_group_names_keep_to_the_rules(name: str, expected: str) -> None:
    assert request.group_name(name) == expected


def test_the_signature_is_that_of_the_documented_algorithm() -> None:
    """Vector checked against the SDK's own signer: package alibabacloud-tea-openapi 0.4.6."""
    query = {"RegionId": "cn-hangzhou", "ContainerGroupIds": '["eci-1"]', "Tag.1.Key": "a b*"}
    headers = signed_headers(
        Key("testid", Secret("testsecret"), Secret("")),
        host="eci.cn-hangzhou.aliyuncs.com",
        action="DescribeContainerGroups",
        version="2018-08-08",
        query=query,
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        nonce="0123456789abcdef",
    )
    authorization = headers["Authorization"]
    assert authorization.startswith("ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=")
    assert len(authorization.rpartition("Signature=")[2]) == 64
    assert "x-acs-security-token" not in headers


async def test_a_full_spec_with_odd_characters_is_accepted_and_runs(eci: Simulated) -> None:
    place = eci.place
    spec = replace(
        FULL,
        placements=place.placements,
        security_group=place.security_group,
        volumes=FULL.volumes[:3],
        options={},
        restart_policy="Always",
    )
    client = eci.client()
    created = await client.create(spec, token="t-full")
    seen = await until_state(client, created, {InstanceState.RUNNING}, seconds=10)
    assert seen.zone == place.placements[0].zone
    body = await client.read("DescribeContainerGroups", {"RegionId": client.region})
    (shown,) = body["ContainerGroups"]
    assert shown["Containers"][0]["EnvironmentVars"][0]["Value"] == "1 2*~/é"


async def test_one_placement_has_no_order(eci: Simulated) -> None:
    spec = replace(FULL, placements=(Placement("cn-hangzhou-j", "vsw-1"),))
    flat = flatten(request.create(spec, token="t"))
    assert flat["VSwitchId"] == "vsw-1"
    assert "ScheduleStrategy" not in flat


async def test_files_of_32_kilobytes_fit_into_a_request(eci: Simulated) -> None:
    volume = replace(FULL.volumes[1], files=(File("big.bin", b"x" * 32_000),))
    client = eci.client()
    created = await client.create(eci.place.spec("big", volumes=(volume,)), token="t-big")
    assert (await client.get(created.id)).name == "big"


def test_sidecars_start_first_end_last_and_do_not_keep_a_job_from_ending() -> None:
    boxes = [Container(name, "busybox:1", sidecar=name != "app") for name in ("a", "b", "app")]
    own = replace(boxes[0], env=(EnvVar("ECI_CONTAINER_EXIT_PRIORITY", "7"),))
    spec = replace(FULL, containers=(own, *boxes[1:]))
    sent = {
        c["Name"]: {env["Key"]: env["Value"] for env in c.get("EnvironmentVar", ())}
        for c in request.create(spec, token="t")["Container"]
    }
    assert sent == {
        "a": {
            "ECI_CONTAINER_EXIT_PRIORITY": "7",
            "ECI_CONTAINER_TYPE": "sidecar",
            "ECI_CONTAINER_IGNORE_EXIT_CODE": "true",
            "ECI_CONTAINER_LAUNCH_PRIORITY": "1000",
        },
        "b": {
            "ECI_CONTAINER_TYPE": "sidecar",
            "ECI_CONTAINER_IGNORE_EXIT_CODE": "true",
            "ECI_CONTAINER_LAUNCH_PRIORITY": "999",
            "ECI_CONTAINER_EXIT_PRIORITY": "-1",
        },
        "app": {},
    }
