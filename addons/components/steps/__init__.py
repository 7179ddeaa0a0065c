"""The steps of operations on components, by delivery and action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.module_loading import import_string

from addons.components.steps import removal
from addons.operations import Steps

_HERE = "addons.components.steps"
# delivery -> dotted path of a Mapping[action, Steps]
DELIVERIES = {
    "in_cluster": f"{_HERE}.in_cluster.STEPS",
    "hosted": f"{_HERE}.hosted.STEPS",
    "managed": "addons.components.managed.STEPS",
}


FORGET: Steps = (("forget", removal.forget),)


def steps_for(arguments: Mapping[str, Any]) -> Steps:
    """Raises KeyError for an action that the delivery does not have.

    To uninstall what was never begun is to forget it: like-named things there are somebody else's.
    """
    if arguments["action"] == "uninstall" and arguments.get("untouched"):
        return FORGET
    found: Mapping[str, Steps] = import_string(DELIVERIES[arguments["delivery"]])
    return found[arguments["action"]]


def actions_of(delivery: str) -> tuple[str, ...]:
    """What can be done to a component of this delivery."""
    found: Mapping[str, Steps] = import_string(DELIVERIES[delivery])
    return tuple(found)
