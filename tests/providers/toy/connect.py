"""From a stored account to a client."""

from __future__ import annotations

from django.conf import settings

from kube.dial import AddressPolicy
from providers import sealing
from providers.base import Provider
from providers.models import CloudAccount
from tests.providers.toy.client import Toy


def connect(account: CloudAccount, region: str, limited: bool) -> Provider:
    """Toy limits no rates, so that `limited` makes no difference."""
    policy = AddressPolicy.of(allow=settings.DIAL_ALLOW, deny=settings.DIAL_DENY)
    key = sealing.secret_of(account)
    return Toy(key, region=region, endpoint=account.endpoint, policy=policy)
