"""The ConfigMap `kube-system/eci-profile`: where new pods go, and what is put on them. Pure.

Sources: ECI user guide, "Configure eci-profile" (keys, selectors, the earlier selector wins,
nothing on the pod is overwritten, changes count for new pods); ACS user guide, "Configure computing
power through the eci-profile ConfigMap" (matchExpressions; faults as events of the ConfigMap).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_noop as _

NAMESPACE, NAME = "kube-system", "eci-profile"
VENDOR = "alibaba"
RESOURCE_GROUP = "k8s.aliyun.com/eci-resource-group-id"
# Obeyed, and what else the vendor's own controller reads there.
OBEYED = ("vpcId", "vSwitchIds", "securityGroupId", "resourceGroupId", "selectors")
_FLAGS = (
    "enableClusterIp",
    "enablePrivateZone",
    "enableHybridMode",
    "enableLinuxArm64Node",
    "enableLogController",
    "enablePVCController",
    "enableReuseSSLKey",
)
_OTHERS = ("slsMachineGroup", "featureGates")
_ID = re.compile(r"[A-Za-z][A-Za-z0-9-]*")

Json = Mapping[str, Any]
Labels = Mapping[str, str]
Match = Callable[[Labels], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at `path`; `message` and `fix` are English message ids for `values`."""

    path: str
    message: str
    fix: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return f"{self.message} {self.fix}" % self.values

    def as_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "message": self.message,
            "fix": self.fix,
            "values": dict(self.values),
        }


@dataclass(frozen=True, slots=True)
class Selector:
    name: str
    namespaces: Match | None
    pods: Match
    annotations: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Profile:
    """Empty: nothing is said."""

    subnets: tuple[str, ...] = ()
    security_group: str = ""
    resource_group: str = ""
    selectors: tuple[Selector, ...] = ()

    @property
    def asks_for_namespaces(self) -> bool:
        return any(selector.namespaces for selector in self.selectors)


@dataclass(frozen=True, slots=True)
class Effects:
    """What is not on the pod yet."""

    annotations: Mapping[str, str]
    labels: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.annotations or self.labels)


class _Faulty(Exception):
    def __init__(self, path: str, message: str, fix: str, **values: str) -> None:
        super().__init__(path)
        self.fault = Fault(path, message, fix, values)


def parse(data: Mapping[str, str]) -> tuple[Profile, tuple[Fault, ...]]:
    """What the ConfigMap's data say. What is faulty is left out and named, the rest counts."""
    faults: list[Fault] = [*_unknown(data), *_flags(data), *_not_done(data)]

    def read(key: str, most: int | None) -> tuple[str, ...]:
        try:
            return _ids(key, data.get(key) or "", most)
        except _Faulty as error:
            faults.append(error.fault)
            return ()

    read("vpcId", 1)
    profile = Profile(
        subnets=read("vSwitchIds", None),
        security_group=next(iter(read("securityGroupId", 1)), ""),
        resource_group=next(iter(read("resourceGroupId", 1)), ""),
        selectors=tuple(_selectors(data.get("selectors") or "", faults)),
    )
    return profile, tuple(faults)


def ignored(data: Mapping[str, str]) -> list[str]:
    """The keys in `data` that have no effect here."""
    return [fault.path for fault in (*_unknown(data), *_not_done(data))] + [
        key for key in _OTHERS if data.get(key)
    ]


def effects(profile: Profile, pod: Json, namespace_labels: Labels) -> Effects:
    """What the selectors that match put on the pod; an earlier one wins, the pod itself first."""
    meta: Json = pod["metadata"]
    labels: Labels = meta.get("labels") or {}
    annotations: Labels = meta.get("annotations") or {}
    more: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for selector in profile.selectors:
        here = selector.namespaces is None or selector.namespaces(namespace_labels)
        if here and selector.pods(labels):
            for key, value in selector.annotations.items():
                more[0].setdefault(key, value)
            for key, value in selector.labels.items():
                more[1].setdefault(key, value)
    if profile.resource_group:
        more[0].setdefault(RESOURCE_GROUP, profile.resource_group)
    return Effects(
        {key: value for key, value in more[0].items() if key not in annotations},
        {key: value for key, value in more[1].items() if key not in labels},
    )


# --- the keys -----------------------------------------------------------------------------------


def _unknown(data: Mapping[str, str]) -> Iterator[Fault]:
    known = {*OBEYED, *_FLAGS, *_OTHERS}
    for key in sorted(data.keys() - known):
        yield Fault(key, _("This key is not known and has no effect."), _("Check its spelling."))


def _flags(data: Mapping[str, str]) -> Iterator[Fault]:
    for key in _FLAGS:
        if (data.get(key) or "true").strip().lower() not in {"true", "false"}:
            text = _("%(value)s is neither true nor false.")
            yield Fault(key, text, _("Write true or false."), {"value": data[key]})


def _not_done(data: Mapping[str, str]) -> Iterator[Fault]:
    """What only the vendor does; `enableClusterIp`, the first flag, is true by default."""
    for key in _FLAGS[1:]:
        if (data.get(key) or "").strip().lower() == "true":
            yield Fault(key, _("Spillway does not do this."), _("Set it to false."))


