"""The ROA operations of CS 2015-12-15 about add-ons and tasks (CS API reference)."""

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from ..groups.errors import ApiFault
from . import addons, clusters
from .addons import Addon, parts
from .cs import INSTALL, MODIFY, UNINSTALL, UPGRADE
from .entrance import Call
from .rpc import stamp
from .state import Change, Instance, Task

Json = dict[str, Any]
Handler = Callable[[Call], Any]


def _scope(call: Call) -> tuple[str, str]:
    """Return the cluster type and version that a list of add-ons is for."""
    cluster_id = call.query.get("cluster_id")
    if cluster_id:
        member = call.cs.member(cluster_id)
        return member.type, member.spec.version
    kind = call.query.get("cluster_type")
    if not kind:
        raise ApiFault("InvalidParameter", "cluster_id or cluster_type is required")
    return kind, call.query.get("cluster_version") or "1.36.1"


def list_addons(call: Call) -> Json:
    """List the add-ons of a cluster or of a kind of cluster, newest version of each."""
    kind, version = _scope(call)
    found = [addon for addon in call.cs.addons.values() if kind in addon.cluster_types]
    return {"addons": [addon.row(addon.latest(version)) for addon in found]}


def describe_addon(call: Call) -> Json:
    """Show a version of an add-on, the newest by default, and those after it."""
    kind, cluster_version = _scope(call)
    addon = call.cs.addons.get(call.path["name"])
    if addon is None or kind not in addon.cluster_types:
        raise ApiFault("AddonNotFound", f"addon {call.path['name']} not found", 404)
    version = call.query.get("version") or addon.latest(cluster_version)
    _check_version(addon, version, cluster_version)
    return {**addon.row(version), "newer_versions": addon.newer(version)}


def list_instances(call: Call) -> Json:
    """List what is installed."""
    there = call.cs.state.instances[call.member.id].values()
    rows = [(i.name, i.version, call.cs.told(call.member, i)) for i in there]
    return {"addons": [dict(zip(("name", "version", "state"), row, strict=True)) for row in rows]}


def get_instance(call: Call) -> Json:
    """Show an installed add-on with its configuration."""
    instance = call.cs.instance(call.member, call.path["name"])
    logging = {"capable": False, "enabled": False, "log_project": "", "logstore": ""}
    return {
        "name": instance.name,
        "version": instance.version,
        "state": call.cs.told(call.member, instance),
        "config": instance.config,
        "logging": logging,
    }


def instance_resources(call: Call) -> Json:
    """List the objects of an installed add-on."""
    instance = call.cs.instance(call.member, call.path["name"])
    release = {
        "chart_name": instance.name,
        "chart_version": instance.version.removeprefix("v"),
        "namespace": "kube-system",
        "release_name": instance.name,
    }
    objects = call.inside.resources(call.member, instance.name)
    return {"helm_release": release, "kubernetes_objects": objects}


def _accepted(call: Call, task: Task) -> Json:
    return {"cluster_id": task.cluster_id, "task_id": task.id, "request_id": call.request_id}


def _wanted(call: Call) -> list[Json]:
    if not isinstance(call.body, list) or not call.body:
        raise ApiFault("InvalidParameter", "the body is a list of addons")
    return call.body


def install(call: Call) -> Json:
    """Install add-ons in one task."""
    there = call.cs.state.instances[call.member.id]
    changes = []
    for wanted in _wanted(call):
        addon = call.cs.addon(call.member, str(wanted.get("name", "")))
        if addon.name in there and call.cs.running(call.member, addon.name) is None:
            text = f"addon {addon.name} is installed already"
            raise ApiFault("AddonAlreadyInstalled", text, 409)
        version = wanted.get("version") or addon.latest(call.member.spec.version)
        _check(call, addon, version)
        config = wanted.get("config") or "{}"
        changes.append(Change(addon.name, version, _config(addon, config)))
    return _accepted(call, call.cs.begin(call.member, INSTALL, changes))


def uninstall(call: Call) -> Json:
    """Uninstall add-ons; instances at ECI and ACS stay, as do cloud resources."""
    changes = []
    for wanted in _wanted(call):
        addon = call.cs.addon(call.member, str(wanted.get("name", "")))
        instance = call.cs.instance(call.member, addon.name)
        if addon.system:
            raise ApiFault("AddonUninstallForbidden", f"{addon.name} is a system addon", 403)
        changes.append(Change(addon.name, instance.version))
    return _accepted(call, call.cs.begin(call.member, UNINSTALL, changes))


