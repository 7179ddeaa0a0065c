"""Exports: files of usage that are made in the background, CSV or FOCUS."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from console import audit
from console.billing.asked import Asked
from console.billing.exports import manage
from console.models import Export
from console.views.billing import usage
from providers.calendar import day_of

FORMATS = (
    ("usage", gettext_lazy("Usage lines, CSV")),
    ("focus", gettext_lazy("FOCUS 1.2, CSV")),
)
STATE_TONES = {
    Export.State.WAITING: "prog",
    Export.State.READY: "ok",
    Export.State.FAILED: "bad",
}
_DATE = {"class": "input", "type": "date"}


class ExportForm(forms.Form):
    format = forms.ChoiceField(
        choices=FORMATS,
        label=gettext_lazy("Format"),
        widget=forms.Select(attrs={"class": "input"}),
        help_text=gettext_lazy("FOCUS is the open format of cost data that FinOps tools read."),
    )
    start = forms.DateField(label=gettext_lazy("From"), widget=forms.DateInput(attrs=_DATE))
    last = forms.DateField(label=gettext_lazy("Last day"), widget=forms.DateInput(attrs=_DATE))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "start" in given and "last" in given:
            if given["last"] < given["start"]:
                self.add_error("last", _("It is before the first day."))
            elif given["last"] - given["start"] >= manage.LONGEST:
                self.add_error("start", _("A period has at most 400 days."))
        return given


def mine(request: HttpRequest) -> Any:
    assert isinstance(request.user, User)
    return Export.objects.filter(user=request.user)


def _shown(export: Export) -> dict[str, Any]:
    begins, ends = (date.fromisoformat(export.query[name]) for name in ("start", "end"))
    where = {name: tuple(texts) for name, texts in export.query.get("where", {}).items()}
    asked = Asked(begins, ends, period="", where=where)
    return {
        "it": export,
        "start": begins,
        "last": ends - timedelta(days=1),
        "filters": usage.filters(asked),
        "format": dict(FORMATS).get(export.format, export.format),
        "tone": STATE_TONES[Export.State(export.state)],
        "unpriced": export.query.get("unpriced", 0),
        "until": export.created_at + manage.KEPT,
        "there": manage.path_of(export) is not None,
    }


@require_http_methods(["GET", "POST"])
@login_required
def exports(request: HttpRequest) -> HttpResponse:
    """The filters of the question in the address are those of the file."""
    asked, bad = usage.read(request, day_of(timezone.now()))
    initial = {"start": asked.start.isoformat(), "last": usage.last_day(asked).isoformat()}
    form = ExportForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid() and (answer := _ask(request, form, asked)):
        return answer
    found = [_shown(one) for one in mine(request)[:50]]
    context = {
        "exports": found,
        "waiting": any(one["it"].state == Export.State.WAITING for one in found),
        "form": form,
        "asked": asked,
        "bad": bad,
        "filters": usage.filters(replace(asked, period="")),
    }
    part = request.headers.get("HX-Request") and request.GET.get("part") == "list"
    template = "pages/billing/exports_list.html" if part else "pages/billing/exports.html"
    return render(request, template, context, status=422 if form.errors else 200)


def _ask(request: HttpRequest, form: ExportForm, asked: Asked) -> HttpResponse | None:
    assert isinstance(request.user, User)
    given = form.cleaned_data
    try:
        export = manage.ask(
            request.user,
            kind=given["format"],
            start=given["start"],
            end=given["last"] + timedelta(days=1),
            where=asked.where,
            team=None,
            now=timezone.now(),
        )
    except manage.TooMany:
        form.add_error(None, _("Several files are being made for you; wait until they are ready."))
        return None
    audit.record(request, "export.ask", str(export.pk), detail=export.query)
    messages.success(request, _("The file is being made; it appears here when it is ready."))
    return redirect("billing-exports")


@require_POST
@login_required
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(mine(request), pk=pk)
    audit.record(request, "export.delete", str(found.pk), team=found.team)
    manage.delete(found)
    return redirect("billing-exports")
