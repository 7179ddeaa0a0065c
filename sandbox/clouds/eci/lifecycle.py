"""What happens to a container group of ECI: image caches, sidecars, reclaimed spot instances.

ECI help pages "Use ImageCaches to accelerate the creation of pods", "Forcibly terminate the sidecar
container and ignore the container exit code" and "Create a preemptible elastic container instance"
(a warning about three minutes ahead, then Expired).
"""

from collections.abc import Callable

from ..groups.lifecycle import Lifecycle as GroupLifecycle
from ..groups.lifecycle import Pace, Place
from .caches import ImageCache
from .model import Container, Group

RECLAIM_SECONDS = 180.0
FindCache = Callable[[Group, float], ImageCache | None]
"""The image cache a group starts with; None when it asked for none or none fits."""


class Lifecycle(GroupLifecycle):
    """A group's life in ECI."""

    def __init__(
        self, pace: Callable[[], Pace], place: Place, cache: FindCache, speed: float = 1.0
    ) -> None:
        super().__init__(pace, place, speed)
        self._cache = cache
        self._steps["reclaimed"] = self._reclaimed

    def reclaim(self, group: Group, at: float) -> None:
        """Announce that a spot instance is reclaimed, and do it three minutes later."""
        text = "Spot ECI will be released in 3 minutes"
        group.record("Warning", "SpotToBeReleased", text, at)
        group.changed_at = at
        self._plan(group, at, RECLAIM_SECONDS, "reclaimed")

    def _reclaimed(self, group: Group, at: float, _name: str) -> None:
        for container in group.containers:
            self._end(container, at, 137, "Error")
        self._finish(group, at, "Expired", "SpotReclaimed")

    def _pull(self, group: Group, at: float) -> None:
        cache = self._cache(group, at)
        if cache is not None:
            text = (
                f"[eci.imagecache]Successfully hit image cache {cache.id}, eci will be scheduled"
                " with this image cache."
            )
            group.record("Normal", "SuccessfulHitImageCache", text, at)
            for container in [*group.init_containers, *group.containers]:
                container.pulled = container.pulled or container.image in cache.images
        elif "AutoMatchImageCache" in group.request:
            group.record("Warning", "ImageCacheMissed", "Missed image cache.", at)
        super()._pull(group, at)

    def _done(self, group: Group, at: float) -> bool:
        sidecars = [container for container in group.containers if _is_sidecar(container)]
        main = [container for container in group.containers if container not in sidecars]
        if not main or any(container.state.kind != "Terminated" for container in main):
            return super()._done(group, at)
        for container in sidecars:
            self._forget(group, container.name)
            self._end(container, at, 143, "Error", signal=15)
        return True

    def _failed(self, group: Group) -> bool:
        return any(
            container.state.exit_code
            for container in group.containers
            if not _truth(container, "ECI_CONTAINER_IGNORE_EXIT_CODE")
        )


def _is_sidecar(container: Container) -> bool:
    return container.environment().get("ECI_CONTAINER_TYPE") == "sidecar"


def _truth(container: Container, name: str) -> bool:
    return container.environment().get(name, "").lower() == "true"
