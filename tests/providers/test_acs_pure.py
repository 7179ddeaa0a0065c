"""What ACS is asked and what is written back, without a cluster."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from kube import Pod
from kube.secret import Secret
from providers.acs import answer, gpus, key, keys, sizes
from providers.acs import pod as pods
from providers.acs.containers import cpu_quantity, escaped, memory_quantity
from providers.acs.dialect import AcsDialect
from providers.base import (
    Claim,
    Container,
    Created,
    Instance,
    InstanceSpec,
    InstanceState,
    Placement,
    Size,
    Volume,
    VolumeKind,
)
from providers.errors import InvalidSpec
from providers.tags import Owner, tags_of
from tests.providers.full import FULL

DIALECT = AcsDialect()
NODE = "virtual-kubelet-cn-hangzhou-k"
TAGS = tags_of(Owner("spillway-1", "c-1", NODE, "default", "nginx-1", "u-1", 1))
NGINX = InstanceSpec(
    name="default-nginx-1",
    region="cn-hangzhou",
    placements=(Placement("cn-hangzhou-j", "vsw-j"), Placement("cn-hangzhou-k", "vsw-k")),
    security_group="sg-1",
    containers=(Container("nginx", "nginx:1.27", cpu=Decimal(2)),),
    labels={keys.CLASS: "general-purpose", keys.QOS: "default", "app": "nginx"},
    tags=TAGS,
    cpu=Decimal(2),
)
# `full.FULL` without the disk, which no other cluster's pod can mount.
WHOLE = replace(FULL, volumes=FULL.volumes[:3], hostname="web.0")


def test_the_pod_says_all_that_was_asked() -> None:
    wanted = pods.wanted(WHOLE, token="t-1")
    spec = wanted.pod["spec"]
    assert {key: spec[key] for key in spec if key not in {"containers", "initContainers"}} == {
        "restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": 45,
        "activeDeadlineSeconds": 600,
        "shareProcessNamespace": True,
        "hostname": "web-0",
        "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["db", "db.example"]}],
        "dnsPolicy": "None",
        "dnsConfig": {
            "nameservers": ["10.0.0.10"],
            "searches": ["default.svc.cluster.local"],
            "options": [{"name": "ndots", "value": "5"}],
        },
        "imagePullSecrets": [{"name": f"{wanted.name}-pull"}],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "volumes": [
            {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {
                "name": "files",
                "secret": {
                    "secretName": f"{wanted.name}-files",
                    "defaultMode": 0o644,
                    "items": [
                        {"key": "1.0", "path": "app.toml", "mode": 0o600},
                        {"key": "1.1", "path": "b.bin"},
                    ],
                },
            },
            {
                "name": "nfs",
                "nfs": {"server": "nas.example", "path": "/share", "readOnly": True},
            },
        ],
    }
    assert [c["name"] for c in spec["containers"]] == ["main", "sidecar"]
    assert [c["name"] for c in spec["initContainers"]] == ["init"]


def test_a_container_says_all_that_was_asked() -> None:
    main = pods.wanted(WHOLE, token="t-1").pod["spec"]["containers"][0]
    amounts = {"cpu": "1500m", "memory": "3Gi"}
    probe = {"timeoutSeconds": 1, "successThreshold": 1, "periodSeconds": 10}
    assert main == {
        "name": "main",
        "image": "nginx:1.27",
        "imagePullPolicy": "IfNotPresent",
        "command": ["nginx"],
        "args": ["-g", "daemon off;"],
        "env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "A", "value": "1 2*~/é"},
            {"name": "EMPTY", "value": ""},
        ],
        "workingDir": "/srv",
        "ports": [
            {"containerPort": 80, "protocol": "TCP"},
            {"containerPort": 53, "protocol": "UDP"},
        ],
        "volumeMounts": [
            {"name": "files", "mountPath": "/etc/app", "readOnly": True},
            {"name": "nfs", "mountPath": "/data", "subPath": "a"},
        ],
        "resources": {"requests": amounts, "limits": amounts},
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": 80, "scheme": "HTTPS"},
            "initialDelaySeconds": 3,
            "failureThreshold": 3,
            **probe,
        },
        "readinessProbe": {
            "exec": {"command": ["cat", "/ready"]},
            "initialDelaySeconds": 0,
            "failureThreshold": 5,
            **probe,
        },
        "lifecycle": {
            "postStart": {"httpGet": {"path": "/started", "port": 80, "scheme": "HTTP"}},
            "preStop": {"exec": {"command": ["nginx", "-s", "quit"]}},
        },
        "securityContext": {
            "runAsUser": 1000,
            "runAsGroup": 2000,
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "capabilities": {"add": ["NET_ADMIN"]},
        },
        "stdin": True,
        "stdinOnce": True,
        "tty": True,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


@pytest.mark.parametrize(("after", "order"), [(0, ["sidecar", "init"]), (1, ["init", "sidecar"])])
def test_a_sidecar_is_an_init_container_that_goes_on(after: int, order: list[str]) -> None:
    sidecar = replace(WHOLE.containers[1], sidecar=True, after=after)
    asked = replace(WHOLE, containers=(WHOLE.containers[0], sidecar))
    spec = pods.wanted(asked, token="t-1").pod["spec"]
    assert [c["name"] for c in spec["containers"]] == ["main"]
    policies = {c["name"]: c.get("restartPolicy") for c in spec["initContainers"]}
    assert list(policies) == order
    assert policies == {"init": None, "sidecar": "Always"}


def test_files_and_logins_travel_in_secrets_that_never_print() -> None:
    wanted = pods.wanted(WHOLE, token="t-1")
    assert "hunter2" not in repr(wanted)
    bodies = {name: json.loads(body.reveal()) for name, body in wanted.secrets.items()}
    files = bodies[f"{wanted.name}-files"]
    assert {k: base64.b64decode(v) for k, v in files["data"].items()} == {
        "1.0": b"a = 1\n",
        "1.1": bytes(range(256)),
    }
    pull = bodies[f"{wanted.name}-pull"]
    assert pull["type"] == "kubernetes.io/dockerconfigjson"
    assert json.loads(base64.b64decode(pull["data"][".dockerconfigjson"])) == {
        "auths": {
            "registry.example": {
                "username": "robot",
                "password": "hunter2",
                "auth": base64.b64encode(b"robot:hunter2").decode(),
            }
        }
    }
    assert pods.wanted(NGINX, token="t-1").secrets == {}


def test_class_quality_place_and_identity_are_on_the_pod() -> None:
    spec = replace(
        NGINX,
        options={
            "network.alibabacloud.com/pod-with-eip": "true",
            "registry.alibabacloud.com/insecure-registry": "harbor.example",
            "kubernetes.io/egress-bandwidth": "10M",
            "k8s.aliyun.com/eci-use-specs": "2-4Gi",
            "example.com/other": "x",
            keys.INSTANCE_ID: "acs-of-an-earlier-one",
            keys.USE_SPEC: "64-512Gi",
        },
    )
    meta = pods.wanted(spec, token="t-1").pod["metadata"]
    assert meta["labels"] == {
        keys.CLASS: "general-purpose",
        keys.QOS: "default",
        "app.kubernetes.io/managed-by": "spillway",
        "spillway.io/region": "cn-hangzhou",
        "spillway.io/console": "spillway-1",
        "spillway.io/pod-uid": "u-1",
        "spillway.io/generation": "1",
    }
    digest = meta["annotations"].pop(keys.DIGEST)
    assert len(digest) == 64
    assert json.loads(meta["annotations"].pop(keys.TAGS)) == TAGS
    assert meta["annotations"] == {
        "network.alibabacloud.com/vswitch-ids": "vsw-j,vsw-k",
        "network.alibabacloud.com/security-group-ids": "sg-1",
        "network.alibabacloud.com/pod-with-eip": "true",
        "registry.alibabacloud.com/insecure-registry": "harbor.example",
        "kubernetes.io/egress-bandwidth": "10M",
        "spillway.io/zones": "cn-hangzhou-j,cn-hangzhou-k",
        "spillway.io/size": "2-4Gi general-purpose/default",
    }


def test_what_the_pod_says_beats_the_virtual_node() -> None:
    own = {
        keys.VSWITCHES: "vsw-own",
        keys.SECURITY_GROUPS: "sg-a,sg-b",
    }
    annotations = pods.wanted(replace(NGINX, options=own), token="t").pod["metadata"]["annotations"]
    assert own.items() <= annotations.items()


def test_one_token_is_one_name_and_one_request_one_digest() -> None:
    first = pods.wanted(NGINX, token="t-1")
    assert first.name == pods.wanted(FULL_LESS, token="t-1").name
    assert first.name != pods.wanted(NGINX, token="t-2").name
    assert len(first.name) == 29
    elsewhere = replace(NGINX, placements=NGINX.placements[1:])
    assert pods.wanted(elsewhere, token="t-1").digest == first.digest
    other = replace(NGINX, grace_seconds=5)
    assert pods.wanted(other, token="t-1").digest != first.digest


FULL_LESS = replace(WHOLE, registry_credentials=())


def test_cards_are_asked_for_by_what_they_are() -> None:
    labels = {keys.CLASS: "gpu-hpn", keys.MODEL: "PPU810E"}
    container = Container("main", "train:1", gpu=8, cpu=Decimal(64), memory=Decimal(512))
    spec = replace(NGINX, labels=labels, containers=(container,), gpu=8)
    body = pods.wanted(spec, token="t").pod
    assert body["spec"]["containers"][0]["resources"]["limits"]["alibabacloud.com/ppu"] == "8"
    assert body["spec"]["nodeSelector"] == {keys.MODEL: "PPU810E"}
    assert keys.MODEL not in body["metadata"]["labels"]
    assert gpus.resource("T4") == "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("volume", "told"),
    [
        (FULL.volumes[3], "alicloud/disk"),
        (Volume("data", VolumeKind.HOST_PATH, path="/var"), "host_path"),
    ],
)
def test_what_belongs_to_another_cluster_cannot_be_mounted(volume: Volume, told: str) -> None:
    with pytest.raises(InvalidSpec, match=told):
        pods.wanted(replace(NGINX, volumes=(volume,)), token="t")


def test_files_beyond_a_mebibyte_are_refused_before_anything_is_made() -> None:
    file = replace(FULL.volumes[1].files[0], content=b"x" * (pods.SECRET_BYTES + 1))
    volume = replace(FULL.volumes[1], files=(file,))
    with pytest.raises(InvalidSpec, match="1048577 bytes"):
        pods.wanted(replace(NGINX, volumes=(volume,)), token="t")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("$HOME costs $5", "$$HOME costs $$5"),
        ("$(HOME)", "$$(HOME)"),
        ("http://$(IP):80", "http://$(IP):80"),
        ("$$(IP)", "$$$(IP)"),
    ],
)
def test_dollars_survive_the_second_expansion(text: str, written: str) -> None:
    assert escaped(text, {"IP"}) == written


def test_quantities_are_exact() -> None:
    assert [cpu_quantity(Decimal(n)) for n in ("0.25", "2", "1.5", "0.1")] == [
        "250m",
        "2",
        "1500m",
        "100m",
    ]
    assert [memory_quantity(Decimal(n)) for n in ("4", "0.5", "3.5")] == ["4Gi", "512Mi", "3584Mi"]
    assert memory_quantity(Decimal(1000) / 1024**3) == "1000"


def seen(**changes: Any) -> Instance:
    fields: dict[str, Any] = {
        "id": "sw-1",
        "name": "sw-1",
        "state": InstanceState.RUNNING,
        "raw_state": "Running",
        "region": "cn-hangzhou",
        "shown_id": "acs-2ze0123456789abcdefg",
        "written": {
            keys.CREATED: "done",
            keys.CLIENT_TOKEN: "6f1c2d3e-0000-4000-8000-000000000001",
            keys.INSTANCE_ID: "acs-2ze0123456789abcdefg",
            keys.STORAGE: "30Gi",
            keys.USE_SPEC: "2-4Gi",
            keys.REQUEST_ID: "6925D4B7-0000",
            keys.SCHEDULE_RESULT: "finished",
            keys.USER_ID: "1234567890123456",
            keys.RESOURCE_TYPE: "serverless",
            keys.ZONE: "cn-hangzhou-k",
        },
    }
    return Instance(**fields | changes)


def test_a_running_pod_shows_what_the_vendor_shows() -> None:
    created = Created("sw-1", "pod-uid", "t-1", "uid-of-the-acs-cluster")
    assert DIALECT.annotations(NGINX, instance=seen(), created=created) == {
        "ProviderCreate": "done",
        "alibabacloud.com/client-token": "6f1c2d3e-0000-4000-8000-000000000001",
        "alibabacloud.com/instance-id": "acs-2ze0123456789abcdefg",
        "alibabacloud.com/pod-ephemeral-storage": "30Gi",
        "alibabacloud.com/pod-use-spec": "2-4Gi",
        "alibabacloud.com/request-id": "6925D4B7-0000",
        "alibabacloud.com/schedule-result": "finished",
        "alibabacloud.com/user-id": "1234567890123456",
        "kubernetes.io/preferred-scheduling-node": f"{NODE}/1",
        "kubernetes.io/resource-type": "serverless",
        "topology.kubernetes.io/zone": "cn-hangzhou-k",
    }


def test_before_acs_has_answered_only_what_is_known_is_written() -> None:
    created = Created("sw-1", "pod-uid", "t-1")
    assert DIALECT.annotations(NGINX, instance=None, created=created) == {
        "ProviderCreate": "done",
        "alibabacloud.com/client-token": "t-1",
        "alibabacloud.com/pod-ephemeral-storage": "30Gi",
        "alibabacloud.com/pod-use-spec": "2-4Gi",
        "kubernetes.io/preferred-scheduling-node": f"{NODE}/1",
        "kubernetes.io/resource-type": "serverless",
    }
    waiting = seen(state=InstanceState.SCHEDULING, shown_id="", written={})
    assert keys.SCHEDULE_RESULT not in DIALECT.annotations(NGINX, instance=waiting, created=created)


@pytest.mark.parametrize(
    ("labels", "claim"),
    [
        ({}, Claim.SERVES),
        ({keys.CLASS: "general-purpose"}, Claim.NAMED),
        ({keys.QOS: "best-effort"}, Claim.NAMED),
        ({keys.ACS: "true"}, Claim.NAMED),
        ({keys.ECI: "true"}, Claim.NEVER),
        ({keys.ECI: "true", keys.CLASS: "performance"}, Claim.NAMED),
    ],
)
def test_pods_are_claimed_by_their_labels(labels: dict[str, str], claim: Claim) -> None:
    assert DIALECT.claim({"metadata": {"labels": labels}}) is claim


@pytest.mark.parametrize(
    ("tier", "region", "hourly"),
    [
        ("general-purpose/default", "cn-hangzhou", "0.24019200"),
        ("general-purpose/best-effort", "cn-hangzhou", "0.04780800"),
        ("performance/default", "cn-beijing", "0.31219200"),
        ("performance/best-effort", "cn-beijing", "0.06206400"),
        ("general-purpose/default", "cn-hongkong", "0.35438400"),
        ("general-purpose/best-effort", "ap-southeast-1", "0.07084800"),
    ],
)
def test_two_cpus_and_four_gib_cost_what_the_list_says(tier: str, region: str, hourly: str) -> None:
    """ACS product overview, "Billing", by class, quality and part of the world."""
    price = DIALECT.list_price(Size(Decimal(2), Decimal(4), "2-4Gi", tier=tier), region=region)
    assert price is not None
    assert (str(price.per_hour), price.currency) == (hourly, "CNY")


@pytest.mark.parametrize("tier", ["general-purpose/default", "performance/best-effort"])
def test_storage_beyond_the_free_part_costs_as_a_disk(tier: str) -> None:
    """ACS user guide, "Add the EphemeralStorage": an ESSD PL1 disk's price for each GiB more."""
    size = Size(Decimal(2), Decimal(4), "2-4Gi", tier=tier)
    bare = DIALECT.list_price(size, region="cn-hangzhou")
    more = DIALECT.list_price(replace(size, storage=10), region="cn-hangzhou")
    assert bare is not None
    assert more is not None
    assert more.per_hour - bare.per_hour == Decimal("0.021")
    assert DIALECT.list_price(replace(size, storage=10), region="cn-hongkong") is None


