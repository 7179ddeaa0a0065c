"""What a cluster refused our identity, in a sentence with its fix, as they are stored.

By the words of the RBAC authorizer (Kubernetes source, `apiserver/pkg/endpoints/handlers/
responsewriters`): `User "u" cannot get resource "pods" in API group "" in the namespace "n"`. Other
refusals are told as the API server words them: a quota, say, or an admission plugin.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext_noop as _

from addons.sentences import stored
from kube.errors import Forbidden, Unauthorized

_WORDS = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)"'
    r' in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<space>[^"]*)")?'
)


def told(error: Forbidden | Unauthorized) -> tuple[str, str]:
    """(what is refused, what mends it)."""
    if isinstance(error, Unauthorized):
        return (
            _("The cluster does not take our credential any more."),
            _("Give the cluster a new kubeconfig on its page, then retry."),
        )
    match = _WORDS.search(error.message)
    if match is None:
        return stored("%(error)s", error=error), _("Mend what the API server says, then retry.")
    group = f".{match['group']}" if match["group"] else ""
    what = {"user": match["user"], "verb": match["verb"], "what": match["resource"] + group}
    fix = _(
        "Apply the roles that the cluster's page shows under Checks, those for components too if"
        " one is put into the cluster; then retry."
    )
    if match["space"]:
        text = _("%(user)s may not %(verb)s %(what)s in the namespace %(space)s.")
        return stored(text, **what, space=match["space"]), fix
    return stored(_("%(user)s may not %(verb)s %(what)s in the cluster."), **what), fix
