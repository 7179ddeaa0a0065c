"""A kubeconfig given by a user, taken apart and rebuilt from allowed fields only.

Loading one with an official client runs programs (`exec`, `auth-provider`), reads files and
follows proxies. Here nothing runs and nothing is read: the text is parsed as plain YAML scalars,
the known fields are picked, and whatever would reach outside is refused with a coded problem that
names the field, the reason and the fix. Fields: kubeconfig (v1) reference, client-go
clientcmd/api/v1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kube import plain_yaml
from kube.errors import KubeError
from kube.kubeconfig_fields import AuthKind, ClusterPart, Problem, UserPart, cluster_part, user_part
from kube.target import Target

MAX_BYTES = 512 * 1024
MAX_DEPTH = 30
MAX_CONTEXTS = 200


@dataclass(frozen=True, slots=True)
class Context:
    """One way into one cluster, as offered to the user; holds no secret."""

    name: str
    cluster: str
    user: str
    server: str
    auth_kind: AuthKind
    namespace: str
    insecure: bool
    problems: tuple[Problem, ...] = ()
    certificate_expires: datetime | None = None

    @property
    def usable(self) -> bool:
        return not any(problem.blocking for problem in self.problems)


class KubeconfigRefused(KubeError):
    """The chosen context cannot be used; `problems` say why and what to do."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{p.path}: {p.message}" for p in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """`problems` concern the whole text; those of a context are on the context."""

    contexts: list[Context] = field(default_factory=list)
    current_context: str = ""
    problems: tuple[Problem, ...] = ()
    _targets: Mapping[str, Target] = field(default_factory=dict, repr=False)

    def target(self, context: str) -> Target:
        """The rebuilt target of a usable context; KubeconfigRefused otherwise."""
        if any(problem.blocking for problem in self.problems):
            raise KubeconfigRefused(self.problems)
        chosen = next((c for c in self.contexts if c.name == context), None)
        if chosen is None:
            raise KubeconfigRefused((_no_such_context(context),))
        if not chosen.usable:
            raise KubeconfigRefused(tuple(p for p in chosen.problems if p.blocking))
        return self._targets[context]


def _no_such_context(name: str) -> Problem:
    return Problem(
        "no-such-context",
        "contexts",
        f"there is no context named {name!r}",
        "Choose one of the contexts in the file.",
    )


def parse_kubeconfig(text: str | bytes, *, now: datetime | None = None) -> Kubeconfig:
    """Never raises for what the text holds: problems say it.

    `now` (default: the present) decides whether a client certificate has expired.
    """
    try:
        document = plain_yaml.load(text, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    except plain_yaml.PlainYamlError as error:
        return Kubeconfig(problems=(_unreadable(error),))
    if not isinstance(document, dict) or not isinstance(document.get("contexts"), list):
        return Kubeconfig(problems=(_NOT_A_KUBECONFIG,))
    clusters = _named(document, "clusters", "cluster")
    users = _named(document, "users", "user")
    moment = now or datetime.now(UTC)
    contexts: list[Context] = []
    targets: dict[str, Target] = {}
    for name, (path, entry) in _named(document, "contexts", "context").items():
        if len(contexts) == MAX_CONTEXTS:
            break
        context, target = _context(name, path, entry, clusters=clusters, users=users, now=moment)
        contexts.append(context)
        targets[name] = target
    if not contexts:
        return Kubeconfig(problems=(_NOT_A_KUBECONFIG,))
    return Kubeconfig(contexts, _text(document.get("current-context")), (), targets)


_NOT_A_KUBECONFIG = Problem(
    "not-a-kubeconfig",
    "contexts",
    "the text holds no contexts, so it is not a kubeconfig",
    "Paste the whole output of: kubectl config view --raw --flatten",
)
_Entries = dict[str, tuple[str, dict[str, Any]]]


def _unreadable(error: plain_yaml.PlainYamlError) -> Problem:
    return Problem(
        error.code,
        f"line {error.line}" if error.line else "text",
        f"the kubeconfig {error}",
        "Paste the whole output of: kubectl config view --raw --flatten --minify",
    )


def _named(document: dict[str, Any], plural: str, singular: str) -> _Entries:
    """name -> (path, fields); the first of a name wins, as in client-go."""
    found: _Entries = {}
    entries = document.get(plural)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if not isinstance(entry, dict):
            continue
        name, inner = _text(entry.get("name")), entry.get(singular)
        if name and name not in found:
            place = f"{plural}[{index}].{singular}"
            found[name] = (place, inner if isinstance(inner, dict) else {})
    return found


def _context(
    name: str,
    path: str,
    entry: dict[str, Any],
    *,
    clusters: _Entries,
    users: _Entries,
    now: datetime,
) -> tuple[Context, Target]:
    cluster_name, user_name = _text(entry.get("cluster")), _text(entry.get("user"))
    problems: list[Problem] = []
    cluster, user = ClusterPart(), UserPart()
    if cluster_name in clusters:
        cluster = cluster_part(*clusters[cluster_name])
    else:
        problems.append(_missing(path, "cluster", cluster_name))
    if user_name in users:
        user = user_part(*users[user_name], now=now)
    else:
        problems.append(_missing(path, "user", user_name))
    problems += [*cluster.problems, *user.problems]
    context = Context(
        name=name,
        cluster=cluster_name,
        user=user_name,
        server=cluster.server,
        auth_kind=user.auth_kind,
        namespace=_text(entry.get("namespace")) or "default",
        insecure=cluster.insecure,
        problems=tuple(problems),
        certificate_expires=user.certificate_expires,
    )
    return context, _target(cluster, user)


def _target(cluster: ClusterPart, user: UserPart) -> Target:
    return Target(
        server=cluster.server,
        ca_pem=cluster.ca_pem,
        token=user.token,
        client_cert_pem=user.cert_pem,
        client_key_pem=user.key_pem,
        insecure_skip_tls_verify=cluster.insecure,
        tls_server_name=cluster.tls_server_name,
    )


def _missing(path: str, what: str, name: str) -> Problem:
    return Problem(
        f"missing-{what}",
        f"{path}.{what}",
        f"the context names {what} {name!r}, which the file does not hold",
        "Export it completely: kubectl config view --raw --flatten --minify",
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