def test_what_no_list_tells_has_no_price() -> None:
    cards = Size(Decimal(4), Decimal(8), "4-8Gi", gpu=1, type="T4", tier="gpu/default")
    assert DIALECT.list_price(cards, region="cn-hangzhou") is None
    abroad = Size(Decimal(2), Decimal(4), "2-4Gi", tier="performance/default")
    assert DIALECT.list_price(abroad, region="us-west-1") is None


def pod_of(phase: str, **parts: Any) -> Pod:
    status = {"phase": phase, **parts.get("status", {})}
    meta = {"name": "sw-1", **parts.get("meta", {})}
    return msgspec.convert({"metadata": meta, "spec": parts.get("spec", {}), "status": status}, Pod)


PLACED = {"nodeName": NODE}
STARTED = {"startTime": "2026-11-21T07:00:00Z"}
CREATING = {
    "conditions": [{"type": "ContainerInstanceCreated", "status": "False", "reason": "Creating"}]
}
SOLD_OUT = {
    "conditions": [{"type": "ContainerInstanceCreated", "status": "False", "reason": "NoStock"}]
}


@pytest.mark.parametrize(
    ("pod", "state"),
    [
        (pod_of("Pending"), InstanceState.SCHEDULING),
        (pod_of("Pending", spec=PLACED), InstanceState.SCHEDULING),
        (pod_of("Pending", spec=PLACED, status=SOLD_OUT | STARTED), InstanceState.SCHEDULING),
        (pod_of("Pending", spec=PLACED, status=STARTED), InstanceState.STARTING),
        (pod_of("Pending", spec=PLACED, status=CREATING | STARTED), InstanceState.STARTING),
        (pod_of("Running", spec=PLACED, status=STARTED), InstanceState.RUNNING),
        (
            pod_of("Running", meta={"deletionTimestamp": "2026-11-21T07:00:00Z"}),
            InstanceState.STOPPING,
        ),
        (pod_of("Succeeded"), InstanceState.SUCCEEDED),
        (pod_of("Failed"), InstanceState.FAILED),
        (pod_of("Failed", status={"reason": "Evicted"}), InstanceState.FAILED),
        (pod_of("Failed", status={"reason": "NoStock"}), InstanceState.SCHEDULE_FAILED),
    ],
)
def test_a_pod_is_in_the_state_that_its_status_tells(pod: Pod, state: InstanceState) -> None:
    told = answer.instance(pod, region="cn-hangzhou")
    assert told.state is state
    assert (told.billed_from is not None) is (bool(pod.status.start_time) and state.billed)


