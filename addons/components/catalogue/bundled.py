"""The catalogue as a whole: bundled files, imported files, and what their texts are elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import get_language, gettext

from addons.components.base import Component
from addons.components.catalogue.reading import CatalogueError, Read, Texts, read

__all__ = ["CatalogueError", "catalogue", "import_file", "localised", "say"]

BUNDLED = Path(__file__).parent
_Stamp = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Library:
    components: Mapping[str, Component]
    texts: Texts


def _imported() -> Path:
    return Path(settings.DATA_DIR) / "catalogue"


def _stamp(directory: Path) -> _Stamp:
    """Which files there are, as they are now."""
    if not directory.is_dir():
        return ()
    return tuple((str(p), p.stat().st_mtime_ns) for p in sorted(directory.glob("*.yaml")))


@functools.lru_cache(maxsize=4)
def _library(bundled: _Stamp, imported: _Stamp) -> _Library:
    found: dict[str, Read] = {}
    for path, _changed in (*bundled, *imported):
        one = read(Path(path))
        known = found.get(one.component.name)
        if known is None or _as_new(one, known):
            found[one.component.name] = one
    texts: Texts = {}
    for one in found.values():
        for language, table in one.texts.items():
            texts.setdefault(language, {}).update(table)
    return _Library({name: one.component for name, one in found.items()}, texts)


def _as_new(one: Read, known: Read) -> bool:
    new, old = one.component.dated, known.component.dated
    return new is not None and (old is None or new >= old)


def _now() -> _Library:
    return _library(_stamp(BUNDLED), _stamp(_imported()))


def catalogue() -> Mapping[str, Component]:
    """Name -> component. Of two files for one component the later dated counts.

    Raises `CatalogueError` when a file cannot be read.
    """
    return _now().components


def say(text: str) -> str:
    """A text of the catalogue in the reader's language."""
    table = _now().texts.get(get_language() or "")
    return (table or {}).get(text) or (gettext(text) if text else "")


def localised(schema: Any) -> Any:
    """A copy of the schema with its titles and descriptions in the reader's language."""
    if isinstance(schema, list):
        return [localised(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: say(value)
        if key in {"title", "description"} and isinstance(value, str)
        else localised(value)
        for key, value in schema.items()
    }


def import_file(path: Path) -> Component:
    """Check a file and keep a copy of it in the data directory. Raises `CatalogueError`."""
    component = read(path).component
    directory = _imported()
    directory.mkdir(parents=True, exist_ok=True)
    part = directory / f".{component.name}.part"
    part.write_bytes(path.read_bytes())
    part.replace(directory / f"{component.name}.yaml")
    return component
