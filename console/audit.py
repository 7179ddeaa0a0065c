"""The audit trail: append-only, each row's hash covers the row before it.

The head (`AuditHead`) holds the length and the last hash: a trail whose end was cut off, or whose
entries were replaced, no longer fits it. `manage.py audit` checks the whole.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from console.models import AuditEntry, AuditHead

_FIRST = "0" * 64


def _digest(entry: AuditEntry) -> str:
    covered = {
        "at": entry.at.isoformat(),
        "team": entry.team_id,
        "actor": entry.actor,
        "via": entry.via,
        "ip": entry.ip,
        "action": entry.action,
        "target": entry.target,
        "detail": entry.detail,
        "result": entry.result,
        "request_id": entry.request_id,
        "previous": entry.previous_hash,
    }
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def client_ip(request: HttpRequest) -> str | None:
    """In its canonical spelling; None when the server listens on a Unix socket."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


def record(
    request: HttpRequest,
    action: str,
    target: str,
    *,
    team: Group | None = None,
    detail: dict[str, Any] | None = None,
    result: str = "ok",
    actor: str = "",
    now: datetime | None = None,
) -> AuditEntry:
    """Write who did what to what. `detail` must hold no secret: only names, ids and choices."""
    # REST framework's request wraps Django's; the middleware looks at the latter.
    setattr(getattr(request, "_request", request), "audited", True)  # noqa: B010
    with transaction.atomic():
        AuditHead.objects.get_or_create(pk=1, defaults={"hash": _FIRST})
        head = AuditHead.objects.select_for_update().get(pk=1)
        entry = AuditEntry(
            at=now or timezone.now(),
            team=team,
            actor=actor or request.user.get_username() or "anonymous",
            via="token" if getattr(request, "auth", None) else "session",
            ip=client_ip(request),
            action=action,
            target=target[:255],
            detail=detail or {},
            result=result,
            request_id=getattr(request, "request_id", "-"),
            previous_hash=head.hash,
        )
        entry.hash = _digest(entry)
        entry.save()
        head.hash, head.length = entry.hash, head.length + 1
        head.save()
    return entry


def broken() -> str:
    """What is wrong with the trail, by its first entry that does not fit; empty when it holds."""
    previous, length = _FIRST, 0
    for entry in AuditEntry.objects.order_by("id").iterator():
        if entry.previous_hash != previous:
            return f"entries before {entry.pk} are missing or were exchanged"
        if entry.hash != _digest(entry):
            return f"entry {entry.pk} was changed"
        previous, length = entry.hash, length + 1
    head = AuditHead.objects.filter(pk=1).first() or AuditHead(length=0, hash=_FIRST)
    if (head.length, head.hash) != (length, previous):
        return f"the trail has {length} entries, {head.length} were written"
    return ""
