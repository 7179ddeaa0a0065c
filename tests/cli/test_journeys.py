"""The walkthroughs by command line alone, on real processes, from an empty console."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from console.cli import onectl
from console.cli.main import run
from console.cli.shell import Shell
from console.cli.tree import root
from tests.chaos import manifests
from tests.chaos.house import QUICKLY, House, wait_until
from tests.cli.conftest import Said

pytestmark = pytest.mark.chaos
ACK, IDC, KCE = "ack-hangzhou", "idc-zhangjiakou", "kce-beijing"
VK, ACK_NODE = "rbkci-virtual-kubelet", "ack-virtual-node"
Json = dict[str, Any]


class Desk:
    """Somebody at a terminal: keys in files, commands, and what they said."""

    def __init__(self, house: House, capsys: pytest.CaptureFixture[str]) -> None:
        self.house = house
        self._capsys = capsys
        self.env = {
            "SPILLWAY_URL": f"http://127.0.0.1:{house.port}",
            "SPILLWAY_TOKEN": (house.directory / "token").read_text().strip(),
            "HOME": str(house.directory / "home"),
        }

    def _run(self, command: click.Command, name: str, words: tuple[str, ...], more: Json) -> Said:
        self._capsys.readouterr()
        code = run(command, name=name, argv=list(words), shell=Shell({**self.env, **more}))
        said = self._capsys.readouterr()
        return Said(code, said.out, said.err)

    def says(self, *words: str, **more: str) -> Said:
        return self._run(root, "spillway", words, more)

    def onectl(self, *words: str, cluster: str) -> Said:
        more = {"KUBECONFIG": self.house.kubeconfig_of(cluster)}
        return self._run(onectl.root, "onectl", words, more)

    def done(self, *words: str, **more: str) -> str:
        said = self.says(*words, **more)
        assert said.code == 0, f"{words}: {said}"
        return said.out

    def told(self, *words: str) -> Any:
        return json.loads(self.done(*words, "-o", "json"))


@pytest.fixture(scope="module")
def empty_house() -> Iterator[House]:
    """Nothing is registered yet."""
    directory = Path(tempfile.mkdtemp(prefix="sp-desk-"))
    made = House(directory, clusters=(ACK, IDC, KCE), extra=QUICKLY)
    made.filler.empty = True
    try:
        yield made.start()
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def desk(empty_house: House, capsys: pytest.CaptureFixture[str]) -> Desk:
    made = Desk(empty_house, capsys)
    if not made.told("cluster", "list"):
        _register(made)
    return made


def _register(desk: Desk) -> None:
    clouds = desk.house.world.facts["clouds"]
    for name, provider, cloud, region in (
        ("aliyun", "eci", clouds["eci"], "cn-hangzhou"),
        ("aliyun-idc", "eci", clouds["eci"]["regions"]["cn-zhangjiakou"], "cn-zhangjiakou"),
        ("ksyun", "kci", clouds["kci"], clouds["kci"]["region"]),
    ):
        key = clouds[provider]["keys"][0]
        secret = desk.house.directory / "key"
        secret.write_text(key["access_key_secret"])
        known = f"access_key_id={key['access_key_id']}"
        words = ("credential", "add", name, "--provider", provider, "--region", region)
        more = ("--endpoint", cloud["endpoint"], "--field", known)
        desk.done(*words, *more, "--field-file", f"access_key_secret={secret}")
    for slug, account in ((ACK, "aliyun"), (IDC, "aliyun-idc"), (KCE, "ksyun")):
        file = ("--kubeconfig", desk.house.kubeconfig_of(slug))
        region = next(
            one["region"] for one in desk.house.world.facts["clusters"] if one["name"] == slug
        )
        words = ("cluster", "add", slug, "--slug", slug, *file, "--credential", account)
        said = desk.done(*words, "--region", region)
        assert said == f"Cluster {slug} registered.\n"


def _nodes(desk: Desk, cluster: str) -> dict[str, str]:
    """Name -> version of the virtual nodes that the API server has as Ready."""
    found = json.loads(desk.house.kubectl("get", "nodes", "-o", "json", cluster=cluster))["items"]
    return {
        node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"]
        for node in found
        if node["metadata"]["labels"].get("type") == "virtual-kubelet"
        and any(
            c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"]
        )
    }


def _phases(desk: Desk, app: str) -> list[str]:
    return [pod["status"]["phase"] for pod in desk.house.pods(app, cluster=IDC)]


def _billed(desk: Desk) -> list[Json]:
    """What the cloud's own ledger says still costs in the region of the registered cluster."""
    found: list[Json] = desk.house.world.get("/eci/instances?region=cn-zhangjiakou")
    return [one for one in found if one["deleted_at"] is None and one["ended_at"] is None]


