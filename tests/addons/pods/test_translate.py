import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from addons.pods.asked import totals
from addons.pods.references import MissingReference, Ref, Resolved, TokenRef, wanted
from addons.pods.translate import Site, dns, translate, with_room
from addons.pods.volumes import UnsupportedVolume
from providers.acs.dialect import AcsDialect
from providers.acs.pod import wanted as wanted_by_acs
from providers.base import Dialect, Dns, EnvVar, File, InstanceSpec, Placement, Size, VolumeKind
from providers.eci.dialect import EciDialect
from providers.errors import InvalidSpec
from providers.kci.dialect import KciDialect
from tests.addons.pods.pods import pod

SITE = Site("cn-hangzhou", (Placement("cn-hangzhou-j", "vsw-j"),), "sg-1")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def made(obj: dict[str, Any], resolved: Resolved | None = None) -> InstanceSpec:
    return translate(obj, resolved or Resolved(), site=SITE, tags={"t": "1"})


def with_objects(*objects: tuple[str, str, dict[str, Any] | None]) -> Resolved:
    return Resolved(objects={Ref(kind, "shop", name): body for kind, name, body in objects})


def env_of(obj: dict[str, Any], resolved: Resolved | None = None) -> dict[str, EnvVar]:
    return {variable.name: variable for variable in made(obj, resolved).containers[0].env}


def app(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "app", "image": "nginx:1", **fields}])


def test_environment_comes_from_literals_keys_and_fields_in_order() -> None:
    resolved = with_objects(
        ("configmaps", "conf", {"data": {"COLOR": "red", "1bad": "x", "B": "from-map"}}),
        ("secrets", "keys", {"data": {"token": b64("s3cret")}}),
    )
    env = env_of(
        app(
            envFrom=[{"prefix": "P_", "configMapRef": {"name": "conf"}}],
            env=[
                {"name": "A", "value": "1"},
                {"name": "P_B", "value": "own"},
                {"name": "T", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
                {"name": "ALL", "value": "$(A)-$(P_COLOR)-$(T)-$(NONE)"},
                {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
            ],
        ),
        resolved,
    )
    assert env["P_COLOR"].value == "red"
    assert "P_1bad" in env  # the prefix made the name legal
    assert env["P_B"].value == "own"
    assert env["ALL"].value == "1-red-s3cret-$(NONE)"
    assert env["NAME"].value == "web"
    assert env["IP"] == EnvVar("IP", field_path="status.podIP")
    assert env["HOST"].field_path == "status.podIP"


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ({"configMapKeyRef": {"name": "conf", "key": "k"}}, 'configmap "conf" not found'),
        ({"secretKeyRef": {"name": "keys", "key": "k"}}, "couldn't find key k in Secret shop/keys"),
    ],
)
def test_a_missing_reference_is_told_in_the_kubelets_words(
    variable: dict[str, Any], message: str
) -> None:
    resolved = with_objects(("configmaps", "conf", None), ("secrets", "keys", {"data": {}}))
    with pytest.raises(MissingReference) as caught:
        made(app(env=[{"name": "X", "valueFrom": variable}]), resolved)
    assert caught.value.message == message
    assert caught.value.reason == "CreateContainerConfigError"


def test_optional_references_may_be_missing() -> None:
    resolved = with_objects(("configmaps", "conf", None), ("secrets", "keys", {"data": {}}))
    env = env_of(
        app(
            envFrom=[{"configMapRef": {"name": "conf", "optional": True}}],
            env=[
                {
                    "name": "X",
                    "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k", "optional": True}},
                }
            ],
        ),
        resolved,
    )
    assert env == {}


def test_services_are_linked_unless_the_container_says_otherwise() -> None:
    service = {
        "metadata": {"name": "my-db"},
        "spec": {"clusterIP": "10.0.0.9", "ports": [{"name": "sql", "port": 5432}]},
    }
    headless = {
        "metadata": {"name": "none"},
        "spec": {"clusterIP": "None", "ports": [{"port": 1}]},
    }
    env = env_of(
        app(
            env=[
                {"name": "MY_DB_SERVICE_PORT", "value": "1"},
                {"name": "URL", "value": "$(MY_DB_SERVICE_HOST):$(MY_DB_PORT_5432_TCP_PORT)"},
            ]
        ),
        Resolved(services=(service, headless)),
    )
    assert env["URL"].value == "10.0.0.9:5432"
    assert env["MY_DB_SERVICE_PORT"].value == "1"
    assert env["MY_DB_PORT"].value == "tcp://10.0.0.9:5432"
    assert env["MY_DB_SERVICE_PORT_SQL"].value == "5432"
    assert not any(name.startswith("NONE_") for name in env)


