"""CreateContainerGroup (ECI API reference): checks, sizes, idempotency, stock and quota."""

import hashlib
import re

from ..errors import ApiFault, invalid, missing
from ..model import Container, Group
from ..parameters import (
    Flat,
    Nested,
    flag,
    integer,
    number,
    required,
    structures,
    tags,
    text,
    texts,
)
from ..signing import V1_COMMON
from . import sizing
from .base import Call, Json

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,126}[a-z0-9])")
TOKEN = re.compile(r"[\x21-\x7e]{1,64}")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
SCHEDULE_STRATEGIES = ("VSwitchOrdered", "VSwitchRandom")
RESERVED_PORTS = frozenset({111, 998, 10250, 10255})
MAX_CONTAINERS, MAX_VOLUMES, MAX_TAGS, MAX_VSWITCHES = 20, 20, 20, 10
MAX_CONFIG_BYTES = 32 * 1024
_SPEC_DROP = frozenset({"Name", "Image", "Command", "Arg", "Cpu", "Memory"})
_REQUEST_DROP = frozenset({"Container", "InitContainer", "Tag", "ClientToken", "RegionId"})


def create(call: Call) -> Json:
    """Create a container group, or answer what its ClientToken created before."""
    params = call.params
    token = text(params, "ClientToken")
    if token and not TOKEN.fullmatch(token):
        raise invalid("ClientToken", "1 to 64 ASCII characters are expected")
    fingerprint = fingerprint_of(call.flat) if token else ""
    known = call.cloud.by_token(token, call.now) if token else None
    if known:
        return _repeat(call, known, fingerprint)
    group = build(call)
    _check_room(call, group)
    if flag(params, "DryRun"):
        raise ApiFault(
            "DryRunOperation", "Request validation has been passed with DryRun flag set."
        )
    group.client_token, group.fingerprint = token, fingerprint
    call.cloud.add(group)
    call.group_id = group.id
    return {"ContainerGroupId": group.id}


def fingerprint_of(flat: Flat) -> str:
    """Return what identifies a request apart from its token and signature."""
    skip = V1_COMMON | {"ClientToken"}
    items = sorted((k, v) for k, v in flat.items() if k not in skip)
    return hashlib.sha256(repr(items).encode()).hexdigest()


def _repeat(call: Call, known: Group, fingerprint: str) -> Json:
    call.group_id = known.id
    if known.fingerprint != fingerprint:
        raise ApiFault(
            "IdempotentParameterMismatch",
            "Request uses a client token in a previous request but is not identical to it.",
        )
    return {"ContainerGroupId": known.id}


def build(call: Call) -> Group:
    """Check a request and return the group it describes, not yet started."""
    params, cloud = call.params, call.cloud
    name = required(params, "ContainerGroupName")
    if not NAME.fullmatch(name):
        raise invalid("ContainerGroupName", "lower-case letters, digits and inner hyphens")
    region = call.region()
    if region != cloud.region:
        raise ApiFault("InvalidRegionId.NotFound", f"The region {region} is not open here.", 404)
    containers = read_containers(params, "Container")
    if not containers:
        raise missing("Container.1.Name")
    init_containers = read_containers(params, "InitContainer")
    _check_names([*containers, *init_containers])
    _check_volumes(params)
    _check_cache(call)
    group = Group(
        id=cloud.new_id("eci"),
        seq=0,
        name=name,
        region=region,
        account_key=call.key.access_key_id,
        created_at=call.now,
        changed_at=call.now,
        status="Scheduling",
        vswitches=_vswitches(call),
        vpc_id=cloud.network.vpc_id,
        security_group_id=_security_group(call),
        containers=containers,
        init_containers=init_containers,
        restart_policy=_choice(params, "RestartPolicy", RESTART_POLICIES),
        tags=_tags(params),
        request={k: v for k, v in params.items() if k not in _REQUEST_DROP},
        request_id=call.request_id,
    )
    sizing.check(params)
    integer(params, "TerminationGracePeriodSeconds", 0)
    integer(params, "ActiveDeadlineSeconds", 0)
    sizing.set_size(group, params)
    return group


def read_containers(params: Nested, kind: str) -> list[Container]:
    """Read ``Container.N`` or ``InitContainer.N``."""
    entries = structures(params, kind)
    if len(entries) > MAX_CONTAINERS:
        raise ApiFault("InvalidParameter.ValueExceeded", f"At most {MAX_CONTAINERS} {kind}s.")
    return [_container(entry, kind, index) for index, entry in enumerate(entries, 1)]


def _container(entry: Nested, kind: str, index: int) -> Container:
    for name in ("Name", "Image"):
        if not entry.get(name):
            raise missing(f"{kind}.{index}.{name}")
    for port in structures(entry, "Port"):
        value = integer(port, "Port", 0, 1, 65535)
        if value in RESERVED_PORTS:
            raise invalid(f"{kind}.{index}.Port", f"port {value} is reserved")
    return Container(
        name=text(entry, "Name"),
        image=text(entry, "Image"),
        command=texts(entry, "Command"),
        args=texts(entry, "Arg"),
        cpu=number(entry, "Cpu"),
        memory=number(entry, "Memory"),
        gpu=integer(entry, "Gpu", 0),
        spec={k: v for k, v in entry.items() if k not in _SPEC_DROP},
    )


