"""Channels: where notices go. Addresses are sealed, checked when dialled, and never shown again."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from console.billing.budgets.errors import BudgetError, check_name
from console.billing.budgets.forms import webhook_key
from console.models import Channel
from kube.secret import Secret
from providers import vault

_TABLE = "console.Channel"
SEALED = ("sealed_address", "sealed_secret")


def create(
    team: Group,
    *,
    name: str,
    kind: str,
    address: str,
    secret: Secret,
    now: datetime,
) -> Channel:
    """`address`: recipients of e-mail, comma separated, or the URL of the robot or receiver.

    `secret` signs: required for a webhook, as the robot's settings show it for DingTalk and Feishu,
    nothing for WeCom and e-mail. Raises `BudgetError`.
    """
    check_name(name)
    _check_secret(kind, secret)
    channel = Channel(team=team, name=name, kind=kind, created_at=now)
    if kind == Channel.Kind.EMAIL:
        channel.shown = ", ".join(_recipients(address))
    else:
        channel.shown = _host(address)
    bound = _owner(channel)
    for field, value in zip(SEALED, (Secret(address), secret), strict=True):
        if value:
            setattr(channel, field, vault.seal(value, vault.purpose(_TABLE, field, bound)))
    try:
        with transaction.atomic():
            channel.save()
    except IntegrityError as error:
        raise BudgetError("name", _("There is one of this name already.")) from error
    return channel


def address_of(channel: Channel) -> Secret:
    return _opened(channel, "sealed_address")


def secret_of(channel: Channel) -> Secret:
    return _opened(channel, "sealed_secret")


def recipients_of(channel: Channel) -> list[str]:
    return _recipients(address_of(channel).reveal())


def _opened(channel: Channel, field: str) -> Secret:
    return vault.unseal(getattr(channel, field), vault.purpose(_TABLE, field, _owner(channel)))


def _owner(channel: Channel) -> str:
    return f"{channel.team_id}/{channel.kind}/{channel.name}"


def _check_secret(kind: str, secret: Secret) -> None:
    if kind == Channel.Kind.WEBHOOK and len(secret.reveal()) < 16:
        raise BudgetError(
            "secret",
            _("A webhook is signed with a secret of at least 16 characters."),
            _("Make a random one and give it to the receiver too."),
        )
    if kind == Channel.Kind.WEBHOOK and not _standard(secret):
        raise BudgetError("secret", _("After whsec_ comes the Base64 of 24 to 64 random bytes."))
    if kind in {Channel.Kind.EMAIL, Channel.Kind.WECOM} and secret:
        raise BudgetError("secret", _("Such a channel is not signed: leave the secret empty."))


def _standard(secret: Secret) -> bool:
    """A secret that looks like one of the specification is one (Standard Webhooks 1.0)."""
    text = secret.reveal()
    key = webhook_key(secret)
    return not text.startswith("whsec_") or (key != text.encode() and 24 <= len(key) <= 64)


def _recipients(text: str) -> list[str]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    try:
        for one in found:
            validate_email(one)
    except ValidationError as error:
        raise BudgetError("address", _("These are not e-mail addresses.")) from error
    if not found or len(text) > 255:
        raise BudgetError("address", _("Name one to a few recipients."))
    return found


def _host(text: str) -> str:
    """Whom it leads to. Plain http only to an address that SPILLWAY_DIAL_ALLOW names."""
    try:
        url = urlsplit(text)
        port = f":{url.port}" if url.port else ""
    except ValueError as error:
        raise BudgetError("address", _("This is not a URL.")) from error
    host = url.hostname or ""
    if url.scheme not in {"http", "https"} or not host or url.username or len(text) > 2000:
        raise BudgetError("address", _("Give the https:// URL of the receiver."))
    if url.scheme == "http" and not _allowed(host):
        raise BudgetError("address", _("Notices go over https:// only."))
    return f"{host}{port}"


def _allowed(host: str) -> bool:
    """A literal address in the operator's own list of what may be dialled."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    networks = (ip_network(text.strip(), strict=False) for text in settings.DIAL_ALLOW)
    return any(address in network for network in networks)
