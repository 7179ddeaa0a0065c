"""KCI's pure side: identity in names, rules for pods, the node, keys, errors and answers."""

from __future__ import annotations

import base64
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from kube.dial import AddressPolicy
from kube.errors import AddressRefused
from kube.secret import Secret
from providers.base import Claim, InstanceSpec, InstanceState, Placement, RunState, TemporaryKeys
from providers.errors import (
    AccountTrouble,
    Busy,
    InvalidSpec,
    NotFound,
    OutOfStock,
    QuotaExceeded,
    Throttled,
    Unavailable,
)
from providers.kci import answer, identity, node, options, pod, sizes
from providers.kingsoft import endpoints, errors
from providers.registry import dialect
from providers.tags import Owner, owner_of, tags_of

KCI = dialect("kci")
LABEL = r"[a-zA-Z0-9]([-a-zA-Z0-9._]*[a-zA-Z0-9])?"
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?", fullmatch=True)
uids = st.one_of(st.uuids().map(str), names.filter(lambda text: len(text) < 12))


def spec_of(owner: Owner, **settings: str) -> InstanceSpec:
    return InstanceSpec(
        name=f"{owner.namespace}-{owner.pod}",
        region="cn-beijing-6",
        placements=(Placement("cn-beijing-6a", "subnet-1"),),
        security_group="sg-1",
        containers=(),
        tags=tags_of(owner),
        settings=settings,
    )


@given(
    st.builds(
        Owner,
        console=st.one_of(st.from_regex(r"spillway-[0-9a-f]{12}", fullmatch=True), names),
        cluster_uid=uids,
        node=names,
        namespace=names,
        pod=names,
        pod_uid=uids,
        generation=st.integers(1, 9999),
    )
)
def test_whose_an_instance_is_comes_back_from_its_name_and_labels(owner: Owner) -> None:
    spec = spec_of(owner, KCI_CLUSTER_ID="c-of-kce")
    name = identity.name(spec)
    assert len(name) <= 128
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert name[0] not in "-."
    assert name[-1] not in "-."
    labels = {one["Key"]: one["Value"] for one in identity.labels(spec)}
    assert labels["cluster-id"] == "c-of-kce"
    assert owner_of(identity.tags(name, labels)) == owner


def test_long_names_are_cut_and_the_uids_still_tell_the_owner() -> None:
    owner = Owner(
        "spillway-0123456789ab",
        "6f1b1f7a-1b1b-4c1b-8b1b-0123456789ab",
        "n" * 80,
        "team-a",
        "p" * 250,
        "0d5cbe6e-1b1b-4c1b-8b1b-0123456789ff",
        12,
    )
    spec = spec_of(owner)
    name, labels = identity.name(spec), identity.labels(spec)
    assert len(name) == 128
    assert {len(one["Value"]) for one in labels if one["Key"] in {"pod-name", "node-name"}} == {63}
    found = owner_of(identity.tags(name, {one["Key"]: one["Value"] for one in labels}))
    assert found == replace(owner, pod="p" * 63, node="n" * 63)


@pytest.mark.parametrize("name", ["web", "a.b.c.d.e", "web.u.1.c", "x.y.1.z.zzz~", ""])
def test_a_name_of_somebody_else_is_nobodys(name: str) -> None:
    assert owner_of(identity.tags(name, {})) is None


def a_pod(**changes: Any) -> dict[str, Any]:
    spec = {
        "containers": [{"name": "main", "image": "a"}],
        "dnsPolicy": "Default",
        **changes.pop("spec", {}),
    }
    return {"metadata": {"name": "p", "namespace": "d", **changes}, "spec": spec}


REFUSED_BY_RBKCI = [
    ({"ownerReferences": [{"kind": "DaemonSet"}]}, "metadata.ownerReferences"),
    ({"spec": {"volumes": [{"name": "h", "hostPath": {"path": "/"}}]}}, "spec.volumes[0].hostPath"),
    (
        {"spec": {"containers": [{"securityContext": {"privileged": True}}]}},
        "spec.containers[0].securityContext.privileged",
    ),
    ({"spec": {"initContainers": [{"name": "i"}]}}, "spec.initContainers"),
    ({"spec": {"hostNetwork": True}}, "spec.hostNetwork"),
]