def _check_names(containers: list[Container]) -> None:
    seen: set[str] = set()
    for container in containers:
        if container.name in seen:
            raise ApiFault(
                "InvalidParameter.DuplicatedName",
                f"The container name {container.name} is duplicated.",
            )
        seen.add(container.name)


def _check_volumes(params: Nested) -> None:
    volumes = structures(params, "Volume")
    if len(volumes) > MAX_VOLUMES:
        raise ApiFault("InvalidParameter.ValueExceeded", f"At most {MAX_VOLUMES} volumes.")
    names = [required(volume, "Name") for volume in volumes]
    if len(set(names)) != len(names):
        raise ApiFault("InvalidParameter.DuplicatedVolumeName", "Volume names must differ.")
    for volume in volumes:
        files = volume.get("ConfigFileVolume", {}).get("ConfigFileToPath", [])
        if sum(len(file.get("Content", "")) for file in files) * 3 // 4 > MAX_CONFIG_BYTES:
            raise ApiFault("InvalidParameter.ValueExceeded", "ConfigFileVolume is over 32 KB.")
    mounts = [m for c in structures(params, "Container") for m in structures(c, "VolumeMount")]
    for mount in mounts:
        if mount.get("Name") not in names:
            raise invalid("VolumeMount.Name", f"volume {mount.get('Name')} is not defined")


def _check_cache(call: Call) -> None:
    cache_id = text(call.params, "ImageSnapshotId")
    cache = call.cloud.caches.by_id.get(cache_id)
    if cache_id and cache is None:
        raise invalid("ImageSnapshotId", f"the image cache {cache_id} does not exist")
    if cache is not None and cache.status(call.now) != "Ready":
        raise ApiFault("ImageSnapshot.IncorrectStatus", f"The image cache {cache_id} is not ready.")


def _choice(params: Nested, name: str, allowed: tuple[str, ...]) -> str:
    value = text(params, name, allowed[0])
    if value not in allowed:
        raise invalid(name, f"one of {', '.join(allowed)} is expected")
    return value


def _tags(params: Nested) -> dict[str, str]:
    found = tags(params)
    if len(found) > MAX_TAGS:
        raise ApiFault("InvalidParameter.ValueExceeded", f"At most {MAX_TAGS} tags.")
    for key, value in found.items():
        prefixed = key.startswith(("aliyun", "acs:", "http://", "https://"))
        if prefixed or len(key) > 64 or len(value) > 128:
            raise invalid("Tag", f"the tag {key} is not allowed")
    return found


def _vswitches(call: Call) -> list[str]:
    network, params = call.cloud.network, call.params
    given = [v.strip() for v in text(params, "VSwitchId").split(",") if v.strip()]
    if len(given) > MAX_VSWITCHES:
        raise ApiFault("InvalidParameter.ValueExceeded", f"At most {MAX_VSWITCHES} vSwitches.")
    for vswitch_id in given:
        if vswitch_id not in network.vswitches:
            raise ApiFault(
                "InvalidVSwitchId.NotFound", f"The vSwitch {vswitch_id} does not exist.", 404
            )
    chosen = given or [network.default_vswitch.id]
    zone = text(params, "ZoneId")
    if zone:
        chosen = [v for v in chosen if network.vswitches[v].zone == zone]
        if not chosen:
            raise invalid("ZoneId", f"no vSwitch in zone {zone}")
    if _choice(params, "ScheduleStrategy", SCHEDULE_STRATEGIES) == "VSwitchRandom":
        digest = hashlib.sha256(call.request_id.encode()).digest()
        chosen = sorted(chosen, key=lambda v: digest[chosen.index(v) % len(digest)])
    return chosen


def _security_group(call: Call) -> str:
    groups = call.cloud.network.security_groups
    given = text(call.params, "SecurityGroupId")
    if given and given not in groups:
        raise ApiFault(
            "InvalidSecurityGroupId.NotFound", f"The security group {given} does not exist.", 404
        )
    return given or call.cloud.network.default_security_group.id


def _check_room(call: Call, group: Group) -> None:
    cloud = call.cloud
    vswitches = [cloud.network.vswitches[v] for v in group.vswitches]
    if not sizing.take_first_in_stock(cloud, group, [vswitch.zone for vswitch in vswitches]):
        raise ApiFault(
            "OperationDenied.NoStock",
            "The requested resource is sold out in the specified zone, try other types of"
            " resources or other regions and zones.",
            403,
        )
    if not any(vswitch.free > 0 for vswitch in vswitches):
        raise ApiFault("InvalidVSwitchId.IpNotEnough", "The vSwitch has no free IP address.")
    if cloud.used_cpu + group.cpu > cloud.knobs.quota_cpu:
        raise ApiFault(
            "InvalidParameter.ValueExceeded",
            f"The vCPU quota of the account is exceeded: {cloud.used_cpu:g} of"
            f" {cloud.knobs.quota_cpu:g} used, {group.cpu:g} asked.",
        )
