"""API tokens: made once, shown once, kept as a digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Q

from console.models import ApiToken

PREFIX = "spw_"
# `last_used_at` is written at most so often per token.
_TOUCH_EVERY = timedelta(minutes=1)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def create(
    user: User, *, name: str, scope: str, expires_at: datetime | None
) -> tuple[ApiToken, str]:
    """The row and the text of the token; the text is not kept anywhere."""
    text = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user,
        name=name,
        scope=scope,
        expires_at=expires_at,
        prefix=text[: len(PREFIX) + 4],
        digest=_digest(text),
    )
    return row, text


def find(text: str, *, now: datetime, ip: str | None) -> ApiToken | None:
    """The live token with this text, its use noted."""
    row = (
        ApiToken.objects.select_related("user")
        .filter(Q(expires_at=None) | Q(expires_at__gt=now), digest=_digest(text), revoked_at=None)
        .first()
    )
    if row is None or not row.user.is_active:
        return None
    if row.last_used_at is None or now - row.last_used_at > _TOUCH_EVERY or row.last_used_ip != ip:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=now, last_used_ip=ip)
    return row


def revoke(row: ApiToken, *, now: datetime) -> None:
    ApiToken.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=now)
