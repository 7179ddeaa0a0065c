"""Which account of a virtual node makes the instance of a pod.

An Alibaba virtual node may be served by ECI and ACS together: a pod that carries an ACS class
becomes ACS, any other ECI (Alibaba Cloud help, "Run pods on ACS using virtual nodes").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from addons.models import VirtualNode
from providers import registry
from providers.base import Claim
from providers.models import CloudAccount


def account_for(node: VirtualNode, pod: Mapping[str, Any]) -> CloudAccount | None:
    """The account whose provider claims the pod most, the node's first one among equals."""
    claims = [(registry.dialect(one.provider).claim(pod), one) for one in node.accounts]
    best = max(claim for claim, _ in claims)
    if best is Claim.NEVER:
        return None
    return next(account for claim, account in claims if claim is best)
