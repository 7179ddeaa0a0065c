"""The wizard that changes a component: version, credential and network, parameters, preflight,
review. Each step has its address.

The draft lies in the session and holds no secret (a credential is its id); Back keeps what was
chosen. Nothing happens before the review is confirmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from addons.components import manage
from addons.components.base import Delivery, Json, Version
from addons.components.catalogue import say
from addons.components.manage import ComponentError, Plan
from addons.components.steps import actions_of
from addons.components.values import carried
from addons.runtime.loop import runtime
from console import audit
from console.access import Role, usable_account, visible
from console.api.credentials import pickers
from console.offers import DELIVERIES, DELIVERY_HELP, needs, newer
from console.parity import Call, call
from console.plans import plan_shape
from console.refusals import EXPLAINED, Refusal, explain
from console.schema_form import Asked, SchemaForm, ValuesError, asked_of, from_yaml, to_yaml
from console.views.installation import Place, credentials_of, named_credentials, place_of
from providers.models import CloudAccount

TITLES = {
    "install": gettext_lazy("Install %(name)s"),
    "upgrade": gettext_lazy("Upgrade %(name)s"),
    "configure": gettext_lazy("Configure %(name)s"),
    "rollback": gettext_lazy("Roll back %(name)s"),
    "uninstall": gettext_lazy("Uninstall %(name)s"),
    "adopt": gettext_lazy("Adopt %(name)s"),
    "repair": gettext_lazy("Repair %(name)s"),
}
STEP_TITLES = {
    "version": gettext_lazy("Version"),
    "network": gettext_lazy("Credential and network"),
    "parameters": gettext_lazy("Parameters"),
    "preflight": gettext_lazy("Preflight"),
    "review": gettext_lazy("Review"),
}
_STEPS = {
    "install": ("version", "network", "parameters", "preflight", "review"),
    "upgrade": ("version", "parameters", "preflight", "review"),
    "configure": ("network", "parameters", "preflight", "review"),
    "rollback": ("preflight", "review"),
    "adopt": ("review",),
    "repair": ("review",),
    "uninstall": ("review",),
}
_PLANNED = ("preflight", "review")


def role_for(action: str) -> Role:
    return Role.OWNER if action == "uninstall" else Role.OPERATOR


@dataclass(frozen=True, slots=True)
class Change:
    """An intended change: where, what, and what was chosen so far."""

    place: Place
    action: str
    draft: Json

    @property
    def version(self) -> Version:
        """The chosen one, else the newest that fits, else what is there."""
        component = self.place.component
        chosen = component.version(self.draft.get("version") or "")
        if chosen is None and self.action in {"install", "upgrade"}:
            chosen = component.version(self.place.card.latest)
        return chosen or self.place.version or component.latest

    @property
    def delivery(self) -> str:
        row = self.place.installation
        there = row.delivery if row and row.version else ""
        usual = manage.default_delivery(self.place.cluster, self.place.component)
        return str(there or self.draft.get("delivery") or usual)

    @property
    def values(self) -> Json:
        """What was typed; before that what is there, as the chosen version takes it."""
        if "values" in self.draft:
            values: Json = self.draft["values"]
            return values
        return carried(self.place.version, self.version, self.place.values)

    @property
    def asked(self) -> list[Asked]:
        return list(asked_of(self.version.schema))

    def keys(self, step: str) -> list[str]:
        """The parameters that a step asks for: what the clouds can tell comes first."""
        network = step == "network"
        return [one.key for one in self.asked if bool(one.picker) is network]

    @property
    def steps(self) -> list[str]:
        """A step that asks for nothing is left out."""
        asks = {name: bool(self.keys(name)) for name in ("network", "parameters")}
        return [step for step in _STEPS[self.action] if asks.get(step, True)]

    def after(self, step: str) -> str:
        steps = self.steps
        return steps[steps.index(step) + 1]

    def wish(self) -> dict[str, Any]:
        """The arguments of `manage.plan` and `manage.start`."""
        wish: dict[str, Any] = {"action": self.action}
        if self.action in {"install", "upgrade", "configure"}:
            wish |= {"version": self.version.version, "values": self.values}
        if self.action == "install":
            wish["delivery"] = self.delivery
        if self.action == "rollback":
            wish["revision"] = self.draft.get("revision")
        return wish


# --- the draft --------------------------------------------------------------------------------


def _key(place: Place, action: str) -> str:
    return f"component:{place.cluster.pk}:{place.component.name}:{action}"


def _change(request: HttpRequest, slug: str, name: str, action: str) -> Change:
    if action not in _STEPS:
        raise Http404
    place = place_of(request, slug, name, role_for(action))
    return Change(place, action, request.session.get(_key(place, action), {}))


def _keep(request: HttpRequest, change: Change, **values: Any) -> Change:
    draft = {**change.draft, **values}
    request.session[_key(change.place, change.action)] = draft
    return Change(change.place, change.action, draft)


def _address(change: Change, step: str) -> str:
    place = change.place
    return reverse(
        "component-step", args=[place.cluster.slug, place.component.name, change.action, step]
    )


@require_safe
@login_required
def begin(request: HttpRequest, slug: str, name: str, action: str) -> HttpResponse:
    """A new draft; `?revision=` names what is rolled back to."""
    change = _change(request, slug, name, action)
    request.session.pop(_key(change.place, action), None)
    change = Change(change.place, action, {})
    if action in {"install", "upgrade"}:
        manage.know_vendor(change.place.cluster, change.place.component)
    revision = request.GET.get("revision", "")
    if revision.isdecimal():
        change = _keep(request, change, revision=int(revision))
    return redirect(_address(change, change.steps[0]))


# --- steps ------------------------------------------------------------------------------------


def _call(change: Change) -> Call:
    """The same change over REST, as far as it is chosen."""
    place, wish = change.place, {k: v for k, v in change.wish().items() if v not in ("", None)}
    left_out = {"action", "version"} if change.action == "configure" else {"action"}
    wish = {k: v for k, v in wish.items() if k not in left_out}
    if change.action in {"install", "adopt"}:
        aim = {"cluster": place.cluster.slug, "component": place.component.name}
        address = "installations-adopt" if change.action == "adopt" else "installations-list"
        return replace(call(address, method="POST"), body={**aim, **wish})
    row = place.installation
    if row is None:
        return call("components-detail", place.component.name)
    return replace(call(f"installations-{change.action}", row.pk, method="POST"), body=wish)


def _context(change: Change, step: str) -> dict[str, Any]:
    steps = change.steps
    now = steps.index(step)
    state = {True: "done", False: ""}
    place = change.place
    return {
        "change": change,
        "place": place,
        "cluster": place.cluster,
        "component": place.component,
        "card": place.card,
        "page_title": str(TITLES[change.action]) % {"name": place.component.name},
        "step": step,
        "steps": [
            (STEP_TITLES[one], "now" if at == now else state[at < now])
            for at, one in enumerate(steps)
        ],
        "back": _address(change, steps[now - 1]) if now else "",
        "next": _address(change, steps[now + 1]) if now + 1 < len(steps) else "",
        "scope": place.cluster,
        "nav": "components",
        "api_call": _call(change),
    }


@require_http_methods(["GET", "POST"])
@login_required
def step(request: HttpRequest, slug: str, name: str, action: str, step: str) -> HttpResponse:
    change = _change(request, slug, name, action)
    if step not in change.steps:
        raise Http404
    if step in _PLANNED:
        return render(request, "pages/change/planned.html", _context(change, step))
    if step == "version":
        return _version(request, change)
    if _wants_yaml(request, change):
        return _yaml(request, change, step)
    return _values(request, change, step)


def _choices(change: Change) -> list[Version]:
    row = change.place.installation
    if change.action == "upgrade" and row:
        return newer(change.place.component, row.version)
    return list(change.place.component.versions)


def _deliveries(change: Change) -> list[dict[str, Any]]:
    """Ways to deliver a first install; one that this cluster cannot take says why."""
    place = change.place
    return [
        {
            "code": str(one),
            "title": DELIVERIES[one],
            "help": DELIVERY_HELP[one],
            "why": manage.delivery_why_not(place.cluster, str(one)),
        }
        for one in place.component.deliveries
        if change.action in actions_of(one)
    ]


def _version(request: HttpRequest, change: Change) -> HttpResponse:
    choices = _choices(change)
    error = ""
    if request.method == "POST":
        wanted = next((v for v in choices if v.version == request.POST.get("version")), None)
        deliveries = [one["code"] for one in _deliveries(change) if not one["why"]]
        delivery = request.POST.get("delivery") or change.delivery
        if wanted and delivery in deliveries:
            change = _keep(request, change, version=wanted.version, delivery=delivery)
            return redirect(_address(change, change.after("version")))
        error = _("Choose a version.")
    context = {
        **_context(change, "version"),
        "choices": [(one, say(one.notes), needs(one.requires)) for one in choices],
        "deliveries": _deliveries(change) if change.action == "install" else [],
        "error": error,
    }
    return render(request, "pages/change/version.html", context, status=422 if error else 200)


def _accounts(request: HttpRequest, change: Change) -> Any:
    return visible(CloudAccount, request.user).filter(team=change.place.cluster.team)


def _preselected(request: HttpRequest, change: Change) -> Json:
    """The cluster's own credential where one is asked for and none was chosen."""
    values = dict(change.values)
    own = change.place.cluster.account
    for one in change.asked:
        wanted = one.sub.get("x-credential")
        if not wanted or one.key in values or one.advanced or change.action != "install":
            continue
        fits = _accounts(request, change)
        if wanted != "any":
            fits = fits.filter(provider=wanted)
        first = own if own and own in fits else fits.first()
        if first:
            values[one.key] = first.pk
    return values


