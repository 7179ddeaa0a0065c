"""Sizes, prices, error classes, node, pod rules and annotations of ECI."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers import errors as kinds
from providers.alibaba.endpoints import endpoint
from providers.base import Container, Created, EnvVar, Instance, InstanceState, Size, Use
from providers.eci import answer, options, prices, sizes
from providers.eci.errors import error, kind_of
from providers.errors import ProviderError
from providers.registry import UnknownProvider, dialect
from providers.seen import decode, encode
from tests.providers.full import FULL

ECI = dialect("eci")


@pytest.mark.parametrize(
    ("cpu", "memory", "region", "expected"),
    [
        ("7", "13", "cn-hangzhou", "8-14Gi"),
        ("7", "13", "cn-hongkong", "8-16Gi"),
        ("3", "6", "cn-hangzhou", "4-6Gi"),
        ("3", "6", "us-west-1", "4-8Gi"),
        ("4.25", "8.5", "cn-hangzhou", "6-10Gi"),
        ("4.25", "8.5", "us-west-1", "8-16Gi"),
        (None, None, "cn-hangzhou", "2-4Gi"),
        ("0", "0", "cn-hangzhou", "2-4Gi"),
        ("2", None, "cn-hangzhou", "2-4Gi"),
        (None, "16", "cn-hongkong", "2-16Gi"),
        ("0.1", "0.1", "cn-hangzhou", "0.25-0.5Gi"),
        ("0.25", "1.5", "cn-hangzhou", "0.5-2Gi"),
        ("0.5", "3", "cn-hangzhou", "1-4Gi"),
        ("1", "1", "cn-hangzhou", "1-2Gi"),
        ("2", "1", "cn-hangzhou", "2-1Gi"),
        ("2", "9", "cn-hangzhou", "2-10Gi"),
        ("2", "9", "us-west-1", "2-16Gi"),
        ("5", "49", "cn-hangzhou", "8-50Gi"),
        ("9", "1", "cn-hangzhou", "12-12Gi"),
        ("33", "1", "cn-hangzhou", "52-96Gi"),
        ("64", "512", "cn-hangzhou", "64-512Gi"),
    ],
)
def test_sizes_are_rounded_up_on_both_axes(
    cpu: str | None, memory: str | None, region: str, expected: str
) -> None:
    size = sizes.round_up(
        Decimal(cpu) if cpu else None, Decimal(memory) if memory else None, region=region
    )
    assert size is not None
    assert size.label == expected


def test_nothing_holds_more_than_the_largest_size() -> None:
    assert sizes.round_up(Decimal(65), Decimal(1), region="cn-hangzhou") is None
    assert sizes.round_up(Decimal(1), Decimal(513), region="cn-hangzhou") is None


def test_spot_sizes_begin_at_two_vcpus_and_have_no_extra_sizes() -> None:
    size = sizes.round_up(Decimal("0.25"), Decimal(1), region="cn-hangzhou", spot=True)
    assert size is not None
    assert size.label == "2-2Gi"
    size = sizes.round_up(Decimal(3), Decimal(6), region="cn-hangzhou", spot=True)
    assert size is not None
    assert size.label == "4-8Gi"


def test_every_listed_size_is_its_own_rounding() -> None:
    for region in ("cn-hangzhou", "us-west-1"):
        for cpu, memories in sizes.grid(region):
            for memory in memories:
                size = sizes.round_up(cpu, memory, region=region)
                assert size == Size(cpu, memory, sizes.label(cpu, memory))


def test_init_containers_count_by_the_largest_and_ignored_ones_not_at_all() -> None:
    def box(cpu: str, memory: str, **fields: Any) -> Container:
        return Container("c", "i", cpu=Decimal(cpu), memory=Decimal(memory), **fields)

    ignored = box("8", "64", env=(EnvVar("__ECI_RESOURCE_IGNORE__", "TRUE"),))
    main, init = (box("2", "4"), box("0.25", "0.5"), ignored), (box("1", "16"), box("3", "1"))
    assert sizes.sums(main, init) == (Decimal(3), Decimal(16), 0)


@pytest.mark.parametrize(
    ("specs", "label"),
    [("4-8Gi,8-16Gi", "4-8Gi"), ("ecs.gn6i-c4g1.xlarge", "ecs.gn6i-c4g1.xlarge"), ("", "2-4Gi")],
)
def test_use_specs_beat_what_containers_ask(specs: str, label: str) -> None:
    spec = replace(FULL, options={"k8s.aliyun.com/eci-use-specs": specs})
    assert ECI.billed_size(spec).label == label


def test_the_list_price_is_that_of_the_rounded_size() -> None:
    size = Size(Decimal(2), Decimal(4), "2-4Gi")
    price = ECI.list_price(size, region="cn-hangzhou")
    assert price is not None
    assert (price.per_hour, price.currency) == (Decimal("0.441072"), "CNY")
    assert ECI.list_price(size, region="us-west-1") is None
    assert ECI.list_price(replace(size, type="ecs.c6.large"), region="cn-hangzhou") is None
    body = {"PriceInfo": {"Price": {"TradePrice": 0.00012252, "Currency": "CNY"}}}
    assert prices.quoted(body).per_hour == Decimal("0.441072")
    with pytest.raises(kinds.Unavailable):
        prices.quoted({"PriceInfo": {}})


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("Throttling", 400, kinds.Throttled),
        ("Throttling.User", 400, kinds.Throttled),
        ("Throttling.Api", 429, kinds.Throttled),
        ("Degrade.Api", 400, kinds.Throttled),
        ("OperationDenied.NoStock", 403, kinds.OutOfStock),
        ("RecommendEmpty.InstanceTypeFamilyNotMatched", 400, kinds.OutOfStock),
        ("InvalidParameter.ValueExceeded", 400, kinds.QuotaExceeded),
        ("QuotaExceeded", 400, kinds.QuotaExceeded),
        ("QuotaExceed.ElasticQuota", 403, kinds.QuotaExceeded),
        ("DiskNumber.LimitExceed", 400, kinds.QuotaExceeded),
        ("InvalidVSwitchId.IpNotEnough", 400, kinds.QuotaExceeded),
        ("Account.Arrearage", 400, kinds.AccountTrouble),
        ("InvalidPaymentMethod.InsufficientBalance", 400, kinds.AccountTrouble),
        ("ServiceNotEnabled", 400, kinds.AccountTrouble),
        ("NoPermission", 400, kinds.AccountTrouble),
        ("Forbidden.RAM", 403, kinds.AccountTrouble),
        ("Forbidden.Unauthorized", 403, kinds.AccountTrouble),
        ("Forbidden.AccessKeyDisabled", 403, kinds.AccountTrouble),
        ("InvalidAccessKeyId.NotFound", 404, kinds.AccountTrouble),
        ("InvalidAccessKeyId.Inactive", 400, kinds.AccountTrouble),
        ("InvalidSecurityToken.Expired", 400, kinds.AccountTrouble),
        ("SignatureDoesNotMatch", 400, kinds.AccountTrouble),
        ("InvalidTimeStamp.Expired", 400, kinds.AccountTrouble),
        ("IncorrectStatus", 400, kinds.Busy),
        ("OperationConflict", 400, kinds.Busy),
        ("InvalidAction", 403, kinds.Busy),
        ("SignatureNonceUsed", 400, kinds.Unavailable),
        ("ServiceUnavailable", 503, kinds.Unavailable),
        ("InternalError", 500, kinds.Unavailable),
        ("LastTokenProcessing", 400, kinds.UnknownOutcome),
        ("IdempotentParameterMismatch", 400, kinds.UnknownOutcome),
        ("InvalidParameter", 400, kinds.InvalidSpec),
        ("InvalidParameter.CPU.Memory", 400, kinds.InvalidSpec),
        ("MissingContainerGroupName", 400, kinds.InvalidSpec),
        ("ImageSnapshot.IncorrectStatus", 400, kinds.InvalidSpec),
        ("DiskVolume.NotInSameZone", 400, kinds.InvalidSpec),
        ("containerRepositoryAuthorizationFailed", 503, kinds.InvalidSpec),
        ("InvalidContainerGroupId.NotFound", 404, kinds.NotFound),
        ("NeverSeen", 500, kinds.Unavailable),
        ("NeverSeen", 502, kinds.Unavailable),
        ("NeverSeen", 429, kinds.Throttled),
        ("NeverSeen", 403, kinds.AccountTrouble),
        ("NeverSeen", 400, kinds.InvalidSpec),
    ],
)
def test_codes_say_what_to_do_next(code: str, status: int, kind: type[ProviderError]) -> None:
    assert kind_of(code, status) is kind


def test_an_error_keeps_code_request_and_the_wait_it_was_told() -> None:
    told = error(code="X", message="slow down", request_id="R", status=400, retry_after=2.5)
    assert isinstance(told, kinds.Throttled)
    assert (told.code, told.request_id, told.retry_after) == ("X", "R", 2.5)


def test_a_role_that_may_not_be_passed_is_the_pods_fault_and_not_the_accounts() -> None:
    told = error(
        code="Forbidden.RAM", message="No.", request_id="R", status=403, denied="ram:PassRole"
    )
    assert isinstance(told, kinds.InvalidSpec)
    assert "eci-ram-role-name" in told.message
    other = error(code="Forbidden.RAM", message="No.", request_id="R", status=403, denied="eci:X")
    assert isinstance(other, kinds.AccountTrouble)


@pytest.mark.parametrize(
    ("region", "override", "vpc", "expected"),
    [
        ("cn-hangzhou", "", False, "https://eci.cn-hangzhou.aliyuncs.com"),
        ("cn-hangzhou", "", True, "https://eci-vpc.cn-hangzhou.aliyuncs.com"),
        ("cn-shenzhen-finance-1", "", False, "https://eci.cn-shenzhen-finance.aliyuncs.com"),
        ("x", "http://127.0.0.1:1/", False, "http://127.0.0.1:1"),
        ("x", "eci.example", False, "https://eci.example"),
    ],
)
def test_endpoints(region: str, override: str, vpc: bool, expected: str) -> None:
    assert endpoint("eci", region, override=override, vpc=vpc) == expected


@pytest.mark.parametrize(
    ("status", "state", "billed", "over"),
    [
        ("Scheduling", InstanceState.SCHEDULING, False, False),
        ("ScheduleFailed", InstanceState.SCHEDULE_FAILED, False, True),
        ("Pending", InstanceState.STARTING, True, False),
        ("Running", InstanceState.RUNNING, True, False),
        ("Restarting", InstanceState.RESTARTING, True, False),
        ("Updating", InstanceState.RESTARTING, True, False),
        ("Terminating", InstanceState.STOPPING, True, False),
        ("Succeeded", InstanceState.SUCCEEDED, False, True),
        ("Failed", InstanceState.FAILED, False, True),
        ("Expired", InstanceState.EXPIRED, False, True),
    ],
)
def test_statuses(status: str, state: InstanceState, billed: bool, over: bool) -> None:
    seen = answer.group({"ContainerGroupId": "eci-1", "Status": status})
    assert (seen.state, seen.state.billed, seen.state.over) == (state, billed, over)


def test_a_status_nobody_documented_is_an_error_and_no_guess() -> None:
    with pytest.raises(kinds.Unavailable):
        answer.group({"ContainerGroupId": "eci-1", "Status": "Hibernating"})


@pytest.mark.parametrize("key", ["StartedAt", "StartedAtstartedAt"])
def test_the_start_of_a_running_container_is_read_under_both_names(key: str) -> None:
    body = {
        "ContainerGroupId": "eci-1",
        "Status": "Running",
        "PodStatus": {
            "Conditions": [
                {
                    "type": "ContainerInstanceCreated",
                    "status": "True",
                    "lastTransitionTime": "2026-01-02T03:04:00Z",
                }
            ],
            "ContainerStatuses": [
                {"Name": "a", "Ready": True, "State": {"Running": {key: "2026-01-02T03:04:05Z"}}},
                {
                    "Name": "b",
                    "State": {"Waiting": {"Reason": "CrashLoopBackOff"}},
                    "LastState": {"Terminated": {"ExitCode": 137, "Signal": 9}},
                },
            ],
        },
    }
    seen = answer.status(body, region="cn-hangzhou")
    assert seen.containers is not None
    first, second = seen.containers
    assert first.state.started_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert second.state.reason == "CrashLoopBackOff"
    assert second.last is not None
    assert (second.last.exit_code, second.last.signal) == (137, 9)
    assert seen.billed_from == datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def test_what_the_cloud_said_survives_the_database() -> None:
    body = {
        "ContainerGroupId": "eci-1",
        "Status": "Failed",
        "Cpu": 0.5,
        "Memory": 1.0,
        "CreationTime": "2026-01-02T03:04:05Z",
        "FailedTime": "2026-01-02T03:05:05Z",
        "Tags": [{"Key": "k", "Value": "v"}],
        "Events": [
            {"Type": "Normal", "Reason": "Pulling", "FirstTimestamp": "2026-01-02T03:04:10Z"},
            {
                "Type": "Warning",
                "Reason": "OOMKilled",
                "Message": "m",
                "Count": 2,
                "LastTimestamp": "2026-01-02T03:05:00Z",
            },
        ],
        "Containers": [{"Name": "a", "CurrentState": {"State": "Terminated", "ExitCode": 137}}],
    }
    seen = answer.group(body)
    assert (seen.reason, seen.message) == ("OOMKilled", "m")
    assert seen.billed_from == datetime(2026, 1, 2, 3, 4, 10, tzinfo=UTC)
    assert decode(encode(seen)) == seen
    assert decode({}) is None


def test_a_virtual_node_has_the_documented_name_labels_and_taint() -> None:
    zone = "cn-hangzhou-k"
    assert ECI.node_name(zone) == "virtual-kubelet-cn-hangzhou-k"
    profile = ECI.node_profile(
        region="cn-hangzhou", zone=zone, name=ECI.node_name(zone), settings={}
    )
    assert profile.labels == {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": "virtual-kubelet-cn-hangzhou-k",
        "kubernetes.io/os": "linux",
        "kubernetes.io/role": "agent",
        "service.alibabacloud.com/exclude-node": "true",
        "topology.diskplugin.csi.alibabacloud.com/zone": zone,
        "topology.kubernetes.io/region": "cn-hangzhou",
        "topology.kubernetes.io/zone": zone,
        "type": "virtual-kubelet",
    }
    assert profile.taints == (
        {"key": "virtual-kubelet.io/provider", "value": "alibabacloud", "effect": "NoSchedule"},
    )
    for version in ("v1.31.1-aliyun.1", "1.31.1", "v1.31.1+k3s1"):
        assert ECI.node_version(version) == "v1.31.1-aliyun.1"


def test_unknown_clouds_are_named() -> None:
    with pytest.raises(UnknownProvider, match="nimbus"):
        dialect("nimbus")


@pytest.mark.parametrize(
    ("pod", "reason", "fatal"),
    [
        ({"metadata": {"ownerReferences": [{"kind": "DaemonSet"}]}}, "DaemonSetNotSupported", True),
        ({"spec": {"hostNetwork": True}}, "HostNamespaceNotSupported", True),
        (
            {"spec": {"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}},
            "HostPathNotSupported",
            True,
        ),
        (
            {
                "metadata": {"annotations": {"k8s.aliyun.com/eci-data-cache-bucket": "default"}},
                "spec": {"volumes": [{"name": "a", "hostPath": {"path": "/models"}}]},
            },
            None,
            False,
        ),
        ({"spec": {"volumes": [{"name": "a", "cephfs": {}}]}}, "VolumeNotSupported", True),
        (
            {"spec": {"volumes": [{"name": "a", "persistentVolumeClaim": {}}]}},
            "ClaimNotSupported",
            True,
        ),
        (
            {"spec": {"volumes": [{"name": str(n), "emptyDir": {}} for n in range(21)]}},
            "TooManyVolumes",
            True,
        ),
        (
            {"spec": {"containers": [{"name": str(n)} for n in range(21)]}},
            "TooManyContainers",
            True,
        ),
        (
            {"spec": {"containers": [{"securityContext": {"privileged": True}}]}},
            "PrivilegedNotSupported",
            True,
        ),
        ({"spec": {"containers": [{"startupProbe": {}, "name": "x"}]}}, None, False),
        ({"spec": {"containers": [{"startupProbe": {"exec": {}}}]}}, "StartupProbeIgnored", False),
        (
            {"spec": {"containers": [{"readinessProbe": {"grpc": {"port": 1}}}]}},
            "GrpcProbeIgnored",
            False,
        ),
        ({"spec": {"containers": [{"ports": [{"containerPort": 10250}]}]}}, "ReservedPort", True),
        ({"spec": {"initContainers": [{"restartPolicy": "Always"}]}}, "SidecarAfterInit", False),
        (
            {"metadata": {"annotations": {"k8s.aliyun.com/eci-sls-enable": "false"}}},
            "AnnotationIgnored",
            False,
        ),
        (
            {"metadata": {"annotations": {"k8s.aliyun.com/imc-perfect-match": "true"}}},
            "AnnotationIgnored",
            False,
        ),
        (
            {"metadata": {"annotations": {"k8s.aliyun.com/eci-security-group": "sg-1,sg-2"}}},
            "AnnotationIgnored",
            False,
        ),
        (
            {
                "metadata": {
                    "annotations": {
                        "k8s.aliyun.com/eci-use-specs": "ecs.c6.large",
                        "k8s.aliyun.com/eci-instance-family": "ecs.c5",
                    }
                }
            },
            "AnnotationIgnored",
            False,
        ),
        (
            {"metadata": {"annotations": {"k8s.aliyun.com/eci-max-pending-minute": "5"}}},
            "AnnotationNotReadable",
            True,
        ),
        (
            {"metadata": {"annotations": {"kubernetes.io/ingress-bandwidth": "fast"}}},
            "AnnotationNotReadable",
            True,
        ),
        (
            {"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]}},
            "GpuTypeMissing",
            True,
        ),
        (
            {"metadata": {"annotations": {"k8s.aliyun.com/eci-use-specs": "ecs.gn5-c4g1.xlarge"}}},
            "GpuNotAsked",
            True,
        ),
        ({"metadata": {"annotations": {"k8s.aliyun.com/eci-use-specs": "2-4Gi"}}}, None, False),
        ({"metadata": {"annotations": {"k8s.aliyun.com/eci-vpc": "vpc-1"}}}, None, False),
        (
            {"spec": {"containers": [{"name": "web"}], "volumes": [{"name": "s", "secret": {}}]}},
            None,
            False,
        ),
    ],
)
def test_what_the_cloud_cannot_do_is_said_with_a_fix(
    pod: dict[str, Any], reason: str | None, fatal: bool
) -> None:
    found = ECI.problems(pod, settings={})
    assert [p.reason for p in found] == ([reason] if reason else [])
    assert [p.fatal for p in found] == ([fatal] if reason else [])
    assert all(p.text and p.fix_text and p.path for p in found)


def test_the_manual_names_every_annotation() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "eci.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([^`]+)` \|", manual, re.MULTILINE))
    assert named == set(options.TABLE) | set(options.IGNORED)


def test_the_size_written_back_is_the_one_asked_for_whatever_the_pod_became() -> None:
    asked = Created("eci-1", "REQ", size=Size(Decimal(1), Decimal(2), "1-2Gi"))
    notes = ECI.annotations(FULL, instance=None, created=asked)
    assert notes["k8s.aliyun.com/eci-instance-spec"] == "1.0-2.0Gi"
    assert notes["alibabacloud.com/pod-use-spec"] == "1-2Gi"


def test_annotations_written_back_name_instance_request_and_size() -> None:
    spec = replace(FULL, tags={"spillway-node": "virtual-kubelet-cn-hangzhou-k"})
    created = Created("eci-1", "REQ", token="11111111-2222", account="1234")
    assert ECI.annotations(spec, instance=None, created=created) == {
        "ProviderCreate": "done",
        "k8s.aliyun.com/eci-instance-id": "eci-1",
        "k8s.aliyun.com/eci-request-id": "REQ",
        "k8s.aliyun.com/eci-instance-spec": "2.0-4.0Gi",
        "alibabacloud.com/client-token": "11111111-2222",
        "alibabacloud.com/instance-id": "eci-1",
        "alibabacloud.com/request-id": "REQ",
        "alibabacloud.com/user-id": "1234",
        "alibabacloud.com/pod-ephemeral-storage": "80Gi",
        "alibabacloud.com/pod-use-spec": "2-4Gi",
        "kubernetes.io/preferred-scheduling-node": "virtual-kubelet-cn-hangzhou-k/1",
        "kubernetes.io/resource-type": "serverless",
    }
    seen = Instance(
        "eci-1",
        "n",
        InstanceState.RUNNING,
        "Running",
        "cn-hangzhou",
        size=Size(Decimal("0.25"), Decimal("0.5"), "0.25-0.5Gi"),
    )
    later = ECI.annotations(spec, instance=seen, created=None)
    assert later["k8s.aliyun.com/eci-instance-spec"] == "0.25-0.5Gi"
    assert later["alibabacloud.com/schedule-result"] == "finished"


def test_the_policy_grants_what_is_called_and_nothing_with_a_star() -> None:
    policies = ECI.policies()
    granted = {use: given["Statement"][0]["Action"] for use, given in policies.items()}
    assert "eci:DeleteContainerGroup" in granted[Use.PODS]
    assert granted[Use.BILLS] == ["bssapi:DescribeInstanceBill"]
    assert "cs:UpgradeK8sComponents" in granted[Use.ADDONS]
    assert "ram:CreateAccessKey" in granted[Use.USERS]
    assert not [action for actions in granted.values() for action in actions if "*" in action]
    assert "*" not in policies[Use.USERS]["Statement"][0]["Resource"]
