"""From a stored account to calls of any product of Kingsoft Cloud."""

from __future__ import annotations

from django.conf import settings

from kube.dial import AddressPolicy
from providers import sealing
from providers.kingsoft.signing import Key
from providers.kingsoft.wire import Wire
from providers.models import CloudAccount


def wire_of(account: CloudAccount, region: str) -> Wire:
    key = Key(account.access_key_id, sealing.secret_of(account), sealing.token_of(account))
    policy = AddressPolicy.of(allow=settings.DIAL_ALLOW, deny=settings.DIAL_DENY)
    return Wire(key, region=region, override=account.endpoint, policy=policy)
