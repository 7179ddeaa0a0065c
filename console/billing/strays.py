"""Orphans that never were in the ledger: instances with our tags that no row knows.

All that is known of them is what the sweep saw: since when they exist, or when they were found, and
what their size is called.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import F, Max, Q, QuerySet, Sum

from console.billing.drafts import Metered, Subject, draft_of
from providers.calendar import day_of, day_start
from providers.lives import life_of_orphan, place_of
from providers.meter import Asked, meter
from providers.models import Orphan
from providers.prices import Book, Entry, Item, Per
from providers.told import Size

_SIZE = re.compile(r"^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)Gi")
_NOBODY_SAID = Decimal(0)
ADOPTED = "adopted"
SOURCE = "list price when it was found"


def metered(orphan: Orphan, book: Book, until: datetime) -> Metered:
    """Its lines; estimated all of them where the cloud did not tell when it was made."""
    life = life_of_orphan(orphan)
    if life is None:
        return Metered(None)
    if not orphan.size:
        size = _size_of(orphan)
        life = replace(life, sizes=(replace(life.sizes[0], size=size),))
        book = _book(orphan)
    lines = meter(life, book, place_of(orphan), Asked(), until)
    subject = Subject(None, orphan.pk, orphan.cloud_id, orphan.pod_name, orphan.pod_uid, {})
    told = orphan.billed_from is not None or orphan.created_at is not None
    return Metered(
        life,
        tuple(
            draft_of(
                orphan.account,
                orphan,
                subject,
                replace(line, estimated=line.estimated or not told),
                life,
            )
            for line in lines
        ),
    )


def _size_of(orphan: Orphan) -> Size:
    """From its label: vCPU and GiB, or the name of a machine type, whose parts nobody told."""
    found = _SIZE.match(orphan.spec)
    if found:
        return Size(Decimal(found[1]), Decimal(found[2]), orphan.spec)
    return Size(_NOBODY_SAID, _NOBODY_SAID, orphan.spec, type=orphan.spec)


def _book(orphan: Orphan) -> Book:
    """The price it was found with: of the machine, since its parts are not known for sure."""
    if orphan.price_per_hour is None:
        return Book(())
    price = Entry(
        provider=orphan.account.provider,
        item=Item.INSTANCE,
        amount=orphan.price_per_hour,
        per=Per.HOUR,
        currency=orphan.currency,
        type="*",
        source=SOURCE,
    )
    return Book((price,))


def due(now: datetime) -> list[int]:
    """Those whose lines do not reach the last midnight, or their end, or have another price."""
    return list(_short(day_start(day_of(now))).order_by("pk").values_list("pk", flat=True))


def unfinished() -> list[int]:
    """Those whose lines are not all there yet: they go on, or their end was not posted."""
    return list(_short(None).values_list("pk", flat=True))


def _short(border: datetime | None) -> QuerySet[Orphan]:
    """One that was given back to its pod is told by the ledger's row: its own lines go."""
    reached = Orphan.objects.filter(instance=None).annotate(
        reached=Max("usage__end"), told=Sum("usage__seconds")
    )
    ended = Q(closed_at__gte=F("reached") + timedelta(seconds=1))
    goes_on = Q(closed_at=None)
    if border is not None:
        goes_on &= Q(reached__lt=border)
    own = ~Q(close_reason=ADOPTED) & (Q(reached=None) | Q(unposted=True) | ended | goes_on)
    return reached.filter(own | Q(close_reason=ADOPTED, told__gt=0))


def locked(pk: int) -> Orphan:
    rows = Orphan.objects.select_for_update(of=("self",)).select_related("account__team")
    return rows.get(pk=pk)
