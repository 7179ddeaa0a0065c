"""What stands against a kubeconfig, said to people: one sentence and one fix per problem code.

The codes and the English texts for logs come from `kube.kubeconfig`; here they are said in the
reader's language.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kube import Kubeconfig, Problem
from kube.kubeconfig import MAX_BYTES, Context

_ACCOUNT: Final = gettext_lazy(
    "Create a service account for this console and use its token, "
    "or download a kubeconfig with a client certificate."
)
_FLATTEN: Final = gettext_lazy("Embed it: kubectl config view --raw --flatten --minify")
_WHOLE: Final = gettext_lazy(
    "Paste the whole output of: kubectl config view --raw --flatten --minify"
)

MESSAGES: Final = {
    "file-reference": gettext_lazy("It names a file on the machine where it was written."),
    "basic-auth": gettext_lazy("Kubernetes 1.19 removed sign-in with user name and password."),
    "impersonation": gettext_lazy(
        "Acting as another user is not supported, and ignoring it would act with other rights."
    ),
    "proxy": gettext_lazy(
        "A proxy chosen by the file would see all traffic and reach addresses not checked here."
    ),
    "exec": gettext_lazy("It runs a program to sign in, and none is run here."),
    "auth-provider": gettext_lazy("It signs in through a plug-in that Kubernetes 1.26 removed."),
    "insecure-with-ca": gettext_lazy(
        "An authority is given and its verification is switched off at the same time."
    ),
    "bad-server": gettext_lazy("It is not the https address of an API server."),
    "bad-token": gettext_lazy("The token holds characters that no token has."),
    "incomplete-certificate": gettext_lazy("A client certificate and its key only work together."),
    "encrypted-key": gettext_lazy("The key is protected by a passphrase."),
    "key-mismatch": gettext_lazy("The key does not belong to the client certificate."),
    "certificate-expired": gettext_lazy("The client certificate has expired."),
    "no-credential": gettext_lazy("There is no token and no client certificate."),
    "bad-pem": gettext_lazy("It holds no PEM text of a certificate or a private key."),
    "bad-base64": gettext_lazy("It is not base64 of a PEM text."),
    "no-such-context": gettext_lazy("The file holds no context of this name."),
    "not-a-kubeconfig": gettext_lazy("The text holds no contexts, so it is not a kubeconfig."),
    "missing-cluster": gettext_lazy("The context names a cluster that the file does not hold."),
    "missing-user": gettext_lazy("The context names a user that the file does not hold."),
    "too-large": gettext_lazy("The kubeconfig is larger than %(size)s KiB."),
    "too-deep": gettext_lazy("The kubeconfig is nested too deeply."),
    "alias": gettext_lazy("Anchors and aliases of YAML are not accepted."),
    "invalid-yaml": gettext_lazy("The kubeconfig is not valid YAML in UTF-8."),
}
FIXES: Final = {
    "file-reference": _FLATTEN,
    "basic-auth": _ACCOUNT,
    "impersonation": gettext_lazy(
        "Export a kubeconfig of the identity that the console shall use."
    ),
    "proxy": gettext_lazy(
        "Remove proxy-url and make the API server reachable from the console directly."
    ),
    "exec": _ACCOUNT,
    "auth-provider": _ACCOUNT,
    "insecure-with-ca": gettext_lazy("Remove insecure-skip-tls-verify."),
    "bad-server": gettext_lazy(
        "Give it as https://host:port[/path], without user, query or fragment."
    ),
    "bad-token": gettext_lazy("Copy the token again, without line breaks."),
    "incomplete-certificate": _FLATTEN,
    "encrypted-key": gettext_lazy("Decrypt it first: openssl pkey -in client.key -out plain.key"),
    "key-mismatch": _FLATTEN,
    "certificate-expired": gettext_lazy("Download a fresh kubeconfig."),
    "no-credential": _ACCOUNT,
    "bad-pem": _FLATTEN,
    "bad-base64": _FLATTEN,
    "no-such-context": gettext_lazy("Choose one of the contexts in the file."),
    "not-a-kubeconfig": _WHOLE,
    "missing-cluster": _WHOLE,
    "missing-user": _WHOLE,
    "too-large": _WHOLE,
    "too-deep": _WHOLE,
    "alias": _WHOLE,
    "invalid-yaml": _WHOLE,
}


def said(problem: Problem, *, expires: datetime | None = None) -> Problem:
    """The problem in the reader's language; an unknown code keeps its English texts.

    `expires` is when the client certificate ends, for the problem that it has ended.
    """
    message, fix = MESSAGES.get(problem.code), FIXES.get(problem.code)
    if message is None or fix is None:
        return problem
    text = str(message) % {"size": MAX_BYTES // 1024}
    if problem.code == "certificate-expired" and expires is not None:
        text = _("The client certificate expired on %(day)s.") % {"day": f"{expires:%Y-%m-%d}"}
    return replace(problem, path=_place(problem.path), message=text, fix=str(fix))


def said_of(context: Context) -> Context:
    """The context with its problems in the reader's language."""
    expires = context.certificate_expires
    problems = tuple(said(problem, expires=expires) for problem in context.problems)
    return replace(context, problems=problems)


def said_of_all(parsed: Kubeconfig) -> Kubeconfig:
    """The kubeconfig with every problem in the reader's language."""
    return replace(
        parsed,
        contexts=[said_of(context) for context in parsed.contexts],
        problems=tuple(map(said, parsed.problems)),
    )


def _place(path: str) -> str:
    """A path of fields stays as it is; a line of the text is said."""
    word, _space, number = path.partition(" ")
    if word == "line" and number:
        return _("line %(n)s") % {"n": number}
    return _("the text") if path == "text" else path
