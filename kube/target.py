"""Which API server to speak to, as whom, and how hard."""

from __future__ import annotations

from dataclasses import dataclass

from kube.secret import Secret


@dataclass(frozen=True, slots=True)
class Target:
    """One API server and one identity; secrets are typed and print as `***`.

    `server` is an https URL, with or without a path prefix. An empty `ca_pem` means the
    system's authorities. `tls_server_name` replaces the host name in SNI and verification.
    """

    server: str
    ca_pem: str = ""
    token: Secret | None = None
    client_cert_pem: str = ""
    client_key_pem: Secret | None = None
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one `Kube`: calls in flight, seconds per call, bytes per answer.

    `failures_to_open` consecutive transport failures open the circuit for `open_seconds`,
    doubled at each failed probe up to `open_seconds_max` (below the 30 s in which a healed
    cluster must show as Ready).
    """

    in_flight: int = 64
    timeout: float = 30.0
    connect_timeout: float = 10.0
    max_body: int = 256 * 1024 * 1024
    max_line: int = 16 * 1024 * 1024
    failures_to_open: int = 5
    open_seconds: float = 2.0
    open_seconds_max: float = 10.0


DEFAULT_LIMITS = Limits()
