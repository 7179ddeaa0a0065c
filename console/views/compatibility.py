"""Compatibility: what each cloud would do with a workload, before it is sent there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from addons.compat import documents
from addons.compat.check import check
from addons.compat.documents import Unreadable
from addons.compat.fetch import RESOURCES
from addons.compat.report import Effect, Finding, Outcome, Report, Subject, Verdict
from addons.models import Cluster, VirtualNode
from console.access import AnyUser, visible
from console.api.compatibility import asked_targets, fetch_refused, refused, stored
from console.refusals import EXPLAINED, Refusal

_INPUT = {"class": "input", "autocomplete": "off", "spellcheck": "false"}
OUTCOME_TONES = {
    Outcome.WORKS: "ok",
    Outcome.IGNORES: "warn",
    Outcome.REFUSED: "bad",
    Outcome.ELSEWHERE: "mute",
}
EFFECT_TONES = {Effect.REFUSED: "bad", Effect.IGNORED: "warn", Effect.HINT: "mute"}


class WhereForm(forms.Form):
    """Whom to ask: all clouds, or those of one virtual node."""

    node = forms.ModelChoiceField(
        VirtualNode.objects.none(),
        required=False,
        label=_("Ask"),
        empty_label=_("All clouds"),
        widget=forms.Select(attrs={"class": "input"}),
    )

    def __init__(self, user: AnyUser, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        node = self.fields["node"]
        nodes = visible(VirtualNode, user).select_related("cluster")
        node.queryset = nodes  # type: ignore[attr-defined]
        node.label_from_instance = lambda row: f"{row.cluster.name} / {row.name}"  # type: ignore[attr-defined]

    @property
    def chosen(self) -> int | None:
        found = self.cleaned_data.get("node")
        return found.pk if found else None


class ManifestForm(WhereForm):
    yaml = forms.CharField(
        max_length=documents.MAX_BYTES,
        strip=False,
        label=_("Manifest"),
        help_text=_("Workloads and the Services beside them; several documents or a List."),
        widget=forms.Textarea(attrs={**_INPUT, "rows": 14, "wrap": "off"}),
    )
    field_order = ("yaml", "node")


class WorkloadForm(WhereForm):
    cluster = forms.ModelChoiceField(
        Cluster.objects.none(),
        to_field_name="slug",
        label=_("Cluster"),
        widget=forms.Select(attrs={"class": "input"}),
    )
    kind = forms.ChoiceField(
        choices=[(kind, kind) for kind in RESOURCES],
        label=_("Kind"),
        widget=forms.Select(attrs={"class": "input"}),
    )
    namespace = forms.CharField(
        max_length=253, label=_("Namespace"), widget=forms.TextInput(attrs=_INPUT)
    )
    name = forms.CharField(max_length=253, label=_("Name"), widget=forms.TextInput(attrs=_INPUT))
    field_order = ("cluster", "kind", "namespace", "name", "node")

    def __init__(self, user: AnyUser, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        cluster = self.fields["cluster"]
        cluster.queryset = visible(Cluster, user)  # type: ignore[attr-defined]
        cluster.label_from_instance = lambda row: row.name  # type: ignore[attr-defined]

    @property
    def workload(self) -> dict[str, str]:
        given = self.cleaned_data
        names = {key: given[key].strip() for key in ("kind", "namespace", "name")}
        return {"cluster": given["cluster"].slug, **names}


@dataclass(frozen=True, slots=True)
class Answer:
    report: Report | None = None
    refusal: Refusal | None = None


@require_http_methods(["GET", "POST"])
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """POST: a manifest. GET with a cluster in the address: a workload as that has it."""
    user = request.user
    asked = "cluster" in request.GET and "name" in request.GET
    given = request.POST if request.method == "POST" else None
    manifest = ManifestForm(user, given, initial=_initial(request.GET))
    workload = WorkloadForm(
        user,
        request.GET if asked else None,
        initial=_initial(request.GET),
        auto_id="workload_%s",
    )
    answer = Answer()
    if manifest.is_bound and manifest.is_valid():
        answer = _of_manifest(user, manifest)
    elif not manifest.is_bound and workload.is_bound and workload.is_valid():
        answer = _of_workload(user, workload)
    context = {
        "manifest": manifest,
        "workload": workload,
        "refusal": answer.refusal,
        "skipped": answer.report.skipped if answer.report else (),
        "subjects": [_shown(subject) for subject in answer.report.subjects]
        if answer.report
        else None,
    }
    bad = answer.refusal is not None or bool(manifest.errors or workload.errors)
    return render(request, "pages/compatibility.html", context, status=422 if bad else 200)


def _initial(query: QueryDict) -> dict[str, str]:
    given = {key: text for key, text in query.items() if isinstance(text, str)}
    return {"namespace": "default", **given}


def _of_manifest(user: AnyUser, form: ManifestForm) -> Answer:
    try:
        found = documents.parse(form.cleaned_data["yaml"])
        return Answer(check(found, targets=asked_targets(user, node=form.chosen)))
    except Unreadable as error:
        return Answer(refusal=refused(error))


def _of_workload(user: AnyUser, form: WorkloadForm) -> Answer:
    try:
        found = stored(user, form.workload)
        cluster = form.workload["cluster"]
        asked = asked_targets(user, node=form.chosen, cluster=cluster)
        return Answer(check(found, targets=asked))
    except Unreadable as error:
        return Answer(refusal=refused(error))
    except EXPLAINED as error:
        return Answer(refusal=fetch_refused(error))


def _shown(subject: Subject) -> dict[str, Any]:
    """A workload as its matrix shows it: a column per cloud, a row per field."""
    return {
        "it": subject,
        "columns": [
            {
                "it": verdict,
                "tone": OUTCOME_TONES[verdict.outcome],
                "rival": _rival(subject, verdict),
            }
            for verdict in subject.verdicts
        ],
        "rows": [
            {"it": row, "cells": [[_cell(f) for f in cell] for cell in row.cells]}
            for row in subject.rows
        ],
        "faults": [_cell(fault) for fault in subject.faults],
        "snippets": _snippets(subject),
    }


def _cell(finding: Finding) -> dict[str, Any]:
    return {"it": finding, "tone": EFFECT_TONES[finding.effect]}


def _rival(subject: Subject, verdict: Verdict) -> bool:
    """Whether another column could get the pod of the same virtual node."""
    return sum(other.group == verdict.group for other in subject.verdicts) > 1


def _snippets(subject: Subject) -> list[tuple[str, str]]:
    """What to write so that the scheduler sends the pods: once per text, with its clouds."""
    titles: dict[str, list[str]] = {}
    for verdict in subject.verdicts:
        for snippet in dict.fromkeys(f.snippet for f in verdict.findings if f.snippet):
            titles.setdefault(snippet, []).append(verdict.title)
    return [(", ".join(names), snippet) for snippet, names in titles.items()]