def test_only_fields_of_a_kubeconfig_that_run_nothing_are_taken() -> None:
    text = """
apiVersion: v1
kind: Config
clusters: [{name: acs, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: alice, user: {exec: {command: aliyun, apiVersion: client.authentication.k8s.io/v1}}}]
contexts: [{name: acs, context: {cluster: acs, user: alice}}]
current-context: acs
"""
    with pytest.raises(InvalidSpec, match=r"users\[0\]\.user\.exec: it runs a program") as refused:
        DIALECT.key({"kubeconfig": text})
    assert refused.value.code == "exec"
    good = text.replace(
        "exec: {command: aliyun, apiVersion: client.authentication.k8s.io/v1}", "token: abc.def"
    )
    new = DIALECT.key({"kubeconfig": good, "namespace": "burst"})
    assert (new.id, new.endpoint) == ("alice", "https://192.0.2.1:6443")
    assert "abc.def" not in repr(new)
    access = key.opened(new.secret)
    assert access.namespace == "burst"
    assert access.target.token == Secret("abc.def")
    with pytest.raises(InvalidSpec, match="no name of a namespace"):
        DIALECT.key({"kubeconfig": good, "namespace": "Not A Name"})
    with pytest.raises(InvalidSpec, match="holds no contexts"):
        DIALECT.key({"kubeconfig": "a: 1"})
    several = good.replace("current-context: acs", "").replace(
        "contexts: [", "contexts: [{name: b, context: {cluster: acs, user: alice}}, "
    )
    with pytest.raises(InvalidSpec, match="several contexts"):
        DIALECT.key({"kubeconfig": several})


def test_the_cpu_table_is_the_published_one() -> None:
    """ACS user guide, "ACS Pod overview": 0.25, halves from 0.5 to 16, and four large rows."""
    vcpus = [row[0] for row in sizes.CPU_GRID]
    assert vcpus == [
        Decimal("0.25"),
        *(Decimal(n) / 2 for n in range(1, 33)),
        *map(Decimal, (24, 32, 48, 64)),
    ]
    rows = {str(float(cpu)): (str(m[0]), str(m[-1]), len(m)) for cpu, m in sizes.CPU_GRID}
    assert rows["0.5"] == ("1", "4", 4)
    assert rows["1.5"] == ("2", "12", 11)
    assert rows["15.5"] == ("16", "124", 109)
    assert rows["64.0"] == ("64", "512", 4)
