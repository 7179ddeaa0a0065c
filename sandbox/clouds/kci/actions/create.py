"""CreateContainerGroup: checks, size, stock, quota. There is no token: every call makes a group."""

import re
from collections.abc import Sequence
from decimal import Decimal

from ...groups.model import Container, Group
from .. import packages
from ..agent import MACHINE
from ..cloud import KciCloud
from ..errors import ApiFault, dry_run, invalid, missing, no_stock, not_found, quota
from ..packages import MAX_CPU, MAX_MEMORY, Package
from ..wire import Json, plain
from .base import Call
from .checks import check_disks, check_name, check_one_of, check_standing_alone
from .models import ContainerModel, CreateContainerGroup, Label

LABEL_KEYS = ("cluster-id", "namespace", "pod-name", "node-name")
REQUIRED_LABELS = LABEL_KEYS[:3]
LABEL_VALUE = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9._]{0,61}[a-zA-Z0-9])?")
MAX_SECURITY_GROUPS, MAX_SUBNETS, MAX_RETAIN_HOURS = 3, 5, 365 * 24


def create(call: Call, asked: CreateContainerGroup) -> Json:
    """Create a container group."""
    cloud = call.cloud
    check_name(asked.container_group_name)
    _check_options(cloud, asked)
    labels = _labels(asked)
    if asked.kube_config:
        _check_cluster(asked, labels)
    else:
        check_standing_alone(asked, labels)
    group = _build(call, asked, labels)
    _check_quota(cloud, group)
    if asked.dry_run:
        raise dry_run()
    cloud.add(group)
    call.group_id = group.id
    return {"ContainerGroupId": group.id}


def _check_options(cloud: KciCloud, asked: CreateContainerGroup) -> None:
    check_one_of("KciType", asked.kci_type, ("RBKCI",))
    check_one_of("ChargeType", asked.charge_type, packages.CHARGE_TYPES)
    if asked.charge_type == packages.SPOT:
        check_one_of("SpotStrategy", asked.spot_strategy or "SpotAsPriceGo", ("SpotAsPriceGo",))
    if len(asked.security_group_id) > MAX_SECURITY_GROUPS:
        raise ApiFault(
            "SecurityGroupLimitExceeded",
            f"At most {MAX_SECURITY_GROUPS} security groups are allowed.",
        )
    for group_id in asked.security_group_id:
        if group_id not in cloud.network.security_groups:
            raise not_found("SecurityGroup", group_id)
    if asked.eip_allocation_id and asked.multi_eip_allocation_id:
        raise invalid("MultiEipAllocationId", "Only one of EipAllocationId and it is allowed.")
    if not 0 < asked.retain_ip_hours <= MAX_RETAIN_HOURS:
        raise invalid("RetainIpHours", f"Expected 1 to {MAX_RETAIN_HOURS}.")
    check_disks(asked)


def _labels(asked: CreateContainerGroup) -> dict[str, str]:
    return {label.key: _label_value(label) for label in asked.label}


def _label_value(label: Label) -> str:
    if label.key not in LABEL_KEYS:
        raise invalid("Label.Key", f"{label.key} is none of {', '.join(LABEL_KEYS)}.")
    if not LABEL_VALUE.fullmatch(label.value):
        raise invalid("Label.Value", f"The value of {label.key} is malformed.")
    return label.value


def _check_cluster(asked: CreateContainerGroup, labels: dict[str, str]) -> None:
    for key in REQUIRED_LABELS:
        if key not in labels:
            raise missing(f"Label.{key}")
    for name, value in (("ClusterDns", asked.cluster_dns), ("ClusterDomain", asked.cluster_domain)):
        if not value:
            raise missing(name)


def _build(call: Call, asked: CreateContainerGroup, labels: dict[str, str]) -> Group:
    cloud = call.cloud
    subnets, chosen = _choose(cloud, asked)
    group = Group(
        id=cloud.new_id(),
        seq=0,
        name=asked.container_group_name,
        region=cloud.region,
        account_key=call.key.access_key_id,
        created_at=call.now,
        status="",
        vswitches=subnets,
        containers=_containers(asked),
        init_containers=[_container(model) for model in asked.init_container],
        cpu=float(chosen.cpu),
        memory=float(chosen.memory),
        instance_type=chosen.name,
        restart_policy=asked.restart_policy if asked.container else "Always",
        tags=labels,
        request=_kept(asked),
    )
    group.vswitches = _with_stock(cloud, group)
    _use_cache(call, asked, group)
    return group


