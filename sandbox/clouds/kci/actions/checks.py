"""Rules of CreateContainerGroup's parameters (``kingsoftcloud-sdk-python``, sdk-java, kci)."""

import re
from collections.abc import Sequence

from ..errors import invalid, missing
from .models import ContainerModel, CreateContainerGroup, VolumeModel

NAME = re.compile(r"[a-z0-9](?:[-.a-z0-9]{0,126}[a-z0-9])?")
CONTAINER_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
ENVIRONMENT = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
DISK_NAME = re.compile(r"[0-9a-zA-Z_-]{2,50}")
MAX_DISKS = 8
DISK_SIZES = {
    "SSD3.0": (10, 32000),
    "EHDD": (10, 32000),
    "ESSD_PL0": (40, 32000),
    "ESSD_PL1": (40, 32000),
    "ESSD_PL2": (461, 32000),
}
SYSTEM_DISK_SIZES = {
    "Local_SSD": (20, 100),
    "SSD3.0": (20, 500),
    "EHDD": (20, 500),
    "ESSD_SYSTEM_PL0": (50, 500),
    "ESSD_SYSTEM_PL1": (50, 500),
    "ESSD_SYSTEM_PL2": (461, 500),
}
VOLUME_FIELDS = {
    "NFSVolume": "nfs_volume",
    "EBSVolume": "ebs_volume",
    "HostPathVolume": "host_path_volume",
    "EmptyDirVolume": "empty_dir_volume",
    "ConfigFileVolume": "config_file_volume",
}


def check_one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a value that is not one of ``allowed``."""
    if value not in allowed:
        raise invalid(name, f"Expected one of {', '.join(allowed)}.")


def check_name(name: str) -> None:
    """Refuse a group name with other than lower-case letters, digits, '-' and '.'."""
    if not NAME.fullmatch(name):
        raise invalid("ContainerGroupName")


def check_disks(asked: CreateContainerGroup) -> None:
    """Refuse too many data disks, unknown disk types and sizes out of range."""
    if len(asked.data_disk) > MAX_DISKS:
        raise invalid("DataDisk", f"At most {MAX_DISKS} disks are allowed.")
    for disk in asked.data_disk:
        if not DISK_NAME.fullmatch(disk.volume_name):
            raise invalid("DataDisk.VolumeName")
        _check_disk("DataDisk", disk.type, disk.size, DISK_SIZES)
    settings = asked.advance_settings
    if settings and settings.system_disk and settings.system_disk.type:
        disk_type, size = settings.system_disk.type, settings.system_disk.size
        _check_disk("AdvanceSettings.SystemDisk", disk_type, size, SYSTEM_DISK_SIZES)


def _check_disk(
    name: str, disk_type: str, size: int | None, sizes: dict[str, tuple[int, int]]
) -> None:
    check_one_of(f"{name}.Type", disk_type, tuple(sizes))
    low, high = sizes[disk_type]
    if size is not None and not low <= size <= high:
        raise invalid(f"{name}.Size", f"Expected {low} to {high} for {disk_type}.")


def check_standing_alone(asked: CreateContainerGroup, labels: dict[str, str]) -> None:
    """Check what only a group without a cluster carries."""
    if not asked.container:
        raise missing("KubeConfig" if "cluster-id" in labels else "Container")
    check_one_of("RestartPolicy", asked.restart_policy, ("Always", "OnFailure", "Never"))
    for volume in asked.volume:
        _check_volume(volume)
    volumes = {volume.name for volume in asked.volume}
    every = [*asked.container, *asked.init_container]
    for container in every:
        _check_container(container, volumes)
    if len({container.name for container in every}) != len(every):
        raise invalid("Container.Name", "Names must differ.")


def _check_volume(volume: VolumeModel) -> None:
    check_one_of("Volume.Type", volume.type, tuple(VOLUME_FIELDS))
    field = VOLUME_FIELDS[volume.type]
    if volume.type != "EmptyDirVolume" and getattr(volume, field) is None:
        raise missing(f"Volume.{volume.type}")
    ebs = volume.ebs_volume
    if ebs and not (ebs.volume_id or (ebs.type and ebs.size)):
        raise missing("Volume.EBSVolume.VolumeId")


def _check_container(container: ContainerModel, volumes: set[str]) -> None:
    if not CONTAINER_NAME.fullmatch(container.name):
        raise invalid("Container.Name")
    check_one_of(
        "Container.ImagePullPolicy",
        container.image_pull_policy,
        ("Always", "IfNotPresent", "Never"),
    )
    for variable in container.environment_var:
        if not ENVIRONMENT.fullmatch(variable.key):
            raise invalid("Container.EnvironmentVar.Key")
    for port in container.port:
        check_one_of("Container.Port.Protocol", port.protocol, ("TCP", "UDP", "HTTP"))
    for mount in container.volume_mount:
        if mount.name not in volumes:
            raise invalid("Container.VolumeMount.Name", f"There is no volume {mount.name}.")
