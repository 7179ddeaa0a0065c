"""Container groups as the ECI API shows them (models of ``alibabacloud-eci20180808`` 2.1.0)."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from time import gmtime, strftime
from typing import Any

from .model import TERMINAL, Container, Group, State

Json = dict[str, Any]

_PHASES = {
    "Scheduling": "Pending",
    "ScheduleFailed": "Failed",
    "Pending": "Pending",
    "Running": "Running",
    "Restarting": "Pending",
    "Updating": "Pending",
    "Terminating": "Running",
    "Succeeded": "Succeeded",
    "Failed": "Failed",
    "Expired": "Failed",
}


def _truth(value: Any) -> bool:
    return str(value).lower() == "true"


_COMMON: dict[str, Callable[[Any], Any]] = {
    "Gpu": int,
    "ImagePullPolicy": str,
    "WorkingDir": str,
    "Stdin": _truth,
    "StdinOnce": _truth,
    "Tty": _truth,
}


@lru_cache(maxsize=8192)
def _iso(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(second))


def iso(at: float) -> str:
    """Format a time as the API does: RFC 3339, UTC, whole seconds."""
    return _iso(int(at))


def container_group(group: Group, *, events: bool) -> Json:
    """Return one entry of DescribeContainerGroups."""
    request = group.request
    shown: Json = {
        "ContainerGroupId": group.id,
        "ContainerGroupName": group.name,
        "Status": group.status,
        "RegionId": group.region,
        "ZoneId": group.zone,
        "VpcId": group.vpc_id,
        "VSwitchId": group.vswitch_id or group.vswitches[0],
        "SecurityGroupId": group.security_group_id,
        "EniInstanceId": group.eni_id,
        "IntranetIp": group.ip,
        "InternetIp": group.internet_ip,
        "Ipv6Address": f"2408:4005:3c0:a600::{group.seq:x}"
        if group.ip and "Ipv6AddressCount" in request
        else "",
        "Cpu": group.cpu,
        "Memory": group.memory,
        "InstanceType": group.instance_type,
        "RestartPolicy": group.restart_policy,
        "ResourceGroupId": request.get("ResourceGroupId", "rg-default"),
        "SpotStrategy": request.get("SpotStrategy", "NoSpot"),
        "SpotPriceLimit": float(request.get("SpotPriceLimit", 0)),
        "EphemeralStorage": int(float(request.get("EphemeralStorage", 0))),
        "ComputeCategory": ",".join(request.get("ComputeCategory", [])),
        "RamRoleName": request.get("RamRoleName", ""),
        "Discount": 100,
        "CreationTime": iso(group.created_at),
        "Containers": [_container(c) for c in group.containers],
        "InitContainers": [_container(c) for c in group.init_containers],
        "Tags": [{"Key": k, "Value": v} for k, v in group.tags.items()],
        "Volumes": [_volume(v) for v in request.get("Volume", [])],
    }
    for name, at in (
        ("SucceededTime", group.succeeded_at),
        ("FailedTime", group.failed_at),
        ("ExpiredTime", group.expired_at),
    ):
        if at is not None:
            shown[name] = iso(at)
    shown["Events"] = _short_events(group) if events else []
    return shown


def _short_events(group: Group) -> list[Json]:
    return [
        {
            "Type": event.type,
            "Reason": event.reason,
            "Message": event.message,
            "Count": event.count,
            "Name": f"{group.name}.{index:x}",
            "FirstTimestamp": iso(event.first),
            "LastTimestamp": iso(event.last),
        }
        for index, event in enumerate(group.events)
    ]


def _container(container: Container) -> Json:
    spec = container.spec
    shown: Json = {
        "Name": container.name,
        "Image": container.image,
        "Cpu": container.cpu,
        "Memory": container.memory,
        "Ready": container.ready,
        "RestartCount": container.restarts,
        "Commands": container.command,
        "Command": container.command,
        "Args": container.args,
        "CurrentState": _detail(container.state),
        "Ports": [
            {"Port": int(p.get("Port", 0)), "Protocol": p.get("Protocol", "TCP")}
            for p in spec.get("Port", [])
        ],
        "EnvironmentVars": [
            {"Key": e.get("Key", ""), "Value": e.get("Value", "")}
            for e in spec.get("EnvironmentVar", [])
        ],
        "VolumeMounts": [
            {**mount, "ReadOnly": _truth(mount.get("ReadOnly"))}
            for mount in spec.get("VolumeMount", [])
        ],
    }
    for name, convert in _COMMON.items():
        if name in spec:
            shown[name] = convert(spec[name])
    for name in ("LivenessProbe", "ReadinessProbe"):
        if name in spec:
            shown[name] = _probe(spec[name])
    if container.previous:
        shown["PreviousState"] = _detail(container.previous)
    return shown


def _probe(spec: Json) -> Json:
    numbers = (
        "InitialDelaySeconds",
        "PeriodSeconds",
        "TimeoutSeconds",
        "SuccessThreshold",
        "FailureThreshold",
    )
    shown: Json = {name: int(spec[name]) for name in numbers if name in spec}
    if command := spec.get("Exec", {}).get("Command"):
        shown["Execs"] = command
    if get := spec.get("HttpGet"):
        shown["HttpGet"] = {**get, "Port": int(get.get("Port", 0))}
    if socket := spec.get("TcpSocket"):
        shown["TcpSocket"] = {"Port": int(socket.get("Port", 0))}
    return shown


def _detail(state: State) -> Json:
    shown: Json = {"State": state.kind}
    if state.reason:
        shown["Reason"] = shown["DetailStatus"] = state.reason
    if state.message:
        shown["Message"] = state.message
    if state.exit_code is not None:
        shown["ExitCode"] = state.exit_code
    if state.signal is not None:
        shown["Signal"] = state.signal
    if state.started_at is not None:
        shown["StartTime"] = iso(state.started_at)
    if state.finished_at is not None:
        shown["FinishTime"] = iso(state.finished_at)
    return shown


def _volume(spec: Json) -> Json:
    shown: Json = {"Name": spec.get("Name", ""), "Type": spec.get("Type", "")}
    if empty := spec.get("EmptyDirVolume"):
        shown["EmptyDirVolumeMedium"] = empty.get("Medium", "")
        shown["EmptyDirVolumeSizeLimit"] = empty.get("SizeLimit", "")
    if nfs := spec.get("NFSVolume"):
        shown["NFSVolumeServer"] = nfs.get("Server", "")
        shown["NFSVolumePath"] = nfs.get("Path", "")
        shown["NFSVolumeReadOnly"] = _truth(nfs.get("ReadOnly"))
    if flex := spec.get("FlexVolume"):
        shown["FlexVolumeDriver"] = flex.get("Driver", "")
        shown["FlexVolumeFsType"] = flex.get("FsType", "")
        shown["FlexVolumeOptions"] = flex.get("Options", "")
    if files := spec.get("ConfigFileVolume"):
        shown["ConfigFileVolumeConfigFileToPaths"] = [
            {"Path": f.get("Path", ""), "Content": f.get("Content", "")}
            for f in files.get("ConfigFileToPath", [])
        ]
    return shown


def group_status(group: Group) -> Json:
    """Return one entry of DescribeContainerGroupStatus, with its irregular lower-case names."""
    return {
        "ContainerGroupId": group.id,
        "Name": group.name,
        "Namespace": "default",
        "uuid": uuid_of(group),
        "Annotations": "{}",
        "Status": group.status,
        "PodStatus": {
            "Phase": _PHASES[group.status],
            "PodIp": group.ip,
            "PodIps": [{"Ip": group.ip}] if group.ip else [],
            "HostIp": group.ip,
            "QosClass": "Burstable",
            "StartTime": iso(group.started_at or group.created_at),
            "Conditions": [
                {
                    "type": c.type,
                    "status": c.status,
                    "Reason": c.reason,
                    "Message": c.message,
                    "lastTransitionTime": iso(c.changed_at),
                }
                for c in group.conditions
            ],
            "ContainerStatuses": [_pod_container(group, c) for c in group.containers],
        },
    }


def _pod_container(group: Group, container: Container) -> Json:
    shown: Json = {
        "Name": container.name,
        "Image": container.image,
        "ImageID": f"sha256:{hashlib.sha256(container.image.encode()).hexdigest()}",
        "Ready": container.ready,
        "Started": container.state.kind == "Running",
        "RestartCount": container.restarts,
        "State": _pod_state(group, container, container.state),
    }
    if container.previous:
        shown["LastState"] = _pod_state(group, container, container.previous)
    return shown


def _pod_state(group: Group, container: Container, state: State) -> Json:
    if state.kind == "Running":
        began = iso(state.started_at or 0)
        return {"Running": {"StartedAt": began, "StartedAtstartedAt": began}}
    if state.kind == "Terminated":
        terminated: Json = {
            "ContainerID": f"containerd://{hashlib.sha256(f'{group.id}/{container.name}'.encode()).hexdigest()}",
            "ExitCode": state.exit_code or 0,
            "Reason": state.reason,
            "Message": state.message,
            "FinishedAt": iso(state.finished_at or 0),
        }
        if state.started_at is not None:
            terminated["StartedAt"] = iso(state.started_at)
        if state.signal is not None:
            terminated["Signal"] = state.signal
        return {"Terminated": terminated}
    waiting = state.reason or ("" if group.status in TERMINAL else "ContainerCreating")
    return {"Waiting": {"Reason": waiting, "Message": state.message}}


def uuid_of(group: Group) -> str:
    """Return the uid the cloud gave the group as a pod."""
    digest = hashlib.md5(group.id.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def group_events(group: Group) -> Json:
    """Return one entry of DescribeContainerGroupEvents."""
    involved = {
        "ApiVersion": "v1",
        "Kind": "Pod",
        "Name": group.name,
        "Namespace": "default",
        "Uid": uuid_of(group),
    }
    return {
        "ContainerGroupId": group.id,
        "Name": group.name,
        "Namespace": "default",
        "uuid": uuid_of(group),
        "Annotations": "{}",
        "Events": [
            {
                "Type": event.type,
                "Reason": event.reason,
                "Message": event.message,
                "Count": event.count,
                "FirstTimestamp": iso(event.first),
                "LastTimestamp": iso(event.last),
                "involvedObject": involved,
                "Source": {"Component": "EciService", "Host": "eci"},
                "Metadata": {"Name": f"{group.name}.{index:x}", "Namespace": "default"},
                "ReportingComponent": "EciService",
                "ReportingInstance": "eci",
            }
            for index, event in enumerate(group.events)
        ],
    }
