"""The sentences of the checklist: what was found, and how to mend it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

TITLES = {
    "address": gettext_lazy("Address"),
    "tcp": gettext_lazy("Connection"),
    "tls": gettext_lazy("Certificate"),
    "auth": gettext_lazy("Sign-in"),
    "version": gettext_lazy("Kubernetes version"),
    "rights": gettext_lazy("Permissions"),
    "clock": gettext_lazy("Clocks"),
    "nodes": gettext_lazy("Nodes"),
    "profile": gettext_lazy("Profile of new pods (eci-profile)"),
}

_FOUND = {
    "address": gettext_lazy("%(host)s is %(addresses)s"),
    "tcp": gettext_lazy("%(address)s accepts connections on port %(port)s"),
    "tls": gettext_lazy("trusted, %(protocol)s, valid until %(expires)s"),
    "auth": gettext_lazy("accepted; the cluster's id is %(uid)s"),
    "version": gettext_lazy("%(version)s"),
    "rights": gettext_lazy("all %(count)s are granted"),
    "clock": gettext_lazy("%(seconds)s s apart"),
    "nodes": gettext_lazy("%(count)s nodes"),
    "profile": gettext_lazy("%(subnets)s subnets, %(selectors)s selectors"),
    "profile/none": gettext_lazy("the cluster has none"),
    "profile/faulty": gettext_lazy("%(faults)s"),
    "nodes/virtual": gettext_lazy("%(count)s nodes; virtual ones are there already: %(virtual)s"),
    "address/unknown": gettext_lazy("no address found for %(host)s"),
    "address/refused": gettext_lazy("%(address)s may not be dialled (%(rule)s)"),
    "tcp/error": gettext_lazy("%(error)s"),
    "tls/expired": gettext_lazy("it expired on %(expires)s"),
    "tls/unknown-ca": gettext_lazy("issued by an unknown authority: %(issuer)s"),
    "tls/self-signed": gettext_lazy("self-signed and not in the kubeconfig: %(subject)s"),
    "tls/wrong-host": gettext_lazy("it is for another name: %(error)s"),
    "tls/expires_soon": gettext_lazy("trusted, but it expires in %(days)s days (%(expires)s)"),
    "tls/not_verified": gettext_lazy("not verified, as the kubeconfig asks: %(error)s"),
    "version/too_old": gettext_lazy("%(version)s is older than %(oldest)s"),
    "rights/missing": gettext_lazy("%(missing)s"),
    "clock/unknown": gettext_lazy("the server does not tell its time"),
    "clock/skewed": gettext_lazy("%(seconds)s s apart"),
}

# The rules of `kube.dial.AddressPolicy`.
_RULES = {
    "denied": gettext_lazy("denied by an operator"),
    "metadata": gettext_lazy("a metadata service of a cloud"),
    "unspecified": gettext_lazy("an unspecified address"),
    "loopback": gettext_lazy("a loopback address"),
    "link-local": gettext_lazy("a link-local address"),
    "multicast": gettext_lazy("a multicast address"),
    "reserved": gettext_lazy("a reserved address"),
    "own-address": gettext_lazy("this server's own address"),
    "not-an-address": gettext_lazy("not an IP address"),
}

_FIXES = {
    "address/unknown": gettext_lazy(
        "Check the server address in the kubeconfig and this server's DNS."
    ),
    "address/refused": gettext_lazy("An operator may allow this network with SPILLWAY_DIAL_ALLOW."),
    "tcp/error": gettext_lazy(
        "Open the port for this server, or use the cluster's public address."
    ),
    "tls/expired": gettext_lazy("Renew the API server's certificate."),
    "tls/unknown-ca": gettext_lazy("Put the cluster's CA into certificate-authority-data."),
    "tls/self-signed": gettext_lazy("Put the certificate into certificate-authority-data."),
    "tls/wrong-host": gettext_lazy("Use a name of the certificate, or set tls-server-name."),
    "tls/expires_soon": gettext_lazy("Renew it before that day."),
    "tls/not_verified": gettext_lazy(
        "Add certificate-authority-data: anyone on the way can listen now."
    ),
    "auth/error": gettext_lazy(
        "Make a new token or certificate; the YAML below makes a service account."
    ),
    "version/too_old": gettext_lazy("Upgrade the cluster."),
    "rights/missing": gettext_lazy("Apply the ClusterRole below as a cluster administrator."),
    "clock/skewed": gettext_lazy("Set both clocks by NTP; cloud keys fail beyond 15 minutes."),
    "nodes/error": gettext_lazy("Grant list on nodes."),
    "profile/error": gettext_lazy("Grant get on ConfigMaps."),
    "profile/faulty": gettext_lazy(
        "Edit the ConfigMap: kubectl -n kube-system edit configmap eci-profile."
    ),
}


def _key(check: dict[str, Any]) -> str:
    return f"{check['code']}/{check['reason']}"


def detail(check: dict[str, Any]) -> str:
    """One sentence: what the check found. `check` is `Check.as_dict()` as it is stored."""
    if check["state"] == "skipped":
        return _("not tried: a check before it failed")
    values = dict(check["values"])
    if isinstance(values.get("missing"), list):
        values["missing"] = ", ".join(values["missing"])
    if "rule" in values:
        values["rule"] = _RULES.get(values["rule"], values["rule"])
    special = _FOUND.get(_key(check)) if check["state"] != "ok" or check["reason"] else None
    if check["state"] == "ok" and check["code"] not in {"nodes", "profile"}:
        special = None
    sentence = special or (_FOUND[check["code"]] if check["state"] == "ok" else "%(error)s")
    known = {"error": "", "expires": "-", "issuer": "-", "subject": "-"}
    return str(sentence) % {**known, **values}


def fix(check: dict[str, Any]) -> str:
    if check["state"] in {"ok", "skipped"}:
        return ""
    found = _FIXES.get(_key(check))
    return str(found) if found else ""


def title(check: dict[str, Any]) -> str:
    return str(TITLES[check["code"]])
