"""The diagnosing checklist of a cluster: each check alone, with its cause and its fix.

    address   the name resolves to addresses that may be dialled
    tcp       something listens there
    tls       the certificate is trusted; when it expires
    auth      the credential is accepted; who the cluster is
    version   Kubernetes is new enough
    rights    every permission that is needed (SelfSubjectAccessReview)
    clock     the clocks agree (Date header)
    nodes     what is there: nodes, kind, region, other virtual kubelets
    profile   the ConfigMap eci-profile, if there is one, can be read as it is meant

A check that needs one which failed is `skipped`. Texts are in `messages`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from addons.clusters import rbac
from addons.clusters.kinds import detect
from addons.pods import profile
from kube import CONFIGMAPS, NAMESPACES, NODES, AddressPolicy, Kube, Target, diagnose
from kube.errors import AddressRefused, Forbidden, KubeError, NotFound, TlsFailed

ORDER = ("address", "tcp", "tls", "auth", "version", "rights", "clock", "nodes", "profile")
OLDEST = (1, 14)
SKEW_WARN_SECONDS = 5.0
SKEW_BAD_SECONDS = 300.0
EXPIRY_WARN_DAYS = 30


@dataclass(frozen=True, slots=True)
class Check:
    """`state` is ok, warn, bad or skipped; `values` fill the sentences of `messages`."""

    code: str
    state: str
    reason: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    ms: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "state": self.state,
            "reason": self.reason,
            "values": self.values,
            "ms": self.ms,
        }


@dataclass(slots=True)
class Facts:
    """What the checks learned about the cluster, for the wizard and the row."""

    uid: str = ""
    version: str = ""
    kind: str = ""
    region: str = ""
    nodes: int = 0
    virtual_nodes: list[str] = field(default_factory=list)


class Checklist:
    """One run over one target; `facts` is filled as the checks pass."""

    def __init__(
        self, target: Target, kube: Kube, *, policy: AddressPolicy, now: Callable[[], datetime]
    ) -> None:
        self.target = target
        self.kube = kube
        self.policy = policy
        self.now = now
        self.facts = Facts()
        parts = urlsplit(target.server)
        self.host = parts.hostname or ""
        self.port = parts.port or 443

    async def run(self) -> list[Check]:
        """All checks in order; the first failure of the road skips what lies behind it."""
        results: list[Check] = []
        blocked = False
        for code in ORDER:
            if blocked:
                results.append(Check(code, "skipped"))
                continue
            result = await self.one(code)
            results.append(result)
            blocked = result.state == "bad" and code in {"address", "tcp", "tls", "auth"}
        return results

    async def one(self, code: str) -> Check:
        """One check alone. Raises KeyError for a code that is none."""
        checks: dict[str, Callable[[], Awaitable[Check]]] = {
            "address": self._address,
            "tcp": self._tcp,
            "tls": self._tls,
            "auth": self._auth,
            "version": self._version,
            "rights": self._rights,
            "clock": self._clock,
            "nodes": self._nodes,
            "profile": self._profile,
        }
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            result = await checks[code]()
        except KubeError as error:
            result = Check(code, "bad", "error", {"error": str(error)})
        ms = round((loop.time() - start) * 1000)
        return Check(result.code, result.state, result.reason, result.values, ms)

    async def _address(self) -> Check:
        found = await diagnose.dns(self.host, policy=self.policy)
        values = {"host": self.host, "addresses": ", ".join(found.addresses)}
        if isinstance(found.error, AddressRefused):
            refused = {"address": found.error.address, "rule": found.error.rule}
            return Check("address", "bad", "refused", values | refused)
        return Check("address", "bad" if found.error else "ok", "unknown", values)

    async def _tcp(self) -> Check:
        found = await diagnose.tcp(self.host, self.port, policy=self.policy)
        values = {"host": self.host, "port": self.port, "address": found.address}
        if found.error:
            return Check("tcp", "bad", "error", values | {"error": str(found.error)})
        return Check("tcp", "ok", values=values)

    async def _tls(self) -> Check:
        found = await diagnose.tls(self.host, self.port, target=self.target, policy=self.policy)
        shown = found.certificate
        values: dict[str, Any] = {"protocol": found.protocol}
        if shown:
            days = (shown.not_after - self.now()).days
            values |= {"expires": shown.not_after.date().isoformat(), "days": days}
            values |= {"subject": shown.subject, "issuer": shown.issuer}
        if found.error and self.target.insecure_skip_tls_verify:
            return Check("tls", "warn", "not_verified", values | {"error": str(found.error)})
        if found.error:
            code = found.error.code if isinstance(found.error, TlsFailed) else "error"
            return Check("tls", "bad", code, values | {"error": str(found.error)})
        if shown and values["days"] < EXPIRY_WARN_DAYS:
            return Check("tls", "warn", "expires_soon", values)
        return Check("tls", "ok", values=values)

    async def _auth(self) -> Check:
        namespace = await self.kube.get(NAMESPACES, "kube-system")
        self.facts.uid = namespace["metadata"]["uid"]
        return Check("auth", "ok", values={"uid": self.facts.uid})

    async def _version(self) -> Check:
        told = await self.kube.version()
        self.facts.version = str(told.get("gitVersion", ""))
        match = re.match(r"v?(\d+)\.(\d+)", self.facts.version)
        number = (int(match[1]), int(match[2])) if match else (0, 0)
        values = {"version": self.facts.version, "oldest": "1.14"}
        return Check("version", "ok" if number >= OLDEST else "bad", "too_old", values)

    async def _rights(self) -> Check:
        answers = await self.kube.can_i(rbac.wanted())
        lacking = [access for access, allowed in answers.items() if not allowed]
        values: dict[str, Any] = {"count": len(answers), "missing": [str(a) for a in lacking]}
        if lacking:
            values["yaml"] = rbac.manifest()
            return Check("rights", "bad", "missing", values)
        return Check("rights", "ok", values=values)

    async def _clock(self) -> Check:
        seen = self.kube.server_date()
        if seen is None:
            return Check("clock", "warn", "unknown")
        skew = abs(seen.skew)
        values = {"seconds": round(skew, 1)}
        if skew >= SKEW_BAD_SECONDS:
            return Check("clock", "bad", "skewed", values)
        return Check("clock", "warn" if skew >= SKEW_WARN_SECONDS else "ok", "skewed", values)

    async def _nodes(self) -> Check:
        try:
            listing = await self.kube.list(NODES)
        except Forbidden as error:
            return Check("nodes", "warn", "error", {"error": str(error)})
        found = detect(listing.items, self.facts.version)
        self.facts.kind, self.facts.region = found.kind, found.region
        self.facts.nodes, self.facts.virtual_nodes = len(listing.items), found.virtual
        values = {"count": len(listing.items), "virtual": ", ".join(found.virtual)}
        return Check("nodes", "ok", "virtual" if found.virtual else "", values)

    async def _profile(self) -> Check:
        try:
            found = await self.kube.get(CONFIGMAPS, profile.NAME, profile.NAMESPACE)
        except NotFound:
            return of_profile({})
        except Forbidden as error:
            return Check("profile", "warn", "error", {"error": str(error)})
        return of_profile(found.get("data") or {})


def of_profile(data: Mapping[str, str]) -> Check:
    """The check `profile` of what is in the ConfigMap; empty: there is none."""
    if not data:
        return Check("profile", "ok", "none")
    parsed, faults = profile.parse(data)
    if faults:
        texts = "; ".join(f"{fault.path}: {fault.text}" for fault in faults)
        return Check("profile", "warn", "faulty", {"faults": texts})
    values = {"subnets": len(parsed.subnets), "selectors": len(parsed.selectors)}
    return Check("profile", "ok", values=values)
