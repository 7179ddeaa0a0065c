"""What a budget counts: `Budget.scope` as it is checked, read and turned into targets of a hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from addons.holds import Target
from addons.models import Cluster, VirtualNode
from console.billing.budgets.errors import BudgetError
from console.models import Budget
from providers import registry
from providers.models import CloudAccount

# What its holds are known by.
SOURCE = "budget:"
KEYS = ("cluster", "namespace", "workload", "account", "provider", "node")
# What says where pods run rather than whose they are.
_OF_NODES = ("account", "provider", "node")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_WORKLOAD = re.compile(r"[A-Za-z]{1,63}/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def checked(team: Group, given: Mapping[str, Any], action: str) -> dict[str, Any]:
    """The scope without empty fields. Raises `BudgetError`."""
    scope = {key: given[key] for key in KEYS if given.get(key) not in (None, "")}
    unknown = ", ".join(sorted(set(given) - set(KEYS)))
    if unknown:
        raise BudgetError("scope", _("A budget is not told apart by %(keys)s.") % {"keys": unknown})
    _check_names(scope)
    _check_objects(team, scope)
    _check_action(scope, action)
    return scope


def _check_names(scope: Mapping[str, Any]) -> None:
    for key in ("namespace", "node"):
        if key in scope and not _NAME.fullmatch(str(scope[key])):
            raise BudgetError(f"scope.{key}", _("This is not a name as Kubernetes has them."))
    if "workload" in scope and not _WORKLOAD.fullmatch(str(scope["workload"])):
        raise BudgetError("scope.workload", _("A workload is written like Deployment/web."))


def _check_objects(team: Group, scope: dict[str, Any]) -> None:
    if "cluster" in scope and not Cluster.objects.filter(team=team, slug=scope["cluster"]).exists():
        raise BudgetError("scope.cluster", _("The team has no such cluster."))
    if "provider" in scope and scope["provider"] not in registry.PROVIDERS:
        raise BudgetError("scope.provider", _("There is no such provider."))
    if "account" in scope:
        account = str(scope["account"])
        if not account.isdecimal() or not _accounts(team).filter(pk=int(account)).exists():
            raise BudgetError("scope.account", _("The team has no such credential."))
        scope["account"] = int(account)


def _accounts(team: Group) -> QuerySet[CloudAccount]:
    return CloudAccount.objects.filter(team=team)


def _check_action(scope: Mapping[str, Any], action: str) -> None:
    """A hold must not reach further than the budget does."""
    if action == Budget.Action.NOTIFY:
        return
    if "workload" in scope:
        raise BudgetError(
            "action",
            _("New instances cannot be refused to one workload alone."),
            _("Notify only, or make a budget of its namespace."),
        )
    if action == Budget.Action.CORDON and "namespace" in scope:
        raise BudgetError(
            "action",
            _("A cordon would keep the pods of other namespaces away too."),
            _("Refuse new instances instead: that reaches this namespace alone."),
        )


def targets(budget: Budget) -> list[Target]:
    """Where the budget's action holds new instances: as they are now, new clusters included."""
    scope = budget.scope
    namespace = str(scope.get("namespace", ""))
    by_node = budget.action == Budget.Action.CORDON or any(key in scope for key in _OF_NODES)
    if not by_node:
        clusters = clusters_of(budget).values_list("pk", flat=True)
        return [Target(pk, namespace=namespace) for pk in clusters]
    pairs = nodes_of(budget).values_list("cluster_id", "pk")
    return [Target(cluster, node, namespace) for cluster, node in pairs]


def source_of(budget: Budget) -> str:
    return f"{SOURCE}{budget.pk}"


def clusters_of(budget: Budget) -> QuerySet[Cluster]:
    rows = Cluster.objects.filter(team=budget.team_id)
    slug = budget.scope.get("cluster")
    return rows.filter(slug=slug) if slug else rows


def nodes_of(budget: Budget) -> QuerySet[VirtualNode]:
    """Those of our own workers. A node that two accounts serve is held whole: which of them a pod
    takes is not known yet."""
    scope = budget.scope
    rows = VirtualNode.objects.filter(cluster__in=clusters_of(budget), removing_at=None)
    if "account" in scope:
        rows = rows.filter(Q(account=scope["account"]) | Q(second_account=scope["account"]))
    if "provider" in scope:
        provider = scope["provider"]
        served = Q(account__provider=provider) | Q(second_account__provider=provider)
        rows = rows.filter(served)
    return rows.filter(name=scope["node"]) if "node" in scope else rows


def where(budget: Budget) -> dict[str, tuple[str, ...]]:
    """The scope as the filters of a statement; accounts by their id."""
    return {key: (str(value),) for key, value in budget.scope.items()}


def described(budget: Budget) -> str:
    """`namespace shop, cluster prod`; the whole team when it is not narrowed."""
    scope = dict(budget.scope)
    if "account" in scope:
        name = CloudAccount.objects.filter(pk=scope["account"]).values_list("name", flat=True)
        scope["account"] = name.first() or scope["account"]
    words = {
        "cluster": _("cluster"),
        "namespace": _("namespace"),
        "workload": _("workload"),
        "account": _("credential"),
        "provider": _("provider"),
        "node": _("virtual node"),
    }
    told = ", ".join(f"{words[key]} {scope[key]}" for key in KEYS if key in scope)
    return told or _("team %(team)s") % {"team": budget.team.name}
