"""Who may see and do what. Every view, API call, websocket topic and log goes through here.

A user sees the objects of the teams they belong to; a superuser sees all. What one may not see
does not exist (404); what one may see but not change names the missing role (403).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from addons.models import Cluster, FleetUpgrade, Installation, Operation, PodRow, VirtualNode
from console.models import (
    BillDay,
    BillItem,
    Budget,
    Channel,
    DiscountRule,
    LiveMeter,
    Membership,
    PriceEntry,
    UsageLine,
    UsageSum,
)
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
    Installation: "cluster__team",
    FleetUpgrade: "team",
    PriceEntry: "team",
    DiscountRule: "team",
    UsageLine: "team",
    UsageSum: "team",
    LiveMeter: "team",
    BillItem: "account__team",
    BillDay: "account__team",
    Channel: "team",
    Budget: "team",
}


def teams_of(user: AnyUser) -> QuerySet[Group]:
    if not isinstance(user, User) or not user.is_active:
        return Group.objects.none()
    if user.is_superuser:
        return Group.objects.all()
    return Group.objects.filter(memberships__user=user)


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may see, as a value that can be compared: all, or the teams by id."""

    everything: bool
    teams: frozenset[int]

    def cover(self, teams: Iterable[int]) -> bool:
        return self.everything or not self.teams.isdisjoint(teams)


def rights_of(user: AnyUser) -> Rights:
    everything = isinstance(user, User) and user.is_active and user.is_superuser
    return Rights(everything, frozenset(teams_of(user).values_list("pk", flat=True)))


def teams_touched(model: type[Model], ids: Iterable[int]) -> set[int]:
    """The teams that the rows belong to; rows that are gone from the database name none."""
    rows = model._default_manager.filter(pk__in=list(ids)[:5000]).order_by()
    return set(rows.values_list(f"{_TEAM_PATH[model]}_id", flat=True).distinct())


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


def _reaches(held: Membership.Role | None, role: Membership.Role) -> bool:
    return held is not None and _RANK[held] >= _RANK[role]


def require(user: AnyUser, team: Group, role: Membership.Role) -> None:
    """Raise `PermissionDenied` that names the role the user lacks."""
    if not _reaches(role_in(user, team), role):
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
    """The team for a new object: the named one, else the first in which the user has the role."""
    teams = teams_of(user).order_by("pk")
    found = list(teams.filter(name=name) if name else teams)
    if not found:
        raise PermissionDenied(_("You do not belong to that team."))
    able = [team for team in found if _reaches(role_in(user, team), role)]
    if not able:
        require(user, found[0], role)
    return able[0]


def usable_account(user: AnyUser, pk: int, team: Group) -> CloudAccount:
    """A cloud key for something of `team`: of the same team, and the user may spend its money."""
    account = access(CloudAccount, user, role=Role.OPERATOR, pk=pk)
    if account.team_id != team.pk:
        raise PermissionDenied(
            _("The credential belongs to the team %(other)s, not to %(team)s.")
            % {"other": account.team.name, "team": team.name}
        )
    return account
