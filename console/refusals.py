"""What use cases refuse, said to people: what happened, why, and how to fix it.

Pages show it as a note, REST as problem details (`console.api.problems.Problem`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from addons import keys
from addons.clusters import messages as texts
from addons.clusters import register
from addons.clusters.leaving import Held
from addons.components import grants, manage, vendors
from addons.sentences import read
from console.kubeconfig_messages import said
from console.sentences import joined
from kube import KubeconfigRefused
from kube.errors import KubeError
from providers import accounts
from providers.errors import (
    AccountTrouble,
    ProviderError,
    Throttled,
    Unavailable,
    UnknownOutcome,
)


class KeyInvalid(Exception):
    """The fields of a key do not make one; nothing was asked of the cloud."""


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    detail: str
    fix: str = ""
    http: int = 409

    @property
    def text(self) -> str:
        """What, why and how to fix it, in one line."""
        return joined(self.detail, self.fix)


_USERS = {
    "clusters": gettext_lazy("clusters"),
    "virtual nodes": gettext_lazy("virtual nodes"),
    "running instances": gettext_lazy("running instances"),
    "ended instances": gettext_lazy("ended instances"),
    "RAM grants": gettext_lazy("RAM grants"),
}


def user_kind(user: accounts.User) -> str:
    """What kind of rows need a credential, in the reader's language."""
    return str(_USERS.get(user.kind, user.kind))


def _key(error: ProviderError) -> Refusal:
    code = error.code or "KeyRefused"
    fixes = {
        "InvalidAccessKeyId": _(
            "Check the AccessKey id in the cloud's console; it may be deleted."
        ),
        "SignatureDoesNotMatch": _("Check the secret, and the clock of this server."),
        "IncompleteSignature": _("Check the secret, and the clock of this server."),
        "InvalidTimeStamp": _("Set the clock of this server by NTP."),
        "Forbidden": _("Give the key the permissions listed on the credentials page."),
        "NoPermission": _("Give the key the permissions listed on the credentials page."),
        "ServiceNotEnabled": _("Activate the service in the cloud's console first."),
        "Account": _("Settle the account's bill in the cloud's console."),
    }
    fix = next((text for start, text in fixes.items() if code.startswith(start)), "")
    detail = _("The cloud refused the key: %(code)s, %(message)s")
    if error.request_id:
        detail = _("The cloud refused the key: %(code)s, %(message)s (request id %(id)s)")
    told = {"code": code, "message": error.message, "id": error.request_id}
    return Refusal("key_refused", detail % told, fix, 422)


def _cloud(error: ProviderError) -> Refusal:
    if isinstance(error, AccountTrouble):
        return _key(error)
    detail = _("The cloud answered: %(error)s") % {"error": error}
    if isinstance(error, (Throttled, Unavailable, UnknownOutcome)):
        return Refusal("cloud_unavailable", detail, _("Try again in a moment."), 503)
    return Refusal("cloud_refused", detail, "", 422)


def _account(error: accounts.AccountError) -> Refusal:
    if isinstance(error, accounts.KeyRefused):
        return _key(error.cause)
    if isinstance(error, accounts.Weaker):
        return Refusal(
            "key_weaker",
            _("The new key may not do what the old one could: %(lost)s")
            % {"lost": ", ".join(error.lost)},
            _("Give the new key the same permissions, then rotate again."),
            422,
        )
    if isinstance(error, accounts.OtherAccount):
        return Refusal(
            "other_account",
            _("The new key belongs to another cloud account."),
            _("Make the new key in the same account, or add it as a new credential."),
            422,
        )
    if isinstance(error, accounts.InUse):
        users = "; ".join(
            _("%(count)s %(kind)s: %(names)s")
            % {"count": user.count, "kind": user_kind(user), "names": ", ".join(user.names)}
            for user in error.users
        )
        return Refusal(
            "credential_in_use",
            _("The credential is in use: %(users)s") % {"users": users},
            _("Remove the virtual nodes and clusters that use it first."),
        )
    return Refusal("key_changed", _("Somebody else changed the key meanwhile."), _("Look again."))


