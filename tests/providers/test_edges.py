"""Pods on the edges of the size tables, and what each is billed as.

One file a provider in `edges/`, entries of this form:

    [[edge]]
    provider = "eci"                       # a name in `providers.registry`
    source = "ECI user guide, …"           # the document that gives the answer
    region = "cn-hangzhou"                 # of the virtual node; this one when left out
    size = "8-14Gi"                        # exactly `Dialect.billed_size(…).label`
    tier = "spot"                          # optional: exactly its `tier`
    annotations = { "k8s.aliyun.com/eci-use-specs" = "2-4Gi" }   # optional, of the pod
    labels = { "alibabacloud.com/compute-class" = "gpu" }        # optional, of the pod
    settings = { KCI_KUBE_PROXY = "true" }                       # optional, of the virtual node
    containers = [{ limits = { cpu = "7", memory = "13Gi" } }]   # optional
    init_containers = [{ requests = { cpu = "3" } }]             # optional

Instead of `size` an entry may have `error`: a part of what the pod is refused with. A container has
`limits` and `requests`, and whatever else of a Kubernetes container (`env`); its name and image are
filled in. Without `containers` there is one that asks for nothing. `spec` holds more fields of the
pod's spec (`nodeSelector`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from addons.pods.references import Resolved
from addons.pods.translate import Site, translate
from providers.base import Dialect, Placement, Size
from providers.errors import InvalidSpec
from providers.registry import dialect

FOLDER = Path(__file__).parent / "edges"
Edge = Mapping[str, Any]


def _edges() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.toml")):
        for number, edge in enumerate(tomllib.loads(path.read_text("utf-8"))["edge"], 1):
            answer = edge.get("size", "refused")
            yield pytest.param(edge, id=f"{path.stem}-{number}-{answer}")


def _containers(given: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{prefix}{number}",
            "image": "busybox:1",
            **{key: value for key, value in one.items() if key not in {"limits", "requests"}},
            "resources": {key: one[key] for key in ("limits", "requests") if key in one},
        }
        for number, one in enumerate(given)
    ]


def _pod(edge: Edge) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "edge",
            "namespace": "default",
            "uid": "u-1",
            "annotations": edge.get("annotations", {}),
            "labels": edge.get("labels", {}),
        },
        "spec": {
            "containers": _containers(edge.get("containers", [{}]), "main"),
            "initContainers": _containers(edge.get("init_containers", []), "init"),
            **edge.get("spec", {}),
        },
    }


def _billed(own: Dialect, edge: Edge) -> Size:
    """Raises `InvalidSpec` where the pod is refused, by the size or by a fatal problem."""
    pod, region = _pod(edge), edge.get("region", "cn-hangzhou")
    settings = edge.get("settings", {})
    for problem in own.problems(pod, settings=settings):
        if problem.fatal:
            raise InvalidSpec(f"{problem.path}: {problem.text} {problem.fix_text}")
    site = Site(region, (Placement(f"{region}-a", "subnet-1"),), "sg-1", settings)
    return own.billed_size(translate(pod, Resolved(), site=site, tags={}))


@pytest.mark.parametrize("edge", list(_edges()))
def test_a_pod_on_the_edge_of_a_table_is_billed_as_its_source_says(edge: Edge) -> None:
    assert edge["source"].strip()
    assert ("size" in edge) is not ("error" in edge)
    own = dialect(edge["provider"])
    if "error" in edge:
        with pytest.raises(InvalidSpec) as refused:
            _billed(own, edge)
        assert edge["error"] in str(refused.value)
        return
    size = _billed(own, edge)
    assert size.label == edge["size"]
    assert size.tier == edge.get("tier", size.tier)


def test_thirty_edges_at_least_are_judged() -> None:
    assert len(list(_edges())) >= 30
