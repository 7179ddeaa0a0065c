"""The wizard that connects a cluster: kubeconfig, checks, identity. Each step has its address.

The draft lies in the session, the kubeconfig in it sealed; Back keeps what was typed.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from addons.clusters import rbac, register
from addons.components import rights
from console import audit
from console.access import Role, default_team
from console.kubeconfig_messages import said, said_of
from console.refusals import EXPLAINED, explain
from console.views.clusters import ClusterForm, KubeconfigForm, checked
from kube import Kubeconfig, Secret, parse_kubeconfig
from providers import vault

_KEY = "connect-cluster"


def _team(request: HttpRequest) -> Group:
    """Whose cluster it becomes; viewers may not make the server dial addresses."""
    return default_team(request.user, role=Role.OPERATOR)


def _bound(request: HttpRequest) -> str:
    return vault.purpose("session", _KEY, str(request.user.pk))


def _draft(request: HttpRequest) -> dict[str, Any]:
    draft: dict[str, Any] = request.session.get(_KEY, {})
    return draft


def _save(request: HttpRequest, **values: Any) -> None:
    request.session[_KEY] = {**_draft(request), **values}


def _parsed(request: HttpRequest) -> Kubeconfig | None:
    sealed = _draft(request).get("kubeconfig")
    if not sealed:
        return None
    try:
        return parse_kubeconfig(vault.unseal(sealed, _bound(request)).reveal())
    except vault.VaultError:
        # Sealed with a key that is no longer there: it has to be pasted again.
        del request.session[_KEY]
        return None


def _steps(now: int) -> list[tuple[str, str]]:
    labels = (_("Kubeconfig"), _("Context"), _("Connection test"), _("Identity"))
    state = {True: "done", False: ""}
    return [(label, "now" if at == now else state[at < now]) for at, label in enumerate(labels)]


@require_http_methods(["GET", "POST"])
@login_required
def paste(request: HttpRequest) -> HttpResponse:
    _team(request)
    form = KubeconfigForm(request.POST or None)
    problems: tuple[Any, ...] = ()
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["kubeconfig"]
        parsed = parse_kubeconfig(text)
        problems = tuple(map(said, parsed.problems))
        if parsed.contexts:
            sealed = vault.seal(Secret(text), _bound(request))
            current = next(
                (c for c in parsed.contexts if c.usable and c.name == parsed.current_context), None
            )
            request.session[_KEY] = {
                "kubeconfig": sealed,
                "context": current.name if current else "",
            }
            only = current and len(parsed.contexts) == 1
            return redirect("cluster-new-check" if only else "cluster-new-context")
    context = {
        "form": form,
        "problems": problems,
        "steps": _steps(0),
        "role_yaml": rbac.manifest(),
        "components_yaml": rights.manifest(),
        "kept": "kubeconfig" in _draft(request),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "pages/cluster/paste.html", context, status=status)


@require_http_methods(["GET", "POST"])
@login_required
def choose(request: HttpRequest) -> HttpResponse:
    _team(request)
    parsed = _parsed(request)
    if parsed is None:
        return redirect("cluster-new")
    usable = {context.name for context in parsed.contexts if context.usable}
    if request.method == "POST" and request.POST.get("context") in usable:
        _save(request, context=request.POST["context"])
        return redirect("cluster-new-check")
    chosen = _draft(request).get("context") or next(iter(sorted(usable)), "")
    contexts = [said_of(context) for context in parsed.contexts]
    context = {"contexts": contexts, "chosen": chosen, "steps": _steps(1)}
    return render(request, "pages/cluster/context.html", {**context, "usable": usable})


@require_http_methods(["GET", "POST"])
@login_required
def test(request: HttpRequest) -> HttpResponse:
    _team(request)
    parsed, name = _parsed(request), _draft(request).get("context")
    if parsed is None or not name:
        return redirect("cluster-new")
    found, facts = register.examine(parsed.target(name), timezone.now())
    good = all(check.state != "bad" for check in found)
    guess = {"region": facts.region, "kind": facts.kind, "uid": facts.uid}
    _save(request, good=good, facts=guess)
    checks = [checked(check.as_dict()) for check in found]
    yaml = next((check["yaml"] for check in checks if check["yaml"]), "")
    context = {"checks": checks, "good": good, "yaml": yaml, "steps": _steps(2), "name": name}
    return render(request, "pages/cluster/check.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def identify(request: HttpRequest) -> HttpResponse:
    team = _team(request)
    parsed, draft = _parsed(request), _draft(request)
    if parsed is None or not draft.get("good"):
        return redirect("cluster-new")
    facts = draft.get("facts", {})
    initial = {"name": draft["context"][:64], "region": facts.get("region", "")}
    form = ClusterForm(team, request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        done = _create(request, parsed, form)
        if done is not None:
            return done
    context = {"form": form, "steps": _steps(3), "facts": facts}
    status = 422 if form.errors else 200
    return render(request, "pages/cluster/identity.html", context, status=status)


def _create(request: HttpRequest, parsed: Kubeconfig, form: ClusterForm) -> HttpResponse | None:
    given, name = form.cleaned_data, _draft(request)["context"]
    team = _team(request)
    chosen = next(context for context in parsed.contexts if context.name == name)
    identity = register.Identity(
        name=given["name"], region=given["region"], environment=given["environment"]
    )
    try:
        cluster = register.register(
            parsed.target(name),
            identity,
            team=team,
            now=timezone.now(),
            account=given["account"],
            expires=chosen.certificate_expires,
        )
    except EXPLAINED as error:
        refusal = explain(error)
        form.add_error(None, refusal.text)
        return None
    audit.record(request, "cluster.register", cluster.slug, team=team)
    del request.session[_KEY]
    messages.success(request, _("%(name)s is connected.") % {"name": cluster.name})
    return redirect(f"/nodes/new/?cluster={cluster.slug}")
