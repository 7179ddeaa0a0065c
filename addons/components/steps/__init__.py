"""The steps of operations on components, by delivery and action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.module_loading import import_string

from addons.operations import Steps

_HERE = "addons.components.steps"
# delivery -> dotted path of a Mapping[action, Steps]
DELIVERIES = {
    "in_cluster": f"{_HERE}.in_cluster.STEPS",
    "hosted": f"{_HERE}.hosted.STEPS",
    "managed": "addons.components.managed.STEPS",
}


def steps_for(arguments: Mapping[str, Any]) -> Steps:
    """Raises KeyError for an action that the delivery does not have."""
    found: Mapping[str, Steps] = import_string(DELIVERIES[arguments["delivery"]])
    return found[arguments["action"]]


def actions_of(delivery: str) -> tuple[str, ...]:
    """What can be done to a component of this delivery."""
    found: Mapping[str, Steps] = import_string(DELIVERIES[delivery])
    return tuple(found)