def _cluster(error: register.RegisterError) -> Refusal:
    if isinstance(error, register.ChecksFailed):
        bad = [check.as_dict() for check in error.checks if check.state == "bad"]
        detail = joined(
            *(
                _("%(title)s: %(detail)s")
                % {"title": texts.title(check), "detail": texts.detail(check)}
                for check in bad
            )
        )
        fix = joined(*map(texts.fix, bad))
        return Refusal("checks_failed", detail, fix, 422)
    if isinstance(error, register.AlreadyThere):
        return Refusal(
            "already_registered",
            _("This cluster is registered already, as %(name)s.") % {"name": error.cluster.name},
            _("Open that one; rotate its kubeconfig there."),
        )
    if isinstance(error, register.OtherCluster):
        return Refusal(
            "other_cluster",
            _("This kubeconfig leads to another cluster."),
            _("Register it as a cluster of its own."),
            422,
        )
    if isinstance(error, register.InUse):
        return Refusal(
            "cluster_in_use",
            _("Still there: %(what)s") % {"what": what_is_held(error.held)},
            _("Uninstall and remove it first, or forget the cluster only and leave all that."),
        )
    if isinstance(error, register.Unsettled):
        return _unsettled(error.held)
    return Refusal("cluster_refused", str(error))


def what_is_held(held: Held) -> str:
    """Components, virtual nodes, instances and their cost, in one line."""
    count = held.instances
    costs = [f"{value:.4f} {name}/h" for name, value in held.cost_per_hour.items()]
    return joined_by_commas(
        *(f"{row.component} {row.version}".strip() for row in held.components),
        *held.nodes,
        ngettext("%(n)s instance", "%(n)s instances", count) % {"n": count} if count else "",
        *costs,
    )


def joined_by_commas(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _unsettled(held: Held) -> Refusal:
    if held.keys:
        return Refusal(
            "cluster_in_use",
            _("Credentials are renewed from there: %(names)s") % {"names": ", ".join(held.keys)},
            _("Give them keys of their own, or remove them, first."),
        )
    if held.operations:
        return Refusal(
            "cluster_busy",
            _("Operations are under way there: %(ids)s")
            % {"ids": ", ".join(map(str, held.operations))},
            _("Wait until they end, or cancel them."),
        )
    return Refusal(
        "cluster_busy",
        _("%(n)s instances are being made, and the cloud has not answered yet.")
        % {"n": held.creating},
        _("Try again in a moment; what was made is known then."),
    )


def _kubeconfig(error: KubeconfigRefused) -> Refusal:
    problems = [said(problem) for problem in error.problems]
    detail = joined(
        *(
            _("%(title)s: %(detail)s") % {"title": problem.path, "detail": problem.message}
            for problem in problems
        )
    )
    fix = joined(*dict.fromkeys(problem.fix for problem in problems))
    return Refusal("kubeconfig_refused", detail, fix, 422)


def _invalid(error: KeyInvalid) -> Refusal:
    return Refusal("key_invalid", _("This is not a key: %(error)s") % {"error": error}, "", 422)


_COMPONENT_HTTP = {"unknown": 404, "invalid": 422, "unreachable": 503}


def _component(error: manage.ComponentError) -> Refusal:
    code = f"component_{error.code.replace('-', '_')}"
    return Refusal(code, error.message, error.fix, _COMPONENT_HTTP.get(error.code, 409))


def _grant(error: grants.GrantError) -> Refusal:
    return Refusal("ram_grant_refused", read(error.message), read(error.fix), 422)


def _vendor(error: vendors.NoVendor) -> Refusal:
    return Refusal("cluster_not_known", read(error.message), read(error.fix), 422)


def _source(error: keys.SourceError) -> Refusal:
    return Refusal("key_source", error.message, error.fix, 422)


def _kube(error: KubeError) -> Refusal:
    detail = _("The cluster answered: %(error)s") % {"error": error}
    return Refusal("cluster_refused", detail, "", 502)


def _exists(_error: IntegrityError) -> Refusal:
    return Refusal(
        "already_exists", _("There is one of this name already."), _("Choose another name.")
    )


# The first that fits is taken: a narrower class stands before its base.
_SAID: tuple[tuple[type[Exception], Callable[[Any], Refusal]], ...] = (
    (KeyInvalid, _invalid),
    (keys.SourceError, _source),
    (manage.ComponentError, _component),
    (grants.GrantError, _grant),
    (vendors.NoVendor, _vendor),
    (accounts.AccountError, _account),
    (ProviderError, _cloud),
    (register.RegisterError, _cluster),
    (KubeconfigRefused, _kubeconfig),
    (KubeError, _kube),
    (IntegrityError, _exists),
)
EXPLAINED = tuple(kind for kind, _say in _SAID)


def explain(error: Exception) -> Refusal:
    """The refusal behind an exception of a lower room; raises it again when it is none."""
    for kind, say in _SAID:
        if isinstance(error, kind):
            return say(error)
    raise error
