"""The world as a process: how it starts, what it writes, what survives."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alibabacloud_eci20180808 import models as eci
from alibabacloud_eci20180808.client import Client
from alibabacloud_tea_openapi import models as open_api
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from darabonba.exceptions import DaraException
from kubernetes import client, config

START_SECONDS = 20.0


class Process:
    """A world in a process of its own."""

    def __init__(self, state_dir: Path, *options: str) -> None:
        self.state_dir, self.options = state_dir, options
        self.file = state_dir / "world.json"
        self.start()

    def start(self) -> None:
        self.file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "sandbox", "--state-dir", str(self.state_dir)]
        self.process = subprocess.Popen(
            [*command, "--ports", "random", *self.options], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while not self.file.exists():
            assert self.process.poll() is None, "the world ended while starting"
            assert time.monotonic() < deadline, "the world did not start"
            time.sleep(0.01)
        self.world = json.loads(self.file.read_text())

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)

    def get(self, path: str) -> object:
        with urllib.request.urlopen(self.world["control_url"] + path) as answer:
            return json.load(answer)

    def send(self, method: str, path: str, body: object = None) -> object:
        request = urllib.request.Request(
            self.world["control_url"] + path, json.dumps(body or {}).encode(), method=method
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def client(self, region: str = "cn-hangzhou") -> Client:
        cloud = self.world["clouds"]["eci"]
        key = cloud["keys"][0]
        return Client(
            open_api.Config(
                access_key_id=key["access_key_id"],
                access_key_secret=key["access_key_secret"],
                endpoint=cloud["regions"][region]["endpoint"].removeprefix("http://"),
                protocol="http",
            )
        )

    def create(self, token: str, region: str = "cn-hangzhou") -> str:
        container = eci.CreateContainerGroupRequestContainer(name="main", image="nginx")
        request = eci.CreateContainerGroupRequest(
            region_id=region,
            container_group_name="demo",
            container=[container],
            client_token=token,
        )
        return str(self.client(region).create_container_group(request).body.container_group_id)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    world = Process(tmp_path, "--clusters", "")
    yield world
    if world.process.poll() is None:
        world.end(signal.SIGKILL)


def test_a_world_writes_its_file_last_and_stops_cleanly(process: Process) -> None:
    cloud = process.world["clouds"]["eci"]
    assert cloud["region"] == "cn-hangzhou"
    assert [key["note"] for key in cloud["keys"]] == ["full access", "no permission"]
    assert [v["zone"] for v in cloud["vswitches"]] == ["cn-hangzhou-j", "cn-hangzhou-k"]
    assert os.stat(process.file).st_mode & 0o077 == 0
    routes = process.get("/")["routes"]
    assert {"GET /eci/calls", "PUT /eci/knobs", "POST /reset", "GET /clusters"} <= set(routes)
    assert process.end(signal.SIGTERM) == 0


def test_what_a_killed_world_confirmed_is_there_after_a_restart(process: Process) -> None:
    process.send("PUT", "/eci/knobs", {"quota_cpu": 7})
    made = [process.create(f"t{i}") for i in range(3)]
    keys = process.world["clouds"]["eci"]["keys"]
    process.end(signal.SIGKILL)
    process.start()
    assert process.world["clouds"]["eci"]["keys"] == keys
    assert [row["id"] for row in process.get("/eci/instances")] == made
    assert process.get("/eci/knobs")["quota_cpu"] == 7
    assert process.create("t0") == made[0]
    assert len(process.get("/eci/calls?action=CreateContainerGroup")) == 4
    process.send("POST", "/reset")
    assert process.get("/eci/instances") == []


def test_an_account_has_one_endpoint_and_network_per_region(process: Process) -> None:
    cloud = process.world["clouds"]["eci"]
    first, second = cloud["regions"].values()
    assert first == {name: cloud[name] for name in first}
    assert [v["zone"] for v in second["vswitches"]] == [f"cn-zhangjiakou-{x}" for x in "abc"]
    assert second["vpc_id"] != first["vpc_id"]
    made = process.create("t0", "cn-zhangjiakou")
    assert process.get("/eci/instances") == []
    (row,) = process.get("/eci/instances?region=cn-zhangjiakou")
    assert row["id"] == made
    key = cloud["keys"][0]["access_key_id"]
    process.send("PUT", f"/eci/keys/{key}", {"disabled": True})
    with pytest.raises(DaraException, match="Inactive"):
        process.create("t1", "cn-zhangjiakou")
    process.end(signal.SIGKILL)
    process.start()
    assert [r["id"] for r in process.get("/eci/instances?region=cn-zhangjiakou")] == [made]


def test_a_world_with_a_cluster_gives_a_kubeconfig_that_works(tmp_path: Path) -> None:
    process = Process(tmp_path, "--clusters", "ack-hangzhou")
    try:
        (cluster,) = process.world["clusters"]
        assert (cluster["name"], cluster["kind"]) == ("ack-hangzhou", "ack-pro")
        api = config.new_client_from_config(cluster["kubeconfig"])
        with api:
            names = {n.metadata.name for n in client.CoreV1Api(api).list_namespace().items}
        assert "kube-system" in names
        assert process.get("/clusters") == process.world["clusters"]
        faults = "/clusters/ack-hangzhou/faults"
        assert process.send("PUT", faults, {"latency_ms": 5})["latency_ms"] == 5
        assert process.send("DELETE", faults)["latency_ms"] == 0
        history = process.get("/clusters/ack-hangzhou/history?since=0&limit=3")
        assert [write["verb"] for write in history] == ["create"] * 3
    finally:
        assert process.end(signal.SIGTERM) == 0


KINDS = {
    "ack-hangzhou": ("ack-pro", "cn-hangzhou", "v1.36.1-aliyun.1"),
    "idc-zhangjiakou": ("ack-registered", "cn-zhangjiakou", "v1.36.1"),
    "kce-beijing": ("kce", "cn-beijing-6", "v1.36.1"),
    "acs-hangzhou": ("acs", "cn-hangzhou", "v1.36.1-aliyun.1"),
}
NODES = {
    "ack-hangzhou": {"cn-hangzhou.192.168.1.11", "cn-hangzhou.192.168.1.12"},
    "idc-zhangjiakou": {"idc-master-1", "idc-node-1"},
    "kce-beijing": {"10.0.96.21", "10.0.96.22"},
}


def ready_nodes(core: client.CoreV1Api, names: set[str]) -> list[client.V1Node]:
    """The nodes once all of `names` have registered and posted a status."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        nodes = [n for n in core.list_node().items if n.status.node_info]
        if {node.metadata.name for node in nodes} >= names:
            return nodes
        assert time.monotonic() < deadline, f"not all of {names} came"
        time.sleep(0.02)