def _chosen_account(request: HttpRequest, change: Change, values: Json) -> CloudAccount | None:
    """The credential whose view of the cloud fills the pickers."""
    key = next((one.key for one in change.asked if one.picker == "credential"), None)
    if key is None:
        return change.place.cluster.account
    chosen = request.POST.get(key) if request.method == "POST" else values.get(key)
    if not str(chosen or "").isdecimal():
        return None
    found: CloudAccount | None = _accounts(request, change).filter(pk=chosen).first()
    return found


def _offers(account: CloudAccount | None) -> tuple[Json, str]:
    """What the cloud offers to the key, or why it cannot be asked."""
    if account is None:
        return {}, ""
    try:
        return runtime().run(pickers(account.pk, account.region)), ""
    except EXPLAINED as error:
        return {}, explain(error).text


def _values(request: HttpRequest, change: Change, step: str) -> HttpResponse:
    values = _preselected(request, change) if step == "network" else change.values
    offers: Json = {}
    error = ""
    if step == "network":
        offers, error = _offers(_chosen_account(request, change, values))
    looking = request.method == "POST" and request.POST.get("go") == "look"
    data: QueryDict | None = request.POST if request.method == "POST" and not looking else None
    if looking:
        values = {**values, **_credentials(request, change)}
    form = SchemaForm(
        change.version.schema,
        values,
        data,
        keys=change.keys(step),
        accounts=_accounts(request, change),
        offers=offers,
    )
    if data is not None and form.is_valid():
        for account in _named_accounts(change, form.values):
            usable_account(request.user, account, change.place.cluster.team)
        return _go_on(request, _keep(request, change, values=form.values), step)
    looks = {one.picker for one in form.asked} > {"credential"}
    context = {**_context(change, step), "form": form, "error": error, "looks": looks}
    status = 422 if form.errors else 200
    return render(request, "pages/change/values.html", context, status=status)