def test_resource_fields_are_in_units_of_the_divisor() -> None:
    env = env_of(
        app(
            resources={"limits": {"memory": "1Gi"}, "requests": {"cpu": "1500m"}},
            env=[
                {
                    "name": "M",
                    "valueFrom": {
                        "resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}
                    },
                },
                {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            ],
        )
    )
    assert (env["M"].value, env["C"].value) == ("1024", "0")


def limit_of(obj: dict[str, Any], name: str, divisor: str) -> dict[str, Any]:
    reference = {"resource": f"limits.{name}", "divisor": divisor}
    obj["spec"]["containers"][0]["env"] = [
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": reference}}
    ]
    return obj


def test_a_limit_that_nobody_set_is_the_pods_and_then_the_size_of_the_instance() -> None:
    size = Size(Decimal(4), Decimal(8), "4-8Gi")

    def told(obj: dict[str, Any]) -> str:
        return with_room(made(obj), obj, Resolved(), size).containers[0].env[0].value

    assert told(limit_of(app(), "memory", "1Mi")) == "8192"
    assert told(limit_of(app(), "cpu", "1")) == "4"
    asked = app(resources={"requests": {"memory": "1Gi"}})
    assert told(limit_of(asked, "memory", "1Mi")) == "8192"
    whole = app()
    whole["spec"]["resources"] = {"limits": {"memory": "6Gi"}}
    assert told(limit_of(whole, "memory", "1Mi")) == "6144"
    own = app(resources={"limits": {"memory": "1Gi"}})
    assert told(limit_of(own, "memory", "1Mi")) == "1024"


def test_limits_beat_requests_and_init_containers_count_by_the_largest() -> None:
    asked = pod(
        containers=[
            {"name": "a", "image": "i", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}},
            {
                "name": "b",
                "image": "i",
                "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
            },
        ],
        initContainers=[
            {"name": "i", "image": "i", "resources": {"limits": {"cpu": "4", "memory": "512Mi"}}},
            {
                "name": "side",
                "image": "i",
                "restartPolicy": "Always",
                "resources": {"limits": {"memory": "1Gi", "nvidia.com/gpu": "1"}},
            },
        ],
    )
    assert totals(asked) == (Decimal(4), Decimal(2), 1)
    spec = made(asked)
    assert [c.name for c in spec.containers] == ["side", "a", "b"]
    assert [c.name for c in spec.init_containers] == ["i"]
    assert totals(pod()) == (None, None, 0)


def sized(**resources: dict[str, str]) -> dict[str, Any]:
    return {"name": "app", "image": "i", "resources": resources}


@pytest.mark.parametrize(
    ("own", "container", "cpu", "memory"),
    [
        ({"limits": {"cpu": "8", "memory": "16Gi"}}, {}, "8", "16"),
        ({"limits": {"cpu": "8"}, "requests": {"cpu": "2"}}, {"requests": {"memory": "1Gi"}}, 8, 1),
        ({"requests": {"cpu": "4", "memory": "4Gi"}}, {"limits": {"cpu": "6"}}, 6, 4),
        ({"limits": {"hugepages-2Mi": "4Mi"}}, {"limits": {"cpu": "2"}}, 2, None),
    ],
)
def test_what_the_pod_asks_for_as_a_whole_beats_the_sum_of_its_containers(
    own: dict[str, Any], container: dict[str, Any], cpu: str, memory: str | None
) -> None:
    asked = pod(containers=[sized(**container)], resources=own)
    assert totals(asked) == (Decimal(cpu), None if memory is None else Decimal(memory), 0)


@pytest.mark.parametrize("dialect", [EciDialect(), AcsDialect(), KciDialect()])
def test_every_cloud_bills_the_size_that_the_pod_asks_for_as_a_whole(dialect: Dialect) -> None:
    small = sized(limits={"cpu": "1", "memory": "2Gi"})
    whole = {"limits": {"cpu": "8", "memory": "16Gi"}}
    size = dialect.billed_size(made(pod(containers=[small, {**small, "name": "b"}])))
    assert (size.cpu, size.memory) == (2, 4)
    size = dialect.billed_size(made(pod(containers=[small], resources=whole)))
    assert (size.cpu, size.memory) == (8, 16)


def test_acs_is_told_the_whole_in_the_annotation_that_it_reads() -> None:
    whole = pod(resources={"limits": {"cpu": "8", "memory": "16Gi"}})
    body = wanted_by_acs(made(whole), token="t").pod
    assert body["metadata"]["annotations"]["alibabacloud.com/pod-required-spec"] == "8-16Gi"
    whole["metadata"]["labels"] = {
        "alibabacloud.com/compute-class": "gpu",
        "alibabacloud.com/gpu-model-series": "T4",
    }
    with pytest.raises(InvalidSpec, match="by its containers"):
        AcsDialect().billed_size(made(whole))


