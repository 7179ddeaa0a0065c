"""Objects into a cluster and out again: server-side apply under the field manager `spillway`.

Written by the Kubernetes documentation, "Server-Side Apply": what we apply we own, what we no
longer apply goes, and a field that another manager owns is a conflict that names the owner.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from addons.components import ownership
from addons.components.base import Json
from addons.components.ownership import MANAGER
from kube import Kube, Resource
from kube.errors import Conflict, Invalid, NotFound
from kube.resources import BY_KIND
from providers import sealing
from providers.models import CloudAccount

# What others stand on comes first; whatever is not named comes last.
ORDER = (
    *("Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "Role"),
    *("ClusterRoleBinding", "RoleBinding", "ConfigMap", "Secret", "Service"),
    *("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"),
)
FIRST = frozenset(ORDER[:7])
_KEYLIKE = re.compile(r"\[\w*(?:KEY|SECRET|TOKEN|PASSWORD)\w*\]")
_NOISE = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
# The whole manifest once more, with whatever keys are written out in it.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Owner:
    """A field that another manager owns."""

    object: str
    field: str
    manager: str

    def __str__(self) -> str:
        return f"{self.object} {self.field}: {self.manager}"


class Conflicts(Exception):
    def __init__(self, owners: Sequence[Owner]) -> None:
        super().__init__("; ".join(str(owner) for owner in owners))
        self.owners = tuple(owners)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of an object; None where there is nothing.

    `refused`: the API server does not take the object; `field` are the fields it names, `wanted`
    is what it says.
    """

    object: str
    field: str
    live: Any
    wanted: Any
    kind: Literal["field", "missing", "surplus", "refused"] = "field"

    def as_dict(self) -> Json:
        return {name: getattr(self, name) for name in self.__slots__}


def name_of(obj: Mapping[str, Any]) -> str:
    """`Deployment kube-system/virtual-kubelet`."""
    meta = obj["metadata"]
    place = f"{meta['namespace']}/" if meta.get("namespace") else ""
    return f"{obj['kind']} {place}{meta['name']}"


def ordered(objects: Iterable[Json]) -> list[Json]:
    rank = {kind: number for number, kind in enumerate(ORDER)}
    return sorted(objects, key=lambda obj: rank.get(obj["kind"], len(rank)))


async def resource_of(kube: Kube, obj: Mapping[str, Any]) -> Resource:
    """Its resource, asked of the cluster when we do not know the kind. Raises NotFound."""
    api_version, kind = obj["apiVersion"], obj["kind"]
    known = BY_KIND.get((api_version, kind))
    if known is not None:
        return known
    for resource in await kube.resources(api_version):
        if resource.kind == kind:
            return resource
    raise NotFound(f"the cluster has no {kind} of {api_version}", status=404, reason="NotFound")


# --- secrets ----------------------------------------------------------------------------------


def _reference(value: Any) -> bool:
    return isinstance(value, Mapping) and "credential" in value


def sealed(obj: Mapping[str, Any]) -> bool:
    """Whether the object holds references to keys of clouds."""
    return any(_reference(value) for value in (obj.get("data") or {}).values())


def unsealed(obj: Json) -> Json:
    """The object with the keys in it, as the API server takes it (base64): to `put` it, and to
    tell whether the key that is there is another (`other_keys`)."""
    if not sealed(obj):
        return obj
    data = {
        name: _opened(value) if _reference(value) else value for name, value in obj["data"].items()
    }
    return {**obj, "data": data}


def _opened(reference: Mapping[str, Any]) -> str:
    account = CloudAccount.objects.get(pk=reference["credential"])
    parts = {
        "id": lambda: account.access_key_id,
        "secret": lambda: sealing.secret_of(account).reveal(),
        "token": lambda: sealing.token_of(account).reveal(),
    }
    return base64.b64encode(parts[reference["part"]]().encode()).decode()


def other_keys(live: Mapping[str, Any] | None, obj: Json) -> list[str]:
    """Names under which a Secret holds another key than `obj`, which is unsealed."""
    there = (live or {}).get("data") or {}
    return [name for name, value in obj["data"].items() if there.get(name, value) != value]


def masked(obj: Json) -> Json:
    """Fit for a dry run: references give way to nothing."""
    if obj["kind"] != "Secret":
        return obj
    data = dict.fromkeys(obj.get("data") or {}, "")
    return {**obj, "data": data}


# --- put --------------------------------------------------------------------------------------


async def put(kube: Kube, obj: Json, *, force: bool = False, dry_run: bool = False) -> Json:
    """Apply one object; what the server has then. Raises `Conflicts` and `KubeError`.

    A binding to another role than before is deleted and made anew, as `kubectl auth reconcile`
    does: the role of a binding cannot be changed.
    """
    try:
        return await _put(kube, obj, force=force, dry_run=dry_run)
    except Invalid as error:
        if not _rebinds(error):
            raise
    if dry_run:
        return obj
    await remove(kube, obj)
    return await _put(kube, obj, force=force)


def _rebinds(error: Invalid) -> bool:
    """By the one cause that the API server names (kubernetes/pkg/apis/rbac/validation)."""
    return [cause.field for cause in error.causes] == ["roleRef"]


async def _put(kube: Kube, obj: Json, *, force: bool = False, dry_run: bool = False) -> Json:
    resource = await resource_of(kube, obj)
    meta = obj["metadata"]
    try:
        return await kube.patch(
            resource,
            meta["name"],
            obj,
            meta.get("namespace") if resource.namespaced else None,
            kind="apply",
            field_manager=MANAGER,
            force=force,
            dry_run=dry_run,
        )
    except Conflict as error:
        owners = [
            Owner(name_of(obj), cause.field, cause.message.partition('"')[2].partition('"')[0])
            for cause in error.causes
            if cause.reason == "FieldManagerConflict"
        ]
        if not owners:
            raise
        raise Conflicts(owners) from error


