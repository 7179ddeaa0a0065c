"""`activeDeadlineSeconds`: how long a pod may be active on its node, which is the kubelet's to end.

Source: Kubernetes API reference, PodSpec; the reason and the message are those of the kubelet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from addons.pods.times import parse
from addons.runtime.contract import Outcome

REASON = "DeadlineExceeded"
MESSAGE = "Pod was active on the node longer than the specified deadline"


def deadline_of(pod: Mapping[str, Any]) -> datetime | None:
    """None: it may run for ever, or has not begun."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    started = parse((pod.get("status") or {}).get("startTime"))
    return started + timedelta(seconds=seconds) if seconds is not None and started else None


def by_then(outcome: Outcome, pod: Mapping[str, Any] | None, now: datetime) -> Outcome:
    """The outcome, its next look not later than the pod's deadline."""
    end = deadline_of(pod) if pod is not None else None
    left = (end - now).total_seconds() if end is not None else 0.0
    if left <= 0 or (outcome.requeue_after is not None and outcome.requeue_after <= left):
        return outcome
    return replace(outcome, requeue_after=left)
