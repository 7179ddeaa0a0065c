"""Preview: what a workload would cost on each cloud, before it is sent there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from addons.compat.check import check
from addons.compat.documents import Unreadable, parse
from addons.compat.report import Report
from addons.models import Cluster
from addons.runtime.loop import runtime
from console.access import AnyUser, access, teams_of, visible
from console.api.compatibility import asked_targets, fetch_refused, refused, stored
from console.billing import preview
from console.billing.book import book_of
from console.billing.preview import Ask
from console.refusals import EXPLAINED, Refusal
from console.views.compatibility import OUTCOME_TONES, ManifestForm, WorkloadForm
from providers.base import Price, Quote
from providers.errors import ProviderError
from providers.models import CloudAccount

log = logging.getLogger(__name__)
QUOTE_SECONDS = 4.0
MOST_QUOTES = 12
_HOURS = {"class": "input", "inputmode": "numeric"}


class _Hours(forms.Form):
    hours = forms.IntegerField(
        min_value=1,
        max_value=744,
        initial=preview.MONTH_HOURS,
        required=False,
        label=_("Hours a month"),
        help_text=_("730 for what always runs; about 170 for working hours."),
        widget=forms.NumberInput(attrs=_HOURS),
    )


class PastedForm(ManifestForm, _Hours):
    field_order = ("yaml", "hours", "node")  # type: ignore[assignment]


class StoredForm(WorkloadForm, _Hours):
    field_order = (  # type: ignore[assignment]
        *("cluster", "kind", "namespace", "name", "hours", "node"),
    )


def accounts_of(user: AnyUser) -> dict[tuple[str, str], int]:
    """(provider, region) -> the oldest account of it that the reader sees."""
    rows = visible(CloudAccount, user).order_by("-pk").values_list("provider", "region", "pk")
    return {(provider, region): pk for provider, region, pk in rows}


def team_of(user: AnyUser, cluster: str = "") -> Group | None:
    """Whose prices count: those of the workload's cluster, else of the reader's first team."""
    if cluster:
        return access(Cluster, user, slug=cluster).team
    return teams_of(user).order_by("pk").first()


def priced(user: AnyUser, report: Report, cluster: str = "") -> list[preview.Priced]:
    """The report's workloads with the offers of the clouds."""
    team, now = team_of(user, cluster), timezone.now()
    if team is None:
        return []
    book, accounts = book_of(team), accounts_of(user)
    found = [preview.priced(subject, book, accounts, now) for subject in report.subjects]
    wanted = {ask for one in found for offer in one.offers if (ask := preview.ask_of(offer))}
    quotes = _quotes(wanted, accounts)
    return [preview.with_quotes(one, quotes) for one in found] if quotes else found


def _quotes(wanted: Iterable[Ask], accounts: Mapping[tuple[str, str], int]) -> dict[Ask, Price]:
    """What the clouds say now of sizes that the book has no price for, as far as they say it soon.

    A quote is for this page alone: those of sizes in use are kept (`console.billing.quotes`).
    """
    asked = [(ask, account) for ask in wanted if (account := accounts.get(ask[:2]))][:MOST_QUOTES]
    return runtime().run(_ask_all(asked)) if asked else {}


async def _ask_all(asked: Sequence[tuple[Ask, int]]) -> dict[Ask, Price]:
    prices = await asyncio.gather(*(_quote(ask, account) for ask, account in asked))
    pairs = zip(asked, prices, strict=True)
    return {ask: price for (ask, _account), price in pairs if price is not None}


async def _quote(ask: Ask, account: int) -> Price | None:
    _provider, region, size = ask
    try:
        async with asyncio.timeout(QUOTE_SECONDS):
            client = await runtime().provider(account, region)
            return await client.price(size, zone="") if isinstance(client, Quote) else None
    except (ProviderError, TimeoutError, CloudAccount.DoesNotExist) as error:
        log.info("no quote of %s: %s", size.label, error)
        return None


@require_http_methods(["GET", "POST"])
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """POST: a manifest. GET with a cluster in the address: a workload as that has it."""
    user = request.user
    asked = "cluster" in request.GET and "name" in request.GET
    given = request.POST if request.method == "POST" else None
    initial = {"namespace": "default", "hours": preview.MONTH_HOURS, **request.GET.dict()}
    pasted = PastedForm(user, given, initial=initial)
    picked = StoredForm(
        user, request.GET if asked else None, initial=initial, auto_id="workload_%s"
    )
    form = pasted if pasted.is_bound else picked
    found, refusal = _answer(user, form) if form.is_bound and form.is_valid() else (None, None)
    hours = form.cleaned_data.get("hours") if form.is_bound and form.is_valid() else None
    context = {
        "pasted": pasted,
        "picked": picked,
        "refusal": refusal,
        "workloads": [_shown(one, hours or preview.MONTH_HOURS) for one in found or ()],
        "hours": hours or preview.MONTH_HOURS,
    }
    bad = refusal is not None or bool(pasted.errors or picked.errors)
    return render(request, "pages/billing/preview.html", context, status=422 if bad else 200)


def _answer(
    user: AnyUser, form: PastedForm | StoredForm
) -> tuple[list[preview.Priced] | None, Refusal | None]:
    cluster = form.workload["cluster"] if isinstance(form, StoredForm) else ""
    try:
        documents = (
            stored(user, form.workload)
            if isinstance(form, StoredForm)
            else parse(form.cleaned_data["yaml"])
        )
        targets = asked_targets(user, node=form.chosen, cluster=cluster)
        return priced(user, check(documents, targets=targets), cluster), None
    except Unreadable as error:
        return None, refused(error)
    except EXPLAINED as error:
        return None, fetch_refused(error)


def _shown(one: preview.Priced, hours: int) -> dict[str, Any]:
    most = max((offer.per_hour for offer in one.offers if offer.per_hour), default=None)
    return {
        "it": one.subject,
        "offers": [
            {
                "it": offer,
                "tone": OUTCOME_TONES[offer.outcome],
                "month": offer.for_hours(hours),
                "level": offer.per_hour / most if most and offer.per_hour else None,
            }
            for offer in one.offers
        ],
    }
