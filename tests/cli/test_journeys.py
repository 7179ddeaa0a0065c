"""The journeys by command line alone, on real processes, from an empty console."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import click
import pytest

from console.cli import onectl
from console.cli.main import run
from console.cli.shell import Shell
from console.cli.tree import root
from tests.cli.conftest import Said
from tests.journeys.place import (
    ACK,
    ACK_NODE,
    CLUSTERS,
    IDC,
    KCE,
    KEYS,
    POLICY,
    SCHEDULER,
    VK,
    Place,
    shared,
)

pytestmark = pytest.mark.chaos
Json = dict[str, Any]
IDC_NODE = "virtual-kubelet-cn-zhangjiakou-a"
READY = "Ready agent v1.20.11-aliyun.1"


class Desk:
    """Somebody at a terminal: keys in files, commands, and what they said."""

    def __init__(self, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
        self.place = place
        self.house = place.house
        self._capsys = capsys
        self.env = {
            "SPILLWAY_URL": place.url,
            "SPILLWAY_TOKEN": place.token,
            "HOME": str(self.house.directory / "home"),
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

    def add_key(self, name: str) -> None:
        (provider, region), key = KEYS[name], self.place.key(name)
        secret = self.house.directory / "key"
        secret.write_text(key["access_key_secret"])
        words = ("credential", "add", name, "--provider", provider, "--region", region)
        more = ("--endpoint", self.place.cloud(name)["endpoint"])
        known = ("--field", f"access_key_id={key['access_key_id']}")
        self.done(*words, *more, *known, "--field-file", f"access_key_secret={secret}")

    def add_cluster(self, slug: str, region: str) -> None:
        file = ("--kubeconfig", self.house.kubeconfig_of(slug))
        words = ("cluster", "add", slug, "--slug", slug, *file, "--credential", CLUSTERS[slug])
        assert self.done(*words, "--region", region) == f"Cluster {slug} registered.\n"


@pytest.fixture
def desk(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    made = Desk(shared(request.config), capsys)
    if not made.told("cluster", "list"):
        for name in KEYS:
            made.add_key(name)
        for slug in CLUSTERS:
            made.add_cluster(slug, made.place.region(slug))
    yield made
    made.place.settle()


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
    assert desk.place.nodes(KCE) == {"virtual-kubelet01": "Ready agent v1.17.6-vk-v1.6.0"}
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
    assert desk.place.nodes(KCE) == {}
    assert desk.told("addon", "list", "-A") == []
    last = desk.told("operation", "list", "--cluster", KCE, "--last", "1")[0]
    steps = [step["name"] for step in desk.told("operation", "show", str(last["id"]))["steps"]]
    assert "proof" in steps


def test_an_ack_cluster_is_upgraded_to_acs_and_its_feature_gate_set(desk: Desk) -> None:
    at = ("--cluster", ACK)
    desk.place.acs(activated=False)
    refused = desk.says("addon", "install", ACK_NODE, "--dry-run", *at)
    desk.place.acs(activated=True)
    assert refused.code == 3
    assert "ACS is not activated or not authorised." in refused.out
    assert "activate the service and authorise its roles" in refused.out

    old = desk.done("addon", "install", ACK_NODE, "--version", "v2.10.5", "--wait", *at)
    assert old == f"Addon {ACK_NODE}, version v2.10.5 installed.\n"
    zones = {f"virtual-kubelet-cn-hangzhou-{zone}": READY for zone in "jk"}
    assert desk.place.nodes(ACK) == zones

    listed = desk.done("addon", "nodes", ACK_NODE, *at)
    assert re.search(
        r"^virtual-kubelet-cn-hangzhou-k +Ready +agent +cn-hangzhou-k +v1.20.11-aliyun.1$",
        listed,
        re.MULTILINE,
    ), listed

    plan = desk.told("addon", "upgrade", ACK_NODE, "--dry-run", *at)
    assert (plan["version"], plan["blocking"]) == ("v2.13.0", False)
    said = desk.done("addon", "upgrade", ACK_NODE, "--wait", *at)
    assert said == f"Addon {ACK_NODE} upgraded to version v2.13.0.\n"
    assert desk.place.nodes(ACK) == zones

    gate = "featureGates=ACSPodResourcesMutation=true"
    said = desk.done("addon", "configure", "kube-apiserver", "--set", gate, "--wait", *at)
    assert said == "Addon kube-apiserver configured.\n"
    shown = desk.told("addon", "describe", "kube-apiserver", *at)["installation"]
    assert shown["values"]["featureGates"] == "ACSPodResourcesMutation=true"

    for name in ("kube-apiserver", ACK_NODE):
        desk.done("addon", "uninstall", name, "--yes", "--wait", *at)
    assert desk.place.nodes(ACK) == {}


def _refused_in_a_region_without_eci(desk: Desk) -> None:
    desk.done("cluster", "remove", IDC, "--yes")
    desk.add_cluster(IDC, "cn-nowhere")
    refused = desk.says("addon", "install", ACK_NODE, "--cluster", IDC, "--dry-run")
    desk.done("cluster", "remove", IDC, "--yes")
    desk.add_cluster(IDC, "cn-zhangjiakou")
    assert refused.code == 3
    assert "ECI is not offered in cn-nowhere." in refused.out
    assert re.search(r"It is offered in: .*cn-zhangjiakou", refused.out, re.DOTALL)


def _granted(desk: Desk) -> str:
    """The RAM user, by the words of the vendor's own tool."""
    said = desk.onectl("ram-user", "grant", "--addon", ACK_NODE, cluster=IDC)
    user = r"(ack-one-user-[0-9a-f]{10})"
    granted = re.fullmatch(
        rf"Ram policy {POLICY} granted to ram user {user} successfully\.\n", said.out
    )
    assert granted, said
    secret = desk.place.get("secret", "alibaba-addon-secret", cluster=IDC)["data"]
    assert set(secret) == {"access-key-id", "access-key-secret"}
    asked = desk.says("ram-user", "query", "--addon", ACK_NODE, "--cluster", IDC)
    assert granted[1] in asked.out
    key = base64.b64decode(secret["access-key-secret"]).decode()
    assert key not in asked.out + asked.err + said.err
    return granted[1]


