"""What the demo registers: keys, clusters, virtual nodes and workloads, read off the world's facts.

Pure: `world.json` in, the bodies of REST calls out. What the world does not have is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
MANIFESTS = Path(__file__).with_name("manifests")


@dataclass(frozen=True)
class Credential:
    """`fields` are those of the provider's credential form."""

    name: str
    provider: str
    region: str
    fields: Json
    endpoint: str = ""


@dataclass(frozen=True)
class Cluster:
    name: str
    kubeconfig: Path
    credential: str
    region: str


@dataclass(frozen=True)
class Node:
    """`credential` and `second` are names of credentials."""

    cluster: str
    credential: str
    zone: str
    placements: list[Json]
    security_group: str
    name: str = ""
    second: str = ""
    settings: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    credentials: tuple[Credential, ...]
    clusters: tuple[Cluster, ...]
    nodes: tuple[Node, ...]
    workloads: tuple[tuple[Path, Path], ...]


# The credential that each kind of cluster uses first.
FIRST = {"ack-pro": "aliyun-demo", "ack-registered": "aliyun-zhangjiakou", "kce": "ksyun-demo"}
WORKLOADS = {"ack-pro": "ack.yaml", "ack-registered": "idc.yaml", "kce": "kce.yaml"}


def scene(world: Json) -> Scene:
    registered = [c for c in world["clusters"] if c["kind"] in FIRST]
    return Scene(
        credentials=tuple(_credentials(world)),
        clusters=tuple(
            Cluster(c["name"], Path(c["kubeconfig"]), FIRST[c["kind"]], c["region"])
            for c in registered
        ),
        nodes=tuple(node for cluster in registered for node in _nodes(world, cluster)),
        workloads=tuple(
            (Path(c["kubeconfig"]), MANIFESTS / WORKLOADS[c["kind"]]) for c in registered
        ),
    )


def _kinds(world: Json) -> set[str]:
    return {cluster["kind"] for cluster in world["clusters"]}


def _credentials(world: Json) -> Iterator[Credential]:
    clouds, kinds = world["clouds"], _kinds(world)
    eci = clouds["eci"]
    key = _key(eci)
    yield Credential("aliyun-demo", "eci", eci["region"], key, eci["endpoint"])
    if "ack-registered" in kinds:
        there = _registered_region(world)
        yield Credential("aliyun-zhangjiakou", "eci", there["region"], key, there["endpoint"])
    for cluster in world["clusters"]:
        if cluster["kind"] == "acs":
            fields = {"kubeconfig": Path(cluster["kubeconfig"]).read_text()}
            yield Credential("aliyun-acs", "acs", cluster["region"], fields)
    if "kce" in kinds:
        kci = clouds["kci"]
        yield Credential("ksyun-demo", "kci", kci["region"], _key(kci), kci["endpoint"])


def _key(cloud: Json) -> Json:
    key = cloud["keys"][0]
    names = ("access_key_id", "access_key_secret")
    return {name: key[name] for name in names}


def _registered_region(world: Json) -> Json:
    """The ECI region of the registered cluster."""
    region = next(c["region"] for c in world["clusters"] if c["kind"] == "ack-registered")
    found: Json = world["clouds"]["eci"]["regions"][region]
    return found


def _nodes(world: Json, cluster: Json) -> Iterator[Node]:
    clouds, credential = world["clouds"], FIRST[cluster["kind"]]
    if cluster["kind"] == "kce":
        kci = clouds["kci"]
        places = _placements(kci["subnets"])
        yield Node(
            cluster["name"],
            credential,
            zone=places[0]["zone"],
            placements=places,
            security_group=kci["security_group_id"],
            name="virtual-kubelet01",
            # A resolver of the VPC: the cluster's own DNS service has no address out there.
            settings={"cluster-dns": "10.0.96.2"},
        )
        return
    eci = clouds["eci"] if cluster["kind"] == "ack-pro" else _registered_region(world)
    places = _placements(eci["vswitches"])
    served = places if cluster["kind"] == "ack-pro" else places[:1]
    for first in served:
        yield Node(
            cluster["name"],
            credential,
            zone=first["zone"],
            placements=[first, *(place for place in places if place is not first)],
            security_group=eci["security_group_id"],
            second="aliyun-acs" if cluster["kind"] == "ack-pro" and "acs" in _kinds(world) else "",
        )


def _placements(subnets: list[Json]) -> list[Json]:
    return [{"zone": subnet["zone"], "subnet": subnet["id"]} for subnet in subnets]
