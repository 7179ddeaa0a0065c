"""What a component's code answers; a component of plain manifests needs none.

A kit is found by the component's name in `addons.components.kits.KITS`. Its functions are pure.

Keys of clouds never stand in rendered objects. Where one belongs, the object holds a reference,
`{"credential": <id>, "part": "id" | "secret" | "token"}`, and `apply.unsealed` opens it at the last
moment; revisions, diffs and Helm records keep the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from addons.components.base import Json, Release, Renderer


def key_part(credential: int, part: str) -> Json:
    """The reference to a part of a cloud account's key."""
    return {"credential": credential, "part": part}


@dataclass(frozen=True, slots=True)
class Recognised:
    """A component that others installed; `values` without secrets, `objects` by identity."""

    version: str
    values: Json
    namespace: str
    release: str
    objects: tuple[Json, ...] = ()
    # What told us: an image, a name, an environment variable.
    evidence: str = ""


def _no_nodes(_release: Release, _node: Json) -> bool:
    return False


def _all_nodes(_release: Release, _node: Json) -> bool:
    return True


def _named_node(release: Release, _zones: Sequence[str]) -> Sequence[str]:
    named = release.effective.get("nodename")
    return [str(named)] if named else []


def _no_tags(_release: Release) -> Mapping[str, str] | None:
    return None


def _nothing(_workloads: Sequence[Json]) -> Recognised | None:
    return None


@dataclass(frozen=True, slots=True)
class Kit:
    """`owns_node` tells the virtual nodes that the release brings, `keeps_node` which of them its
    version keeps alive, `node_names` how they will be called in the zones of its subnets;
    `instance_tags` those tags that its instances carry at the cloud (None: they are known by
    `instance_annotations` of their pods). `provider` is the registry's name of the cloud that they
    run on. `leftovers` are objects, by identity, that its controller makes by itself in the
    cluster: they go with it.
    """

    render: Renderer
    owns_node: Callable[[Release, Json], bool] = _no_nodes
    keeps_node: Callable[[Release, Json], bool] = _all_nodes
    node_names: Callable[[Release, Sequence[str]], Sequence[str]] = _named_node
    instance_tags: Callable[[Release], Mapping[str, str] | None] = _no_tags
    instance_annotations: tuple[str, ...] = ()
    recognise: Callable[[Sequence[Json]], Recognised | None] = _nothing
    provider: str = ""
    leftovers: tuple[Json, ...] = ()
    # Value that names the credential -> what it is for.
    credentials: tuple[str, ...] = field(default=("credential",))
