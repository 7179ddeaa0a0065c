"""What is said to the vendors' add-ons, and what has no place there."""

from __future__ import annotations

from addons.components import offered
from addons.components.catalogue import catalogue
from addons.components.judge import wrong
from addons.components.kits import rendered
from addons.components.kits.ack_virtual_node import PROFILE_KEYS
from addons.components.release import release_of
from addons.components.vendors.names import config_of, unplaced, values_of
from addons.models import Cluster

KCI, ACK = "rbkci-virtual-kubelet", "ack-virtual-node"
PROFILE = {
    "enableClusterIp": True,
    "enableHybridMode": False,
    "enablePrivateZone": False,
    "securityGroupId": "sg-1",
    "selectors": "",
    "vSwitchIds": "vsw-1,vsw-2",
    "vpcId": "vpc-1",
}


def test_name_servers_are_a_list_at_kce_and_come_back_as_they_were() -> None:
    config = config_of("kci", KCI, {"cluster-dns": "10.0.0.10, 10.0.0.11"})
    assert config["clusterDns"] == ["10.0.0.10", "10.0.0.11"]
    assert values_of("kci", KCI, config)["cluster-dns"] == "10.0.0.10,10.0.0.11"


def test_what_a_vendors_add_on_has_no_place_for_is_named() -> None:
    usual = catalogue()[KCI].latest.defaults()
    assert unplaced("kci", KCI, usual, usual) == []
    given = {
        **usual,
        "credential": 7,
        "rbac": "least-privilege",
        "KCI_CLUSTER_SERVER": "1.2.3.4:6443",
    }
    assert set(unplaced("kci", KCI, given, usual)) == {"credential", "rbac", "KCI_CLUSTER_SERVER"}
    assert unplaced("eci", ACK, {"vSwitchIds": "vsw-1", "CLUSTER_DOMAIN": "a.b"}, {}) == [
        "CLUSTER_DOMAIN"
    ]


def test_every_key_of_the_guides_profile_can_be_set_in_the_cluster_and_at_the_vendor() -> None:
    component = catalogue()[ACK]
    assert set(PROFILE_KEYS) == set(PROFILE)
    assert wrong(component.latest.schema, PROFILE) == []
    objects = rendered(release_of(component, component.latest, PROFILE))
    [made] = [one for one in objects if one["kind"] == "ConfigMap"]
    assert made["data"] == {
        **PROFILE,
        "enableClusterIp": "true",
        "enableHybridMode": "false",
        "enablePrivateZone": "false",
    }
    assert config_of("eci", ACK, PROFILE) == {k: v for k, v in PROFILE.items() if v != ""}
    old = {"ECI_VSWITCH": "vsw-1", "credential": 1, "selectors": "[]"}
    assert config_of("eci", ACK, old) == {"vSwitchIds": "vsw-1", "selectors": "[]"}


def test_the_newest_fits_clusters_without_acs_and_asks_for_it_only_where_it_is_served() -> None:
    needs = catalogue()[ACK].version("v2.13.0").requires
    assert needs.serves("v1.26.3-aliyun.1") == ("acs",)
    assert needs.serves("v1.22.15") == ()
    assert needs.kubernetes == ">=1.16"


def test_the_newest_of_a_cluster_is_not_above_what_its_cloud_offers() -> None:
    component = catalogue()[ACK]
    told = {"asked": "2026-01-01T00:00:00+00:00", "latest": "v2.10.5", "versions": []}
    cluster = Cluster(vendor_facts={"offered": {ACK: told}})
    versions = component.versions
    assert offered.newest(cluster, component, "managed", versions).version == "v2.10.5"
    assert offered.newest(cluster, component, "in_cluster", versions).version == "v2.13.0"


def test_a_vendors_schema_is_read_with_our_words_and_without_what_is_unsound() -> None:
    theirs = {
        "properties": {
            "vSwitchIds": {"type": "string", "maxLength": 9, "title": "x"},
            "odd": {"type": "nothing"},
            "more": {"type": "integer", "default": "two"},
        }
    }
    ours = catalogue()[ACK].latest.schema
    found = offered.with_properties(ours, theirs)["properties"]
    assert found["vSwitchIds"]["maxLength"] == 9
    assert found["vSwitchIds"]["x-picker"] == "subnets"
    assert "odd" not in found
    assert found["more"] == {"type": "integer"}
    assert found.keys() >= ours["properties"].keys()