def test_a_container_that_always_restarts_is_no_sidecar_unless_it_is_an_init_container() -> None:
    always = {"name": "app", "image": "i", "restartPolicy": "Always"}
    assert [c.sidecar for c in made(pod(containers=[always])).containers] == [False]
    init = [{**always, "name": "side"}]
    assert [c.sidecar for c in made(pod(initContainers=init)).containers] == [True, False]


def test_a_sidecar_runs_beside_the_init_containers_after_it() -> None:
    cpu = {"resources": {"requests": {"cpu": "1"}}}
    first = {"name": "first", "image": "i", "resources": {"requests": {"cpu": "2"}}}
    side = {"name": "side", "image": "i", "restartPolicy": "Always", **cpu}
    app_ = [{"name": "app", "image": "i", "resources": {"requests": {"cpu": "500m"}}}]
    assert totals(pod(containers=app_, initContainers=[first, side]))[0] == 2
    assert totals(pod(containers=app_, initContainers=[side, first]))[0] == 3


def test_configuration_volumes_become_files() -> None:
    resolved = Resolved(
        objects={
            Ref("configmaps", "shop", "conf"): {
                "data": {"a.txt": "A", "b.txt": "B"},
                "binaryData": {"c.bin": b64("C")},
            },
            Ref("secrets", "shop", "keys"): {"data": {"k": b64("K")}},
        },
        tokens={TokenRef("robot", "vault", 600): "jwt"},
    )
    spec = made(
        pod(
            metadata={"labels": {"b": "2", "a": 'x"y'}},
            serviceAccountName="robot",
            volumes=[
                {"name": "all", "configMap": {"name": "conf", "defaultMode": 0o400}},
                {
                    "name": "mix",
                    "projected": {
                        "sources": [
                            {
                                "secret": {
                                    "name": "keys",
                                    "items": [{"key": "k", "path": "d/k", "mode": 256}],
                                }
                            },
                            {
                                "downwardAPI": {
                                    "items": [
                                        {
                                            "path": "labels",
                                            "fieldRef": {"fieldPath": "metadata.labels"},
                                        }
                                    ]
                                }
                            },
                            {
                                "serviceAccountToken": {
                                    "path": "token",
                                    "audience": "vault",
                                    "expirationSeconds": 600,
                                }
                            },
                        ]
                    },
                },
            ],
        ),
        resolved,
    )
    both, mix = spec.volumes
    assert both.default_mode == 0o400
    assert both.files == (File("a.txt", b"A"), File("b.txt", b"B"), File("c.bin", b"C"))
    assert mix.files == (
        File("d/k", b"K", 256),
        File("labels", b'a="x\\"y"\nb="2"'),
        File("token", b"jwt"),
    )


def test_other_volumes_keep_what_the_provider_needs() -> None:
    claim = {"spec": {"volumeName": "pv-1"}}
    disk = {
        "spec": {
            "capacity": {"storage": "20Gi"},
            "csi": {
                "driver": "disk.example.com",
                "volumeHandle": "d-1",
                "fsType": "ext4",
                "volumeAttributes": {"x": "y"},
            },
        }
    }
    resolved = Resolved(
        objects={
            Ref("persistentvolumeclaims", "shop", "data"): claim,
            Ref("persistentvolumes", "", "pv-1"): disk,
        }
    )
    spec = made(
        pod(
            volumes=[
                {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
                {"name": "share", "nfs": {"server": "nas", "path": "/x", "readOnly": True}},
                {"name": "disk", "persistentVolumeClaim": {"claimName": "data"}},
            ]
        ),
        resolved,
    )
    tmp, share, mounted = spec.volumes
    assert (tmp.kind, tmp.medium, tmp.size_limit) == (VolumeKind.EMPTY_DIR, "Memory", "1Gi")
    assert (share.server, share.path, share.read_only) == ("nas", "/x", True)
    assert (mounted.kind, mounted.driver, mounted.fs_type) == (
        VolumeKind.FLEX,
        "disk.example.com",
        "ext4",
    )
    assert mounted.options == {"x": "y", "volumeHandle": "d-1"}


def test_a_volume_of_an_unknown_kind_is_named() -> None:
    with pytest.raises(UnsupportedVolume) as caught:
        made(pod(volumes=[{"name": "h", "glusterfs": {"path": "/"}}]))
    assert caught.value.path == "spec.volumes[0].glusterfs"


def test_a_missing_volume_source_waits_as_the_kubelet_does() -> None:
    resolved = with_objects(("secrets", "tls", None))
    with pytest.raises(MissingReference) as caught:
        made(pod(volumes=[{"name": "v", "secret": {"secretName": "tls"}}]), resolved)
    assert caught.value.reason == "ContainerCreating"
    assert caught.value.message == (
        'MountVolume.SetUp failed for volume "v" : secret "tls" not found'
    )


def test_pull_secrets_of_both_kinds_and_of_the_service_account_are_used() -> None:
    config = {"auths": {"https://r.example.com/v1/": {"auth": b64("bob:pw:1")}}}
    old = {"old.example.com": {"username": "al", "password": "p2"}}
    resolved = Resolved(
        objects={
            Ref("serviceaccounts", "shop", "default"): {
                "imagePullSecrets": [{"name": "new"}, {"name": "old"}, {"name": "gone"}]
            },
            Ref("secrets", "shop", "new"): {"data": {".dockerconfigjson": b64(json.dumps(config))}},
            Ref("secrets", "shop", "old"): {"data": {".dockercfg": b64(json.dumps(old))}},
        }
    )
    found = made(pod(), resolved).registry_credentials
    assert [(c.server, c.username, c.password.reveal()) for c in found] == [
        ("r.example.com", "bob", "pw:1"),
        ("old.example.com", "al", "p2"),
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}], "searches": ["x.y"]}},
            Dns(
                ("10.0.0.10",),
                ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "x.y"),
                (("ndots", "2"),),
            ),
        ),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}}, Dns(("1.1.1.1",))),
        ({"dnsPolicy": "Default"}, None),
    ],
)
def test_the_resolver_is_set_up_as_in_the_cluster(
    fields: dict[str, Any], expected: Dns | None
) -> None:
    assert made(pod(**fields), Resolved(cluster_dns="10.0.0.10")).dns == expected


