"""Verification of request signatures: V3 (ACS3-HMAC-SHA256) and V1 RPC (HMAC-SHA1).

Both are computed as the official SDK computes them (package ``alibabacloud-tea-openapi``,
``RPC`` style): V3 signs every header the client lists, V1 signs the query and form parameters.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from .errors import ApiFault

ALGORITHM_V3 = "ACS3-HMAC-SHA256"
EMPTY_BODY = hashlib.sha256(b"").hexdigest()
MAX_SKEW_SECONDS = 15 * 60
_V1_COMMON_TEXT = """
Action Version Format AccessKeyId Timestamp SignatureNonce SignatureMethod
SignatureVersion Signature SecurityToken
"""
V1_COMMON = frozenset(_V1_COMMON_TEXT.split())


@dataclass(frozen=True)
class Wire:
    """The parts of a request that a V3 signature covers; header names are lower-case."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Signed:
    """What a request claims: who, when, once, and the signature to compare."""

    access_key_id: str
    timestamp: datetime
    nonce: str
    signature: str
    string_to_sign: str
    version: int

    def matches(self, secret: str) -> bool:
        """Tell whether ``secret`` made this signature."""
        sign = sign_v3 if self.version == 3 else sign_v1
        return hmac.compare_digest(sign(secret, self.string_to_sign), self.signature)


def encode(value: str) -> str:
    """Percent-encode per RFC 3986, unreserved characters kept."""
    return quote(value, safe="-_.~")


def canonical_query(params: Iterable[tuple[str, str]]) -> str:
    """Return the sorted, re-encoded query."""
    return "&".join(f"{encode(key)}={encode(value)}" for key, value in sorted(params))


def canonical_request(wire: Wire, signed_headers: list[str], payload_hash: str) -> str:
    """Return the text whose SHA-256 is signed under V3."""
    lines = "".join(f"{name}:{wire.headers.get(name, '').strip()}\n" for name in signed_headers)
    names = ";".join(signed_headers)
    query = canonical_query(wire.params.items())
    return f"{wire.method}\n{wire.path}\n{query}\n{lines}\n{names}\n{payload_hash}"


def sign_v3(secret: str, string_to_sign: str) -> str:
    """Return the V3 signature, lower-case hex."""
    return hmac.new(secret.encode(), string_to_sign.encode(), hashlib.sha256).hexdigest()


def sign_v1(secret: str, string_to_sign: str) -> str:
    """Return the V1 signature, base64."""
    digest = hmac.new(f"{secret}&".encode(), string_to_sign.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def read_v3(wire: Wire, authorization: str) -> Signed:
    """Read a V3 request; ``params`` is the query only, the body is covered by its hash."""
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM_V3:
        raise ApiFault("IncompleteSignature", f"The algorithm {algorithm} is not supported.")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if not {"Credential", "SignedHeaders", "Signature"} <= fields.keys():
        raise ApiFault("IncompleteSignature", "The Authorization header is incomplete.")
    payload_hash = hashlib.sha256(wire.body).hexdigest() if wire.body else EMPTY_BODY
    if wire.headers.get("x-acs-content-sha256") != payload_hash:
        raise ApiFault(
            "SignatureDoesNotMatch", "x-acs-content-sha256 does not match the request body."
        )
    names = fields["SignedHeaders"].split(";")
    request = canonical_request(wire, names, payload_hash)
    return Signed(
        access_key_id=fields["Credential"],
        timestamp=parse_timestamp(wire.headers.get("x-acs-date", "")),
        nonce=wire.headers.get("x-acs-signature-nonce", ""),
        signature=fields["Signature"],
        string_to_sign=f"{ALGORITHM_V3}\n{hashlib.sha256(request.encode()).hexdigest()}",
        version=3,
    )


def read_v1(method: str, params: Mapping[str, str]) -> Signed:
    """Read a V1 RPC request; ``params`` holds query and form parameters together."""
    absent = [name for name in ("AccessKeyId", "Signature", "Timestamp") if name not in params]
    if absent:
        code = "MissingParameter" if "Signature" in params else "IncompleteSignature"
        raise ApiFault(code, f"{', '.join(absent)} is mandatory for this action.")
    if params.get("SignatureMethod") != "HMAC-SHA1":
        raise ApiFault("IncompleteSignature", "SignatureMethod must be HMAC-SHA1.")
    canonical = canonical_query((k, v) for k, v in params.items() if k != "Signature")
    return Signed(
        access_key_id=params["AccessKeyId"],
        timestamp=parse_timestamp(params["Timestamp"]),
        nonce=params.get("SignatureNonce", ""),
        signature=params["Signature"],
        string_to_sign=f"{method}&%2F&{encode(canonical)}",
        version=1,
    )


def parse_timestamp(value: str) -> datetime:
    """Read ``YYYY-MM-DDThh:mm:ssZ``; anything else is InvalidTimeStamp.Format."""
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as exc:
        raise ApiFault("InvalidTimeStamp.Format", "The timestamp is not well formed.") from exc


class Nonces:
    """Nonces seen within the allowed skew: two generations, so that memory stays bounded."""

    def __init__(self) -> None:
        self._young: set[str] = set()
        self._old: set[str] = set()
        self._turned = 0.0

    def use(self, nonce: str, now: float) -> None:
        """Accept a nonce once; raises ApiFault SignatureNonceUsed the second time."""
        if now - self._turned > 2 * MAX_SKEW_SECONDS:
            self._old, self._young, self._turned = self._young, set(), now
        if not nonce:
            raise ApiFault("IncompleteSignature", "The signature nonce is missing.")
        if nonce in self._young or nonce in self._old:
            raise ApiFault("SignatureNonceUsed", "Specified signature nonce was used already.")
        self._young.add(nonce)


def check_time(timestamp: datetime, now: float) -> None:
    """Refuse a request whose clock differs by more than 15 minutes."""
    if abs(timestamp.timestamp() - now) > MAX_SKEW_SECONDS:
        raise ApiFault(
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
        )
