"""The audit trail: append-only, each row's hash covers the row before it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from console.models import AuditEntry

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
    return request.META.get("REMOTE_ADDR") or None


def record(
    request: HttpRequest,
    action: str,
    target: str,
    *,
    team: Group | None = None,
    detail: dict[str, Any] | None = None,
    result: str = "ok",
    now: datetime | None = None,
) -> AuditEntry:
    """Write who did what to what. `detail` must hold no secret: only names, ids and choices."""
    with transaction.atomic():
        last = AuditEntry.objects.select_for_update().order_by("-id").first()
        entry = AuditEntry(
            at=now or timezone.now(),
            team=team,
            actor=request.user.get_username() or "anonymous",
            via="token" if getattr(request, "auth", None) else "session",
            ip=client_ip(request),
            action=action,
            target=target,
            detail=detail or {},
            result=result,
            request_id=getattr(request, "request_id", "-"),
            previous_hash=last.hash if last else _FIRST,
        )
        entry.hash = _digest(entry)
        entry.save()
    return entry


def first_broken() -> int | None:
    """The id of the first row whose hash does not fit; None when the chain holds."""
    previous = _FIRST
    for entry in AuditEntry.objects.order_by("id").iterator():
        if entry.previous_hash != previous or entry.hash != _digest(entry):
            return entry.pk
        previous = entry.hash
    return None
