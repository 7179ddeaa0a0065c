"""The journeys of components by the browser, against real processes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.component_pages import Walker, signed_in
from tests.journeys.place import ACK, ACK_NODE, IDC, KCE, POLICY, SCHEDULER, VK, Place, shared

pytestmark = [pytest.mark.browser, pytest.mark.chaos]
READY = "Ready agent v1.20.11-aliyun.1"
ZONES = [f"virtual-kubelet-cn-hangzhou-{zone}" for zone in "jk"]
IDC_NODE = "virtual-kubelet-cn-zhangjiakou-a"
GATE = "ACSPodResourcesMutation=true"


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    found = shared(request.config)
    found.register()
    yield found
    found.settle()


@pytest.fixture
def walker(browser: Browser, place: Place) -> Iterator[Walker]:
    password = (place.house.directory / "password").read_text().strip()
    with signed_in(browser, place.url, password) as page:
        yield Walker(page, place)


def test_an_ack_cluster_gains_acs_and_eci_by_an_upgrade_and_a_feature_gate(
    walker: Walker, place: Place
) -> None:
    walker.begin(ACK, ACK_NODE, "Install")
    walker.choose("v2.10.5")
    walker.steps_to("preflight")
    walker.checked("warn", "v2.10.5 does not serve ACS.", "For that, choose v2.13.0 or newer.")
    walker.next()
    walker.see(", ".join(ZONES))
    walker.confirm("Install")
    walker.did(f"Ready: {', '.join(ZONES)}")

    for path in ("/nodes/", f"/c/{ACK}/components/{ACK_NODE}/resources/"):
        walker.open(path)
        row = walker.page.locator("tr", has_text=ZONES[1])
        for text in ("Ready", "agent", "cn-hangzhou-k", "v1.20.11-aliyun.1"):
            expect(row).to_contain_text(text)

    place.acs(activated=False)
    walker.begin(ACK, ACK_NODE, "Upgrade to v2.13.0")
    walker.choose("v2.13.0")
    walker.next()
    walker.checked("bad", "ACS is not activated or not authorised.", "activate the service")
    place.acs(activated=True)
    walker.page.get_by_role("button", name="Look again").click()
    walker.checked("ok", "ACS is activated")
    walker.next()
    walker.confirm("Upgrade")
    assert place.nodes(ACK) == dict.fromkeys(ZONES, READY)
    feature_gate(walker, place)
    walker.begin_uninstall(ACK, ACK_NODE)
    walker.confirm("Uninstall")
    assert place.nodes(ACK) == {}


def feature_gate(walker: Walker, place: Place) -> None:
    walker.card(ACK, "kube-apiserver").get_by_role("link", name="Kube API Server").click()
    walker.page.get_by_role("link", name="Feature gates").click()
    row = walker.page.locator("#gates tr", has_text="ACSPodResourcesMutation")
    expect(row).to_contain_text("off")
    walker.page.locator("#gates").get_by_role("link", name="Change").click()
    walker.next()
    walker.fill(featureGates=GATE)
    walker.next()
    walker.next()
    walker.see(GATE)
    walker.confirm("Set up")
    walker.open(f"/c/{ACK}/components/kube-apiserver/gates/")
    expect(row).to_contain_text("on")
    assert json.loads(place.addon(ACK, "kube-apiserver")["config"])["featureGates"] == GATE


def test_a_registered_cluster_is_granted_its_key_and_bursts_to_eci(
    walker: Walker, place: Place
) -> None:
    account = place.credentials()["aliyun-idc"]
    walker.region(IDC, "cn-nowhere")
    to_preflight(walker, IDC, ACK_NODE)
    walker.checked("bad", "ECI is not offered in cn-nowhere.", "cn-zhangjiakou")
    walker.region(IDC, "cn-zhangjiakou")
    to_preflight(walker, IDC, ACK_NODE)
    walker.checked("bad", "kube-system has no Secret alibaba-addon-secret.")
    walker.page.get_by_role("link", name="Grant it with the cluster's credential").click()
    expect(walker.page).to_have_url(f"{place.url}/credentials/{account}/")
    user = granted(walker, account)
    assert set(place.get("secret", "alibaba-addon-secret", cluster=IDC)["data"]) == {
        "access-key-id",
        "access-key-secret",
    }

    to_preflight(walker, IDC, ACK_NODE)
    walker.checked("ok", "The cluster holds the key LTAI••••")
    walker.next()
    walker.see(IDC_NODE)
    walker.confirm("Install")
    assert place.nodes(IDC)[IDC_NODE] == READY
    burst_and_leave(walker, place)
    revoked(walker, account, user)
    assert not place.there("secret/alibaba-addon-secret", cluster=IDC)


def to_preflight(walker: Walker, cluster: str, component: str) -> None:
    """Nothing is set: the cluster's default vSwitches and security group are used."""
    walker.begin(cluster, component, "Install")
    walker.steps_to("preflight")