def _use_cache(call: Call, asked: CreateContainerGroup, group: Group) -> None:
    """Spare the pull of images that the cache named, or the best one, holds."""
    caches, cache = call.cloud.caches, None
    if asked.image_cache_id:
        cache = caches.ready(asked.image_cache_id, call.now)
    elif asked.auto_match_image_cache:
        images = [container.image for container in group.containers]
        cache = next(iter(caches.matching(images, call.now)), None)
    if cache is None:
        return
    cache.used_at = call.now
    caches.put(cache)
    for container in [*group.init_containers, *group.containers]:
        container.pulled = container.image in cache.images


def _kept(asked: CreateContainerGroup) -> Json:
    request = plain(asked)
    if asked.kube_config:
        request["KubeConfig"] = asked.kube_config
    return {k: v for k, v in request.items() if k not in {"Container", "InitContainer", "Label"}}


def _containers(asked: CreateContainerGroup) -> list[Container]:
    if asked.kube_config:
        return [Container(MACHINE, "pause")]
    return [_container(model) for model in asked.container]


def _container(model: ContainerModel) -> Container:
    return Container(
        name=model.name,
        image=model.image,
        command=model.command,
        args=model.arg,
        cpu=float(model.cpu or 0),
        memory=float(model.memory or 0),
        gpu=int(model.gpu),
        spec=plain(model),
    )


def _choose(cloud: KciCloud, asked: CreateContainerGroup) -> tuple[list[str], Package]:
    """Return the subnets whose zone sells the size, and the package of the first of them."""
    wanted = [asked.subnet_id] if asked.subnet_id else asked.multi_subnet_id
    if not wanted:
        raise missing("SubnetId")
    if len(wanted) > MAX_SUBNETS:
        raise invalid("MultiSubnetId", f"At most {MAX_SUBNETS} subnets are allowed.")
    found: dict[str, Package] = {}
    refusal: ApiFault | None = None
    for subnet_id in wanted:
        subnet = cloud.network.subnets.get(subnet_id)
        if subnet is None:
            raise not_found("Subnet", subnet_id)
        try:
            found[subnet_id] = _package(asked, cloud.packages[subnet.zone, asked.charge_type])
        except ApiFault as exc:
            refusal = exc
    if not found and refusal:
        raise refusal
    first = next(iter(found.values()))
    return [subnet_id for subnet_id, package in found.items() if package == first], first


def _package(asked: CreateContainerGroup, table: packages.Table) -> Package:
    if asked.instance_type:
        return packages.named(asked.instance_type, table)
    cpu, memory = size_asked(asked)
    return packages.fit(cpu, memory, table, packages.family(asked.instance_family))


def size_asked(asked: CreateContainerGroup) -> tuple[Decimal, Decimal]:
    """Return vCPU and GiB asked: the group's, else summed over containers, limits first."""
    cpu = packages.quantity(asked.cpu, "Cpu", MAX_CPU)
    memory = packages.quantity(asked.memory, "Memory", MAX_MEMORY)
    if cpu or memory:
        return cpu, memory
    if asked.kube_config:
        cpus: Sequence[str | None] = [s.limit_cpu or s.request_cpu for s in asked.container_spec]
        memories: Sequence[str | None] = [
            s.limit_mem or s.request_mem for s in asked.container_spec
        ]
    else:
        cpus = [container.cpu for container in asked.container]
        memories = [container.memory for container in asked.container]
    return (
        sum((packages.quantity(text, "Cpu", MAX_CPU) for text in cpus), Decimal(0)),
        sum((packages.quantity(text, "Memory", MAX_MEMORY) for text in memories), Decimal(0)),
    )


def _with_stock(cloud: KciCloud, group: Group) -> list[str]:
    subnets = [cloud.network.subnets[subnet_id] for subnet_id in group.vswitches]
    stocked = [subnet for subnet in subnets if cloud.in_stock(subnet.zone, group)]
    if not stocked:
        raise no_stock([subnet.zone for subnet in subnets])
    free = [subnet.id for subnet in stocked if subnet.free > 0]
    if not free:
        raise ApiFault("SubnetIpInsufficient", "The subnets have no free address left.")
    return free


def _check_quota(cloud: KciCloud, group: Group) -> None:
    if cloud.used_cpu + group.cpu > cloud.knobs.quota_cpu:
        raise quota("vCPU")
    if len(cloud.groups) >= cloud.knobs.quota_groups:
        raise quota("container groups")
