"""From a stored account to a client."""

from __future__ import annotations

from django.conf import settings
from redis.asyncio import Redis

from kube import AddressPolicy, Kube
from providers import sealing
from providers.acs import key
from providers.acs.client import Acs
from providers.base import Provider
from providers.models import CloudAccount
from providers.stock import Stock, scope_of


def _redis() -> Redis:
    return Redis.from_url(
        settings.REDIS_URL, max_connections=64, socket_timeout=2, socket_connect_timeout=2
    )


def connect(account: CloudAccount, region: str, limited: bool) -> Provider:
    """The API server keeps its own rates (429), so that `limited` only means the stock's memory."""
    access = key.opened(sealing.secret_of(account))
    policy = AddressPolicy.of(allow=settings.DIAL_ALLOW, deny=settings.DIAL_DENY)
    return Acs(
        Kube(access.target, name=account.name, policy=policy),
        region=region,
        namespace=access.namespace,
        identity=account.access_key_id,
        cluster_uid=account.account_id,
        stock=Stock(scope=scope_of(account.pk, region), redis=_redis) if limited else None,
    )
