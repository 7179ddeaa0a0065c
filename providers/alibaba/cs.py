"""Add-ons of ACK and registered clusters through Container Service's API (CS 2015-12-15).

Sources: package `alibabacloud-cs20151215` 7.2.3 (paths, fields, states); ACK user guide, "Manage
components" and "Customize the parameters of control plane components in ACK Pro clusters"; CS API
reference, "RAM authorization" and each operation's "Authorization information" (`GRANTS`);
repository `elastic-compute-control-cli` (how the task of ModifyClusterAddon is found).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from providers.alibaba.connect import wire_of
from providers.alibaba.wire import Wire
from providers.errors import AccountTrouble, InvalidSpec, NotFound, Unavailable
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

# What RAM calls the actions used here: older pages of the reference name some of them otherwise, so
# both names stand. What hands out kubeconfigs is not among them.
GRANTS = (
    "cs:GetClusters",
    "cs:DescribeClustersV1",
    "cs:GetClusterById",
    "cs:DescribeClusterDetail",
    "cs:DescribeAddon",
    "cs:ListClusterAddonInstances",
    "cs:GetClusterAddonInstance",
    "cs:DescribeTaskInfo",
    "cs:DescribeClusterTasks",
    "cs:CheckServiceRole",
    "cs:InstallClusterAddons",
    "cs:UpgradeK8sComponents",
    "cs:UpgradeClusterAddons",
    "cs:ModifyClusterAddon",
    "cs:UnInstallClusterAddons",
    "acc:ListImageCaches",
)
# What products say of accounts that have not opened them, or closed again.
_CLOSED = re.compile(r"NotEnabled|NotActivated|NotOpen|NotSubscribed|ServiceNotFound")
_PAGE = 50
_MAX_PAGES = 200
_EVENTS = 20
_MODIFY = "cluster_addon_modify"
_REGISTERED = "ExternalKubernetes"
_JOINED = frozenset({"running", "updating", "upgrading", "scaling"})
_ADDON_STATES = {
    "active": AddonState.READY,
    "initial": AddonState.CHANGING,
    "installing": AddonState.CHANGING,
    "updating": AddonState.CHANGING,
    "upgrading": AddonState.CHANGING,
    "deleting": AddonState.DELETING,
    "unhealthy": AddonState.FAILED,
    "failed": AddonState.FAILED,
}
_TASK_STATES = {
    "success": TaskState.DONE,
    "fail": TaskState.FAILED,
    "failed": TaskState.FAILED,
    "canceled": TaskState.FAILED,
}


def connect(account: CloudAccount, region: str) -> Cs:
    return Cs(wire_of(account, region))


class Cs:
    """`vendor.ManagedAddons` and `vendor.Activation` of one key in one region."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.region = wire.region

    async def aclose(self) -> None:
        await self.wire.aclose()

    async def clusters(self) -> Sequence[ManagedCluster]:
        """Every cluster of the region, or an error: part of a list is never given."""
        found: dict[str, ManagedCluster] = {}
        for page in range(1, _MAX_PAGES + 1):
            query = {"region_id": self.region, "page_number": page, "page_size": _PAGE}
            answer = await self.wire.roa(
                "DescribeClustersV1", "GET", "/api/v1/clusters", query=query
            )
            rows = answer.get("clusters") or []
            for row in rows:
                found[str(row["cluster_id"])] = _cluster(row)
            total = int((answer.get("page_info") or {}).get("total_count") or 0)
            if len(found) >= total or not rows:
                return list(found.values())
        raise Unavailable("DescribeClustersV1: too many pages", code="TooManyPages")

    async def cluster(self, cluster_id: str) -> ManagedCluster:
        answer = await self.wire.roa("DescribeClusterDetail", "GET", _path(cluster_id))
        return _cluster(answer)

    async def offered(
        self, cluster: ManagedCluster, name: str, *, version: str = ""
    ) -> OfferedAddon:
        query = {"cluster_id": cluster.id, "region_id": cluster.region, "version": version}
        query = {key: value for key, value in query.items() if value}
        path = f"/addons/{quote(name, safe='')}"
        answer = await self.wire.roa("DescribeAddon", "GET", path, query=query)
        newer = [row for row in answer.get("newer_versions") or () if row.get("upgradable", True)]
        return OfferedAddon(
            str(answer.get("name") or name),
            str(answer.get("version") or ""),
            _json(answer.get("config_schema")),
            tuple(
                NewerVersion(str(row["version"]), str(row.get("minimum_cluster_version") or ""))
                for row in newer
            ),
            managed=bool(answer.get("managed")),
        )

    async def installed(self, cluster_id: str) -> Sequence[InstalledAddon]:
        """Without their configurations, which only `addon` tells."""
        path = _path(cluster_id, "addon_instances")
        answer = await self.wire.roa("ListClusterAddonInstances", "GET", path)
        return [_installed(row) for row in answer.get("addons") or ()]

    async def addon(self, cluster_id: str, name: str) -> InstalledAddon:
        path = _path(cluster_id, "addon_instances", name)
        return _installed(await self.wire.roa("GetClusterAddonInstance", "GET", path))

    async def install(
        self, cluster_id: str, name: str, *, version: str, config: Mapping[str, Any]
    ) -> str:
        row = {"name": name, "version": version, "config": _text(config)}
        return await self._change("InstallClusterAddons", _path(cluster_id, "install"), row)

    async def upgrade(
        self, cluster_id: str, name: str, *, current: str, version: str, config: Mapping[str, Any]
    ) -> str:
        row = {
            "component_name": name,
            "version": current,
            "next_version": version,
            "config": _text(config),
            "policy": "overwrite",
        }
        return await self._change("UpgradeClusterAddons", _path(cluster_id, "upgrade"), row)

    async def uninstall(self, cluster_id: str, name: str) -> str:
        """Instances stay: their owner decides about them, not the component."""
        row = {"name": name, "cleanup_cloud_resources": False}
        return await self._change("UnInstallClusterAddons", _path(cluster_id, "uninstall"), row)

    async def _change(self, action: str, path: str, row: Mapping[str, Any]) -> str:
        body = [{key: value for key, value in row.items() if value not in ("", None)}]
        answer = await self.wire.roa(action, "POST", path, body=body)
        return str(answer.get("task_id") or "")

    async def configure(self, cluster_id: str, name: str, config: Mapping[str, Any]) -> None:
        """The answer has no body: its task shows in the cluster's list, some time later."""
        path = _path(cluster_id, "components", name, "config")
        body = {"config": msgspec.json.encode(dict(config)).decode()}
        await self.wire.roa("ModifyClusterAddon", "POST", path, body=body)

    async def task(self, task_id: str) -> Task:
        answer = await self.wire.roa("DescribeTaskInfo", "GET", f"/tasks/{quote(task_id, safe='')}")
        failure = answer.get("error") or {}
        events = [row for row in answer.get("events") or () if row.get("message")]
        return Task(
            str(answer.get("task_id") or task_id),
            _task_state(answer),
            str(answer.get("task_type") or ""),
            str(answer.get("current_stage") or ""),
            tuple(str(row["message"]) for row in events[-_EVENTS:]),
            str(failure.get("code") or ""),
            str(failure.get("message") or ""),
        )

    async def busy(self, cluster_id: str) -> Sequence[Task]:
        """The types of add-ons' tasks begin with `cluster_addon`."""
        every = await self._tasks(cluster_id)
        return [one for one in every if one.state is TaskState.RUNNING and "addon" in one.kind]

    async def configurations(self, cluster_id: str) -> Sequence[Task]:
        return [one for one in await self._tasks(cluster_id) if one.kind == _MODIFY]

    async def _tasks(self, cluster_id: str) -> list[Task]:
        """The newest fifty, newest first."""
        query = {"page_number": 1, "page_size": _PAGE}
        path = _path(cluster_id, "tasks")
        answer = await self.wire.roa("DescribeClusterTasks", "GET", path, query=query)
        rows = answer.get("tasks") or ()
        return [
            Task(str(row["task_id"]), _task_state(row), str(row.get("task_type") or ""))
            for row in sorted(rows, key=lambda row: str(row.get("created")), reverse=True)
        ]

    async def roles(self, names: Sequence[str]) -> Mapping[str, str]:
        body = {"roles": [{"name": name} for name in names]}
        path = "/ram/check-service-role"
        answer = await self.wire.roa("CheckServiceRole", "POST", path, body=body)
        rows = {str(row.get("name")): row for row in answer.get("roles") or ()}
        return {name: _why(rows.get(name)) for name in names}

    async def activated(self, service: str) -> bool | None:
        """By a call that only reads: ACS ListImageCaches (package `alibabacloud-acc20240402`)."""
        if service != "acs":
            return None
        question = {"RegionId": self.region, "MaxResults": 1}
        try:
            await self.wire.call("ListImageCaches", question, product="acc")
        except AccountTrouble as refusal:
            return False if _CLOSED.search(refusal.code) else None
        except (InvalidSpec, NotFound):
            return None
        return True