async def take_over(kube: Kube, obj: Json) -> None:
    """Make the fields of installers ours, before an apply with force takes them. See `ownership`.

    Raises `Conflict` when somebody wrote in between.
    """
    live = await find(kube, obj)
    patch = ownership.move(live, obj) if live else None
    if patch is not None:
        await _patched(kube, obj, patch)


async def _patched(kube: Kube, obj: Json, patch: list[Json], *, dry_run: bool = False) -> Json:
    meta, resource = obj["metadata"], await resource_of(kube, obj)
    space = meta.get("namespace") if resource.namespaced else None
    return await kube.patch(
        resource, meta["name"], patch, space, kind="json", field_manager=MANAGER, dry_run=dry_run
    )


async def would_be(kube: Kube, obj: Json, live: Json | None, *, moves: bool) -> Json:
    """What an apply with force would make of it, after a take-over if one is due (`moves`).

    Of a take-over the API server is shown the outcome: two writes cannot be tried in one dry run.
    """
    wanted = masked(obj)
    if moves and live and ownership.move(live, wanted):
        try:
            return await _patched(kube, obj, ownership.preview(live, wanted), dry_run=True)
        except Invalid as error:
            if not _rebinds(error):
                raise
            return wanted
    return await put(kube, wanted, force=True, dry_run=True)


async def find(kube: Kube, obj: Mapping[str, Any]) -> Json | None:
    """The live object; None when it, or its whole kind, is not there."""
    meta = obj["metadata"]
    try:
        resource = await resource_of(kube, obj)
        space = meta.get("namespace") if resource.namespaced else None
        return await kube.get(resource, meta["name"], space)
    except NotFound:
        return None


async def remove(kube: Kube, obj: Mapping[str, Any]) -> bool:
    """Delete it with what it owns; whether it was there."""
    meta = obj["metadata"]
    try:
        resource = await resource_of(kube, obj)
    except NotFound:
        return False
    space = meta.get("namespace") if resource.namespaced else None
    answer = await kube.delete(resource, meta["name"], space, propagation="Background")
    return answer is not None


def surplus(before: Iterable[Json], now: Iterable[Json]) -> list[Json]:
    """Objects of before that are no longer wanted, in the order of removal."""
    kept = {identity(obj) for obj in now}
    return [obj for obj in reversed(ordered(before)) if identity(obj) not in kept]


def identity(obj: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Group, kind, namespace and name: equal for two manifests of one object."""
    meta = obj["metadata"]
    group = str(obj["apiVersion"]).rpartition("/")[0]
    return group, obj["kind"], meta.get("namespace") or "", meta["name"]


# --- compare ----------------------------------------------------------------------------------


async def compare(kube: Kube, wanted: Sequence[Json], *, moves: bool = False) -> list[Difference]:
    """What applying would change, as the server itself tells by a dry run.

    `moves`: others' fields would be taken over. Values of Secrets are never compared, only their
    names.
    """
    found: list[Difference] = []
    for obj in wanted:
        live = await find(kube, obj)
        if live is None:
            found.append(Difference(name_of(obj), "", None, None, "missing"))
            continue
        try:
            would = await would_be(kube, obj, live, moves=moves)
        except Invalid as error:
            found.append(_refused(obj, error))
            continue
        found += [
            Difference(name_of(obj), field, hidden(field, before), hidden(field, after))
            for field, before, after in differences(_bare(live), _bare(would))
        ]
    return found


def _refused(obj: Json, error: Invalid) -> Difference:
    """An immutable field, say: that it cannot be applied is the difference."""
    fields = ", ".join(dict.fromkeys(cause.field for cause in error.causes))
    said = "; ".join(dict.fromkeys(cause.message for cause in error.causes))
    return Difference(name_of(obj), fields, None, said or str(error), "refused")


def _bare(obj: Json) -> Json:
    meta = {key: value for key, value in obj["metadata"].items() if key not in _NOISE}
    if _LAST_APPLIED in (meta.get("annotations") or {}):
        kept = {k: v for k, v in meta.pop("annotations").items() if k != _LAST_APPLIED}
        meta |= {"annotations": kept} if kept else {}
    rest = {key: value for key, value in obj.items() if key not in {"metadata", "status"}}
    if obj.get("kind") == "Secret":
        rest["data"] = dict.fromkeys(obj.get("data") or {}, "***")
    return {**rest, "metadata": meta}


def differences(before: Any, after: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """(path, before, after) of every leaf that differs; items of lists by their name."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            found
            for key in sorted(before.keys() | after.keys())
            for found in differences(before.get(key), after.get(key), f"{path}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and _named(before) and _named(after):
        left = {one["name"]: one for one in before}
        right = {one["name"]: one for one in after}
        return [
            found
            for key in dict.fromkeys([*left, *right])
            for found in differences(left.get(key), right.get(key), f"{path}[{key}]")
        ]
    return [] if before == after else [(path.removeprefix("."), before, after)]


def hidden(field: str, value: Any) -> Any:
    """What others wrote out as an environment variable may be a key: it is not shown."""
    if value is None or not _KEYLIKE.search(field):
        return value
    if isinstance(value, dict):
        return {key: "***" if key == "value" else text for key, text in value.items()}
    return "***" if field.endswith(".value") else value


def _named(items: Sequence[Any]) -> bool:
    names = [one.get("name") for one in items if isinstance(one, dict)]
    return len(names) == len(items) == len(set(names)) and all(names)
