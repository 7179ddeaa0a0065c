"""`InstanceSpec` as the parameters of CreateContainerGroup.

Source: ECI developer reference, CreateContainerGroup, and the request models of package
`alibabacloud-eci20180808` 2.1.0, whose wire names the maps here use.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from providers.base import Container, EnvVar, Handler, InstanceSpec, Probe, Volume, VolumeKind
from providers.eci import options
from providers.eci.choices import choices

_MAX_NAME = 128
_LOWER = re.compile(r"[^a-z0-9-]+")


def group_name(name: str) -> str:
    """2 to 128 lower-case letters, digits and hyphens, none at either end."""
    clean = _LOWER.sub("-", name.lower())[:_MAX_NAME].strip("-")
    return clean if len(clean) >= 2 else f"pod-{clean or '0'}"


def create(spec: InstanceSpec, *, token: str) -> dict[str, Any]:
    """The nested parameters; `wire.flatten` makes `Container.1.Name` of them.

    The first choice of the spec is asked for. Raises `InvalidSpec` for an annotation that cannot
    be read.
    """
    fields: dict[str, Any] = {
        "RegionId": spec.region,
        "ContainerGroupName": group_name(spec.name),
        "ClientToken": token,
        "SecurityGroupId": spec.security_group,
        "RestartPolicy": spec.restart_policy,
        "TerminationGracePeriodSeconds": spec.grace_seconds,
        "Container": [_container(c) for c in sidecars(spec.containers)],
        "InitContainer": [_init_container(container) for container in spec.init_containers],
        "Volume": [_volume(volume) for volume in spec.volumes],
        "ImageRegistryCredential": [
            {
                "Server": credential.server,
                "UserName": credential.username,
                "Password": credential.password.reveal(),
            }
            for credential in spec.registry_credentials
        ],
        "HostAliase": [
            {"Ip": address, "Hostname": names}
            for address, names in (
                *((alias.ip, list(alias.names)) for alias in spec.host_aliases),
                *options.hosts(spec.options),
            )
        ],
        "Tag": _tags({**options.custom_tags(spec.options), **spec.tags}),
        **_placement(spec),
        **_dns(spec),
        **choices(spec)[0].fields(spec),
        **options.fields(spec),
    }
    if spec.deadline_seconds is not None:
        fields["ActiveDeadlineSeconds"] = spec.deadline_seconds
    if spec.hostname:
        fields["HostName"] = spec.hostname
    if spec.share_process_namespace:
        fields["ShareProcessNamespace"] = True
    return {key: value for key, value in fields.items() if value not in ("", [], None)}


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _placement(spec: InstanceSpec) -> dict[str, Any]:
    vswitches, manner = options.vswitches(spec)
    return {"VSwitchId": ",".join(vswitches), "ScheduleStrategy": manner}


def _dns(spec: InstanceSpec) -> dict[str, Any]:
    if spec.dns is None:
        return {}
    config = {
        "NameServer": list(spec.dns.servers),
        "Search": list(spec.dns.searches),
        "Option": [{"Name": name, "Value": value} for name, value in spec.dns.options],
    }
    return {"DnsConfig": config} if any(config.values()) else {}


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _common(container: Container) -> dict[str, Any]:
    """What containers and init containers share."""
    fields: dict[str, Any] = {
        "Name": container.name,
        "Image": container.image,
        "Command": list(container.command),
        "Arg": list(container.args),
        "WorkingDir": container.working_dir,
        "ImagePullPolicy": container.pull_policy,
        "Cpu": _float(container.cpu),
        "Memory": _float(container.memory),
        "Gpu": container.gpu or None,
        "EnvironmentVar": [_env(env.name, env.value, env.field_path) for env in container.env],
        "Port": [{"Port": port.port, "Protocol": port.protocol} for port in container.ports],
        "VolumeMount": [
            _present(
                Name=mount.volume,
                MountPath=mount.path,
                SubPath=mount.sub_path,
                ReadOnly=mount.read_only or None,
            )
            for mount in container.mounts
        ],
        "SecurityContext": _security(container),
        "TerminationMessagePath": container.termination_path,
        "TerminationMessagePolicy": container.termination_policy,
    }
    return _present(**fields)


def _present(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value not in ("", [], {}, None)}


def _env(name: str, value: str, field_path: str) -> dict[str, Any]:
    if field_path:
        return {"Key": name, "FieldRef": {"FieldPath": field_path}}
    return {"Key": name, "Value": value}


def _security(container: Container) -> dict[str, Any]:
    return _present(
        Capability={"Add": list(container.capabilities)} if container.capabilities else None,
        RunAsUser=container.run_as_user,
        ReadOnlyRootFilesystem=container.read_only_root or None,
    )


def sidecars(containers: Sequence[Container]) -> list[Container]:
    """Sidecars marked by the variables that ECI reads; what the pod sets itself stays.

    They start before the others, the first one first, end after them in reverse, are ended when
    the others have ended for good, and their exit codes do not count. Source: ECI user guide,
    "Forcibly terminate the sidecar container and ignore the container exit code" and "Configure
    the startup and exit priorities of containers" (-1000 to 1000, the larger first).
    """
    count = sum(container.sidecar for container in containers)
    marked: list[Container] = []
    for container in containers:
        if container.sidecar:
            rank = sum(before.sidecar for before in marked)
            wanted = {
                "ECI_CONTAINER_TYPE": "sidecar",
                "ECI_CONTAINER_IGNORE_EXIT_CODE": "true",
                "ECI_CONTAINER_LAUNCH_PRIORITY": str(1000 - rank),
                "ECI_CONTAINER_EXIT_PRIORITY": str(rank - count),
            }
            own = {env.name for env in container.env}
            more = tuple(EnvVar(name, text) for name, text in wanted.items() if name not in own)
            container = replace(container, env=(*container.env, *more))  # noqa: PLW2901
        marked.append(container)
    return marked


def _init_container(container: Container) -> dict[str, Any]:
    return _common(container)


def _container(container: Container) -> dict[str, Any]:
    extra = _present(
        LivenessProbe=_probe(container.liveness),
        ReadinessProbe=_probe(container.readiness),
        SecurityContextRunAsGroup=container.run_as_group,
        SecurityContextRunAsNonRoot=container.run_as_non_root,
        Stdin=container.stdin or None,
        StdinOnce=container.stdin_once or None,
        Tty=container.tty or None,
    )
    return {
        **_common(container),
        **extra,
        **_lifecycle("PostStart", container.post_start),
        **_lifecycle("PreStop", container.pre_stop),
    }


def _probe(probe: Probe | None) -> dict[str, Any]:
    if probe is None:
        return {}
    return {
        **_handler(probe.handler),
        "InitialDelaySeconds": probe.initial_delay,
        "PeriodSeconds": probe.period,
        "TimeoutSeconds": probe.timeout,
        "SuccessThreshold": probe.success,
        "FailureThreshold": probe.failure,
    }


def _handler(handler: Handler) -> dict[str, Any]:
    if handler.command:
        return {"Exec": {"Command": list(handler.command)}}
    if handler.path or handler.scheme:
        get = {"Path": handler.path or "/", "Port": handler.port}
        return {"HttpGet": {**get, "Scheme": handler.scheme or "HTTP"}}
    return {"TcpSocket": {"Port": handler.port}}


def _lifecycle(hook: str, handler: Handler | None) -> dict[str, Any]:
    """The hooks have flat names: `LifecyclePreStopHandlerExec`."""
    if handler is None:
        return {}
    prefix = f"Lifecycle{hook}Handler"
    if handler.command:
        return {f"{prefix}Exec": list(handler.command)}
    if handler.path or handler.scheme:
        return {
            f"{prefix}HttpGetPath": handler.path or "/",
            f"{prefix}HttpGetPort": handler.port,
            f"{prefix}HttpGetScheme": handler.scheme or "HTTP",
        }
    return {f"{prefix}TcpSocketPort": handler.port}


def _volume(volume: Volume) -> dict[str, Any]:
    if volume.kind is VolumeKind.EMPTY_DIR:
        body = _present(Medium=volume.medium, SizeLimit=volume.size_limit)
        return {"Name": volume.name, "Type": "EmptyDirVolume", "EmptyDirVolume": body}
    if volume.kind is VolumeKind.NFS:
        body = {"Server": volume.server, "Path": volume.path, "ReadOnly": volume.read_only}
        return {"Name": volume.name, "Type": "NFSVolume", "NFSVolume": body}
    if volume.kind is VolumeKind.HOST_PATH:
        return {
            "Name": volume.name,
            "Type": "HostPathVolume",
            "HostPathVolume": {"Path": volume.path},
        }
    if volume.kind is VolumeKind.FLEX:
        body = _present(
            Driver=volume.driver,
            FsType=volume.fs_type,
            Options=json.dumps(dict(volume.options), sort_keys=True) if volume.options else None,
        )
        return {"Name": volume.name, "Type": "FlexVolume", "FlexVolume": body}
    return {
        "Name": volume.name,
        "Type": "ConfigFileVolume",
        "ConfigFileVolume": _present(
            DefaultMode=volume.default_mode,
            ConfigFileToPath=[
                _present(
                    Path=file.path,
                    Content=base64.b64encode(file.content).decode(),
                    Mode=file.mode,
                )
                for file in volume.files
            ],
        ),
    }
