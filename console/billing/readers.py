"""Whose money a reader may see."""

from __future__ import annotations

from console.access import AnyUser, rights_of

# None: of all teams.
Teams = frozenset[int] | None


def teams_of(user: AnyUser) -> Teams:
    """The teams whose money the user may see."""
    rights = rights_of(user)
    return None if rights.everything else rights.teams