@pytest.mark.parametrize(("changes", "path"), REFUSED_BY_RBKCI)
def test_rbkci_refuses_what_its_guide_lists(changes: dict[str, Any], path: str) -> None:
    rules = {"capabilities": "rbkci-v1.3.1"}
    refused = [p.path for p in KCI.problems(a_pod(**changes), settings=rules) if p.fatal]
    assert refused == [path]


def test_the_current_api_takes_host_paths_probes_and_init_containers() -> None:
    found = a_pod(
        spec={
            "volumes": [{"name": "h", "hostPath": {"path": "/"}}],
            "initContainers": [{"name": "i", "securityContext": {"privileged": True}}],
            "containers": [{"name": "c", "readinessProbe": {"exec": {"command": ["x"]}}}],
        }
    )
    assert not KCI.problems(found, settings={})
    refused = {p.reason for p in KCI.problems(found, settings={"KCI_KUBE_PROXY": "true"})}
    assert refused == {
        "HostPathNotSupported",
        "InitContainersNotSupported",
        "PrivilegedNotSupported",
        "ProbeNotSupported",
    }


def test_a_sidecar_is_pointed_out_as_an_ordinary_container() -> None:
    sidecar = {"name": "s", "image": "a", "restartPolicy": "Always"}
    (told,) = KCI.problems(a_pod(spec={"initContainers": [sidecar]}), settings={})
    assert (told.path, told.fatal) == ("spec.initContainers[0].restartPolicy", False)


def test_probes_are_warned_about_and_refused_only_when_asked_for() -> None:
    probed = a_pod(
        spec={"containers": [{"name": "c", "livenessProbe": {"tcpSocket": {"port": 1}}}]}
    )
    rules = {"capabilities": "rbkci-v1.3.1"}
    (warned,) = KCI.problems(probed, settings=rules)
    assert (warned.path, warned.fatal) == ("spec.containers[0].livenessProbe", False)
    (refused,) = KCI.problems(probed, settings={**rules, "strict": "true"})
    assert refused.fatal


def test_a_toleration_of_the_other_key_is_pointed_out_with_the_right_one() -> None:
    other = {"key": "rbkci-virtual-kubelet.io/provider", "value": "kingsoftcloud"}
    (told,) = KCI.problems(a_pod(spec={"tolerations": [other]}), settings={})
    assert told.path == "spec.tolerations[0].key"
    assert "virtual-kubelet.io/provider" in told.fix_text
    assert not told.fatal
    both = [other, {"key": "virtual-kubelet.io/provider", "operator": "Exists"}]
    assert not KCI.problems(a_pod(spec={"tolerations": both}), settings={})
    settings = {"taint-key": "rbkci-virtual-kubelet.io/provider"}
    assert not KCI.problems(a_pod(spec={"tolerations": [other]}), settings=settings)
    assert not KCI.problems(
        a_pod(spec={"tolerations": [other]}), settings={"disable-taint": "true"}
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("k8s.ksyun.com/kci-instance-memory", "4"),
        ("k8s.ksyun.com/kci-security-group-id", "a,b,c,d"),
        ("k8s.ksyun.com/kci-subnet-id", "a,b"),
        ("k8s.ksyun.com/kci-kube-proxy-enabled", "yes"),
        ("k8s.ksyun.com/kci-host-aliases", '[{"ip": "not-an-ip", "hostnames": ["a"]}]'),
        ("k8s.ksyun.com/kci-host-aliases", '[{"ip": "10.0.0.1", "hostnames": ["-bad-"]}]'),
        ("kubernetes.io/ingress-bandwidth", "10m"),
    ],
)
def test_an_annotation_that_cannot_be_read_is_refused_by_name(key: str, value: str) -> None:
    fatal = [p for p in KCI.problems(a_pod(annotations={key: value}), settings={}) if p.fatal]
    assert len(fatal) == 1
    assert "kci-instance-cpu" in fatal[0].path or key in fatal[0].path


