"""Container groups as the KCI API shows them (response models of ``kingsoftcloud/sdk-go``, kci).

What requests name in the singular, answers name in the plural. Times carry no zone; here they are
Beijing time.
"""

from functools import lru_cache
from time import gmtime, strftime
from typing import Any

from ..groups.model import Container, Group, State
from .wire import Json

BEIJING_SECONDS = 8 * 3600
CLUSTER, STANDALONE = "Cluster", "STANDALONE"
_STATUS = {
    "Scheduling": "Pending",
    "ScheduleFailed": "CreateError",
    "Terminating": "Running",
    "Expired": "Failed",
}
_PLURALS = {
    "Arg": "Args",
    "Command": "Commands",
    "ConfigFileToPath": "ConfigFileToPaths",
    "EnvironmentVar": "EnvironmentVars",
    "Hostname": "Hostnames",
    "NameServer": "NameServers",
    "Option": "Options",
    "Port": "Ports",
    "Search": "Searches",
    "VolumeMount": "VolumeMounts",
}
_HIDDEN = frozenset({"Content", "mode", "DefaultMode"})


@lru_cache(maxsize=8192)
def _stamp(second: int) -> str:
    return strftime("%Y-%m-%d %H:%M:%S", gmtime(second + BEIJING_SECONDS))


def stamp(at: float) -> str:
    """Format a time as the API does: ``yyyy-MM-dd HH:mm:ss``, no zone, whole seconds."""
    return _stamp(int(at))


def status(group: Group) -> str:
    """Return the group's status in KCI's words."""
    if group.status == "Pending":
        pulling = any(not c.pulled for c in [*group.init_containers, *group.containers])
        return "ImagePulling" if pulling else "Pending"
    return _STATUS.get(group.status, group.status)


def mode(group: Group) -> str:
    """Tell whether a group belongs to a cluster or stands alone."""
    return CLUSTER if "KubeConfig" in group.request else STANDALONE


def container_group(group: Group) -> Json:
    """Return one entry of DescribeContainerGroup; containers only of a group that stands alone."""
    request = group.request
    shown: Json = {
        "ContainerGroupId": group.id,
        "ContainerGroupName": group.name,
        "AvailabilityZone": group.zone,
        "ChargeType": request["ChargeType"],
        "ProjectId": request.get("ProjectId", 0),
        "KciType": "RBKCI",
        "KciMode": mode(group),
        "InstanceType": group.instance_type,
        "Status": status(group),
        "CreateTime": stamp(group.created_at),
        "Cpu": int(group.cpu),
        "Memory": int(group.memory),
        "Gpu": float(request.get("Gpu", 0)),
        "RetainIp": request.get("RetainIp", False),
        "RetainIpHours": request.get("RetainIpHours", 0),
        "NetworkInterfaceAttributes": _interfaces(group),
        "Labels": [{"Key": key, "Value": value} for key, value in group.tags.items()],
    }
    if mode(group) == STANDALONE:
        shown.update(_standing_alone(group))
    return shown


def _interfaces(group: Group) -> list[Json]:
    if not group.ip:
        return []
    tail = group.eni_id.replace("-", "")[:8]
    return [
        {
            "NetworkInterfaceId": group.eni_id,
            "NetworkInterfaceType": "primary",
            "VpcId": group.vpc_id,
            "SubnetId": group.vswitch_id,
            "PrivateIpAddress": group.ip,
            "PublicIp": group.internet_ip,
            "MacAddress": ":".join(["fa", "16", *(tail[i : i + 2] for i in range(0, 8, 2))]),
            "SecurityGroups": [
                {"SecurityGroupId": group_id} for group_id in group.request["SecurityGroupId"]
            ],
        }
    ]


def _standing_alone(group: Group) -> Json:
    request = group.request
    shown: Json = {
        "RestartPolicy": group.restart_policy,
        "DnsConfig": _plural(request.get("DnsConfig", {})),
        "HostAliases": _plural(request.get("HostAliase", [])),
        "Volumes": _plural(request.get("Volume", [])),
        "Containers": [_container(container) for container in group.containers],
    }
    if group.succeeded_at is not None:
        shown["SucceededTime"] = stamp(group.succeeded_at)
    return shown


def _plural(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            _PLURALS.get(name, name) if isinstance(item, list) else name: _plural(item)
            for name, item in value.items()
            if name not in _HIDDEN
        }
    return [_plural(item) for item in value] if isinstance(value, list) else value


def _container(container: Container) -> Json:
    shown: Json = {
        "ImagePullPolicy": "IfNotPresent",
        "Commands": [],
        "Args": [],
        "EnvironmentVars": [],
        "Ports": [],
        "VolumeMounts": [],
        **_plural(container.spec),
        "RestartCount": container.restarts,
        "CurrentState": _state(container.state),
    }
    if container.previous:
        shown["PreviousState"] = _state(container.previous)
    return shown


def _state(state: State) -> Json:
    shown: Json = {"State": state.kind}
    if state.reason:
        shown["Reason"] = state.reason
    if state.exit_code is not None:
        shown["ExitCode"] = state.exit_code
    if state.started_at is not None:
        shown["StartTime"] = stamp(state.started_at)
    if state.finished_at is not None:
        shown["FinishTime"] = stamp(state.finished_at)
    return shown


def events(group: Group) -> list[Json]:
    """Return the entries of DescribeContainerGroupEvents."""
    return [
        {
            "FirstTimestamp": stamp(event.first),
            "LastTimestamp": stamp(event.last),
            "Count": event.count,
            "Type": event.type,
            "Reason": event.reason,
            "Message": event.message,
        }
        for event in group.events
    ]