def test_probes_name_ports_and_a_startup_probe_delays_liveness() -> None:
    container = made(
        app(
            ports=[{"name": "http", "containerPort": 8080}],
            livenessProbe={"httpGet": {"path": "/live", "port": "http"}, "initialDelaySeconds": 5},
            startupProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 10, "failureThreshold": 30},
            readinessProbe={"exec": {"command": ["true"]}, "timeoutSeconds": 3},
        )
    ).containers[0]
    assert container.liveness is not None
    assert container.readiness is not None
    assert (container.liveness.handler.port, container.liveness.initial_delay) == (8080, 300)
    assert (container.readiness.handler.command, container.readiness.timeout) == (("true",), 3)


def test_the_containers_security_context_beats_the_pods() -> None:
    obj = app(securityContext={"runAsUser": 7, "capabilities": {"add": ["NET_ADMIN"]}})
    obj["spec"]["securityContext"] = {"runAsUser": 1, "runAsGroup": 2}
    container = made(obj).containers[0]
    assert (container.run_as_user, container.run_as_group) == (7, 2)
    assert container.capabilities == ("NET_ADMIN",)


def test_what_a_pod_refers_to_is_asked_once() -> None:
    ask = wanted(
        app(
            envFrom=[{"secretRef": {"name": "s"}}],
            env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        )
    )
    assert ask.objects == {
        Ref("secrets", "shop", "s"),
        Ref("serviceaccounts", "shop", "default"),
    }
    assert ask.service_links


SET = {"cluster-dns": "10.0.0.2, 10.0.0.3", "virtual-node-dns": "9.9.9.9", "cluster-domain": "c.d"}


@pytest.mark.parametrize(
    ("policy", "settings", "found", "servers", "searches"),
    [
        ("ClusterFirst", SET, "172.16.0.10", ("10.0.0.2", "10.0.0.3", "1.1.1.1"), 3),
        ("ClusterFirst", {}, "172.16.0.10", ("172.16.0.10", "1.1.1.1"), 3),
        ("ClusterFirstWithHostNet", {}, "172.16.0.10", ("172.16.0.10", "1.1.1.1"), 3),
        ("ClusterFirst", {"virtual-node-dns": "9.9.9.9"}, "", ("9.9.9.9", "1.1.1.1"), 0),
        ("Default", SET, "172.16.0.10", ("9.9.9.9", "1.1.1.1"), 0),
        ("Default", {}, "172.16.0.10", ("1.1.1.1",), 0),
        ("None", SET, "172.16.0.10", ("1.1.1.1",), 0),
    ],
)
def test_resolvers_follow_the_policy_and_the_settings_of_the_virtual_node(
    policy: str, settings: dict[str, str], found: str, servers: tuple[str, ...], searches: int
) -> None:
    subject = pod(dnsPolicy=policy, dnsConfig={"nameservers": ["1.1.1.1"]})
    given = dns(subject, cluster_dns=found, settings=settings)
    assert given is not None
    assert given.servers == servers
    assert len(given.searches) == searches
    assert not searches or given.searches[0].endswith(settings.get("cluster-domain", "local"))