def test_what_kci_has_no_place_for_is_told_and_not_refused() -> None:
    odd = a_pod(
        annotations={"k8s.ksyun.com/kci-tyop": "1", "kubernetes.io/egress-bandwidth": "10M"},
        spec={
            "containers": [
                {"name": f"c{n}", "lifecycle": {"preStop": {"exec": {}}}} for n in range(6)
            ],
            "activeDeadlineSeconds": 60,
        },
    )
    found = KCI.problems(odd, settings={})
    assert {p.reason for p in found} == {
        "AnnotationIgnored",
        "BandwidthIgnored",
        "DeadlineIgnored",
        "FieldIgnored",
        "ManyContainers",
    }
    assert not any(p.fatal for p in found)


def test_the_clusters_dns_is_reached_by_the_agent_or_by_addresses_of_the_node() -> None:
    usual = a_pod(spec={"dnsPolicy": "ClusterFirst"})
    assert [p.path for p in KCI.problems(usual, settings={})] == ["spec.dnsPolicy"]
    assert not KCI.problems(usual, settings={"KCI_KUBE_PROXY": "true"})
    assert not KCI.problems(usual, settings={"cluster-dns": "10.0.0.2"})


@pytest.mark.parametrize(
    ("text", "bits"), [("100M", 100_000_000), ("1.5G", 1_500_000_000), ("8k", 8000), ("512", 512)]
)
def test_bandwidth_is_in_bits_with_decimal_units(text: str, bits: int) -> None:
    assert options.bandwidth({options.INGRESS: text}, options.INGRESS) == Decimal(bits)


def test_node_ports_of_services_are_not_served() -> None:
    (told,) = pod.service_problems({"spec": {"type": "NodePort"}}, {})
    assert told.path == "spec.type"
    assert not pod.service_problems({"spec": {"type": "ClusterIP"}}, {})


def test_the_node_has_the_taint_of_the_guide_unless_it_is_switched_off() -> None:
    asked = {"region": "cn-beijing-6", "zone": "cn-beijing-6a", "name": "virtual-kubelet01"}
    profile = KCI.node_profile(**asked, settings={})
    assert profile.taints == (
        {
            "key": "virtual-kubelet.io/provider",
            "value": "kingsoftcloud",
            "effect": "NoSchedule",
        },
    )
    assert profile.labels["type"] == "virtual-kubelet"
    assert profile.labels["kubernetes.io/role"] == "agent"
    assert KCI.node_profile(**asked, settings={"disable-taint": "true"}).taints == ()
    assert KCI.node_name("") == "virtual-kubelet"
    assert KCI.node_name("cn-beijing-6e") == "virtual-kubelet-cn-beijing-6e"


def test_the_nodes_version_names_kubernetes_and_this_build() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    assert KCI.node_version("v1.25.7-kce.1") == f"v1.25.7-vk-v{project['version']}"
    assert node.version("1.17.6") == f"v1.17.6-vk-{node.BUILD}"


def test_a_pod_that_comes_to_its_node_is_served() -> None:
    assert KCI.claim({"metadata": {"labels": {"alibabacloud.com/eci": "true"}}}) is Claim.SERVES


def test_a_key_may_call_the_api_inside_the_vpc() -> None:
    given = {"access_key_id": " AKLT1 ", "access_key_secret": "s", "KCI_REQUEST_INTERNAL": "true"}
    key = KCI.key(given)
    assert (key.id, key.endpoint) == ("AKLT1", "http://internal.api.ksyun.com")
    assert KCI.key({**given, "KCI_REQUEST_INTERNAL": "false"}).endpoint == ""


@pytest.mark.parametrize(
    ("override", "address", "refused"),
    [
        ("", "120.92.0.1", False),
        ("https://kci.cn-beijing-6.api.ksyun.com", "120.92.0.1", False),
        ("https://api.ksyun.com.evil.example", "120.92.0.1", True),
        ("http://gateway.example:8080", "10.1.2.3", False),
        ("http://gateway.example:8080", "120.92.0.1", True),
    ],
)
def test_keys_are_sent_to_kingsoft_or_to_listed_addresses_only(
    override: str, address: str, refused: bool
) -> None:
    policy = endpoints.policy_for(override, AddressPolicy.of(allow=["10.0.0.0/8"]))
    if not refused:
        policy.check(address)
        return
    with pytest.raises(AddressRefused):
        policy.check(address)