def _ids(key: str, text: str, most: int | None) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    wrong = next((part for part in parts if _ID.fullmatch(part) is None), None)
    if wrong is not None:
        raise _Faulty(key, _("%(value)s is no id."), _("Write ids, comma separated."), value=wrong)
    if most is not None and len(parts) > most:
        raise _Faulty(
            key, _("%(count)s ids are given."), _("Give exactly one."), count=str(len(parts))
        )
    return tuple(dict.fromkeys(parts))


# --- the selectors ------------------------------------------------------------------------------


def _selectors(text: str, faults: list[Fault]) -> Iterator[Selector]:
    if not text.strip():
        return
    try:
        listed = json.loads(text)
    except ValueError as error:
        place = {"error": str(error)}
        faults.append(Fault("selectors", _("It is no JSON: %(error)s"), _NO_COMMENTS, place))
        return
    if not isinstance(listed, list):
        faults.append(Fault("selectors", _("It is no JSON array."), _("Write [ … ].")))
        return
    for index, entry in enumerate(listed):
        path = f"selectors[{index}]"
        try:
            yield _selector(path, entry)
        except _Faulty as error:
            faults.append(error.fault)


_NO_COMMENTS = _("JSON has no comments and no comma after the last entry.")


def _selector(path: str, entry: Any) -> Selector:
    body = _object(path, entry)
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise _Faulty(f"{path}.name", _("The selector has no name."), _("Give it a name."))
    _only(path, body, "name", "namespaceSelector", "objectSelector", "effect")
    place = f"{path} ({name})"
    spaces = body.get("namespaceSelector")
    effect = _object(f"{place}.effect", body.get("effect") or {})
    _only(f"{place}.effect", effect, "annotations", "labels")
    return Selector(
        name=name,
        namespaces=_match(f"{place}.namespaceSelector", spaces) if spaces is not None else None,
        pods=_match(f"{place}.objectSelector", body.get("objectSelector")),
        annotations=_texts(f"{place}.effect.annotations", effect.get("annotations") or {}),
        labels=_texts(f"{place}.effect.labels", effect.get("labels") or {}),
    )


def _object(path: str, value: Any) -> Json:
    if not isinstance(value, dict):
        raise _Faulty(path, _("It is no JSON object."), _("Write { … }."))
    return value


def _only(path: str, body: Json, *known: str) -> None:
    """A misspelt selector would match everything: what is not known makes all of it faulty."""
    for key in sorted(body.keys() - set(known)):
        raise _Faulty(
            f"{path}.{key}",
            _("This field is not known."),
            _("Known are: %(known)s."),
            known=", ".join(known),
        )


def _texts(path: str, value: Any) -> dict[str, str]:
    for key, text in _object(path, value).items():
        if not isinstance(text, str):
            raise _Faulty(f"{path}.{key}", _("The value is no text."), _("Put it in quotes."))
    return dict(value)


def _match(path: str, value: Any) -> Match:
    """A LabelSelector (Kubernetes API reference); without one everything matches."""
    if value is None:
        return lambda _labels: True
    body = _object(path, value)
    _only(path, body, "matchLabels", "matchExpressions")
    wanted = _texts(f"{path}.matchLabels", body.get("matchLabels") or {})
    listed = body.get("matchExpressions") or []
    if not isinstance(listed, list):
        raise _Faulty(f"{path}.matchExpressions", _("It is no JSON array."), _("Write [ … ]."))
    tests = [
        _expression(f"{path}.matchExpressions[{index}]", entry)
        for index, entry in enumerate(listed)
    ]

    def matches(labels: Labels) -> bool:
        same = all(labels.get(key) == text for key, text in wanted.items())
        return same and all(test(labels) for test in tests)

    return matches


_OPERATORS: Mapping[str, Callable[[str, Sequence[str]], Match]] = {
    "In": lambda key, values: lambda labels: labels.get(key) in values,
    "NotIn": lambda key, values: lambda labels: labels.get(key) not in values,
    "Exists": lambda key, _values: lambda labels: key in labels,
    "DoesNotExist": lambda key, _values: lambda labels: key not in labels,
}


def _expression(path: str, entry: Any) -> Match:
    body = _object(path, entry)
    _only(path, body, "key", "operator", "values")
    key, operator, values = body.get("key"), body.get("operator"), body.get("values") or []
    if not isinstance(key, str) or not key:
        raise _Faulty(f"{path}.key", _("The label's key is missing."), _("Name the label."))
    if operator not in _OPERATORS:
        raise _Faulty(
            f"{path}.operator",
            _("%(value)s is no operator."),
            _("Known are: %(known)s."),
            value=str(operator),
            known=", ".join(_OPERATORS),
        )
    texts = isinstance(values, list) and all(isinstance(one, str) for one in values)
    if not texts or bool(values) != (operator in {"In", "NotIn"}):
        raise _Faulty(
            f"{path}.values",
            _("%(operator)s does not go with these values."),
            _("In and NotIn need a list of texts, the others none."),
            operator=str(operator),
        )
    return _OPERATORS[str(operator)](key, tuple(values))
