"""Components of KCE clusters through KCE's own API.

Sources: Terraform provider of Kingsoft Cloud (InstallComponent with `Component.1`, polled with
ListComponentInstance; a failure may come with HTTP 200 and a `Message`); packages
`kingsoftcloud-sdk-python` and `kingsoftcloud/sdk-go` (DescribeCluster 2023-11-15,
DescribeAddonList 2023-01-01, DownloadClusterConfig and the component actions 2019-08-06);
Kingsoft Cloud document 3362.
There are no tasks: a change is over when the component's status is.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kube import KubeconfigRefused, parse_kubeconfig
from providers.errors import AccountTrouble, InvalidSpec, NotFound, Unavailable
from providers.kingsoft.connect import wire_of
from providers.kingsoft.errors import kind_of
from providers.kingsoft.wire import Wire
from providers.models import CloudAccount
from providers.vendor import (
    AddonState,
    InstalledAddon,
    Json,
    ManagedCluster,
    NewerVersion,
    OfferedAddon,
    Task,
    TaskState,
)

CLUSTERS, _COMPONENTS, _ADDONS = "2023-11-15", "2019-08-06", "2023-01-01"
GRANTS = (
    "kce:DescribeCluster",
    "kce:DownloadClusterConfig",
    "kce:DescribeAddonList",
    "kce:ListComponentInstance",
    "kce:InstallComponent",
    "kce:UpdateComponentInstance",
    "kce:DeleteComponentInstance",
)
_PAGE = 20
_MAX_PAGES = 500
NAMESPACE = "kube-system"
_STATES = {
    "Installed": AddonState.READY,
    "Failed": AddonState.FAILED,
    "Deleting": AddonState.DELETING,
}


def connect(account: CloudAccount, region: str) -> Kce:
    return Kce(wire_of(account, region))


class Kce:
    """`vendor.ManagedAddons` of one key in one region."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.region = wire.region

    async def aclose(self) -> None:
        await self.wire.aclose()

    async def _ask(
        self, action: str, parameters: Mapping[str, Any], *, version: str = _COMPONENTS
    ) -> dict[str, Any]:
        return await self.wire.call(action, parameters, service="kce", version=version)

    async def clusters(self) -> Sequence[ManagedCluster]:
        """Every cluster with the address of its API server, or an error."""
        rows: dict[str, Mapping[str, Any]] = {}
        marker = 0
        for _page in range(_MAX_PAGES):
            asked = {"MaxResults": _PAGE, "Marker": marker}
            answer = await self._ask("DescribeCluster", asked, version=CLUSTERS)
            found = answer.get("ClusterSet") or []
            rows.update({str(row["ClusterId"]): row for row in found})
            following = int(answer.get("Marker") or 0)
            if not found or following <= marker:
                return [await self._cluster(row) for row in rows.values()]
            marker = following
        raise Unavailable("DescribeCluster: too many pages", code="TooManyPages")

    async def cluster(self, cluster_id: str) -> ManagedCluster:
        asked = {"ClusterId": cluster_id}
        answer = await self._ask("DescribeCluster", asked, version=CLUSTERS)
        for row in answer.get("ClusterSet") or ():
            if row.get("ClusterId") == cluster_id:
                return await self._cluster(row)
        raise NotFound(f"there is no cluster {cluster_id}", code="ClusterNotFound")

    async def _cluster(self, row: Mapping[str, Any]) -> ManagedCluster:
        external = row.get("ClusterManageMode") == "ExternalCluster"
        state, workers = str(row.get("Status") or ""), int(row.get("NormalNodeNum") or 0)
        if state == "running" and not workers:
            state = "running without a normal worker"
        return ManagedCluster(
            id=str(row["ClusterId"]),
            name=str(row.get("ClusterName") or ""),
            kind="kce-external" if external else "kce",
            region=self.region,
            version=str(row.get("K8sVersion") or ""),
            state=state,
            endpoints=await self._endpoints(str(row["ClusterId"])),
            vpc=str(row.get("VpcId") or ""),
            connected=state == "running",
        )

    async def _endpoints(self, cluster_id: str) -> tuple[str, ...]:
        """Of the kubeconfig for the Internet; nothing else of it is looked at, nor kept."""
        asked = {"ClusterId": cluster_id, "IsPublic": True}
        answer = await self._ask("DownloadClusterConfig", asked)
        text = str(answer.get("ClusterConfig") or "") if answer.get("Expose") else ""
        try:
            config = parse_kubeconfig(_plain(text))
            return (config.target(config.current_context).server,) if text else ()
        except KubeconfigRefused:
            return ()

    async def offered(
        self, cluster: ManagedCluster, name: str, *, version: str = ""
    ) -> OfferedAddon:
        """By the list of add-ons, where it names the component; else nobody can tell."""
        found = {row.version: row for row in await self._addons(name)}
        if not found:
            return OfferedAddon(name, version, certain=False)
        wanted = version or max(found, key=_numbers)
        if _numbers(wanted) not in map(_numbers, found):
            raise NotFound(f"{name} has no version {wanted}", code="AddonVersionNotFound")
        newer = sorted((one for one in found if _numbers(one) > _numbers(wanted)), key=_numbers)
        return OfferedAddon(name, wanted, newer=tuple(found[one] for one in newer))

    async def _addons(self, name: str) -> list[NewerVersion]:
        """The models nest a row's fields in `CompatibleK8SVersion`; they may stand beside it."""
        try:
            answer = await self._ask("DescribeAddonList", {"Name": name}, version=_ADDONS)
        except (AccountTrouble, InvalidSpec, NotFound):
            return []
        rows = (answer.get("Data") or {}).get("AddonList") or ()
        flat = [{**row, **(row.get("CompatibleK8SVersion") or {})} for row in rows]
        return [
            NewerVersion(str(row["AddonVersion"]), str(row.get("Min") or ""))
            for row in flat
            if row.get("Name") == name and row.get("AddonVersion")
        ]

    async def installed(self, cluster_id: str) -> Sequence[InstalledAddon]:
        answer = await self._ask("ListComponentInstance", {"ClusterId": cluster_id})
        return [_installed(row) for row in answer.get("Data") or ()]

    async def addon(self, cluster_id: str, name: str) -> InstalledAddon:
        return _installed(await self._row(cluster_id, name))

    async def _row(self, cluster_id: str, name: str) -> Mapping[str, Any]:
        asked = {"ClusterId": cluster_id, "ComponentName": name}
        answer = await self._ask("ListComponentInstance", asked)
        for row in answer.get("Data") or ():
            if row.get("ComponentName") == name:
                found: Mapping[str, Any] = row
                return found
        raise NotFound(f"{name} is not installed", code="ComponentNotFound")

    async def install(
        self, cluster_id: str, name: str, *, version: str, config: Mapping[str, Any]
    ) -> str:
        wanted = _component(name, name, NAMESPACE, version, config)
        return await self._change("InstallComponent", cluster_id, wanted)

    async def upgrade(
        self, cluster_id: str, name: str, *, current: str, version: str, config: Mapping[str, Any]
    ) -> str:
        row = await self._row(cluster_id, name)
        wanted = _component(name, row["ReleaseName"], row["Namespace"], version, config)
        return await self._change("UpdateComponentInstance", cluster_id, wanted)

    async def configure(self, cluster_id: str, name: str, config: Mapping[str, Any]) -> str:
        row = await self._row(cluster_id, name)
        version = str(row.get("ComponentVersion") or "")
        wanted = _component(name, row["ReleaseName"], row["Namespace"], version, config)
        return await self._change("UpdateComponentInstance", cluster_id, wanted)

    async def uninstall(self, cluster_id: str, name: str) -> str:
        row = await self._row(cluster_id, name)
        wanted = {k: row[k] for k in ("ComponentName", "ReleaseName", "Namespace") if k in row}
        return await self._change("DeleteComponentInstance", cluster_id, wanted)

    async def _change(self, action: str, cluster_id: str, wanted: Mapping[str, Any]) -> str:
        answer = await self._ask(action, {"ClusterId": cluster_id, **wanted})
        message = str(answer.get("Message") or "")
        if message and not answer.get("Return"):
            raise kind_of("", message, 400)(message, code="Declined")
        return ""

    async def task(self, task_id: str) -> Task:
        return Task(task_id, TaskState.DONE)

    async def configurations(self, cluster_id: str) -> Sequence[Task]:
        return []

    async def busy(self, cluster_id: str) -> Sequence[Task]:
        return [
            Task(one.name, TaskState.RUNNING, one.told)
            for one in await self.installed(cluster_id)
            if one.state in (AddonState.CHANGING, AddonState.DELETING)
        ]


def _component(
    name: str, release: str, namespace: str, version: str, config: Mapping[str, Any]
) -> Json:
    one = {
        "Name": name,
        "ReleaseName": release,
        "Namespace": namespace,
        "Version": version,
        "Config": msgspec.json.encode(dict(config)).decode(),
    }
    return {"Component": {"1": one}}


def _installed(row: Mapping[str, Any]) -> InstalledAddon:
    told = str(row.get("Status") or "")
    config = row.get("Config")
    return InstalledAddon(
        str(row.get("ComponentName") or ""),
        str(row.get("ComponentVersion") or ""),
        _STATES.get(told, AddonState.CHANGING),
        None if config is None else _json(str(config)),
        " ".join(filter(None, (told, str(row.get("Message") or "")))),
    )


def _json(text: str) -> Json:
    try:
        found = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError as error:
        raise InvalidSpec("a configuration of KCE is no JSON", code="UnreadableJson") from error
    return found if isinstance(found, dict) else {}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _plain(text: str) -> str:
    """A kubeconfig as it is, or in base64; which of both is not documented."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text
