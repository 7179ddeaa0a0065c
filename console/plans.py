"""A plan in words: what pages show and REST answers before anything is started.

Values that are secret never stand in a plan: credentials are named by their id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from addons.components.manage import Plan
from console.live.rows import money


def amounts(cost: Mapping[str, Decimal]) -> dict[str, str]:
    """Currency -> decimal as text."""
    return {currency: money(amount) or "0" for currency, amount in cost.items()}


def plan_shape(plan: Plan) -> dict[str, Any]:
    return {
        "action": plan.action,
        "component": plan.component.name,
        "version": plan.version.version,
        "delivery": plan.delivery,
        "blocking": plan.blocking,
        "checks": [check.as_dict() for check in plan.checks],
        "values": {"before": plan.values_before, "after": plan.values_after},
        "rows": [asdict(row) for row in plan.rows if row.state != "same"],
        "objects": [one.as_dict() for one in plan.objects],
        "surplus": list(plan.surplus),
        "nodes": list(plan.nodes),
        "affected": [one.as_dict() for one in plan.affected],
        "cost_per_hour": amounts(plan.cost),
        "auto_rollback": plan.auto_rollback,
    }
