"""Feature gates and other parameters of the API server.

Source: ACK user guide, "Customize the parameters of control plane components in ACK Pro clusters":
a change replaces all values set before, so that it is read, merged and written; `featureGates` is
one text, `A=true,B=false`. Where a vendor has no such API, a person sets them and a check looks
whether they work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from addons.components.base import Json

COMPONENT = "kube-apiserver"
ACS_MUTATION = "ACSPodResourcesMutation"
FEATURE_GATES = "featureGates"


def parsed(text: str) -> dict[str, str]:
    """`A=true,B=false` by name; a name without a value is `true`."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _sign, value = part.partition("=")
        found[name.strip()] = value.strip() or "true"
    return found


def text_of(gates: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in gates.items())


def spelled(config: Mapping[str, Any], key: str) -> str:
    """The key as `config` writes it, whatever its case; `key` itself when it is not there."""
    return next((known for known in config if known.lower() == key.lower()), key)


def merged(
    existing: Mapping[str, Any], *, wanted: Mapping[str, Any], before: Mapping[str, Any]
) -> Json:
    """All values: others' stay, those of `before` that are not wanted any more go.

    Within `featureGates` the same holds for each gate.
    """
    result = dict(existing)
    lowered = {key.lower() for key in wanted}
    for key in before:
        if key.lower() not in lowered and key.lower() != FEATURE_GATES.lower():
            result.pop(spelled(result, key), None)
    for key, value in wanted.items():
        if key.lower() != FEATURE_GATES.lower():
            result[spelled(existing, key)] = value
    return _with_gates(result, _gates(wanted), _gates(before))


def different(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """Keys of either that have another value in the other; 1, "1" and true, "true" are the same."""
    keys = sorted(wanted.keys() | there.keys())
    return [key for key in keys if _plain(wanted.get(key)) != _plain(there.get(key))]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if value in (None, "") else str(value).lower()


def _gates(config: Mapping[str, Any]) -> dict[str, str]:
    return parsed(str(config.get(spelled(config, FEATURE_GATES)) or ""))


def _with_gates(config: Json, wanted: Mapping[str, str], before: Mapping[str, str]) -> Json:
    key = spelled(config, FEATURE_GATES)
    there = _gates(config)
    kept = {name: value for name, value in there.items() if name in wanted or name not in before}
    result = {**kept, **wanted}
    if result == there:
        return config
    return {
        **{k: v for k, v in config.items() if k != key},
        **({key: text_of(result)} if result else {}),
    }
