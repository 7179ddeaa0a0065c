"""What is wrong with a pod's annotations and GPUs, said before it hurts.

Sources: ECI user guide, "ECI Pod annotations", "Create a pod by specifying GPU-accelerated types"
(a container may not ask for more GPUs than the type has; containers share them; a pod of a GPU type
must ask for one), "Assign security groups to a pod" and "Specify or exclude specific ECS instance
families to create a pod" (no effect on ECS types).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from providers.base import Problem
from providers.eci import ecs, options, written
from providers.eci.ecs import Kind
from providers.eci.options import PREFIX, USE_SPECS

Map = Mapping[str, Any]


def problems(pod: Map) -> Iterator[Problem]:
    own: dict[str, str] = dict((pod.get("metadata") or {}).get("annotations") or {})
    bad = {one.name for one in options.unreadable(own)}
    yield from _values(own)
    yield from _ignored(own)
    if not bad & {PREFIX + USE_SPECS, PREFIX + options.OLD_TYPE}:
        yield from _gpus(pod, own)
        yield from _without_effect(own)


def _path(name: str) -> str:
    return f"metadata.annotations[{name}]"


def _values(own: Mapping[str, str]) -> Iterator[Problem]:
    for one in options.unreadable(own):
        yield Problem(
            _path(one.name),
            "AnnotationNotReadable",
            _("The value %(value)s cannot be read."),
            one.kind.fix,
            values={"value": one.value, **one.kind.values},
        )


def _ignored(own: Mapping[str, str]) -> Iterator[Problem]:
    """ECI's own annotations that only its own virtual node acts on."""
    known = {option.name for option in options.TABLE.values()}
    for name in own:
        key = name.removeprefix(PREFIX)
        if name in known or name in written.KEYS or key == name:
            continue
        if key in options.IGNORED:
            yield _without_parameter(name, options.IGNORED[key][1])
        elif key.startswith("eci-"):
            yield _without_parameter(name, _("Remove it, or use eci-use-specs and eci-vswitch."))


def _without_parameter(name: str, fix: str) -> Problem:
    return Problem(
        _path(name),
        "AnnotationIgnored",
        _("CreateContainerGroup has no parameter for it."),
        fix,
        fatal=False,
    )


def _without_effect(own: Mapping[str, str]) -> Iterator[Problem]:
    named = _types(own)
    pairs = any(not one.startswith("ecs.") for one in _entries(own)) or not named
    for key in ("eci-instance-family", "eci-instance-generation", "eci-compute-category"):
        if not pairs and own.get(PREFIX + key, "").strip():
            yield Problem(
                _path(PREFIX + key),
                "AnnotationIgnored",
                _("It has no effect on the ECS types that eci-use-specs names."),
                _("Name vCPU and memory in eci-use-specs, or remove it."),
                fatal=False,
            )
    if len(_listed(own, "eci-security-group")) > 1:
        yield Problem(
            _path(f"{PREFIX}eci-security-group"),
            "AnnotationIgnored",
            _("CreateContainerGroup takes one security group; only the first is used."),
            _("Put the rules of all of them into one security group."),
            fatal=False,
        )


def _listed(own: Mapping[str, str], key: str) -> list[str]:
    text = own.get(PREFIX + key, "")
    return [part for part in (part.strip() for part in text.split(",")) if part]


def _entries(own: Mapping[str, str]) -> list[str]:
    return _listed(own, USE_SPECS) or _listed(own, options.OLD_TYPE)


def _types(own: Mapping[str, str]) -> list[str]:
    return [one for one in _entries(own) if one.startswith("ecs.")]


def _gpus(pod: Map, own: Mapping[str, str]) -> Iterator[Problem]:
    most, path = _most_gpus(pod)
    named = _types(own)
    of_gpus = [name for name in named if ecs.kind_of(name) is Kind.GPU]
    if not most and of_gpus:
        yield Problem(
            "spec.containers",
            "GpuNotAsked",
            _("%(type)s has GPUs and no container asks for one, so that the pod would not start."),
            _("Add the limit nvidia.com/gpu to the container that needs them."),
            values={"type": of_gpus[0]},
        )
    if most and not of_gpus:
        yield Problem(
            path,
            "GpuTypeMissing",
            _("GPUs need an ECS type that has them, named in %(annotation)s."),
            _("Name one of %(types)s."),
            values={
                "annotation": PREFIX + USE_SPECS,
                "types": ", ".join(ecs.with_gpus(most)[:8]) or "-",
            },
        )
    for name in of_gpus:
        if ecs.is_known(name) and ecs.size_of(name).gpu < most:
            yield _too_few(path, name, most)


def _too_few(path: str, name: str, most: int) -> Problem:
    return Problem(
        path,
        "TooFewGpus",
        _("A container asks for %(asked)s GPUs, and %(type)s has %(has)s."),
        _("Name types with so many, such as %(types)s, in eci-use-specs, or ask for fewer."),
        values={
            "asked": str(most),
            "type": name,
            "has": str(ecs.size_of(name).gpu),
            "types": ", ".join(ecs.with_gpus(most)[:4]) or "-",
        },
    )


def _most_gpus(pod: Map) -> tuple[int, str]:
    """The most that one container asks for, as GPUs are shared by the containers; and where."""
    spec: Map = pod.get("spec") or {}
    found = (0, "spec.containers")
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            asked = (container.get("resources") or {}).get("limits") or {}
            for name, amount in asked.items():
                path = f"spec.{field}[{index}].resources.limits[{name}]"
                if name.endswith("/gpu") and str(amount).isdigit():
                    found = max(found, (int(amount), path), key=lambda one: one[0])
    return found