def _credentials(request: HttpRequest, change: Change) -> Json:
    """The credentials of the form that only wants to look what they see."""
    keys = [one.key for one in change.asked if one.picker == "credential"]
    given = {key: request.POST.get(key, "") for key in keys}
    return {key: int(text) for key, text in given.items() if text.isdecimal()}


def _named_accounts(change: Change, values: Json) -> Sequence[int]:
    keys = [one.key for one in change.asked if one.picker == "credential"]
    return [values[key] for key in keys if isinstance(values.get(key), int)]


def _go_on(request: HttpRequest, change: Change, step: str) -> HttpResponse:
    if request.POST.get("go") == "yaml":
        return redirect(f"{_address(change, step)}?as=yaml")
    if request.POST.get("go") == "form":
        return redirect(_address(change, step))
    return redirect(_address(change, change.after(step)))


def _wants_yaml(request: HttpRequest, change: Change) -> bool:
    return "yaml" in (request.GET.get("as"), request.POST.get("as"))


def _yaml(request: HttpRequest, change: Change, step: str) -> HttpResponse:
    """All values as one text, judged by the same schema."""
    text, error = to_yaml(change.values), ""
    if request.method == "POST":
        text = request.POST.get("yaml", "")
        try:
            values = from_yaml(text)
        except ValuesError as refused:
            error = str(refused)
        else:
            form = SchemaForm(change.version.schema, values, {}, keys=[])
            form.is_valid()
            for account in _named_accounts(change, values):
                usable_account(request.user, account, change.place.cluster.team)
            return _go_on(request, _keep(request, change, values=values), step)
    context = {**_context(change, step), "text": text, "error": error}
    return render(request, "pages/change/yaml.html", context, status=422 if error else 200)