PLAIN = {"ak": "AKTP1", "sk": "the-secret\n", "securityToken": "t", "cipher": "none"}
TEXT_KEY = "0123456789abcdef"


def by_aes(text: str, key: str = TEXT_KEY) -> str:
    padder = block_padding.PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    cipher = Cipher(algorithms.AES(key.encode()), modes.CBC(key.encode()[:16])).encryptor()
    return base64.b64encode(cipher.update(padded) + cipher.finalize()).decode()


def test_a_plain_temporary_key_is_read_with_its_end_in_utc() -> None:
    assert isinstance(KCI, TemporaryKeys)
    key = KCI.temporary({**PLAIN, "expired_at": "2026-11-21T08:00:00"}, Secret(""))
    assert (key.id, key.secret.reveal(), key.token.reveal()) == ("AKTP1", "the-secret", "t")
    assert key.expires_at == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert KCI.temporary({**PLAIN, "expired_at": "soon"}, Secret("")).expires_at is None


@pytest.mark.parametrize("length", [16, 24, 32])
def test_a_temporary_key_ciphered_with_aes_is_opened(length: int) -> None:
    assert isinstance(KCI, TemporaryKeys)
    text = "k" * length
    data = {**PLAIN, "cipher": "aes256+base64", "sk": by_aes("the-secret", text)}
    assert KCI.temporary(data, Secret(text)).secret.reveal() == "the-secret"


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_temporary_key_ciphered_with_rsa_is_opened(wrapped: bool) -> None:
    assert isinstance(KCI, TemporaryKeys)
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    given = base64.b64encode(pem) if wrapped else pem
    ciphered = private.public_key().encrypt(b"the-secret", padding.PKCS1v15())
    data = {**PLAIN, "cipher": "RSA", "sk": base64.b64encode(ciphered).decode()}
    assert KCI.temporary(data, Secret(given.decode())).secret.reveal() == "the-secret"


@pytest.mark.parametrize(
    ("changes", "cipher", "told"),
    [
        ({"ak": ""}, "", "'ak'"),
        ({"sk": " "}, "", "'sk'"),
        ({"cipher": "aes256+base64", "sk": by_aes("x")}, "", "'cipher'"),
        ({"cipher": "aes256+base64", "sk": by_aes("x")}, "short", "'cipher'"),
        ({"cipher": "aes256+base64", "sk": "%%%"}, TEXT_KEY, "'sk'"),
        ({"cipher": "aes256+base64", "sk": "AAAA"}, TEXT_KEY, "'sk'"),
        ({"cipher": "rsa", "sk": "AAAA"}, "no pem", "'cipher'"),
    ],
)
def test_a_temporary_key_that_cannot_be_used_names_the_entry_and_no_secret(
    changes: dict[str, str], cipher: str, told: str
) -> None:
    assert isinstance(KCI, TemporaryKeys)
    data = {**PLAIN, **changes}
    with pytest.raises(InvalidSpec) as refused:
        KCI.temporary(data, Secret(cipher))
    assert told in str(refused.value)
    assert data["sk"] not in str(refused.value) or not data["sk"].strip()


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SecurityTokenExpired", 400, AccountTrouble),
        ("SignatureDoesNotMatch", 403, AccountTrouble),
        ("AccessDenied", 403, AccountTrouble),
        ("InsufficientBalance", 400, AccountTrouble),
        ("LimitExceeded", 409, Throttled),
        ("Whatever", 429, Throttled),
        ("InsufficientCapacity", 400, OutOfStock),
        ("ResourceSoldOut", 409, OutOfStock),
        ("QuotaExceeded", 400, QuotaExceeded),
        ("ContainerGroupNotFound", 404, NotFound),
        ("ContainerGroupStatusInvalid", 400, Busy),
        ("InternalError", 500, Unavailable),
        ("Strange", 503, Unavailable),
        ("ContainerGroupNotFound", 500, Unavailable),
        ("InsufficientCapacity", 503, Unavailable),
        ("InvalidParameterValue", 400, InvalidSpec),
        ("NeverSeen", 400, InvalidSpec),
    ],
)
def test_errors_are_sorted_by_what_to_do_next(code: str, status: int, kind: type) -> None:
    body = {"RequestId": "r", "Error": {"Code": code, "Message": "m"}}
    found = errors.error(body, status=status, action="DeleteContainerGroup")
    assert type(found) is kind
    assert (found.code, found.message, found.request_id) == (code, "m", "r")


