"""Manifests as a catalogue file holds them, with `${key}` for values.

A text that is nothing but `${key}` becomes the value itself (a number stays one); a missing value
becomes an empty text. `${release}`, `${namespace}` and `${version}` are always there. No
expressions, no conditions: whoever needs them writes a kit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from addons.components.base import Json, Release
from addons.components.values import flat

_MARK = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}")


def render(release: Release) -> list[Json]:
    known = flat(release.effective) | {
        "release": release.name,
        "namespace": release.namespace,
        "version": release.version.version,
    }
    return [_filled(obj, known) for obj in release.version.objects]


def _filled(given: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(given, dict):
        return {key: _filled(value, known) for key, value in given.items()}
    if isinstance(given, list):
        return [_filled(value, known) for value in given]
    if not isinstance(given, str):
        return given
    whole = _MARK.fullmatch(given)
    if whole:
        return known.get(whole[1], "")
    return _MARK.sub(lambda match: str(known.get(match[1], "")), given)
