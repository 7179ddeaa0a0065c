"""Every usage line of a question, and where a pod's lines stand."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from addons.models import Cluster, PodRow
from console.access import AnyUser, visible
from console.billing import groups
from console.billing.asked import Asked
from console.billing.models import UsageLine
from console.billing.readers import teams_of
from console.views.billing import usage, words
from console.views.billing.bills import accounts_of
from providers.calendar import day_of

PAGE = 100


def lines_of(user: AnyUser, asked: Asked) -> QuerySet[UsageLine]:
    """The lines that the reader may see under these filters, newest first."""
    where = groups.resolved(asked.where, teams_of(user))
    rows = visible(UsageLine, user).filter(day__gte=asked.start, day__lt=asked.end)
    if asked.currency:
        rows = rows.filter(currency__in=("", asked.currency))
    rows = rows.annotate(**groups.labels(tuple(where))).filter(groups.narrowed(where))
    return rows.order_by("-start", "-pk")


def _pods(user: AnyUser, lines: list[UsageLine]) -> dict[str, int]:
    """The pages of the pods that still have one."""
    uids = {line.pod_uid for line in lines if line.pod_uid}
    return dict(visible(PodRow, user).filter(uid__in=uids).values_list("uid", "pk"))


def _shown(lines: list[UsageLine], user: AnyUser) -> list[dict[str, Any]]:
    pods = _pods(user, lines)
    uids = {line.cluster_uid for line in lines}
    names = dict(visible(Cluster, user).filter(uid__in=uids).values_list("uid", "name"))
    return [
        {
            "it": line,
            "pod": pods.get(line.pod_uid),
            "cluster": names.get(line.cluster_uid, ""),
            "kind": words.SHORT_KINDS.get(line.kind, line.kind),
            "hint": words.KINDS.get(line.kind, ""),
        }
        for line in lines
    ]


_TEXTS = (
    ("namespace", gettext_lazy("Namespace")),
    ("workload", gettext_lazy("Workload")),
    ("pod", gettext_lazy("Pod")),
    ("instance", gettext_lazy("Instance")),
)
_FIELDS = ("account", "kind", *(name for name, _label in _TEXTS))


def _form(user: AnyUser, asked: Asked) -> dict[str, Any]:
    """The filters by which lines are mostly looked for; the others stay as they are."""
    only = {name: asked.where[name][0] for name in _FIELDS if len(asked.where.get(name, ())) == 1}
    several = {name for name, texts in asked.where.items() if len(texts) > 1}
    return {
        **accounts_of(user, asked),
        "find": ",".join(_FIELDS),
        "others": [pair for pair in asked.pairs() if pair[0] not in {*_FIELDS} - several],
        "texts": [(name, label, only.get(name, "")) for name, label in _TEXTS],
        "kinds": [
            (code, text, only.get("kind") == code) for code, text in words.SHORT_KINDS.items()
        ],
    }


@require_safe
@login_required
def page(request: HttpRequest) -> HttpResponse:
    if (answer := usage.through(request)) is not None:
        return answer
    asked, bad = usage.read(request, day_of(timezone.now()))
    pages = Paginator(lines_of(request.user, asked), PAGE).get_page(request.GET.get("page"))
    context = {
        "asked": asked,
        "bad": bad,
        "page": pages,
        "lines": _shown(list(pages.object_list), request.user),
        "filters": usage.filters(asked),
        "periods": [(code, text, asked.link(period=code)) for code, text in usage.PERIODS],
        **usage.days_of(asked),
        **_form(request.user, asked),
    }
    return render(request, "pages/billing/lines.html", context, status=400 if bad else 200)
