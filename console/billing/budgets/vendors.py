"""Holding the nodes that vendors run: clusters say which there are, a cordon does the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from addons import holds
from addons.components import vendor_nodes
from addons.models import Installation
from console.billing.budgets import words
from console.billing.budgets.reach import vendor_run
from console.billing.budgets.scope import source_of
from console.models import Budget

log = logging.getLogger(__name__)


def hold(budgets: Iterable[Budget], now: datetime) -> int:
    """Hold the nodes that vendors run in the scopes of budgets that cordon; how many are new.

    Their clusters are asked, all at once; what does not answer is left for the next look.
    """
    wanted = [(budget, row) for budget in budgets for row in vendor_run(budget)]
    rows = {row.pk: row for _budget, row in wanted}
    found = {row.pk: seen for row, seen in vendor_nodes.of_all(rows.values())} if rows else {}
    return sum(_hold(budget, row, found[row.pk], now) for budget, row in wanted)


def _hold(
    budget: Budget,
    row: Installation,
    seen: Sequence[vendor_nodes.VendorNode] | Exception,
    now: datetime,
) -> int:
    if isinstance(seen, Exception):
        log.warning("nodes of %s in cluster %s wait: %s", row.component, row.cluster_id, seen)
        return 0
    only = budget.scope.get("node")
    targets = [
        holds.Target(row.cluster_id, node_name=node.name)
        for node in seen
        if only in (None, node.name)
    ]
    return holds.place(source_of(budget), words.held(budget, budget.spent), targets, now=now)
