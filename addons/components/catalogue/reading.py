"""A catalogue file, read strictly: what is unknown, unordered or unsound is refused.

    CatalogueError   `str()` says where and what

A text is a map of languages (`{en: ..., zh-hans: ...}`); the English one becomes the message id and
the others go to a table beside it, so that whatever holds the component holds plain strings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import yaml

from addons.components.base import (
    Component,
    Delivery,
    Group,
    Json,
    Permission,
    Requirements,
    Version,
    compare,
    within,
)

ENGLISH = "en"
# language -> English text -> the text
Texts = dict[str, dict[str, str]]


class CatalogueError(Exception):
    pass


class _File(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Permission(_File):
    what: str
    why: dict[str, str]


class _Requires(_File):
    kubernetes: str = ""
    components: dict[str, str] = {}
    services: tuple[str, ...] = ()
    services_kubernetes: str = ""
    provider: str = ""


class _Version(_File):
    version: str
    notes: dict[str, str]
    schema: Json
    released: date | None = None
    requires: _Requires = msgspec.field(default_factory=_Requires)
    breaking: bool = False
    renamed: dict[str, str] = {}
    images: tuple[str, ...] = ()
    objects: tuple[Json, ...] = ()


class _Component(_File):
    name: str
    title: dict[str, str]
    summary: dict[str, str]
    group: Group
    vendor: str
    deliveries: tuple[Delivery, ...]
    versions: tuple[_Version, ...]
    source: str
    dated: date
    system: bool = False
    kinds: tuple[str, ...] = ()
    permissions: tuple[_Permission, ...] = ()
    providers: tuple[str, ...] = ()
    documentation: str = ""
    release: str = ""
    namespace: str = "kube-system"
    brings_nodes: bool = False
    conflicts: tuple[str, ...] = ()
    # Not read: a place for YAML anchors.
    shared: Any = None


@dataclass(slots=True)
class Read:
    component: Component
    texts: Texts = field(default_factory=dict)


def read(path: Path) -> Read:
    """The component of one file. Raises `CatalogueError`."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        given = msgspec.convert(document, _Component)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error
    reader = _Reader(path.name)
    component = reader.component(given)
    _sound(path.name, component)
    return Read(component, reader.texts)


class _Reader:
    """Keeps the other languages of every text that it makes a message id of."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.texts: Texts = {}

    def text(self, given: Mapping[str, str]) -> str:
        if ENGLISH not in given:
            raise CatalogueError(f"{self.name}: a text without English: {dict(given)}")
        english = given[ENGLISH]
        for language, text in given.items():
            if language != ENGLISH:
                self.texts.setdefault(language, {})[english] = text
        return english

    def schema(self, given: Any) -> Any:
        """Every map of languages in it as its English text."""
        if isinstance(given, list):
            return [self.schema(one) for one in given]
        if not isinstance(given, dict):
            return given
        if ENGLISH in given and all(isinstance(text, str) for text in given.values()):
            return self.text(given)
        return {key: self.schema(value) for key, value in given.items()}

    def component(self, given: _Component) -> Component:
        plain = {
            name: getattr(given, name)
            for name in Component.__slots__
            if name not in {"title", "summary", "permissions", "versions"}
        }
        return Component(
            title=self.text(given.title),
            summary=self.text(given.summary),
            permissions=tuple(Permission(p.what, self.text(p.why)) for p in given.permissions),
            versions=tuple(self.version(version) for version in given.versions),
            **plain,
        )

    def version(self, given: _Version) -> Version:
        plain = {
            name: getattr(given, name)
            for name in Version.__slots__
            if name not in {"notes", "schema", "requires"}
        }
        return Version(
            notes=self.text(given.notes),
            schema=self.schema(given.schema),
            requires=Requirements(**msgspec.structs.asdict(given.requires)),
            **plain,
        )


def _sound(name: str, component: Component) -> None:
    """Raises `CatalogueError` for what no reader of types can see."""
    if not component.versions or not component.deliveries:
        raise CatalogueError(f"{name}: no versions, or no deliveries")
    for newer, older in zip(component.versions, component.versions[1:], strict=False):
        if compare(newer.version, older.version) <= 0:
            raise CatalogueError(f"{name}: {newer.version} stands above {older.version}")
    for version in component.versions:
        for complaint in _complaints(version):
            raise CatalogueError(f"{name}: {version.version}: {complaint}")


def _complaints(version: Version) -> Iterator[str]:
    needs = version.requires
    for bounds in (needs.kubernetes, needs.services_kubernetes, *needs.components.values()):
        try:
            within("1.0", bounds)
        except ValueError as error:
            yield str(error)
    try:
        jsonschema.Draft202012Validator.check_schema(version.schema)
    except jsonschema.SchemaError as error:
        yield f"schema: {error.message}"
        return
    for key, sub in (version.schema.get("properties") or {}).items():
        if "default" in sub:
            for wrong in jsonschema.Draft202012Validator(sub).iter_errors(sub["default"]):
                yield f"default of {key}: {wrong.message}"
