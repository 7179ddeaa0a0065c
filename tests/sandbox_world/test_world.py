"""The world as a process: how it starts, what it writes, what survives."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from alibabacloud_eci20180808 import models as eci
from alibabacloud_eci20180808.client import Client
from alibabacloud_tea_openapi import models as open_api
from darabonba.exceptions import DaraException

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
    process = Process(tmp_path)
    try:
        (cluster,) = process.world["clusters"]
        assert (cluster["name"], cluster["kind"]) == ("ack-hangzhou", "ack")
        from kubernetes import client, config

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