def granted(walker: Walker, account: int) -> str:
    """The RAM user that the credential's page names once it is granted."""
    walker.open(f"/credentials/{account}/")
    walker.page.get_by_label("Add-on").select_option(ACK_NODE)
    walker.page.get_by_label("Cluster that gets the Secret").select_option(IDC)
    walker.page.get_by_role("button", name="Grant").click()
    walker.ended()
    walker.open(f"/credentials/{account}/")
    walker.see(POLICY)
    walker.see("granted, and works")
    return walker.page.get_by_text(re.compile(r"^ack-one-user-[0-9a-f]{10}$")).inner_text()


def revoked(walker: Walker, account: int, user: str) -> None:
    walker.open(f"/credentials/{account}/")
    walker.page.get_by_role("button", name="Revoke").click()
    walker.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    walker.ended()
    walker.open(f"/credentials/{account}/")
    walker.see("Nothing is granted.")
    expect(walker.page.get_by_text(user)).to_have_count(0)


def burst_and_leave(walker: Walker, place: Place) -> None:
    walker.open(f"/c/{IDC}/")
    profile = walker.page.locator("section", has_text="eci-profile")
    for name in ("enableClusterIp", "enableHybridMode", "enablePrivateZone", "securityGroupId"):
        expect(profile).to_contain_text(name)
    second = place.cloud("aliyun-idc")["vswitches"][1]["id"]
    place.edit_profile(vSwitchIds=second)
    expect(profile.get_by_text(second)).to_be_visible()
    assert place.burst("nginx", IDC_NODE, cluster=IDC)["zone"] == "cn-zhangjiakou-b"

    walker.begin_uninstall(IDC, ACK_NODE)
    pod = walker.page.locator("tr", has_text="default/nginx")
    expect(pod).to_contain_text(IDC_NODE)
    expect(pod).to_contain_text("nobody: it will not come back")
    expect(pod).to_contain_text(re.compile(r"eci-\w+.*¥0\.\d{4}"))
    walker.page.fill("#confirm-name", ACK_NODE)
    walker.confirm("Uninstall")
    walker.did("none of them that its pods named")
    assert (place.billed(IDC), place.nodes(IDC), place.phases("nginx", IDC)) == ([], {}, [])