def test_the_four_clusters_are_what_their_vendors_deliver(tmp_path: Path) -> None:
    process = Process(tmp_path)
    try:
        clusters = {cluster["name"]: cluster for cluster in process.world["clusters"]}
        assert list(clusters) == list(KINDS)
        for name, (kind, region, version) in KINDS.items():
            assert (clusters[name]["kind"], clusters[name]["region"]) == (kind, region)
            with config.new_client_from_config(clusters[name]["kubeconfig"]) as api:
                assert client.VersionApi(api).get_code().git_version == version
                nodes = ready_nodes(client.CoreV1Api(api), NODES.get(name, set()))
            assert {node.status.node_info.kubelet_version for node in nodes} <= {version}
    finally:
        assert process.end(signal.SIGTERM) == 0


def test_a_cluster_of_an_unknown_kind_is_refused_with_the_kinds_there_are(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "--state-dir", str(tmp_path)]
    done = subprocess.run(
        [*command, "--clusters", "gke-x"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "ack-<place>, idc-<place>, kce-<place>, acs-<place>" in done.stderr


def opened(data: dict[str, str], settings: dict[str, str]) -> str:
    """The secret key of a ConfigMap, read as its readers do."""
    if data["cipher"] == "RSA":
        private = load_pem_private_key(settings["private_key"].encode(), None)
        return private.decrypt(b64decode(data["sk"]), PKCS1v15()).decode()
    if data["cipher"] == "aes256+base64":
        key = settings["aes_key"].encode()
        decryptor = Cipher(AES(key), CBC(key[:16])).decryptor()
        text = decryptor.update(b64decode(data["sk"])) + decryptor.finalize()
        return text[: -text[-1]].decode()
    return data["sk"]


def test_a_kce_cluster_keeps_fresh_temporary_keys_in_a_config_map(tmp_path: Path) -> None:
    process = Process(tmp_path, "--clusters", "kce-beijing")
    path = "/clusters/kce-beijing/temporary-keys"
    seen: set[str] = set()
    try:
        (cluster,) = process.world["clusters"]
        with config.new_client_from_config(cluster["kubeconfig"]) as api:
            core = client.CoreV1Api(api)
            for cipher in ("", "RSA", "aes256+base64"):
                settings = process.send("PUT", path, {"seconds": 900, "cipher": cipher})
                data = fresh_keys(core, seen, cipher)
                seen.add(data["ak"])
                end = datetime.fromisoformat(data["expired_at"]).replace(tzinfo=UTC)
                assert 800 < end.timestamp() - time.time() <= 900
                keys = {k["access_key_id"]: k for k in process.get("/kci/keys")}
                issued = keys[data["ak"]]
                assert opened(data, settings) == issued["access_key_secret"]
                assert data["securityToken"] == issued["token"]
    finally:
        assert process.end(signal.SIGTERM) == 0


def fresh_keys(core: client.CoreV1Api, seen: set[str], cipher: str) -> dict[str, str]:
    """The ConfigMap once it has a key that was not seen, in the cipher that was asked."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        found = core.list_namespaced_config_map(
            "kube-system", field_selector="metadata.name=user-temp-aksk"
        ).items
        if found and found[0].data["ak"] not in seen and found[0].data["cipher"] == cipher:
            return dict(found[0].data)
        assert time.monotonic() < deadline, "no fresh key came"
        time.sleep(0.02)


def test_an_acs_pod_is_an_instance_of_the_world_also_after_a_kill(tmp_path: Path) -> None:
    process = Process(tmp_path, "--clusters", "acs-hangzhou", "--speed", "20")

    def instance(status: str) -> dict[str, object]:
        deadline = time.monotonic() + START_SECONDS
        while True:
            rows = process.get("/acs/instances")
            if [row["status"] for row in rows] == [status]:
                return rows[0]
            assert time.monotonic() < deadline, f"no instance became {status}: {rows}"
            time.sleep(0.02)

    def core() -> client.CoreV1Api:
        kubeconfig = process.world["clusters"][0]["kubeconfig"]
        return client.CoreV1Api(config.new_client_from_config(kubeconfig))

    try:
        assert process.world["clouds"]["acs"]["clusters"] == ["acs-hangzhou"]
        container = {"name": "main", "image": "nginx"}
        body = {"metadata": {"name": "web"}, "spec": {"containers": [container]}}
        with core().api_client as api:
            client.CoreV1Api(api).create_namespaced_pod("default", body)
        made = instance("Running")
        process.end(signal.SIGKILL)
        process.start()
        with core().api_client as api:
            found = client.CoreV1Api(api).read_namespaced_pod("web", "default")
            assert found.metadata.annotations["alibabacloud.com/instance-id"] == made["id"]
            assert instance("Running")["billed_to"] is None
            client.CoreV1Api(api).delete_namespaced_pod("web", "default", grace_period_seconds=0)
            assert instance("Deleted")["billed_to"]
    finally:
        assert process.end(signal.SIGTERM) == 0
