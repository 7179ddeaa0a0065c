"""From a stored account to a client."""

from __future__ import annotations

from django.conf import settings
from redis.asyncio import Redis

from kube.dial import AddressPolicy
from providers import sealing
from providers.base import Provider
from providers.buckets import Buckets
from providers.eci.client import Eci
from providers.eci.rates import RATES, WHOLE
from providers.eci.wire import Key, Wire
from providers.models import CloudAccount
from providers.stock import Stock


def _redis() -> Redis:
    return Redis.from_url(
        settings.REDIS_URL, max_connections=64, socket_timeout=2, socket_connect_timeout=2
    )


def connect(account: CloudAccount, region: str, limited: bool) -> Provider:
    key = Key(account.access_key_id, sealing.secret_of(account), sealing.token_of(account))
    policy = AddressPolicy.of(allow=settings.DIAL_ALLOW, deny=settings.DIAL_DENY)
    wire = Wire(
        key,
        region=region,
        override=account.endpoint,
        endpoints=account.settings.get("endpoints"),
        policy=policy,
    )
    if not limited:
        return Eci(wire)
    scope = f"{account.pk}:{region}"
    factor = settings.CLOUD_RATE_FACTOR
    rates = {action: rate.times(factor) for action, rate in RATES.items()}
    return Eci(
        wire,
        limiter=Buckets(scope=scope, rates=rates, whole=WHOLE.times(factor), redis=_redis),
        stock=Stock(scope=scope, redis=_redis),
    )
