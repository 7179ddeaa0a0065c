"""A pod and what it refers to, as an `InstanceSpec`. Pure: same input, same output, any cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from addons.pods.asked import totals, whole
from addons.pods.containers import container, is_sidecar
from addons.pods.quantity import GIB
from addons.pods.references import Resolved
from addons.pods.registries import credentials
from addons.pods.volumes import volumes
from providers.base import Container, Dns, HostAlias, InstanceSpec, Placement, Size

Json = Mapping[str, Any]
# Settings of a virtual node, where its provider has them.
CLUSTER_DNS, NODE_DNS, DOMAIN = "cluster-dns", "virtual-node-dns", "cluster-domain"


@dataclass(frozen=True, slots=True)
class Site:
    """Where the virtual node puts its instances."""

    region: str
    placements: tuple[Placement, ...]
    security_group: str
    settings: Mapping[str, str] = field(default_factory=dict)


def translate(
    pod: Json, resolved: Resolved, *, site: Site, tags: Mapping[str, str]
) -> InstanceSpec:
    """Raises `MissingReference` (wait) or `UnsupportedVolume` (never works)."""
    spec, meta = pod["spec"], pod["metadata"]
    inits = spec.get("initContainers") or ()
    cpu, memory, gpu = totals(pod)
    pod_cpu, pod_memory = whole(pod)
    grace = spec.get("terminationGracePeriodSeconds")
    return InstanceSpec(
        name=f"{meta['namespace']}-{meta['name']}",
        region=site.region,
        placements=site.placements,
        security_group=site.security_group,
        containers=(
            *_sidecars(pod, resolved),
            *(container(source, pod, resolved) for source in spec["containers"]),
        ),
        init_containers=tuple(
            container(source, pod, resolved) for source in inits if not is_sidecar(source)
        ),
        volumes=volumes(pod, resolved),
        registry_credentials=credentials(pod, resolved),
        restart_policy=spec.get("restartPolicy") or "Always",
        grace_seconds=30 if grace is None else grace,
        deadline_seconds=spec.get("activeDeadlineSeconds"),
        dns=dns(pod, cluster_dns=resolved.cluster_dns, settings=site.settings),
        host_aliases=tuple(
            HostAlias(alias["ip"], tuple(alias.get("hostnames") or ()))
            for alias in spec.get("hostAliases") or ()
        ),
        hostname=(spec.get("hostname") or meta["name"])[:63].rstrip("-."),
        share_process_namespace=bool(spec.get("shareProcessNamespace")),
        tags=dict(tags),
        options=dict(meta.get("annotations") or {}),
        labels=dict(meta.get("labels") or {}),
        settings=dict(site.settings),
        cpu=cpu,
        memory=memory,
        gpu=gpu,
        pod_cpu=pod_cpu,
        pod_memory=pod_memory,
    )


def with_room(spec: InstanceSpec, pod: Json, resolved: Resolved, size: Size) -> InstanceSpec:
    """The spec as the pod reads it that asks how large its node is: this instance is its node."""
    room = {"cpu": size.cpu, "memory": size.memory * GIB}
    site = Site(spec.region, spec.placements, spec.security_group, spec.settings)
    told = translate(pod, replace(resolved, room=room), site=site, tags={})
    return replace(
        spec,
        containers=told.containers,
        init_containers=told.init_containers,
        volumes=told.volumes,
    )


_SIZED = ("name", "image", "resources", "restartPolicy")


def outline(pod: Json, *, site: Site, tags: Mapping[str, str]) -> InstanceSpec:
    """The spec without what the pod refers to: enough for sizes, prices and annotations."""
    spec = {
        key: [_bare(container) for container in value or ()]
        if key in {"containers", "initContainers"}
        else value
        for key, value in pod["spec"].items()
        if key not in {"volumes", "imagePullSecrets"}
    }
    return translate({**pod, "spec": spec}, Resolved(), site=site, tags=tags)


def _bare(source: Json) -> Json:
    literal = [entry for entry in source.get("env") or () if "valueFrom" not in entry]
    return {key: source[key] for key in _SIZED if key in source} | {"env": literal}


def _sidecars(pod: Json, resolved: Resolved) -> Iterator[Container]:
    before = 0
    for source in pod["spec"].get("initContainers") or ():
        if is_sidecar(source):
            yield replace(container(source, pod, resolved), sidecar=True, after=before)
        else:
            before += 1


def resolvers(settings: Mapping[str, str], found: str) -> tuple[str, ...]:
    """The cluster's resolvers: as the virtual node is set, else its DNS service (`found`)."""
    return _addresses(settings, CLUSTER_DNS) or ((found,) if found else ())


def cluster_domain(settings: Mapping[str, str]) -> str:
    return settings.get(DOMAIN) or "cluster.local"


def _addresses(settings: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in settings.get(name, "").split(",") if part.strip())


def dns(pod: Json, *, cluster_dns: str, settings: Mapping[str, str]) -> Dns | None:
    """The resolver configuration that the kubelet would write; None: the cloud's own.

    Source: Kubernetes documentation, "DNS for Services and Pods". Without a cluster DNS service
    ClusterFirst falls back to Default, which are the virtual node's own resolvers.
    """
    spec = pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    own = spec.get("dnsConfig") or {}
    servers: Sequence[str] = ()
    searches: list[str] = []
    options: dict[str, str] = {}
    cluster = resolvers(settings, cluster_dns)
    if policy.startswith("ClusterFirst") and cluster:
        namespace, domain = pod["metadata"]["namespace"], cluster_domain(settings)
        servers = cluster
        searches = [f"{namespace}.svc.{domain}", f"svc.{domain}", domain]
        options = {"ndots": "5"}
    elif policy != "None":
        servers = _addresses(settings, NODE_DNS)
    options |= {o.get("name") or "": o.get("value") or "" for o in own.get("options") or ()}
    result = Dns(
        servers=_unique(servers, own.get("nameservers")),
        searches=_unique(searches, own.get("searches")),
        options=tuple(options.items()),
    )
    return result if result != Dns() else None


def _unique(first: Sequence[str], more: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *(more or ()))))
