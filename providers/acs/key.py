"""The key of an ACS account: a kubeconfig of an ACS cluster, kept as the fields it was parsed to.

What would run programs, read files or follow proxies is refused by `kube.parse_kubeconfig`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import msgspec

from kube import Context, Kubeconfig, KubeconfigRefused, Problem, Target, parse_kubeconfig
from kube.secret import Secret
from providers.base import NewKey
from providers.errors import AccountTrouble, InvalidSpec

NAMESPACE = "spillway"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ID_LENGTH = 128


class _Sealed(msgspec.Struct):
    """What is sealed; every field but `namespace` is one of `kube.Target`."""

    server: str
    namespace: str
    ca_pem: str = ""
    token: str = ""
    client_cert_pem: str = ""
    client_key_pem: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """The API server of an ACS cluster, and the namespace that holds our pods there."""

    target: Target
    namespace: str


def key(given: Mapping[str, str]) -> NewKey:
    """Raises `InvalidSpec` that names the field of the kubeconfig, the reason and the fix."""
    namespace = given.get("namespace", "").strip() or NAMESPACE
    if not _NAME.fullmatch(namespace):
        raise InvalidSpec(f"{namespace!r} is no name of a namespace", code="BadNamespace")
    parsed = parse_kubeconfig(given["kubeconfig"])
    context = _chosen(parsed)
    try:
        target = parsed.target(context.name)
    except KubeconfigRefused as error:
        raise _refused(error.problems) from error
    return NewKey(
        id=context.user[:_ID_LENGTH] or context.name[:_ID_LENGTH],
        secret=_sealed(Access(target, namespace)),
        token=Secret(""),
        expires_at=context.certificate_expires if not target.token else None,
        endpoint=target.server,
    )


def _chosen(parsed: Kubeconfig) -> Context:
    """The current context, or the only one."""
    if parsed.problems:
        raise _refused(parsed.problems)
    for context in parsed.contexts:
        if context.name == parsed.current_context or len(parsed.contexts) == 1:
            return context
    names = ", ".join(context.name for context in parsed.contexts)
    raise InvalidSpec(
        f"the kubeconfig has several contexts ({names}) and no current one; "
        "export one: kubectl config view --raw --flatten --minify --context NAME",
        code="no-current-context",
    )


def _refused(problems: Sequence[Problem]) -> InvalidSpec:
    told = "; ".join(f"{p.path}: {p.message}. {p.fix}" for p in problems)
    return InvalidSpec(told, code=problems[0].code)


def _sealed(access: Access) -> Secret:
    fields = asdict(access.target)
    for name in ("token", "client_key_pem"):
        secret: Secret | None = getattr(access.target, name)
        fields[name] = secret.reveal() if secret else ""
    sealed = _Sealed(namespace=access.namespace, **fields)
    return Secret(msgspec.json.encode(sealed).decode())


def opened(secret: Secret) -> Access:
    """What `key` sealed."""
    try:
        sealed = msgspec.json.decode(secret.reveal(), type=_Sealed)
    except msgspec.MsgspecError as error:
        raise AccountTrouble("the stored key is no kubeconfig", code="BadKey") from error
    target = Target(
        server=sealed.server,
        ca_pem=sealed.ca_pem,
        token=Secret(sealed.token) if sealed.token else None,
        client_cert_pem=sealed.client_cert_pem,
        client_key_pem=Secret(sealed.client_key_pem) if sealed.client_key_pem else None,
        insecure_skip_tls_verify=sealed.insecure_skip_tls_verify,
        tls_server_name=sealed.tls_server_name,
    )
    return Access(target, sealed.namespace)
