"""From a stored account to a client."""

from __future__ import annotations

import asyncio
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import DatabaseError, connection
from redis.asyncio import Redis

from kube.dial import AddressPolicy
from providers import sealing
from providers.base import Provider
from providers.buckets import Buckets
from providers.kci.calls import Refresh
from providers.kci.client import Kci
from providers.kci.rates import rates
from providers.kingsoft.signing import Key
from providers.kingsoft.wire import Wire
from providers.models import CloudAccount
from providers.stock import Stock


def _redis() -> Redis:
    return Redis.from_url(
        settings.REDIS_URL, max_connections=64, socket_timeout=2, socket_connect_timeout=2
    )


def key_of(account: CloudAccount) -> Key:
    return Key(account.access_key_id, sealing.secret_of(account), sealing.token_of(account))


def refresh_of(account: CloudAccount) -> Refresh:
    """The key that the account has now; None when it, or the database, is gone."""
    pk = account.pk

    async def refresh() -> Key | None:
        return await asyncio.to_thread(_stored, pk)

    return refresh


def _stored(pk: int) -> Key | None:
    try:
        now = CloudAccount.objects.filter(pk=pk).first()
        return key_of(now) if now is not None else None
    except DatabaseError:
        return None
    finally:
        connection.close()


def connect(account: CloudAccount, region: str, limited: bool) -> Provider:
    policy = AddressPolicy.of(allow=settings.DIAL_ALLOW, deny=settings.DIAL_DENY)
    wire = Wire(key_of(account), region=region, override=account.endpoint, policy=policy)
    zone = ZoneInfo(settings.KCI_TIME_ZONE)
    if not limited:
        return Kci(wire, zone=zone)
    scope = f"{account.pk}:{region}"
    factor = settings.CLOUD_RATE_FACTOR
    read = settings.KCI_READ_RATE * factor
    buckets, whole = rates(read, settings.KCI_WRITE_RATE * factor)
    return Kci(
        wire,
        zone=zone,
        page_seconds=1 / read,
        limiter=Buckets(scope=scope, rates=buckets, whole=whole, redis=_redis),
        stock=Stock(scope=scope, redis=_redis),
        refresh=refresh_of(account),
    )
