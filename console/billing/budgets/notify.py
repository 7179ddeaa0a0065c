"""Telling channels: once each, tried again with back-off, at addresses checked when dialled.

A notice that a channel accepted is marked before the next look, so that it is repeated only when
the process dies in between; a webhook's receiver knows the repetition by its `webhook-id`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction

from addons.runtime.clients import address_policy
from addons.runtime.loop import Runtime
from console.billing.budgets import channels
from console.billing.budgets.forms import FORMS, Notice, refusal
from console.billing.budgets.words import notice_of
from console.models import BudgetEvent, Channel
from kube.dial import connector
from kube.errors import AddressRefused
from providers.vault import VaultError

log = logging.getLogger(__name__)

CALL_SECONDS = 8.0
FIRST_RETRY = timedelta(seconds=30)
LAST_RETRY = timedelta(hours=1)
TRIES = 10
# News of a period that ended long ago is none.
OLD = timedelta(days=2)
_ANSWER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Untold:
    event: BudgetEvent
    channel: Channel


def untold(now: datetime) -> list[Untold]:
    """What is due: never tried, or failed and the pause is over."""
    events = BudgetEvent.objects.filter(at__gte=now - OLD, budget__enabled=True)
    events = events.select_related("budget__team").prefetch_related("budget__channels")
    return [
        Untold(event, channel)
        for event in events
        for channel in event.budget.channels.all()
        if _due(event.told.get(str(channel.pk)), now)
    ]


def _due(told: dict[str, Any] | None, now: datetime) -> bool:
    if told is None:
        return True
    again = told.get("again", "")
    return bool(again) and datetime.fromisoformat(str(again)) <= now


async def tell(runtime: Runtime, items: Iterable[Untold]) -> int:
    """Try each once, all at the same time; how many were accepted."""
    done = await asyncio.gather(*(_tell_one(runtime, item) for item in items))
    return sum(done)


async def _tell_one(runtime: Runtime, item: Untold) -> bool:
    try:
        notice = await runtime.db(notice_of, item.event)
    except Exception as raised:  # One notice that cannot be written must not stop the others.
        log.exception("event %s cannot be told", item.event.pk)
        error = type(raised).__name__
    else:
        error = await send(runtime, item.channel, notice)
    await runtime.db(_mark, item, error, runtime.clock.now())
    return not error


async def send(runtime: Runtime, channel: Channel, notice: Notice) -> str:
    """One try; what went wrong, or empty. Never holds a secret."""
    try:
        if channel.kind != Channel.Kind.EMAIL:
            return await _post(channel, notice, runtime.clock.now())
        if settings.EMAIL_BACKEND.endswith("dummy.EmailBackend"):
            return "no mail server is set (SPILLWAY_EMAIL_URL)"
        await runtime.blocking(_mail, channel, notice)
        return ""
    except (AddressRefused, VaultError, aiohttp.ClientError, OSError, ValueError) as error:
        # ValueError: an address or a text that a library takes for none.
        return _said(error)


def _said(error: Exception) -> str:
    if isinstance(error, AddressRefused):
        return f"the address may not be dialled ({error.rule})"
    if isinstance(error, VaultError):
        return "the address cannot be unsealed"
    # SMTP's errors are OSErrors. Texts of others may quote the URL, which holds a token.
    return type(error).__name__


async def _post(channel: Channel, notice: Notice, now: datetime) -> str:
    address, secret = channels.address_of(channel), channels.secret_of(channel)
    sending = FORMS[channel.kind](notice, address, secret, now)
    headers = {"Content-Type": "application/json", "User-Agent": "Spillway", **sending.headers}
    async with aiohttp.ClientSession(
        connector=connector(address_policy()), timeout=aiohttp.ClientTimeout(total=CALL_SECONDS)
    ) as session:
        request = session.post(
            sending.url.reveal(), data=sending.body, headers=headers, allow_redirects=False
        )
        async with request as answer:
            tells = answer.ok and channel.kind != Channel.Kind.WEBHOOK
            body = await _read(answer.content) if tells else b""
            return refusal(channel.kind, answer.status, body)


async def _read(answer: aiohttp.StreamReader) -> bytes:
    """Up to a bound: it may come in pieces, and a piece is all that one read gives."""
    read = bytearray()
    while len(read) < _ANSWER_BYTES and (piece := await answer.read(_ANSWER_BYTES - len(read))):
        read += piece
    return bytes(read)


def _mail(channel: Channel, notice: Notice) -> None:
    with get_connection() as connection:
        EmailMessage(
            subject=" ".join(notice.title.split()),
            body=notice.plain,
            from_email=settings.DEFAULT_FROM_EMAIL,
            to=channels.recipients_of(channel),
            connection=connection,
        ).send()


def _mark(item: Untold, error: str, now: datetime) -> None:
    """Write down the outcome; other channels' outcomes of the same event stay."""
    with transaction.atomic():
        event = BudgetEvent.objects.select_for_update().filter(pk=item.event.pk).first()
        if event is not None:
            key = str(item.channel.pk)
            tries = int(event.told.get(key, {}).get("tries", 0)) + 1
            event.told[key] = _outcome(error, tries, now)
            event.save(update_fields=["told"])
        tried(item.channel, error, now)
    if error:
        log.warning("channel %s was not told: %s", item.channel.pk, error)


def tried(channel: Channel, error: str, now: datetime) -> None:
    Channel.objects.filter(pk=channel.pk).update(last_tried_at=now, last_error=error)


def _outcome(error: str, tries: int, now: datetime) -> dict[str, Any]:
    told: dict[str, Any] = {"at": now.isoformat(), "error": error, "tries": tries}
    if error and tries < TRIES:
        told["again"] = (now + min(FIRST_RETRY * 2 ** (tries - 1), LAST_RETRY)).isoformat()
    return told
