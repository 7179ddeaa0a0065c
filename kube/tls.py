"""TLS contexts built in memory from PEM texts."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kube.errors import BadTarget, TlsFailed
from kube.target import Target

_CHAIN_PROBLEMS = {
    9: "not-yet-valid",
    10: "expired",
    18: "self-signed",
    19: "unknown-ca",
    20: "unknown-ca",
    21: "unknown-ca",
    62: "wrong-host",
    64: "wrong-host",
}


def context_for(target: Target) -> ssl.SSLContext:
    """A client context for `target`; BadTarget when one of its PEM texts is unusable."""
    try:
        context = ssl.create_default_context(cadata=target.ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise BadTarget("the cluster's CA certificate is not readable PEM") from error
    # RFC 5280 strictness (default from Python 3.13) refuses the CAs that kubeadm and many
    # vendors made; client-go accepts them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if target.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if target.client_cert_pem and target.client_key_pem:
        _load_client_certificate(context, target)
    return context


def _load_client_certificate(context: ssl.SSLContext, target: Target) -> None:
    key = target.client_key_pem.reveal() if target.client_key_pem else ""
    text = f"{target.client_cert_pem.rstrip()}\n{key.strip()}\n"
    try:
        with _private_file(text) as path:
            context.load_cert_chain(path, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise BadTarget(
            "the client certificate and its key are not readable PEM or do not belong together"
        ) from error


def _no_password() -> str:
    """Without it OpenSSL would ask on the terminal."""
    raise ValueError("the client key is encrypted")


@contextmanager
def _private_file(text: str) -> Iterator[str]:
    """A path to `text` for the time of the block: memory where the system can, else mode 0600."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "w") as memory:
            memory.write(text)
            memory.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield file.name


def tls_failure(error: BaseException, *, host: str) -> TlsFailed:
    """Names the certificate problem behind an ssl error or aiohttp's wrapper of one."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        code = _CHAIN_PROBLEMS.get(inner.verify_code, "handshake")
        return TlsFailed(f"certificate of {host}: {inner.verify_message}", code=code)
    reason = getattr(inner, "reason", None) or "handshake failed"
    return TlsFailed(f"TLS with {host}: {reason}", code="handshake")
