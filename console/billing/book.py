"""The price book of a team, and how people change it.

A book is what the clouds publish (shipped with the providers) with what was entered, imported or
quoted on top. Prices are never changed: a newer one takes over, a wrong one is withdrawn. What
changes the past marks the lives it touches, whose usage lines are then written anew.

PriceError
├── Unreadable   a field does not hold what it should: which one, why, and the fix
└── Unchangeable quotes are the cloud's word; what was withdrawn stays so
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from console.billing.models import DiscountRule, PriceEntry
from providers import registry
from providers.models import CloudAccount, Instance, Orphan
from providers.prices import ABROAD, ANY_TYPE, MAINLAND, Book, Discount, Entry, Item, Origin, Per

MOST_ENTRIES_KEPT = 200
_CURRENCY = re.compile(r"[A-Z]{3}")
_LARGEST = Decimal(10) ** 8
_FINEST = -12
_NO_TIER = ("", "general")
_CHINA = "cn-"
# Of `CloudAccount.settings`.
_CURRENCY_KEY = "currency"
_HONG_KONG = "cn-hongkong"


class PriceError(Exception):
    pass


class Unreadable(PriceError):
    """`field` names the column; `why` and `fix` are sentences in the reader's language."""

    def __init__(self, field: str, why: str, fix: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why, self.fix = field, why, fix


class Unchangeable(PriceError):
    pass


# --- reading ------------------------------------------------------------------------------------

_Stamp = tuple[object, ...]
_books: dict[int, tuple[_Stamp, Book]] = {}


def book_of(team: Group) -> Book:
    """All prices and discounts that may apply to the team's instances.

    Three small queries; the book itself is remembered until one of its tables changes.
    """
    stamp = _stamp(team)
    held = _books.get(team.pk)
    if held is None or held[0] != stamp:
        if len(_books) > MOST_ENTRIES_KEPT:
            _books.clear()
        held = _books[team.pk] = (stamp, _read(team))
    return held[1]


def _stamp(team: Group) -> _Stamp:
    prices = PriceEntry.objects.filter(team=team).aggregate(
        n=Count("pk"), last=Max("pk"), entered=Max("entered_at"), gone=Max("withdrawn_at"),
        left=Count("pk", filter=Q(withdrawn_at=None)),
    )  # fmt: skip
    rules = DiscountRule.objects.filter(team=team).aggregate(
        n=Count("pk"), last=Max("pk"), entered=Max("entered_at")
    )
    currencies = tuple(sorted(_currencies(team).items()))
    return *prices.values(), *rules.values(), tuple(registry.PROVIDERS), currencies


def _read(team: Group) -> Book:
    entered = PriceEntry.objects.filter(team=team, withdrawn_at=None).order_by("pk")
    rules = DiscountRule.objects.filter(team=team).order_by("pk")
    own = map(entry_of, entered)
    shipped = _shipped(tuple(registry.PROVIDERS))
    return Book([*shipped, *own], map(_discount, rules), _currencies(team))


def _currencies(team: Group) -> dict[int, str]:
    rows = CloudAccount.objects.filter(team=team, settings__has_key=_CURRENCY_KEY)
    return {row.pk: currency_of(row) for row in rows.only("pk", "provider", "settings")}


def currency_of(account: CloudAccount) -> str:
    """What the cloud bills the account in, as far as is known."""
    return str(account.settings.get(_CURRENCY_KEY) or registry.dialect(account.provider).currency)


def bill_in(account: CloudAccount, currency: str) -> None:
    """A bill of the account is in this currency: its lives are priced anew if that is news."""
    with transaction.atomic():
        row = CloudAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
        if currency_of(row) == currency:
            return
        row.settings = {**row.settings, _CURRENCY_KEY: currency}
        row.save(update_fields=["settings"])
        account.settings = row.settings
        Instance.objects.filter(account=row, unposted=False).update(unposted=True)


@cache
def _shipped(providers: tuple[str, ...]) -> tuple[Entry, ...]:
    return tuple(entry for name in providers for entry in registry.dialect(name).entries())


def shipped() -> tuple[Entry, ...]:
    """What the clouds publish, of all providers."""
    return _shipped(tuple(registry.PROVIDERS))


def entry_of(row: PriceEntry) -> Entry:
    return Entry(
        provider=row.provider,
        item=Item(row.item),
        amount=row.amount,
        per=Per(row.per),
        currency=row.currency,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        region=row.region,
        zone=row.zone,
        type=row.type,
        tier=row.tier,
        account=row.account_id,
        origin=Origin(row.origin),
        source=row.source or row.get_origin_display(),
    )


def _discount(row: DiscountRule) -> Discount:
    return Discount(
        factor=row.factor,
        provider=row.provider,
        region=row.region,
        type=row.type,
        tier=row.tier,
        item=row.item,
        account=row.account_id,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        name=row.name,
    )


# --- changing -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewPrice:
    """A price as it is entered; see `prices.Entry`. `valid_from` may lie in the past."""

    provider: str
    item: str
    amount: Decimal
    per: str
    currency: str
    valid_from: datetime
    valid_to: datetime | None = None
    region: str = ""
    zone: str = ""
    type: str = ""
    tier: str = ""
    account: CloudAccount | None = None
    source: str = ""


def add_price(
    team: Group,
    new: NewPrice,
    *,
    by: str,
    now: datetime,
    origin: PriceEntry.Origin = PriceEntry.Origin.OPERATOR,
) -> PriceEntry:
    """Raises `Unreadable`."""
    return add_prices(team, [new], by=by, now=now, origin=origin)[0]


def add_prices(
    team: Group,
    prices: Sequence[NewPrice],
    *,
    by: str,
    now: datetime,
    origin: PriceEntry.Origin,
) -> list[PriceEntry]:
    """All or none of them. Raises `Unreadable`."""
    for new in prices:
        check(team, new)
    rows = [_row(team, new, by, now, origin) for new in prices]
    with transaction.atomic():
        PriceEntry.objects.bulk_create(rows)
        for row in rows:
            _touch(row)
    return rows


def _row(
    team: Group, new: NewPrice, by: str, now: datetime, origin: PriceEntry.Origin
) -> PriceEntry:
    return PriceEntry(
        team=team,
        account=new.account,
        provider=new.provider,
        region=new.region,
        zone=new.zone,
        type=new.type,
        tier=new.tier,
        item=new.item,
        per=new.per,
        amount=new.amount,
        currency=new.currency,
        valid_from=new.valid_from,
        valid_to=new.valid_to,
        origin=origin,
        source=new.source[:255],
        entered_by=by,
        entered_at=now,
    )


def check(team: Group, new: NewPrice) -> None:
    """Raises `Unreadable` for the first field that does not fit."""
    _known("provider", new.provider, tuple(registry.PROVIDERS))
    _known("item", new.item, tuple(Item))
    _known("per", new.per, tuple(Per))
    _amount("amount", new.amount, _LARGEST)
    if not _CURRENCY.fullmatch(new.currency):
        raise Unreadable("currency", _("It is not three capital letters."), _("Write CNY or USD."))
    _span(new.valid_from, new.valid_to)
    if new.region.startswith("@") and new.region not in {MAINLAND, ABROAD}:
        fix = _("Write a region, @mainland, @abroad, or nothing for all.")
        raise Unreadable("region", _("There is no such area."), fix)
    _account(team, new.account, new.provider)
    for name in ("region", "zone", "type", "tier"):
        if len(getattr(new, name)) > 64:
            raise Unreadable(name, _("It is longer than 64 characters."), _("Write it shorter."))


def _known(field: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        why = _("“%(value)s” is not known.") % {"value": value}
        raise Unreadable(field, why, _("Write one of: %(known)s.") % {"known": ", ".join(known)})


def _amount(field: str, value: Decimal, most: Decimal) -> None:
    if not value.is_finite() or not 0 <= value < most:
        fix = _("Write a number from 0 to less than %(most)s.") % {"most": f"{most:f}"}
        raise Unreadable(field, _("It is not an amount of money."), fix)
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < _FINEST:
        raise Unreadable(
            field, _("It has more than 12 decimal places."), _("Round it to 12 places.")
        )


def _span(since: datetime | None, to: datetime | None) -> None:
    if since is not None and to is not None and to <= since:
        fix = _("Let it end after it begins, or leave the end empty.")
        raise Unreadable("valid_to", _("It ends before it begins."), fix)


def _account(team: Group, account: CloudAccount | None, provider: str) -> None:
    if account is None:
        return
    if account.team_id != team.pk:
        raise Unreadable(
            "account", _("The team has no such account."), _("Name one of the team's accounts.")
        )
    if account.provider != provider:
        fix = _("Name an account of %(provider)s, or none.") % {"provider": provider}
        raise Unreadable("account", _("The account is of another cloud."), fix)


def withdraw(row: PriceEntry, *, now: datetime) -> None:
    """As if it had never been entered. Raises `Unchangeable` when it was withdrawn before."""
    with transaction.atomic():
        rows = PriceEntry.objects.filter(pk=row.pk, withdrawn_at=None)
        if not rows.update(withdrawn_at=now):
            raise Unchangeable(_("This price was withdrawn before."))
        _touch(row)


@dataclass(frozen=True, slots=True)
class NewDiscount:
    """A contract as it is entered; see `prices.Discount`."""

    name: str
    provider: str
    factor: Decimal
    valid_from: datetime
    valid_to: datetime | None = None
    region: str = ""
    type: str = ""
    tier: str = ""
    item: str = ""
    account: CloudAccount | None = None


def add_discount(team: Group, new: NewDiscount, *, by: str, now: datetime) -> DiscountRule:
    """Raises `Unreadable`."""
    _known("provider", new.provider, tuple(registry.PROVIDERS))
    _known("item", new.item, ("", *Item))
    if not new.name.strip() or len(new.name) > 64:
        raise Unreadable("name", _("It needs a name."), _("Write up to 64 characters."))
    if not new.factor.is_finite() or not 0 < new.factor <= 2:
        fix = _("Write 0.85 for fifteen percent off.")
        raise Unreadable("factor", _("It is not between 0 and 2."), fix)
    _span(new.valid_from, new.valid_to)
    _account(team, new.account, new.provider)
    with transaction.atomic():
        row = DiscountRule.objects.create(
            team=team,
            account=new.account,
            name=new.name.strip(),
            provider=new.provider,
            region=new.region,
            type=new.type,
            tier=new.tier,
            item=new.item,
            factor=new.factor,
            valid_from=new.valid_from,
            valid_to=new.valid_to,
            entered_by=by,
            entered_at=now,
        )
        _touch(row)
    return row


def remove_discount(row: DiscountRule) -> None:
    """As if it had never been agreed."""
    with transaction.atomic():
        _touch(row)
        row.delete()


def _touch(row: PriceEntry | DiscountRule) -> None:
    """Mark the lives whose lines the price or the rule may change."""
    touched(row).filter(unposted=False).update(unposted=True)
    _strays(row).filter(unposted=False).update(unposted=True)


def touched(row: PriceEntry | DiscountRule) -> QuerySet[Instance]:
    """The instances that cost while it is valid, where it is. Without a machine type a price is for
    sizes without one, a rule for any."""
    rows = Instance.objects.filter(_lasted(row), account__team=row.team_id, provider=row.provider)
    if row.account_id is not None:
        rows = rows.filter(account=row.account_id)
    if row.region:
        rows = rows.filter(_of_region(row.region))
    if isinstance(row, PriceEntry):
        rows = rows.filter(zone=row.zone) if row.zone else rows
        return _of_type(rows, row.type).filter(_of_tier(row.tier))
    rows = _of_type(rows, row.type) if row.type else rows
    return rows.filter(_of_tier(row.tier)) if row.tier else rows


def _lasted(row: PriceEntry | DiscountRule) -> Q:
    """What cost while it is valid, or may have: gone before anybody saw when it began to cost."""
    seen = Q(billed_from__isnull=False) & (Q(billed_to=None) | Q(billed_to__gt=row.valid_from))
    unheard = Q(billed_from=None, closed_at__gte=row.valid_from)
    if row.valid_to is not None:
        seen &= Q(billed_from__lt=row.valid_to)
        before = Q(intended_at__lt=row.valid_to) | Q(cloud_created_at__lt=row.valid_to)
        unheard &= before
    return seen | unheard


def _strays(row: PriceEntry | DiscountRule) -> QuerySet[Orphan]:
    """Orphans that no row of the ledger knows; they are few, their sizes are not looked into."""
    begin, end = (
        Coalesce("billed_from", "created_at", "found_at"),
        Coalesce("ended_at", "closed_at"),
    )
    rows = Orphan.objects.filter(
        instance=None, account__team=row.team_id, account__provider=row.provider
    ).annotate(begin=begin, end=end)
    rows = rows.filter(Q(end=None) | Q(end__gt=row.valid_from))
    if row.valid_to is not None:
        rows = rows.filter(begin__lt=row.valid_to)
    if row.account_id is not None:
        rows = rows.filter(account=row.account_id)
    return rows.filter(_of_region(row.region)) if row.region else rows


def _of_region(region: str) -> Q:
    mainland = Q(region__startswith=_CHINA) & ~Q(region=_HONG_KONG)
    return {MAINLAND: mainland, ABROAD: ~mainland}.get(region, Q(region=region))


def _of_type(rows: QuerySet[Instance], type_: str) -> QuerySet[Instance]:
    """Sizes of the past are not looked into: what ever changed its size is touched."""
    if type_ == ANY_TYPE:
        return rows
    fits = Q(type="") if type_ == "" else Q(type=type_) | Q(spec=type_)
    return rows.filter(fits | ~Q(sizes=[]))


def _of_tier(tier: str) -> Q:
    return (Q(tier__in=_NO_TIER) if tier in _NO_TIER else Q(tier=tier)) | ~Q(sizes=[])
