"""Values of a component, and what becomes of them in a new version.

Only what a person set is kept; the defaults belong to the version. Going from one version to
another, a renamed key takes its value along, and a key that the new version does not know is left
out and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from addons.components.base import Json, Version

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Row:
    """One key of a three-way comparison; None where there is no such value.

    `state`: same, added, removed, renamed, default_changed (yours follows the default), kept
    (yours stays against another default), changed (yours is new) or dropped (yours has no place).
    """

    key: str
    old_default: Any
    new_default: Any
    yours: Any
    result: Any
    state: str
    renamed_from: str = ""


def flat(values: Mapping[str, Any], prefix: str = "") -> Json:
    """Dotted keys of nested objects; lists are values."""
    result: Json = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result


def nested(values: Mapping[str, Any]) -> Json:
    """The inverse of `flat`."""
    result: Json = {}
    for key, value in values.items():
        *above, last = key.split(".")
        place = result
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return result


def keys(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every dotted key that a schema names."""
    for key, sub in (schema.get("properties") or {}).items():
        if sub.get("properties"):
            yield from keys(sub, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def carried(old: Version | None, new: Version, yours: Mapping[str, Any]) -> Json:
    """What a person set under `old`, as `new` takes it."""
    moved = dict(new.renamed) if old is not None and old.version != new.version else {}
    known = set(keys(new.schema))
    result: Json = {}
    for key, value in flat(yours).items():
        target = moved.get(key, key)
        if target in known or any(target.startswith(f"{one}.") for one in known):
            result[target] = value
    return nested(result)


def three_way(
    old: Version | None, new: Version, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[Row]:
    """Old defaults, new defaults, what was set before and what is set after; by key."""
    old_defaults = flat(old.defaults()) if old else {}
    new_defaults, was, will = flat(new.defaults()), flat(before), flat(after)
    old_keys = set(keys(old.schema)) if old else set()
    new_keys = set(keys(new.schema))
    sources = {target: source for source, target in new.renamed.items() if source in old_keys}
    rows = []
    for key in sorted(new_keys | old_keys | was.keys() | will.keys()):
        if key in new.renamed and key not in new_keys:
            continue
        source = sources.get(key, key)
        rows.append(
            _row(
                key,
                source,
                old=old_defaults.get(source),
                new=new_defaults.get(key),
                was=was.get(source, _ABSENT),
                will=will.get(key, _ABSENT),
                there=(source in old_keys, key in new_keys),
            )
        )
    return rows


def _row(
    key: str, source: str, *, old: Any, new: Any, was: Any, will: Any, there: tuple[bool, bool]
) -> Row:
    result = new if will is _ABSENT else will
    yours = None if was is _ABSENT else was
    state = _state(key != source, there, old=old, new=new, was=was, will=will)
    return Row(key, old, new, yours, result, state, source if key != source else "")


def _state(
    renamed: bool, there: tuple[bool, bool], *, old: Any, new: Any, was: Any, will: Any
) -> str:
    before, after = there
    if not after:
        return "dropped" if was is not _ABSENT else "removed"
    if renamed:
        return "renamed"
    if will is not _ABSENT and (was is _ABSENT or was != will):
        return "changed"
    if not before:
        return "added"
    if old != new:
        return "default_changed" if will is _ABSENT else "kept"
    return "changed" if was is not _ABSENT and will is _ABSENT else "same"
