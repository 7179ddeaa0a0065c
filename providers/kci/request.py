"""`InstanceSpec` as the parameters of CreateContainerGroup.

Sources: KCI API reference 2020-07-02, CreateContainerGroup; package `kingsoftcloud-sdk-python`
1.5.8.114 and repository kingsoftcloud/sdk-go for the wire names (`HostAliase` and the lower-case
`mode` are theirs). Two modes: **standalone**, where the containers are sent, and **cluster**, where
the instance's own agent reads the pod from the cluster with the kubeconfig that is sent.
"""

from __future__ import annotations

import base64
from typing import Any

from providers.base import (
    ClusterAccess,
    Container,
    EnvVar,
    Handler,
    InstanceSpec,
    Probe,
    Volume,
    VolumeKind,
)
from providers.errors import InvalidSpec
from providers.kci import identity, options, sizes

HOURLY = "HourlyInstantSettlement"
KCI_TYPE = "RBKCI"
DISK_DRIVER = "com.ksc.csi.diskplugin"
NFS_DRIVERS = frozenset({"com.ksc.csi.nfsplugin", "com.kce.csi.nfs"})
_EMPTY: tuple[Any, ...] = ("", [], {}, None)


def _present(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value not in _EMPTY}


def create(spec: InstanceSpec) -> dict[str, Any]:
    """The nested parameters; `wire.flatten` makes `Container.0.Name` of them."""
    cpu, memory = sizes.sent(spec)
    mode = _standalone(spec) if spec.cluster is None else _cluster(spec, spec.cluster)
    return _present(
        ContainerGroupName=identity.name(spec),
        KciType=KCI_TYPE,
        ChargeType=HOURLY,
        SecurityGroupId=options.groups(spec),
        Cpu=cpu,
        Memory=memory,
        Gpu=spec.gpu or None,
        Label=identity.labels(spec),
        **_subnets(spec),
        **mode,
    )


def _subnets(spec: InstanceSpec) -> dict[str, Any]:
    """One subnet, or several in the order they shall be tried."""
    found = options.subnets(spec)
    return {"SubnetId": found[0]} if len(found) == 1 else {"MultiSubnetId": found}


def _cluster(spec: InstanceSpec, access: ClusterAccess) -> dict[str, Any]:
    return _present(
        KubeConfig=access.kubeconfig.reveal(),
        ClusterDns=",".join(access.dns),
        ClusterDomain=access.domain,
        KubeProxy={"Enabled": options.kube_proxy(spec.options, spec.settings)},
        ContainerSpec=[
            _present(LimitCpu=_amount(c.cpu), LimitMem=_amount(c.memory))
            for c in spec.containers
            if c.cpu or c.memory
        ],
    )


def _amount(value: Any) -> Any:
    return None if not value else sizes.on_wire(value)


def _standalone(spec: InstanceSpec) -> dict[str, Any]:
    aliases = (*spec.host_aliases, *options.host_aliases(spec.options))
    return _present(
        RestartPolicy=spec.restart_policy,
        Container=[_container(container) for container in spec.containers],
        InitContainer=[_container(container) for container in spec.init_containers],
        Volume=[_volume(volume) for volume in spec.volumes],
        ImageRegistryCredential=[
            {
                "Server": credential.server,
                "Username": credential.username,
                "Password": credential.password.reveal(),
            }
            for credential in spec.registry_credentials
        ],
        HostAliase=[{"Ip": alias.ip, "Hostname": list(alias.names)} for alias in aliases],
        DnsConfig=_dns(spec),
    )


def _dns(spec: InstanceSpec) -> dict[str, Any]:
    if spec.dns is None:
        return {}
    return _present(
        NameServer=list(spec.dns.servers),
        Search=list(spec.dns.searches),
        Option=[_present(Name=name, Value=value) for name, value in spec.dns.options],
    )


def _container(container: Container) -> dict[str, Any]:
    return _present(
        Name=container.name,
        Image=container.image,
        Command=list(container.command),
        Arg=list(container.args),
        WorkingDir=container.working_dir,
        ImagePullPolicy=container.pull_policy,
        Cpu=_amount(container.cpu),
        Memory=_amount(container.memory),
        Gpu=container.gpu or None,
        EnvironmentVar=[_variable(variable) for variable in container.env],
        Port=[{"Port": port.port, "Protocol": port.protocol} for port in container.ports],
        VolumeMount=[
            _present(Name=mount.volume, MountPath=mount.path, ReadOnly=mount.read_only or None)
            for mount in container.mounts
        ],
        LivenessProbe=_probe(container.liveness),
        ReadinessProbe=_probe(container.readiness),
        SecurityContext={"Privileged": True} if container.privileged else None,
    )


def _variable(variable: EnvVar) -> dict[str, Any]:
    if variable.field_path:
        path = {"FieldRef": {"FieldPath": variable.field_path}}
        return {"Key": variable.name, "ValueFrom": path}
    return {"Key": variable.name, "Value": variable.value}


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
        return {
            "HttpGet": {
                "Port": handler.port,
                "Path": handler.path or "/",
                "Scheme": handler.scheme or "HTTP",
            }
        }
    return {"TcpSocket": {"Port": handler.port}}


def _volume(volume: Volume) -> dict[str, Any]:
    if volume.kind is VolumeKind.FLEX:
        return _claimed(volume)
    kind, body = {
        VolumeKind.EMPTY_DIR: ("EmptyDirVolume", {}),
        VolumeKind.HOST_PATH: ("HostPathVolume", {"Path": volume.path}),
        VolumeKind.NFS: ("NFSVolume", _nfs(volume.server, volume.path, volume.read_only)),
        VolumeKind.FILES: ("ConfigFileVolume", _files(volume)),
    }[volume.kind]
    return _typed(volume, kind, body)


def _typed(volume: Volume, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"Name": volume.name, "Type": kind, **({kind: body} if body else {})}


def _nfs(server: str, path: str, read_only: bool) -> dict[str, Any]:
    return {"Server": server, "Path": path, "ReadOnly": read_only}


def _files(volume: Volume) -> dict[str, Any]:
    return _present(
        DefaultMode=volume.default_mode,
        ConfigFileToPath=[
            {
                "Path": file.path,
                "Content": base64.b64encode(file.content).decode(),
                **_present(mode=file.mode),
            }
            for file in volume.files
        ],
    )


def _claimed(volume: Volume) -> dict[str, Any]:
    """A volume of Kingsoft's CSI drivers (repository kingsoftcloud/csi-plugin): EBS or NFS."""
    given = volume.options
    if volume.driver == DISK_DRIVER and given.get("volumeHandle"):
        body = _present(FsType=volume.fs_type, VolumeId=given["volumeHandle"])
        return _typed(volume, "EBSVolume", body)
    if volume.driver in NFS_DRIVERS and given.get("server"):
        path = given.get("path", "/")
        return _typed(volume, "NFSVolume", _nfs(given["server"], path, volume.read_only))
    raise InvalidSpec(
        f'volume "{volume.name}": KCI has no volume for the driver {volume.driver}',
        code="VolumeNotSupported",
    )
