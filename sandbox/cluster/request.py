"""Who asks and how: the facts of one request that the layers below HTTP need."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated identity."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


CONTROLLER_MANAGER = User(
    "system:kube-controller-manager", ("system:masters", "system:authenticated")
)
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(slots=True)
class Request:
    """The options of one write; ``strict`` is the fieldValidation level.

    ``applied`` holds the managedFields that a server-side apply has worked out.
    """

    user: User = CONTROLLER_MANAGER
    verb: str = ""
    dry_run: bool = False
    manager: str = ""
    strict: str = "Warn"
    force: bool = False
    warnings: list[str] = field(default_factory=list)
    applied: list[dict[str, Any]] | None = None

    def warn(self, text: str) -> None:
        """Add a warning header, once."""
        if text not in self.warnings:
            self.warnings.append(text)
