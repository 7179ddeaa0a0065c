"""How far a budget's action reaches: our own virtual nodes, those that a vendor runs, neither.

Our workers refuse new instances where they are the kubelet. A vendor's virtual kubelet asks nobody:
its nodes can be cordoned, and that is all. What it makes is on no ledger of ours, so it does not
count either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from addons.components import release, vendor_nodes
from addons.components.kits import kit_of
from addons.models import Installation
from console.billing.budgets.scope import clusters_of, nodes_of
from console.models import Budget


def vendor_run(budget: Budget) -> list[Installation]:
    """The components of its scope that have a vendor's virtual nodes; their clusters know which."""
    scope = budget.scope
    rows = Installation.objects.filter(cluster__in=clusters_of(budget))
    if "node" in scope:
        rows = rows.exclude(cluster__nodes__in=nodes_of(budget))
    rows = rows.select_related("cluster__account")
    return [row for row in rows if vendor_nodes.brings(row) and _counts(row, scope)]


def _counts(row: Installation, scope: Mapping[str, Any]) -> bool:
    providers = release.component_of(row.component).providers
    if scope.get("provider", providers[0]) not in providers:
        return False
    return "account" not in scope or scope["account"] == _payer(row, providers)


def _payer(row: Installation, providers: Sequence[str]) -> int | None:
    """The credential that its values name, else its cluster's own of that cloud."""
    named = (row.values.get(name) for name in kit_of(row.component).credentials)
    own = row.cluster.account
    return next(filter(None, named), own.pk if own and own.provider in providers else None)


def reaches(budget: Budget) -> bool:
    """Whether its action can hold anything as things stand."""
    if nodes_of(budget).exists():
        return True
    return budget.action == Budget.Action.CORDON and bool(vendor_run(budget))


def limits(budget: Budget) -> list[str]:
    """What it does not count and its action does not do, as sentences; empty: nothing."""
    vendors = vendor_run(budget)
    clusters = {"clusters": ", ".join(sorted({row.cluster.name for row in vendors}))}
    found = []
    if vendors:
        found.append(
            _("What a vendor's own virtual kubelet makes in %(clusters)s is not counted.")
            % clusters
        )
    if vendors and budget.action == Budget.Action.HOLD:
        found.append(
            _("Virtual nodes that a vendor runs in %(clusters)s do not refuse new instances.")
            % clusters
        )
    if budget.action != Budget.Action.NOTIFY and not reaches(budget):
        found.append(_("There is no virtual node in its scope that can be held: nothing stops."))
    return found