def upgrade(call: Call) -> Json:
    """Bring add-ons to other versions in one task."""
    changes = []
    for wanted in _wanted(call):
        addon = call.cs.addon(call.member, str(wanted.get("component_name", "")))
        instance = call.cs.instance(call.member, addon.name)
        given, version = wanted.get("version"), str(wanted.get("next_version", ""))
        if given and given != instance.version:
            text = f"the version of {addon.name} is {instance.version}, not {given}"
            raise ApiFault("AddonVersionMismatch", text)
        _check(call, addon, version)
        config = wanted.get("config")
        checked = _config(addon, config) if config else None
        changes.append(Change(addon.name, version, checked))
    return _accepted(call, call.cs.begin(call.member, UPGRADE, changes))


def modify(call: Call) -> None:
    """Replace an add-on's configuration, wholly; the answer has no body, so it names no task."""
    addon = call.cs.addon(call.member, call.path["name"])
    instance = call.cs.instance(call.member, addon.name)
    config = _config(addon, (call.body or {}).get("config") or "{}")
    change = Change(addon.name, instance.version, config)
    call.cs.begin(call.member, MODIFY, [change])


def _check(call: Call, addon: Addon, version: str) -> None:
    cluster = call.member.spec.version
    _check_version(addon, version, cluster)
    minimum = dict(addon.versions).get(version, "0")
    if parts(cluster) < parts(minimum):
        text = f"{addon.name} {version} needs Kubernetes {minimum}, the cluster is {cluster}"
        raise ApiFault("AddonVersionNotSupported", text)
    acs = addon.name == addons.VIRTUAL_NODE and parts(version) >= parts(addons.FIRST_WITH_ACS)
    acs = acs and parts(cluster) >= parts(addons.KUBERNETES_OF_ACS)
    if acs and call.member.type == addons.PRO and not call.cs.knobs.acs_activated:
        text = "Container Compute Service (ACS) is not activated or authorized for this account."
        raise ApiFault("ServiceNotEnabled", text)


def _check_version(addon: Addon, version: str, cluster_version: str) -> None:
    if not addon.offers(version, cluster_version):
        raise ApiFault("AddonVersionNotFound", f"{addon.name} has no version {version}", 404)


def _config(addon: Addon, text: str) -> str:
    try:
        given = json.loads(text)
        unknown = given.keys() - addon.schema["properties"].keys()
    except (ValueError, AttributeError, TypeError) as exc:
        raise ApiFault("InvalidParameter", "config is not a JSON object") from exc
    if unknown:
        text = f"config of {addon.name} knows no {', '.join(sorted(unknown))}"
        raise ApiFault("InvalidParameter", text)
    return json.dumps(given)


def upgrade_status(call: Call) -> Json:
    """Tell for each add-on named whether it can be upgraded and how its last upgrade went."""
    try:
        names = msgspec.json.decode(call.query.get("componentIds") or "[]", type=list[str])
    except msgspec.MsgspecError as exc:
        raise ApiFault("InvalidParameter", "componentIds is not a JSON list") from exc
    there = call.cs.state.instances[call.member.id]
    wanted = names or list(there)
    return {name: _status(call, there[name]) for name in wanted if name in there}


def _status(call: Call, instance: Instance) -> Json:
    addon = call.cs.addon(call.member, instance.name)
    newer = addon.newer(instance.version)
    task = call.cs.last(call.member, instance.name, UPGRADE)
    return {
        "addon_info": {
            "component_name": instance.name,
            "version": instance.version,
            "next_version": newer[-1]["version"] if newer else "",
        },
        "can_upgrade": bool(newer),
        "template": instance.config,
        "tasks": {"task_id": task.id, "status": task.state, "message": task.message}
        if task
        else {},
    }


def _upgrade_of(call: Call, state: str) -> Task:
    task = call.cs.running(call.member, call.path["name"])
    if task is None or task.kind != UPGRADE or task.state != state:
        raise ApiFault("ErrorUpgradeState", f"no upgrade of {call.path['name']} is {state}")
    return task


def pause(call: Call) -> Json:
    """Hold an upgrade."""
    call.cs.pause(_upgrade_of(call, "running"))
    return {}


