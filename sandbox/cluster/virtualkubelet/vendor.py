"""What a vendor's virtual kubelet is to a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.controllers.config import NodeConfig

Obj = dict[str, Any]


class Unusable(Exception):
    """The virtual kubelet cannot work with what it was given; the text is its last log line."""


class NotCreated(Exception):
    """The cloud refused to make an instance: a code and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Run:
    """One running container: its image, resolved environment and arguments."""

    image: str
    env: Mapping[str, str]
    args: Sequence[str]

    @property
    def tag(self) -> str:
        """The tag of the image."""
        return self.image.rpartition(":")[2]

    def argument(self, name: str, default: str = "") -> str:
        """Return the value of ``--name=value`` or ``--name value``."""
        words = list(self.args)
        for index, word in enumerate(words):
            key, sign, value = word.partition("=")
            if key == f"--{name}":
                rest = words[index + 1] if index + 1 < len(words) else ""
                return value if sign else rest
        return default

    def flag(self, name: str) -> bool:
        """Tell whether ``--name`` is given and not false."""
        found = [word for word in self.args if word.partition("=")[0] == f"--{name}"]
        return bool(found) and not found[-1].endswith("=false")


@dataclass(frozen=True)
class Observed:
    """What a cloud knows about a pod's instance.

    ``statuses`` and ``inits`` are containerStatuses, None while the instance has none to tell;
    ``failed`` is why it is no more: (reason, message).
    """

    ip: str = ""
    statuses: list[Obj] | None = None
    inits: list[Obj] | None = None
    failed: tuple[str, str] | None = None


class Cloud(Protocol):
    """Runs the pods of a virtual kubelet's nodes."""

    def takes(self, pod: Obj) -> bool:
        """Tell whether the pod is run here; another part of the vendor's has the others."""

    def has(self, pod: Obj) -> bool:
        """Tell whether an instance of the pod exists or existed."""

    async def create(self, pod: Obj, node: str) -> dict[str, str]:
        """Make the pod's instance; returns annotations. Raises NotCreated."""

    async def delete(self, pod: Obj) -> bool:
        """Have the pod's instance deleted; True once it is gone. Raises NotCreated."""

    def observe(self, pod: Obj) -> Observed | None:
        """Return what is known of the pod's instance, None when it has vanished."""

    def annotations(self, pod: Obj) -> dict[str, str]:
        """Return annotations that became known after the creation."""

    def logs(
        self, pod: Obj, container: str, *, follow: bool, previous: bool
    ) -> AsyncIterator[tuple[float, str]]:
        """Yield the lines of a container with their Unix time."""


class Vendor(Protocol):
    """A virtual kubelet that is told by its images."""

    @property
    def images(self) -> tuple[str, ...]:
        """Globs of the images."""

    def join(self, cluster: Cluster) -> None:
        """Get to know the one cluster that it is for."""

    def check(self, run: Run) -> None:
        """Raise Unusable when it would stop at its start."""

    def nodes(self, run: Run) -> list[NodeConfig]:
        """Return the nodes it registers now; asked again and again. Raises Unusable."""

    def cloud(self, run: Run) -> Cloud:
        """Return what runs the pods."""
