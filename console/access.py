"""Who may see and do what. Every view, API call, websocket topic and log goes through here.

A user sees the objects of the teams they belong to; a superuser sees all. What one may not see
does not exist (404); what one may see but not change names the missing role (403).
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from addons.models import Cluster, Operation, PodRow, VirtualNode
from console.models import Membership
from providers.models import CloudAccount, Orphan

AnyUser = User | AnonymousUser | AbstractBaseUser
M = TypeVar("M", bound=Model)
Role = Membership.Role
_RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.OWNER: 2}

# How each kind of object leads to its team.
_TEAM_PATH: dict[type[Model], str] = {
    Cluster: "team",
    CloudAccount: "team",
    Operation: "team",
    VirtualNode: "cluster__team",
    PodRow: "cluster__team",
    Orphan: "account__team",
}


def teams_of(user: AnyUser) -> QuerySet[Group]:
    if not isinstance(user, User) or not user.is_active:
        return Group.objects.none()
    if user.is_superuser:
        return Group.objects.all()
    return Group.objects.filter(memberships__user=user)


def visible(model: type[M], user: AnyUser) -> QuerySet[M]:
    """Rows of `model` that the user may see."""
    rows: QuerySet[M] = model._default_manager.all()
    if isinstance(user, User) and user.is_active and user.is_superuser:
        return rows
    return rows.filter(**{f"{_TEAM_PATH[model]}__in": teams_of(user)})


def role_in(user: AnyUser, team: Group) -> Membership.Role | None:
    if not isinstance(user, User) or not user.is_active:
        return None
    if user.is_superuser:
        return Role.OWNER
    found = Membership.objects.filter(user=user, team=team).values_list("role", flat=True).first()
    return Role(found) if found else None


def team_of(row: Model) -> Group:
    value: Any = row
    for part in _TEAM_PATH[type(row)].split("__"):
        value = getattr(value, part)
    assert isinstance(value, Group)
    return value


def require(user: AnyUser, team: Group, role: Membership.Role) -> None:
    """Raise `PermissionDenied` that names the role the user lacks."""
    held = role_in(user, team)
    if held is None or _RANK[held] < _RANK[role]:
        raise PermissionDenied(
            _("This needs the role %(role)s in the team %(team)s.")
            % {"role": role.label, "team": team.name}
        )


def access(
    model: type[M], user: AnyUser, *, role: Membership.Role = Role.VIEWER, **lookup: Any
) -> M:
    """The one row that matches, if the user may see it, and only with the role."""
    row = visible(model, user).filter(**lookup).first()
    if row is None:
        raise Http404(_("There is no such object, or you may not see it."))
    if role is not Role.VIEWER:
        require(user, team_of(row), role)
    return row


def default_team(user: AnyUser, *, role: Membership.Role, name: str = "") -> Group:
    """The team for a new object: the named one, else the user's only or first team."""
    teams = teams_of(user).order_by("pk")
    team = (teams.filter(name=name) if name else teams).first()
    if team is None:
        raise PermissionDenied(_("You do not belong to that team."))
    require(user, team, role)
    return team
