"""The add-ons that the simulated CS offers, and what it lets happen to them.

Names, the ACS requirement and the parameters of the control plane: ACK help pages "Use ACS
computing power in ACK managed Pro clusters" and "Customize the parameters of control plane
components in ACK Pro clusters".
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]
PRO, REGISTERED = "ManagedKubernetes", "ExternalKubernetes"
VIRTUAL_NODE, API_SERVER, SCHEDULER = "ack-virtual-node", "kube-apiserver", "ack-co-scheduler"
FIRST_WITH_ACS, KUBERNETES_OF_ACS = "v2.13.0", "1.26"

_TEXT = {"type": "string"}
_API_SERVER = {
    "type": "object",
    "properties": {
        "enableAdmissionPlugins": _TEXT,
        "serviceNodePortRange": _TEXT,
        "requestTimeout": _TEXT,
        "defaultNotReadyTolerationSeconds": _TEXT,
        "defaultUnreachableTolerationSeconds": _TEXT,
        "maxMutatingRequestsInflight": _TEXT,
        "maxRequestsInflight": _TEXT,
        "featureGates": _TEXT,
    },
}
_VIRTUAL_NODE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "enablePrivateZone": {"type": "boolean", "default": False},
        "enableHybridMode": {"type": "boolean", "default": False},
        "vSwitchIds": _TEXT,
        "securityGroupId": _TEXT,
    },
}


@dataclass(frozen=True)
class Addon:
    """An add-on; ``versions`` oldest first with the lowest Kubernetes minor each needs.

    Without versions it has the version of the cluster. A ``system`` add-on cannot be uninstalled.
    """

    name: str
    category: str
    cluster_types: tuple[str, ...]
    versions: tuple[tuple[str, str], ...] = ()
    schema: Json = field(default_factory=lambda: {"type": "object", "properties": {}})
    managed: bool = False
    system: bool = False

    def with_newest(self, version: str) -> "Addon":
        """Return the add-on with one more version and one more setting."""
        lowest = self.versions[-1][1]
        more = {**self.schema["properties"], "enableLinuxArm64Node": {"type": "boolean"}}
        schema = {**self.schema, "properties": more}
        return replace(self, versions=(*self.versions, (version, lowest)), schema=schema)

    def latest(self, cluster_version: str) -> str:
        """Return the newest version."""
        return self.versions[-1][0] if self.versions else cluster_version

    def offers(self, version: str, cluster_version: str) -> bool:
        """Tell whether a version exists."""
        known = [name for name, _ in self.versions] or [cluster_version]
        return version in known

    def row(self, version: str) -> Json:
        """Return the add-on as ListAddons shows it."""
        actions = ["Modify", "Upgrade"] if self.system else ["Install", "Modify", "Upgrade"]
        return {
            "name": self.name,
            "version": version,
            "category": self.category,
            "config_schema": json.dumps(self.schema),
            "install_by_default": self.system,
            "managed": self.managed,
            "architecture": ["amd64", "arm64"],
            "supported_actions": actions if self.system else [*actions, "Uninstall"],
        }

    def newer(self, than: str) -> list[Json]:
        """Return the versions after one, oldest first."""
        names = [name for name, _ in self.versions]
        later = self.versions[names.index(than) + 1 :] if than in names else ()
        return [
            {"version": name, "minimum_cluster_version": minimum, "upgradable": True}
            for name, minimum in later
        ]


ADDONS = {
    addon.name: addon
    for addon in (
        Addon(
            VIRTUAL_NODE,
            "core",
            (PRO, REGISTERED),
            (
                ("v2.0.0.102-045a06eb4-aliyun", "1.14.0"),
                ("v2.2.0", "1.14.0"),
                ("v2.9.7", "1.16.0"),
                ("v2.10.4", "1.16.0"),
                ("v2.10.5", "1.16.0"),
                (FIRST_WITH_ACS, "1.16.0"),
            ),
            _VIRTUAL_NODE,
        ),
        Addon(API_SERVER, "core", (PRO,), (), _API_SERVER, managed=True, system=True),
        Addon("coredns", "network", (PRO,), (("v1.11.3.5", "1.20.0"),), system=True),
        Addon(SCHEDULER, "core", (REGISTERED,), (("v1.0.1", "1.18.8"), ("v1.1.0", "1.18.8"))),
    )
}


def parts(version: str) -> tuple[int, ...]:
    """Return the numbers of ``v1.36.1-aliyun.1``: (1, 36, 1)."""
    plain = version.removeprefix("v").partition("-")[0]
    return tuple(int(part) for part in plain.split(".") if part.isdecimal())
