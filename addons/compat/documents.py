"""YAML from people as Kubernetes objects that know the line of each of their fields.

Values are typed as `kubectl` types them (YAML 1.1 to JSON): `yes` is true, a date is text. Anchors,
aliases, tags and duplicate keys are refused; `kind: List` is taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from kube import plain_yaml

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
MAX_OBJECTS = 500
_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset({"y", "yes", "true", "on"})
_SIMPLE = re.compile(r"[A-Za-z0-9_$-]+")
_STEP = re.compile(r"\.?[A-Za-z0-9_$-]+|\[[^\]]*\]")


class Unreadable(Exception):
    """`code` is stable; `message` and `fix` are msgids that `values` fill; line 0: unknown."""

    def __init__(
        self,
        code: str,
        message: str,
        fix: str = "",
        *,
        line: int = 0,
        path: str = "",
        **values: Any,
    ) -> None:
        self.code, self.message, self.fix = code, message, fix
        self.line, self.path, self.values = line, path, {"path": path, **values}
        super().__init__(message % self.values)

    @property
    def text(self) -> str:
        """In the reader's language, with the line."""
        told = gettext(self.message) % self.values
        if not self.line:
            return told
        return gettext("Line %(line)s: %(text)s") % {"line": self.line, "text": told}

    @property
    def fix_text(self) -> str:
        return gettext(self.fix) % self.values if self.fix else ""


@dataclass(frozen=True, slots=True)
class Document:
    """One object. `index` counts the YAML documents from 0; `path` is its place in a List.

    `lines` has the line of each field by its path; an object `stored` in a cluster has none.
    """

    body: Mapping[str, Any]
    index: int = 0
    path: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    stored: bool = False

    @property
    def kind(self) -> str:
        return str(self.body.get("kind") or "")

    @property
    def name(self) -> str:
        meta = self.body["metadata"]
        return str(meta.get("name") or meta.get("generateName") or "")

    @property
    def namespace(self) -> str:
        return str(self.body["metadata"].get("namespace") or "default")

    def where(self, path: str) -> str:
        """The path from the top of the YAML document."""
        return f"{self.path}.{path}" if self.path and path else self.path or path

    def line(self, path: str) -> int:
        """The line of the field, or of the nearest field around it that is there; 0: unknown."""
        steps = _STEP.findall(path)
        while steps:
            found = self.lines.get("".join(steps).lstrip("."))
            if found:
                return found
            steps.pop()
        return self.lines.get("", 0)


def parse(text: str | bytes) -> list[Document]:
    """The objects in the order of the text. Raises `Unreadable`."""
    try:
        nodes = plain_yaml.compose(text, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    except plain_yaml.PlainYamlError as error:
        raise _refused(error) from error
    found = [one for index, node in enumerate(nodes) for one in _objects(node, index, "")]
    if not found:
        raise Unreadable("empty", _("There is no object in it."), _PASTE)
    if len(found) > MAX_OBJECTS:
        message = _("It holds more than %(most)s objects.")
        raise Unreadable("too-many", message, _FAULTS["too-large"][1], most=MAX_OBJECTS)
    return found


_PASTE = _("Paste the manifest of a workload: Pod, Deployment, StatefulSet, DaemonSet, Job, …")
_PRINTED = _("`kubectl apply --dry-run=client -o yaml -f FILE` prints it without them.")
_FAULTS = {
    "too-large": (
        _("It is larger than %(kib)s KiB."),
        _("Paste the workloads alone, or a few of them at a time."),
    ),
    "too-deep": (_("It is nested more than %(depth)s levels deep."), _PASTE),
    "alias": (_("YAML anchors and aliases are not read here."), _PRINTED),
}


def _refused(error: plain_yaml.PlainYamlError) -> Unreadable:
    message, fix = _FAULTS.get(
        error.code, (_("It is not valid YAML."), _("Correct the line; check indents and quotes."))
    )
    return Unreadable(
        error.code, message, fix, line=error.line, kib=MAX_BYTES // 1024, depth=MAX_DEPTH
    )


def _objects(node: yaml.Node, index: int, path: str) -> Iterator[Document]:
    lines: dict[str, int] = {}
    body = _value(node, "", lines)
    line = node.start_mark.line + 1
    if not isinstance(body, dict):
        raise Unreadable("no-object", _("A Kubernetes object is a mapping."), _PASTE, line=line)
    kind = body.get("kind")
    if not isinstance(kind, str) or not kind:
        raise Unreadable("no-kind", _("The object says no `kind`."), _PASTE, line=line, path="kind")
    if kind.endswith("List") and isinstance(body.get("items"), list):
        yield from _items(node, index)
        return
    if not isinstance(body.get("metadata"), dict):
        raise Unreadable(
            "no-metadata",
            _("%(kind)s says no `metadata`."),
            _("Give it at least `metadata.name`."),
            line=line,
            path="metadata",
            kind=kind,
        )
    yield Document(body, index, path, lines)


def _items(node: yaml.Node, index: int) -> Iterator[Document]:
    assert isinstance(node, yaml.MappingNode)
    items = next(value for key, value in node.value if key.value == "items")
    for place, item in enumerate(items.value):
        yield from _objects(item, index, f"items[{place}]")


def _value(node: yaml.Node, path: str, lines: dict[str, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
        return [_value(child, f"{path}[{i}]", lines) for i, child in enumerate(node.value)]
    kind = _SCALARS.get(node.tag.removeprefix(_TAG)) if isinstance(node, yaml.ScalarNode) else None
    if kind is None:
        raise _strange(node, path)
    return kind(node.value)


def _mapping(node: yaml.MappingNode, path: str, lines: dict[str, int]) -> dict[str, Any]:
    if node.tag != _TAG + "map":
        raise _strange(node, path)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise _strange(key_node, path)
        key = key_node.value
        place = child(path, key)
        line = key_node.start_mark.line + 1
        if key in result:
            raise Unreadable(
                "duplicate",
                _("`%(path)s` is there twice."),
                _("Keep one of them."),
                line=line,
                path=place,
            )
        lines[place] = lines[f"{path}[{key}]"] = line
        result[key] = _value(value_node, place, lines)
    return result


def _strange(node: yaml.Node, path: str) -> Unreadable:
    return Unreadable(
        "tag",
        _("`%(tag)s` is not a value that Kubernetes reads."),
        _PRINTED,
        line=node.start_mark.line + 1,
        path=path,
        tag=node.tag.replace(_TAG, "!!"),
    )


def child(path: str, key: str | int) -> str:
    """`spec.containers`, `spec.containers[0]`, `metadata.annotations[example.org/a]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _SIMPLE.fullmatch(key):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _integer(text: str) -> int | str:
    """go-yaml reads no base 60; a number that is none stays text."""
    plain = text.replace("_", "")
    if re.fullmatch(r"[-+]?0[0-7]+", plain):
        return int(plain, 8)
    try:
        return int(plain, 0)
    except ValueError:
        return text


def _float(text: str) -> float | str:
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        return text
    return number if abs(number) < 1e308 else text


_SCALARS: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "timestamp": str,
    "value": str,
    "merge": str,
    "null": lambda _text: None,
    "bool": lambda text: text.lower() in _TRUE,
    "int": _integer,
    "float": _float,
}