def resume(call: Call) -> Json:
    """Let a held upgrade go on."""
    call.cs.resume(_upgrade_of(call, "paused"))
    return {}


def cancel(call: Call) -> Json:
    """Give an upgrade up."""
    task = call.cs.running(call.member, call.path["name"])
    if task is None or task.kind != UPGRADE:
        raise ApiFault("ErrorUpgradeState", f"no upgrade of {call.path['name']} runs")
    call.cs.cancel(task)
    return {}


def task_info(call: Call) -> Json:
    """Show a task with its stages and events."""
    task = call.cs.task(call.path["task"])
    current = next((s.name for s in task.stages if s.state != "success"), task.stages[-1].name)
    error = {"error": {"code": task.code, "message": task.message}} if task.code else {}
    return {
        "task_id": task.id,
        "cluster_id": task.cluster_id,
        "task_type": task.kind,
        "state": task.state,
        "created": stamp(task.created),
        "updated": stamp(task.updated),
        "target": {"id": task.cluster_id, "type": "cluster"},
        "current_stage": current,
        "parameters": {change.name: change.version for change in task.changes},
        "stages": [
            {
                "state": stage.state,
                "message": stage.message or stage.name,
                "start_time": stamp(stage.began) if stage.began else "",
                "end_time": stamp(stage.ended) if stage.ended else "",
                "outputs": {},
            }
            for stage in task.stages
        ],
        "events": [
            {**msgspec.to_builtins(event), "timestamp": str(int(event.timestamp * 1000))}
            for event in task.events
        ],
        "task_result": [
            {"data": change.name, "status": task.state} for change in task.changes if task.over
        ],
        **error,
    }


def cluster_tasks(call: Call) -> Json:
    """List a cluster's tasks, newest first."""
    tasks = call.cs.state.tasks.values()
    every = [t for t in tasks if t.cluster_id == call.member.id and call.cs.shows(t)]
    every.reverse()
    rows = [
        {
            "task_id": task.id,
            "task_type": task.kind,
            "state": task.state,
            "created": stamp(task.created),
            "updated": stamp(task.updated),
            "error": {"code": task.code, "message": task.message} if task.code else {},
        }
        for task in every
    ]
    page, info = clusters.paged(call, rows)
    return {"requestId": call.request_id, "page_info": info, "tasks": page}


_IN = r"/clusters/(?P<cluster>[^/]+)"
ROUTES: tuple[tuple[str, re.Pattern[str], str, Handler], ...] = tuple(
    (method, re.compile(pattern), action, handler)
    for method, pattern, action, handler in (
        ("GET", "/addons", "ListAddons", list_addons),
        ("GET", "/addons/(?P<name>[^/]+)", "DescribeAddon", describe_addon),
        ("GET", f"{_IN}/addon_instances", "ListClusterAddonInstances", list_instances),
        (
            "GET",
            f"{_IN}/addon_instances/(?P<name>[^/]+)",
            "GetClusterAddonInstance",
            get_instance,
        ),
        (
            "GET",
            f"{_IN}/addon_instances/(?P<name>[^/]+)/resources",
            "ListClusterAddonInstanceResources",
            instance_resources,
        ),
        ("POST", f"{_IN}/components/install", "InstallClusterAddons", install),
        ("POST", f"{_IN}/components/uninstall", "UnInstallClusterAddons", uninstall),
        ("POST", f"{_IN}/components/upgrade", "UpgradeClusterAddons", upgrade),
        (
            "GET",
            f"{_IN}/components/upgradestatus",
            "DescribeClusterAddonsUpgradeStatus",
            upgrade_status,
        ),
        ("POST", f"{_IN}/components/(?P<name>[^/]+)/config", "ModifyClusterAddon", modify),
        ("POST", f"{_IN}/components/(?P<name>[^/]+)/pause", "PauseComponentUpgrade", pause),
        ("POST", f"{_IN}/components/(?P<name>[^/]+)/resume", "ResumeComponentUpgrade", resume),
        ("POST", f"{_IN}/components/(?P<name>[^/]+)/cancel", "CancelComponentUpgrade", cancel),
        ("GET", "/tasks/(?P<task>[^/]+)", "DescribeTaskInfo", task_info),
        ("GET", f"{_IN}/tasks", "DescribeClusterTasks", cluster_tasks),
        *clusters.ROUTES,
    )
)
