"""The cluster and the user of a kubeconfig, field by field: taken, or refused with a reason."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from yarl import URL

from kube.secret import Secret

AuthKind = Literal["token", "client-certificate", "token+client-certificate", "none"]
_TRUE = {"true", "yes", "on", "y"}
_FLATTEN = "Embed it: kubectl config view --raw --flatten --minify"
_SERVICE_ACCOUNT = (
    "Create a service account for this console and use its token, "
    "or download a kubeconfig with a client certificate."
)


@dataclass(frozen=True, slots=True)
class Problem:
    """`code` is stable (translate by it), `path` the field, `message` why, `fix` what to do.

    A problem that is not `blocking` is worth telling and stops nothing.
    """

    code: str
    path: str
    message: str
    fix: str
    blocking: bool = True


@dataclass(frozen=True, slots=True)
class ClusterPart:
    server: str = ""
    ca_pem: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class UserPart:
    token: Secret | None = None
    cert_pem: str = ""
    key_pem: Secret | None = None
    certificate_expires: datetime | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def auth_kind(self) -> AuthKind:
        if self.token and self.cert_pem:
            return "token+client-certificate"
        if self.token:
            return "token"
        return "client-certificate" if self.cert_pem else "none"


_FILE = ("file-reference", "it names a file on the machine where it was written", _FLATTEN)
_BASIC = (
    "basic-auth",
    "Kubernetes 1.19 removed sign-in with user name and password",
    _SERVICE_ACCOUNT,
)
_IMPERSONATION = (
    "impersonation",
    "acting as another user is not supported, and ignoring it would act with other rights",
    "Export a kubeconfig of the identity that the console shall use.",
)
_REFUSED_CLUSTER = {
    "certificate-authority": _FILE,
    "proxy-url": (
        "proxy",
        "a proxy chosen by the file would see all traffic and reach addresses not checked here",
        "Remove proxy-url and make the API server reachable from the console directly.",
    ),
}
_REFUSED_USER = {
    "exec": ("exec", "it runs a program to sign in, and none is run here", _SERVICE_ACCOUNT),
    "auth-provider": (
        "auth-provider",
        "it signs in through a plug-in that Kubernetes 1.26 removed",
        _SERVICE_ACCOUNT,
    ),
    "client-certificate": _FILE,
    "client-key": _FILE,
    "tokenFile": _FILE,
    "username": _BASIC,
    "password": _BASIC,
    "as": _IMPERSONATION,
    "as-uid": _IMPERSONATION,
    "as-groups": _IMPERSONATION,
    "as-user-extra": _IMPERSONATION,
}


def _refusals(
    path: str, entry: dict[str, Any], table: dict[str, tuple[str, str, str]]
) -> list[Problem]:
    return [
        Problem(code, f"{path}.{name}", reason, fix)
        for name, (code, reason, fix) in table.items()
        if entry.get(name)
    ]


def cluster_part(path: str, entry: dict[str, Any]) -> ClusterPart:
    """Server, authority and TLS settings of one cluster entry."""
    problems = _refusals(path, entry, _REFUSED_CLUSTER)
    server = _text(entry.get("server"))
    problem = _server_problem(f"{path}.server", server)
    if problem:
        problems.append(problem)
        server = ""
    insecure = _text(entry.get("insecure-skip-tls-verify")).lower() in _TRUE
    ca_pem = _decoded(path, entry, "certificate-authority-data", problems)
    if ca_pem and not _certificates(ca_pem):
        problems.append(_bad_pem(f"{path}.certificate-authority-data", "certificate"))
    if insecure and ca_pem:
        problems.append(
            Problem(
                "insecure-with-ca",
                f"{path}.insecure-skip-tls-verify",
                "an authority is given and its verification is switched off at the same time",
                "Remove insecure-skip-tls-verify.",
            )
        )
    return ClusterPart(
        server, ca_pem, insecure, _text(entry.get("tls-server-name")), tuple(problems)
    )


def _server_problem(path: str, server: str) -> Problem | None:
    try:
        url = URL(server)
        sound = bool(url.scheme == "https" and url.host and url.port)
    except ValueError:
        return _bad_server(path, "it is not a URL")
    if not sound:
        return _bad_server(path, "it is not an https address")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        return _bad_server(path, "it holds a user, a query or a fragment")
    return None


def _bad_server(path: str, reason: str) -> Problem:
    return Problem(
        "bad-server", path, f"{reason}", "Give the API server as https://host:port[/path]."
    )


def user_part(path: str, entry: dict[str, Any], *, now: datetime) -> UserPart:
    """Token and client certificate of one user entry."""
    problems = _refusals(path, entry, _REFUSED_USER)
    refused = bool(problems)
    token = _token(path, entry, problems)
    cert_pem = _decoded(path, entry, "client-certificate-data", problems)
    key_pem = _decoded(path, entry, "client-key-data", problems)
    expires = None
    if cert_pem or key_pem:
        certificates = _certificates(cert_pem)
        problems += _pair_problems(path, cert_pem, key_pem, certificates)
        if certificates:
            expires = certificates[0].not_valid_after_utc
            problems += _expiry_problems(path, expires, now)
    if not (token or cert_pem or refused):
        problems.append(_no_credential(path))
    key = Secret(key_pem) if key_pem else None
    return UserPart(token, cert_pem, key, expires, tuple(problems))


def _token(path: str, entry: dict[str, Any], problems: list[Problem]) -> Secret | None:
    token = _text(entry.get("token"))
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        problems.append(
            Problem(
                "bad-token",
                f"{path}.token",
                "the token holds characters that no token has",
                "Copy the token again, without line breaks.",
            )
        )
        return None
    return Secret(token) if token else None


def _pair_problems(
    path: str, cert_pem: str, key_pem: str, certificates: list[x509.Certificate]
) -> list[Problem]:
    """What is wrong with a client certificate and its key, the first thing only."""
    for name, text in (("client-certificate-data", cert_pem), ("client-key-data", key_pem)):
        if not text:
            return [
                Problem(
                    "incomplete-certificate",
                    f"{path}.{name}",
                    "a client certificate and its key only work together",
                    _FLATTEN,
                )
            ]
    if not certificates:
        return [_bad_pem(f"{path}.client-certificate-data", "certificate")]
    try:
        key = serialization.load_pem_private_key(key_pem.encode(), None)
    except TypeError:
        return [
            Problem(
                "encrypted-key",
                f"{path}.client-key-data",
                "the key is protected by a passphrase",
                "Decrypt it first: openssl pkey -in client.key -out plain.key",
            )
        ]
    except (ValueError, UnsupportedAlgorithm):
        return [_bad_pem(f"{path}.client-key-data", "private key")]
    if key.public_key() != certificates[0].public_key():
        return [
            Problem(
                "key-mismatch",
                f"{path}.client-key-data",
                "the key does not belong to the client certificate",
                _FLATTEN,
            )
        ]
    return []


def _expiry_problems(path: str, expires: datetime, now: datetime) -> list[Problem]:
    if expires > now:
        return []
    return [
        Problem(
            "certificate-expired",
            f"{path}.client-certificate-data",
            f"the client certificate expired on {expires:%Y-%m-%d %H:%M} UTC",
            "Download a fresh kubeconfig.",
            blocking=False,
        )
    ]


def _no_credential(path: str) -> Problem:
    return Problem(
        "no-credential", path, "there is no token and no client certificate", _SERVICE_ACCOUNT
    )


def _bad_pem(path: str, what: str) -> Problem:
    return Problem("bad-pem", path, f"it is not a PEM {what}", _FLATTEN)


def _decoded(path: str, entry: dict[str, Any], name: str, problems: list[Problem]) -> str:
    """The text behind a base64 field; a problem and an empty text when it is not one."""
    text = "".join(_text(entry.get(name)).split())
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        problems.append(
            Problem("bad-base64", f"{path}.{name}", "it is not base64 of a PEM text", _FLATTEN)
        )
        return ""


def _certificates(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