def _vk_values(desk: Desk) -> list[str]:
    cloud = desk.house.world.facts["clouds"]["kci"]
    account = next(row["id"] for row in desk.told("credential", "list") if row["name"] == "ksyun")
    values = {
        "credential": account,
        "KCI_CLUSTER_ID": "kce-1",
        "KCI_REGION": cloud["region"],
        "KCI_SUBNET_ID": cloud["subnets"][0]["id"],
        "KCI_SECURITY_GROUP_IDS": cloud["security_group_id"],
        "nodename": "virtual-kubelet01",
    }
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def test_a_kce_cluster_gains_kci_and_gives_it_back(desk: Desk) -> None:
    at = ("--cluster", KCE)
    refused = desk.says("addon", "install", VK, "--dry-run", *at)
    assert refused.code == 3
    assert "KCI_CLUSTER_ID" in refused.out

    values = _vk_values(desk)
    plan = desk.told("addon", "install", VK, *values, "--dry-run", *at)
    assert not plan["blocking"]
    assert {row["object"] for row in plan["objects"]} >= {
        "ServiceAccount kube-system/virtual-kubelet-sa",
        "ClusterRoleBinding virtual-kubelet-rb",
        "Deployment kube-system/virtual-kubelet",
    }
    assert desk.told("addon", "list", "-A") == []

    said = desk.says("addon", "install", VK, *values, "--wait", *at)
    assert said.out == f"Addon {VK}, version v1.3.1 installed.\n", said.err
    assert "canary" in said.err
    assert _nodes(desk, KCE) == {"virtual-kubelet01": "v1.17.6-vk-v1.6.0"}
    assert desk.says("addon", "install", VK, *at).code == 3
    _change_and_go_back(desk, at)
    _leave(desk, at)


def _change_and_go_back(desk: Desk, at: tuple[str, str]) -> None:
    desk.house.kubectl(
        *("-n", "kube-system", "scale", "deployment", "virtual-kubelet", "--replicas", "0"),
        cluster=KCE,
    )
    drift = desk.says("addon", "drift", VK, *at)
    assert drift.code == 1
    assert "spec.replicas" in drift.out
    desk.done("addon", "repair", VK, "--wait", *at)
    assert desk.done("addon", "drift", VK, *at) == ""

    desk.done("addon", "configure", VK, "--set", "cluster-domain=my.local", "--wait", *at)
    changed = desk.told("addon", "describe", VK, *at)["installation"]["values"]
    assert changed["cluster-domain"] == "my.local"
    said = desk.done("addon", "rollback", VK, "--wait", *at)
    assert said == f"Addon {VK} rolled back to version v1.3.1.\n"
    assert "cluster-domain" not in desk.told("addon", "describe", VK, *at)["installation"]["values"]
    actions = [row["action"] for row in desk.told("addon", "history", VK, *at)]
    assert actions == ["rollback", "configure", "repair", "install"]


def _leave(desk: Desk, at: tuple[str, str]) -> None:
    said = desk.says("addon", "uninstall", VK, *at)
    assert (said.code, "--yes" in said.err) == (2, True)
    said = desk.says("addon", "uninstall", VK, "--yes", "--wait", *at)
    assert said.out == f"Addon {VK} uninstalled.\n", said.err
    assert _nodes(desk, KCE) == {}
    assert desk.told("addon", "list", "-A") == []
    last = desk.told("operation", "list", "--cluster", KCE, "--last", "1")[0]
    steps = [step["name"] for step in desk.told("operation", "show", str(last["id"]))["steps"]]
    assert "proof" in steps


