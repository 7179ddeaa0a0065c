"""KCE's component actions (2019-08-06): install, list, update, delete.

Request names: the Terraform provider of Kingsoft Cloud. Its update and delete are read in either
form, a ``Component.N`` or plain parameters.
"""

from ..components import NAME, VERSIONS, Component, Declined
from ..errors import ApiFault
from ..wire import Json, Request
from .base import Call


class ComponentModel(Request):
    """A component as it is wanted; ``config`` is JSON text."""

    name: str = ""
    release_name: str = ""
    namespace: str = "kube-system"
    version: str = ""
    config: str = ""


class InstallComponent(Request):
    """Which components, in which cluster."""

    cluster_id: str
    component: list[ComponentModel]


class DescribeAddonList(Request):
    """Add-ons by name, all without one."""

    name: str = ""
    max_results: int = 20
    marker: int = 0


class ListComponentInstance(Request):
    """Of which cluster, and of one component."""

    cluster_id: str
    component_name: str = ""


class ChangeComponentInstance(Request):
    """Which instance, and what becomes of it."""

    cluster_id: str
    component: list[ComponentModel] = []
    component_name: str = ""
    release_name: str = ""
    namespace: str = "kube-system"
    version: str = ""
    component_version: str = ""
    config: str = ""

    @property
    def wanted(self) -> ComponentModel:
        """The one component that is meant."""
        if self.component:
            return self.component[0]
        version = self.version or self.component_version
        return ComponentModel(
            self.component_name, self.release_name, self.namespace, version, self.config
        )


def install(call: Call, asked: InstallComponent) -> Json:
    """Install components."""
    try:
        for wanted in asked.component:
            release = wanted.release_name or wanted.name
            config = wanted.config or "{}"
            row = Component(
                asked.cluster_id,
                wanted.name,
                release,
                wanted.namespace,
                wanted.version,
                config,
                "Installing",
            )
            call.cloud.components.install(row)
    except Declined as reason:
        return {"Message": str(reason)}
    return {"Return": True}


def offered(_call: Call, asked: DescribeAddonList) -> Json:
    """List the add-ons that a cluster may have, a row per version (2023-01-01)."""
    rows = [
        {
            "CompatibleK8SVersion": {"Min": "v1.13.0", "Max": ""},
            "AddonId": f"{NAME}-{version}",
            "Name": NAME,
            "AddonVersion": version,
            "Category": "node",
            "DefaultInstall": False,
        }
        for version in VERSIONS
        if asked.name in {"", NAME}
    ]
    return {"Data": {"AddonList": rows[asked.marker :][: asked.max_results]}}


def listed(call: Call, asked: ListComponentInstance) -> Json:
    """List what is installed."""
    rows = call.cloud.components.listed(asked.cluster_id, asked.component_name)
    return {
        "Data": [
            {
                "ComponentName": row.name,
                "ReleaseName": row.release,
                "Namespace": row.namespace,
                "ComponentVersion": row.version,
                "Config": row.config,
                "Status": row.status,
                "Message": row.message,
            }
            for row in rows
        ]
    }


def _row(call: Call, asked: ChangeComponentInstance) -> Component:
    wanted, components = asked.wanted, call.cloud.components
    for row in components.listed(asked.cluster_id, wanted.name):
        if wanted.release_name in {"", row.release}:
            return row
    raise ApiFault("ComponentNotFound", f"The component {wanted.name} is not installed.", 404)


def update(call: Call, asked: ChangeComponentInstance) -> Json:
    """Change the version or the configuration of an installed component."""
    try:
        call.cloud.components.update(_row(call, asked), asked.wanted.version, asked.wanted.config)
    except Declined as reason:
        return {"Message": str(reason)}
    return {"Return": True}


def delete(call: Call, asked: ChangeComponentInstance) -> Json:
    """Remove an installed component; the instances of its pods stay."""
    try:
        call.cloud.components.delete(_row(call, asked))
    except Declined as reason:
        return {"Message": str(reason)}
    return {"Return": True}