# --- plan and start -----------------------------------------------------------------------------


@require_safe
@login_required
def plan(request: HttpRequest, slug: str, name: str, action: str, step: str) -> HttpResponse:
    """What it would do, as cluster and cloud tell now: a fragment, so that no page waits."""
    change = _change(request, slug, name, action)
    if step not in _PLANNED or step not in change.steps:
        raise Http404
    context = _context(change, step)
    try:
        made = manage.plan(change.place.cluster, name, **change.wish())
    except EXPLAINED as error:
        context["refusal"] = explain(error)
        if isinstance(error, ComponentError) and error.operation is not None:
            context["busy"] = error.operation
    else:
        context |= _planned(change, made)
    return render(request, "pages/change/plan.html", context)


def _planned(change: Change, made: Plan) -> dict[str, Any]:
    row = change.place.installation
    number = made.auto_rollback
    back = row.revisions.filter(number=number).first() if row and number else None
    return {
        "plan": plan_shape(made),
        "rows": [one for one in made.rows if one.state != "same"],
        "chosen": _chosen(change, made),
        "cost": sorted(made.cost.items()),
        "rollback_to": back.version if back else "",
        "in_cluster": made.delivery == Delivery.IN_CLUSTER,
        "delivery": str(DELIVERIES[made.delivery]),
    }


def _chosen(change: Change, made: Plan) -> list[tuple[str, Any]]:
    """What was set, credentials by their names."""
    names = credentials_of(change.place.cluster)
    values = named_credentials(names, made.version, made.values_after)
    return list(values.items())


@require_POST
@login_required
def start(request: HttpRequest, slug: str, name: str, action: str) -> HttpResponse:
    change = _change(request, slug, name, action)
    cluster = change.place.cluster
    wish = change.wish()
    if action == "uninstall":
        wish["instances"] = "leave" if request.POST.get("instances") == "leave" else "delete"
    for account in _named_accounts(change, wish.get("values") or {}):
        usable_account(request.user, account, cluster.team)
    try:
        operation = manage.start(
            cluster, name, **wish, actor=request.user.get_username(), team=cluster.team
        )
    except EXPLAINED as error:
        return _refused(request, change, explain(error))
    request.session.pop(_key(change.place, action), None)
    detail = {key: wish[key] for key in ("version", "revision", "instances") if wish.get(key)}
    target = f"{cluster.slug}/{name}"
    audit.record(request, f"component.{action}", target, team=cluster.team, detail=detail)
    return redirect("operation", operation.pk)


def _refused(request: HttpRequest, change: Change, refusal: Refusal) -> HttpResponse:
    messages.error(request, refusal.text)
    return redirect(_address(change, change.steps[-1]))
