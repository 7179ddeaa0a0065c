"""Pods of a virtual kubelet on container groups: what both clouds have in common.

The state of groups is read where it lies, as if the cloud told every change; what is changed goes
over the wire with the keys of the virtual kubelet.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from sandbox.cluster.virtualkubelet.vendor import NotCreated, Observed

from .model import TERMINAL, Group
from .podstatus import container_status
from .roster import Roster

Obj = dict[str, Any]
GONE_CODES = ("NotFound", "NotExist")
_FOLLOW = 0.3


class GroupCloud(ABC):
    """``roster`` has the groups; a group is a pod's by its tags."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster

    @abstractmethod
    def tags(self, pod: Obj) -> dict[str, str]:
        """Return the tags by which the group of a pod is known."""

    @abstractmethod
    async def create(self, pod: Obj, node: str) -> dict[str, str]:
        """Make the pod's instance; returns annotations. Raises NotCreated."""

    @abstractmethod
    async def remove(self, group: Group) -> None:
        """Ask for the deletion of a group; raises NotCreated."""

    @abstractmethod
    def annotations(self, pod: Obj) -> dict[str, str]:
        """Return annotations that became known after the creation."""

    def takes(self, pod: Obj) -> bool:
        """Every pod is run here."""
        return True

    def has(self, pod: Obj) -> bool:
        """Tell whether a group of the pod is known."""
        return self.group(pod) is not None

    def group(self, pod: Obj) -> Group | None:
        """Return the newest group of a pod."""
        self.roster.advance(self.roster.now())
        return max(self.roster.ordered(tags=self.tags(pod)), key=lambda g: g.seq, default=None)

    async def delete(self, pod: Obj) -> bool:
        """Have the pod's groups deleted; True once they are gone."""
        groups = list(self.roster.ordered(tags=self.tags(pod)))
        for group in groups:
            if group.status != "Terminating":
                try:
                    await self.remove(group)
                except NotCreated as refused:
                    if not any(word in refused.code for word in GONE_CODES):
                        raise
        return not groups

    def observe(self, pod: Obj) -> Observed | None:
        """Return the state of the pod's group."""
        group = self.group(pod)
        if group is None:
            return None
        statuses = [container_status(group, c) for c in group.containers]
        inits = [container_status(group, c) for c in group.init_containers] or None
        return Observed(group.ip, statuses, inits, self.failure(group))

    def failure(self, group: Group) -> tuple[str, str] | None:
        """Return why a group that did not end by itself is no more."""
        if group.status in TERMINAL - {"Succeeded", "Failed"}:
            last = next((e for e in reversed(group.events) if e.type == "Warning"), None)
            return group.status, last.message if last else f"the instance is {group.status}"
        return None

    async def logs(
        self, pod: Obj, container: str, *, follow: bool, previous: bool
    ) -> AsyncIterator[tuple[float, str]]:
        """Yield what a container printed, and with ``follow`` what it prints until it ends."""
        last = -1.0
        while True:
            group = self.group(pod)
            found = group.container(container) if group else None
            if group is None or found is None:
                return
            now = self.roster.now()
            for at, line in self.roster.lifecycle.printed(group, found, now, previous=previous):
                if at > last:
                    yield at, line
            last = now
            if not follow or found.state.kind != "Running":
                return
            await asyncio.sleep(_FOLLOW)
