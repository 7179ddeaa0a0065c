"""The breaker: when too much vanishes at once, nothing is failed or deleted for that account.

A cloud that lost its view of us answers as if we had nothing (a key without permission gets an
empty list); acting on that would fail every pod. A person resumes the account, or the instances
come back into view by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from addons.announce import announce
from addons.pods import reasons
from addons.runtime import nudge
from providers.models import CloudAccount

AT_LEAST = 5
SHARE = 0.20


@dataclass(frozen=True, slots=True)
class Halt:
    reason: str
    detail: dict[str, Any]


def judge(*, known: int, missing: int, listed: int) -> Halt | None:
    """Whether a complete list that lacks `missing` of `known` running instances is believed.

    Only instances that are older than the list count in both. A single one may really be gone.
    """
    if listed == 0 and missing > 1:
        return Halt(reasons.EMPTY_LIST, {"known": known})
    if missing > max(AT_LEAST, known * SHARE):
        return Halt(reasons.MASS_DISAPPEARANCE, {"known": known, "missing": missing})
    return None


def halt(account_id: int, why: Halt, now: datetime) -> bool:
    """Whether it was not halted before."""
    rows = CloudAccount.objects.filter(pk=account_id, halted_at=None)
    return bool(rows.update(halted_at=now, halt_reason=why.reason, halt_detail=why.detail))


def refuted(account_id: int) -> bool:
    """A complete list shows what was missing: the reason to halt was none."""
    return bool(_lift(account_id))


def _lift(account_id: int) -> int:
    return (
        CloudAccount.objects.filter(pk=account_id)
        .exclude(halted_at=None)
        .update(halted_at=None, halt_reason="", halt_detail={})
    )


def resume(account_id: int) -> bool:
    """A person's word that what vanished is really gone; good for the next ten minutes."""
    with transaction.atomic():
        account = CloudAccount.objects.select_for_update().get(pk=account_id)
        was = account.halted_at is not None
        until = timezone.now().timestamp() + CONFIRMED_SECONDS
        account.halted_at, account.halt_reason = None, ""
        account.halt_detail = {"confirmed_until": until}
        account.save(update_fields=["halted_at", "halt_reason", "halt_detail"])
        transaction.on_commit(lambda: announce("accounts", [account_id]))
    key = f"sweep:{account_id}:{account.region}"
    nudge.poke(key, key)
    return was


CONFIRMED_SECONDS = 600


def confirmed(account: CloudAccount, now: datetime) -> bool:
    """Whether a person has just said that the absence is real."""
    return float(account.halt_detail.get("confirmed_until", 0)) > now.timestamp()