def test_a_message_in_chinese_and_the_older_shape_are_understood() -> None:
    body = {"code": "10043", "message": "可用区资源不足，已售罄", "RequestID": "r"}
    assert isinstance(errors.error(body, status=400, action="x"), OutOfStock)
    subnet = {"Error": {"Code": "SubnetNotFound", "Message": "m"}}
    found = errors.error(subnet, status=404, action="CreateContainerGroup")
    assert isinstance(found, InvalidSpec)


GROUP: dict[str, Any] = {
    "ContainerGroupId": "id-1",
    "ContainerGroupName": "web",
    "KciMode": "STANDALONE",
    "Status": "Running",
    "CreateTime": "2026-11-21 08:00:00",
    "Cpu": 2,
    "Memory": 8,
    "Containers": [
        {
            "Name": "main",
            "RestartCount": 1,
            "CurrentState": {"State": "CrashLoopBackOff"},
            "PreviousState": {"State": "terminated", "ExitCode": 3},
        }
    ],
}


def test_times_are_those_of_beijing_unless_a_zone_is_told() -> None:
    assert answer.time("2026-11-21 08:00:00") == datetime(2026, 11, 21, tzinfo=UTC)
    assert answer.time("2026-11-21T08:00:00Z") == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert answer.time("2026-11-21 08:00:00", UTC) == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert answer.time("0001-01-01 00:00:00") is None
    assert answer.time("yesterday") is None


def test_a_state_that_no_document_names_is_waited_for_and_told() -> None:
    seen = answer.group(GROUP, region="cn-beijing-6")
    assert seen.containers is not None
    (main,) = seen.containers
    assert (main.state.state, main.state.reason) == (RunState.WAITING, "CrashLoopBackOff")
    assert main.last is not None
    assert main.last.exit_code == 3
    unknown = answer.group({**GROUP, "Status": "Unknown"}, region="cn-beijing-6")
    assert not unknown.state.over
    assert unknown.state.billed
    assert "Unknown" in unknown.message


def test_in_cluster_mode_containers_are_not_told_rather_than_none() -> None:
    seen = answer.group({**GROUP, "KciMode": "Cluster"}, region="cn-beijing-6")
    assert seen.containers is None
    assert seen.state is InstanceState.RUNNING


def test_an_instance_that_never_came_up_costs_nothing() -> None:
    seen = answer.group({**GROUP, "Status": "CreateError"}, region="cn-beijing-6")
    assert seen.state is InstanceState.SCHEDULE_FAILED
    assert seen.billed_from is None
    assert seen.reason == "CreateError"


@given(
    st.dictionaries(
        st.integers(1, 128).map(Decimal),
        st.sets(st.integers(1, 512).map(Decimal), min_size=1, max_size=5),
        min_size=1,
        max_size=6,
    ),
    st.decimals(0, 130, places=3),
    st.decimals(0, 520, places=3),
)
def test_a_fitted_package_is_sold_and_holds_what_was_asked(
    table: dict[Decimal, set[Decimal]], cpu: Decimal, memory: Decimal
) -> None:
    packages = sizes.parse(sizes.encode(table))
    assert {row: set(memories) for row, memories in packages.items()} == table
    found = sizes.fit(cpu, memory, packages)
    fitting = {(r, m) for r, ms in table.items() for m in ms if r >= cpu and m >= memory}
    if not cpu and not memory:
        assert found == sizes.DEFAULT
    else:
        assert found in fitting or (found is None and not fitting)