def _task_state(row: Mapping[str, Any]) -> TaskState:
    return _TASK_STATES.get(str(row.get("state") or ""), TaskState.RUNNING)


def _why(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "not told"
    return "" if row.get("granted") else str(row.get("message") or "not granted")


def _path(cluster_id: str, *rest: str) -> str:
    """`/clusters/<id>/...`; a change of add-ons lies under `components`."""
    if rest and rest[0] in {"install", "upgrade", "uninstall"}:
        rest = ("components", *rest)
    return "/".join(["/clusters", *(quote(part, safe="") for part in (cluster_id, *rest))])


def _text(config: Mapping[str, Any]) -> str:
    return msgspec.json.encode(dict(config)).decode() if config else ""


def _json(text: Any) -> Json:
    """CS gives JSON as text; an empty one is nothing."""
    if isinstance(text, Mapping):
        return dict(text)
    if not text:
        return {}
    try:
        found = msgspec.json.decode(str(text))
    except msgspec.DecodeError as error:
        raise InvalidSpec("a text of CS is no JSON", code="UnreadableJson") from error
    return found if isinstance(found, dict) else {}


def _installed(row: Mapping[str, Any]) -> InstalledAddon:
    told = str(row.get("state") or "")
    return InstalledAddon(
        str(row.get("name") or ""),
        str(row.get("version") or ""),
        _ADDON_STATES.get(told, AddonState.CHANGING),
        _json(row.get("config")),
        told,
    )


_KINDS = {"Kubernetes": "ack-dedicated", _REGISTERED: "ack-registered"}
_PROFILES = {"Serverless": "ack-serverless", "Edge": "ack-edge", "Acs": "acs"}


def _kind(row: Mapping[str, Any]) -> str:
    kind, profile = str(row.get("cluster_type") or ""), str(row.get("profile") or "")
    pro = str(row.get("cluster_spec") or "").startswith("ack.pro")
    return _KINDS.get(kind) or _PROFILES.get(profile) or ("ack-pro" if pro else "ack")


def _cluster(row: Mapping[str, Any]) -> ManagedCluster:
    kind, state = _kind(row), str(row.get("state") or "")
    pro = str(row.get("cluster_spec") or "").startswith("ack.pro")
    subnets = row.get("vswitch_ids") or str(row.get("vswitch_id") or "").split(",")
    return ManagedCluster(
        id=str(row.get("cluster_id") or ""),
        name=str(row.get("name") or ""),
        kind=kind,
        region=str(row.get("region_id") or ""),
        version=str(row.get("current_version") or ""),
        state=state,
        endpoints=tuple(sorted(_urls(row.get("master_url")))),
        vpc=str(row.get("vpc_id") or ""),
        subnets=tuple(str(one) for one in subnets if one),
        security_group=str(row.get("security_group_id") or ""),
        connected=state in _JOINED,
        control_plane=pro and row.get("cluster_type") == "ManagedKubernetes",
    )


def _urls(text: Any) -> set[str]:
    """`master_url` is JSON: `api_server_endpoint`, `intranet_api_server_endpoint` and others."""
    return {str(value) for value in _json(text).values() if "://" in str(value)}