def _revoked(desk: Desk, user: str) -> None:
    said = desk.onectl("ram-user", "revoke", "--addon", ACK_NODE, cluster=IDC)
    assert user in said.out
    assert desk.onectl("ram-user", "query", "--addon", ACK_NODE, cluster=IDC).code == 4


def test_a_registered_cluster_bursts_to_eci_by_the_vendors_own_words(desk: Desk) -> None:
    _refused_in_a_region_without_eci(desk)
    user = _granted(desk)
    said = desk.onectl("addon", "install", ACK_NODE, cluster=IDC)
    assert said.out == f"Addon {ACK_NODE}, version v2.13.0 installed.\n", said
    assert desk.place.nodes(IDC)[IDC_NODE] == READY
    assert f"{ACK_NODE} " in desk.onectl("addon", "list", cluster=IDC).out

    desk.place.edit_profile(vSwitchIds=desk.place.cloud("aliyun-idc")["vswitches"][1]["id"])
    made = desk.place.burst("nginx", IDC_NODE, cluster=IDC)
    assert made["zone"] == "cn-zhangjiakou-b"
    said = desk.onectl("addon", "uninstall", ACK_NODE, cluster=IDC)
    assert said.out == f"Addon {ACK_NODE} uninstalled.\n", said
    assert re.search(r"1 pod runs there, for [0-9.]+ CNY/h:\n", said.err), said.err
    assert desk.place.phases("nginx", IDC) == []
    assert (desk.place.billed(IDC), desk.place.nodes(IDC)) == ([], {})
    _revoked(desk, user)


def test_an_on_premises_cluster_gets_virtual_nodes_and_the_scheduler(desk: Desk) -> None:
    user = _granted(desk)
    for name, version in ((ACK_NODE, "v2.13.0"), (SCHEDULER, "v1.1.0")):
        said = desk.onectl("addon", "install", name, cluster=IDC)
        assert said.out == f"Addon {name}, version {version} installed.\n", said
    assert desk.place.nodes(IDC)[IDC_NODE] == READY
    assert desk.place.takes_resource_policies()
    for name in (SCHEDULER, ACK_NODE):
        said = desk.onectl("addon", "uninstall", name, cluster=IDC)
        assert said.out == f"Addon {name} uninstalled.\n", said
    assert desk.place.nodes(IDC) == {}
    _revoked(desk, user)


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
    assert desk.place.nodes(ACK) == {"virtual-kubelet": READY}
    listed = json.loads(desk.place.helm("list", "-o", "json", cluster=ACK))
    assert [(one["name"], one["namespace"]) for one in listed] == [(ACK_NODE, "kube-system")]

    version = "v2.0.0.102-045a06eb4-aliyun"
    said = desk.done("addon", "upgrade", ACK_NODE, "--version", version, "--wait", *at)
    assert said == f"Addon {ACK_NODE} upgraded to version {version}.\n"
    history = json.loads(desk.place.helm("history", ACK_NODE, "-o", "json", cluster=ACK))
    assert [one["status"] for one in history] == ["superseded", "deployed"]
    desk.done("addon", "uninstall", ACK_NODE, "--yes", "--wait", *at)
    assert desk.place.nodes(ACK) == {}
