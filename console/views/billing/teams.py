"""The team that something new belongs to: asked only of whoever has a choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.auth.models import Group, User
from django.utils.translation import gettext_lazy

from console.access import AnyUser, Role, teams_of

_WRITERS = {
    Role.VIEWER: list(Role),
    Role.OPERATOR: [Role.OPERATOR, Role.OWNER],
    Role.OWNER: [Role.OWNER],
}


def able(user: AnyUser, role: Role = Role.OPERATOR) -> list[Group]:
    """The teams in which the user has the role; the first is what `default_team` takes."""
    mine = teams_of(user).order_by("pk")
    if not isinstance(user, User) or user.is_superuser:
        return list(mine)
    return list(mine.filter(memberships__user=user, memberships__role__in=_WRITERS[role]))


class TeamForm(forms.Form):
    """The form of something that belongs to a team; without a choice it does not ask."""

    team = forms.ChoiceField(
        label=gettext_lazy("Team"), widget=forms.Select(attrs={"class": "input"})
    )

    def __init__(self, teams: Sequence[Group], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(teams) < 2:
            del self.fields["team"]
        else:
            names = [(one.name, one.name) for one in teams]
            self.fields["team"].choices = names  # type: ignore[attr-defined]

    @property
    def team_name(self) -> str:
        """For `console.access.default_team`; empty: there is no choice."""
        return str(self.cleaned_data.get("team", ""))