def test_an_ack_cluster_is_upgraded_to_acs_and_its_feature_gate_set(desk: Desk) -> None:
    at = ("--cluster", ACK)
    old = desk.done("addon", "install", ACK_NODE, "--version", "v2.10.5", "--wait", *at)
    assert old == f"Addon {ACK_NODE}, version v2.10.5 installed.\n"
    zones = {"virtual-kubelet-cn-hangzhou-j", "virtual-kubelet-cn-hangzhou-k"}
    assert set(_nodes(desk, ACK)) == zones

    plan = desk.told("addon", "upgrade", ACK_NODE, "--dry-run", *at)
    assert (plan["version"], plan["blocking"]) == ("v2.13.0", False)
    said = desk.done("addon", "upgrade", ACK_NODE, "--wait", *at)
    assert said == f"Addon {ACK_NODE} upgraded to version v2.13.0.\n"
    assert set(_nodes(desk, ACK)) == zones

    gate = "featureGates=ACSPodResourcesMutation=true"
    said = desk.done("addon", "install", "kube-apiserver", "--set", gate, "--wait", *at)
    assert said == "Addon kube-apiserver, version v2025.05 installed.\n"
    shown = desk.told("addon", "describe", "kube-apiserver", *at)["installation"]
    assert shown["values"]["featureGates"] == "ACSPodResourcesMutation=true"

    for name in ("kube-apiserver", ACK_NODE):
        desk.done("addon", "uninstall", name, "--yes", "--wait", *at)
    assert _nodes(desk, ACK) == {}


def test_a_registered_cluster_bursts_to_eci_by_the_vendors_own_words(desk: Desk) -> None:
    said = desk.onectl("ram-user", "grant", "--addon", ACK_NODE, cluster=IDC)
    granted = re.fullmatch(
        r"Ram policy ack-one-registered-cluster-policy-ack-virtual-node"
        r" granted to ram user (ack-one-user-[0-9a-f]{10}) successfully\.\n",
        said.out,
    )
    assert granted, said
    secret = json.loads(
        desk.house.kubectl(
            *("-n", "kube-system", "get", "secret", "alibaba-addon-secret", "-o", "json"),
            cluster=IDC,
        )
    )
    assert set(secret["data"]) == {"access-key-id", "access-key-secret"}
    asked = desk.says("ram-user", "query", "--addon", ACK_NODE, "--cluster", IDC)
    assert granted[1] in asked.out
    key = base64.b64decode(secret["data"]["access-key-secret"]).decode()
    assert key not in asked.out + asked.err + said.err

    said = desk.onectl("addon", "install", ACK_NODE, cluster=IDC)
    assert said.out == f"Addon {ACK_NODE}, version v2.13.0 installed.\n", said
    assert "virtual-kubelet-cn-zhangjiakou-a" in _nodes(desk, IDC)
    assert f"{ACK_NODE} " in desk.onectl("addon", "list", cluster=IDC).out

    desk.house.apply(manifests.bound("nginx", "virtual-kubelet-cn-zhangjiakou-a"), cluster=IDC)
    wait_until(lambda: _phases(desk, "nginx") == ["Running"], seconds=60, what="nginx runs")
    assert len(_billed(desk)) == 1
    said = desk.onectl("addon", "uninstall", ACK_NODE, cluster=IDC)
    assert said.out == f"Addon {ACK_NODE} uninstalled.\n", said
    assert re.search(r"1 pod runs there, for [0-9.]+ CNY/h:\n", said.err), said.err
    assert _phases(desk, "nginx") == []
    assert _billed(desk) == []
    assert _nodes(desk, IDC) == {}
    said = desk.onectl("ram-user", "revoke", "--addon", ACK_NODE, cluster=IDC)
    assert granted[1] in said.out
    assert desk.onectl("ram-user", "query", "--addon", ACK_NODE, cluster=IDC).code == 4


def test_an_older_cluster_has_the_addon_as_an_application_that_helm_lists(desk: Desk) -> None:
    at = ("--cluster", ACK)
    cloud = desk.house.world.facts["clouds"]["eci"]
    account = next(row["id"] for row in desk.told("credential", "list") if row["name"] == "aliyun")
    sets = (
        f"ECI_VSWITCH={cloud['vswitches'][0]['id']}",
        f"ECI_SECURITY_GROUP={cloud['security_group_id']}",
        f"credential={account}",
    )
    words = [word for one in sets for word in ("--set", one)]
    said = desk.done(
        *("addon", "install", ACK_NODE, "--version", "v1.0.0.2-aliyun"),
        *("--delivery", "in-cluster", *words, "--wait", *at),
    )
    assert said == f"Addon {ACK_NODE}, version v1.0.0.2-aliyun installed.\n"
    assert "virtual-kubelet" in _nodes(desk, ACK)
    helm = Path(sys.executable).parent / "helm"
    listed = subprocess.run(
        [helm, "--kubeconfig", desk.house.kubeconfig_of(ACK), "list", "-n", "kube-system", "-q"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert listed.stdout.split() == [ACK_NODE]
    desk.done("addon", "uninstall", ACK_NODE, "--yes", "--wait", *at)
    assert _nodes(desk, ACK) == {}