def test_an_older_cluster_has_the_addon_as_a_release_that_helm_lists_and_upgrades(
    walker: Walker, place: Place
) -> None:
    cloud = place.cloud("aliyun")
    walker.begin(ACK, ACK_NODE, "Install")
    walker.choose("v1.0.0.2-aliyun", "in_cluster")
    walker.page.check(f"[name=ECI_VSWITCH][value={cloud['vswitches'][0]['id']}]")
    walker.page.select_option("[name=ECI_SECURITY_GROUP]", cloud["security_group_id"])
    walker.steps_to("review")
    walker.see("Deployment kube-system/ack-virtual-node-controller")
    walker.confirm("Install")
    assert place.nodes(ACK) == {"virtual-kubelet": READY}
    [release] = json.loads(place.helm("list", "-o", "json", cluster=ACK))
    assert (release["name"], release["namespace"]) == (ACK_NODE, "kube-system")

    walker.begin(ACK, ACK_NODE, "Upgrade to v2.13.0")
    walker.choose("v2.0.0.102-045a06eb4-aliyun")
    walker.steps_to("review")
    walker.see("If a step fails, it rolls back to v1.0.0.2-aliyun by itself.")
    walker.confirm("Upgrade")
    history = json.loads(place.helm("history", ACK_NODE, "-o", "json", cluster=ACK))
    assert [one["status"] for one in history] == ["superseded", "deployed"]
    walker.begin_uninstall(ACK, ACK_NODE)
    walker.confirm("Uninstall")
    assert place.nodes(ACK) == {}


def test_a_kce_cluster_gains_kci_changes_it_and_gives_it_back(walker: Walker, place: Place) -> None:
    page = walker.page
    install_kci(walker)
    assert place.nodes(KCE) == {"virtual-kubelet01": "Ready agent v1.17.6-vk-v1.6.0"}
    for name in ("serviceaccount/virtual-kubelet-sa", "deployment/virtual-kubelet"):
        assert place.there(name, cluster=KCE)
    walker.open(f"/c/{KCE}/components/{VK}/resources/")
    expect(page.locator("#objects tr", has_text="virtual-kubelet-rb")).to_contain_text("there")

    walker.open(f"/c/{KCE}/components/{VK}/")
    page.get_by_role("link", name="Configure", exact=True).click()
    walker.next()
    page.locator("details summary").click()
    walker.fill(**{"cluster-domain": "other.local"})
    walker.steps_to("review")
    walker.see("rolls back to v1.3.1 by itself")
    walker.confirm("Apply")

    walker.open(f"/c/{KCE}/components/{VK}/logs/")
    expect(page.locator("log-pane .ln").last).to_contain_text("registered nodes")
    walker.open(f"/c/{KCE}/components/{VK}/history/")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Roll back to it").click()
    walker.steps_to("review")
    walker.confirm("Roll back")
    walker.begin_uninstall(KCE, VK)
    walker.confirm("Uninstall")
    assert place.nodes(KCE) == {}


def install_kci(walker: Walker) -> None:
    """By the settings of Kingsoft's help page; the id of the cluster is not optional."""
    page = walker.page
    walker.begin(KCE, VK, "Install")
    walker.next()
    page.select_option("[name=KCI_SUBNET_ID]", index=1)
    page.locator("[name=KCI_SECURITY_GROUP_IDS]").first.check()
    walker.next()
    walker.fill(nodename="virtual-kubelet01")
    expect(page.locator("[name=KCI_CLUSTER_ID]")).to_have_attribute("required", "")
    walker.fill(KCI_CLUSTER_ID="c-browser")
    walker.next()
    walker.see("DaemonSets and virtual nodes")
    walker.next()
    for name in ("virtual-kubelet01", "ServiceAccount kube-system/virtual-kubelet-sa"):
        walker.see(name)
    walker.see("ClusterRoleBinding virtual-kubelet-rb")
    walker.confirm("Install")


def test_an_on_premises_cluster_gets_virtual_nodes_and_the_scheduler(
    walker: Walker, place: Place
) -> None:
    account = place.credentials()["aliyun-idc"]
    user = granted(walker, account)
    for component in (ACK_NODE, SCHEDULER):
        to_preflight(walker, IDC, component)
        walker.next()
        walker.confirm("Install")
    assert place.nodes(IDC)[IDC_NODE] == READY
    assert place.takes_resource_policies()
    for component in (SCHEDULER, ACK_NODE):
        walker.begin_uninstall(IDC, component)
        walker.confirm("Uninstall")
    assert place.nodes(IDC) == {}
    revoked(walker, account, user)
