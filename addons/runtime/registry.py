"""Which reconciler looks after which kind of key: dotted paths, imported on first use."""

from __future__ import annotations

import functools

from django.utils.module_loading import import_string

from addons.runtime.contract import Reconciler

RECONCILERS = {
    "pod": "addons.pods.reconcile.reconcile_pod",
    "sweep": "addons.sweep.sweep.reconcile_sweep",
    "node": "addons.nodes.reconcile.reconcile_node",
    "operation": "addons.operations.reconcile_operation",
    "drift": "addons.components.drifting.reconcile_drift",
    "fleet": "addons.components.fleet.reconcile_fleet",
}


@functools.cache
def _found(kind: str) -> Reconciler:
    reconciler: Reconciler = import_string(RECONCILERS[kind])
    return reconciler


def reconciler_of(key: str) -> Reconciler:
    """Raises KeyError for a key of an unknown kind (left by another version)."""
    return _found(key.partition(":")[0])
