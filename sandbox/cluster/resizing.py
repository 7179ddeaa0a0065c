"""The resize subresource of pods: what it may change, and its refusals.

Behaviour of ``podResizeStrategy`` (``pkg/registry/core/pod``) and ``ValidatePodResize``. A node
whose kubelet does not tell ``resources`` of a running container does not support resizing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.cluster.podresources import amounts, qos_class

if TYPE_CHECKING:
    from sandbox.cluster.kinds import Problems

Obj = dict[str, Any]
_LISTS = ("containers", "initContainers")
_MUTABLE = ("resources", "resizePolicy")


def prepare(old: Obj, new: Obj) -> None:
    """Undo in ``new`` everything but resources; renamed containers are left for ``check``."""
    wanted = new["spec"]
    spec = dict(old["spec"])
    if "resources" in wanted:
        spec["resources"] = wanted["resources"]
    for kind in _LISTS:
        if kind in wanted:
            spec[kind] = _merged(old["spec"].get(kind) or [], wanted[kind])
    new["spec"] = spec
    new["status"] = old["status"]
    managed = new["metadata"].get("managedFields")
    new["metadata"] = dict(old["metadata"])
    if managed is not None:
        new["metadata"]["managedFields"] = managed


def _merged(old: list[Obj], new: list[Obj]) -> list[Obj]:
    if [item["name"] for item in old] != [item["name"] for item in new]:
        return new
    return [
        {key: value for key, value in before.items() if key not in _MUTABLE}
        | {key: after[key] for key in _MUTABLE if key in after}
        for before, after in zip(old, new, strict=True)
    ]


def check(new: Obj, old: Obj, problems: Problems) -> None:
    """Add the reasons to refuse the change."""
    before, after = old["spec"], new["spec"]
    if old["status"].get("qosClass", qos_class(before)) != qos_class(after):
        problems.invalid(
            "spec", qos_class(after), "Pod QOS Class may not change as a result of resizing"
        )
    running = [c for c in old["status"].get("containerStatuses") or () if "running" in c["state"]]
    if running and running[0].get("resources") is None:
        problems.forbidden("spec", "Pod running on node without support for resize")
    for kind in _LISTS:
        names = [[item["name"] for item in spec.get(kind) or ()] for spec in (before, after)]
        if len(names[0]) != len(names[1]):
            problems.forbidden(f"spec.{kind}", f"{kind} may not be added or removed on resize")
            return
        if names[0] != names[1]:
            problems.forbidden(f"spec.{kind}", f"{kind} may not be renamed or reordered on resize")
            return
        _each(before.get(kind) or [], after.get(kind) or [], kind, problems)
    _removed(before, after, "spec.resources", problems)
    _others(before, after, "spec", problems)


def _each(before: list[Obj], after: list[Obj], kind: str, problems: Problems) -> None:
    for index, (one, other) in enumerate(zip(before, after, strict=True)):
        path = f"spec.{kind}[{index}].resources"
        fixed = kind == "initContainers" and one.get("restartPolicy") != "Always"
        if fixed and one.get("resources") != other.get("resources"):
            text = "resources for non-sidecar init containers are immutable"
            problems.forbidden(path, text)
            continue
        _removed(one, other, path, problems)
        _others(one, other, "spec", problems)


def _removed(before: Obj, after: Obj, path: str, problems: Problems) -> None:
    for side in ("requests", "limits"):
        gone = amounts(before, side).keys() - amounts(after, side).keys()
        if gone & {"cpu", "memory"}:
            problems.forbidden(path, f"resource {side} cannot be removed")


def _others(before: Obj, after: Obj, path: str, problems: Problems) -> None:
    for side in ("requests", "limits"):
        one, other = amounts(before, side), amounts(after, side)
        moved = {name for name in one | other if one.get(name) != other.get(name)}
        if moved - {"cpu", "memory"}:
            problems.forbidden(path, "only cpu and memory resources are mutable")
