"""Verification of Signature Version 4, in a header or in the query string.

Kingsoft Cloud signs as AWS does (documents "签名机制", 37587 and 40308; package
``requests-aws4auth`` 1.4.0, the signer of the official SDK). Clients sign different sets of headers
and some name one twice: what is verified is the list that the request itself carries.
"""

import hashlib
import hmac
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, quote

from .errors import incomplete, mismatch, no_token

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
MAX_SKEW_SECONDS = 15 * 60
_IN_QUERY = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Date")
_SPACES = re.compile(r'("[^"]*")|\s+')


@dataclass(frozen=True)
class Wire:
    """A request as it arrived: path and query still encoded, header names lower-case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Signed:
    """What a request claims about itself, and the text whose signature it carries."""

    access_key_id: str
    date: str
    region: str
    service: str
    moment: datetime
    signature: str
    canonical: str

    @property
    def string_to_sign(self) -> str:
        """The text under the signature."""
        digest = hashlib.sha256(self.canonical.encode()).hexdigest()
        scope = f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"
        return f"{ALGORITHM}\n{self.moment:%Y%m%dT%H%M%SZ}\n{scope}\n{digest}"

    def sign(self, secret: str) -> str:
        """Return the signature that ``secret`` makes, lower-case hex."""
        key = f"AWS4{secret}".encode()
        for part in (self.date, self.region, self.service, TERMINATOR):
            key = _hmac(key, part)
        return _hmac(key, self.string_to_sign).hex()

    def matches(self, secret: str) -> bool:
        """Tell whether ``secret`` made the signature."""
        return hmac.compare_digest(self.sign(secret), self.signature)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def read(wire: Wire) -> Signed:
    """Read the claims of a request; raises ApiFault for one without, or with half of them."""
    if not wire.headers.get("host"):
        raise no_token("Request is missing 'Host' header.")
    authorization = wire.headers.get("authorization", "")
    if authorization:
        return _from_header(wire, authorization)
    pairs = dict(parse_qsl(wire.query, keep_blank_values=True))
    if not any(name in pairs for name in (*_IN_QUERY, "X-Amz-Signature")):
        raise no_token("Request is missing Authentication Token.")
    return _from_query(wire, pairs)


def _from_header(wire: Wire, authorization: str) -> Signed:
    algorithm, _, rest = authorization.partition(" ")
    _check_algorithm(algorithm)
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    for name in ("Credential", "Signature", "SignedHeaders"):
        if not fields.get(name):
            raise incomplete(f"Authorization header requires '{name}' parameter.")
    stamp = wire.headers.get("x-amz-date") or wire.headers.get("date", "")
    if not stamp:
        raise incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    names = fields["SignedHeaders"].split(";")
    return _claims(wire, fields["Credential"], names, stamp, fields["Signature"])


def _from_query(wire: Wire, pairs: Mapping[str, str]) -> Signed:
    absent = [name for name in (*_IN_QUERY, "X-Amz-Signature") if not pairs.get(name)]
    if absent:
        raise incomplete(f"KSC query-string parameters must include {absent[0]}.")
    _check_algorithm(pairs["X-Amz-Algorithm"])
    names = pairs["X-Amz-SignedHeaders"].split(";")
    signature = pairs["X-Amz-Signature"]
    return _claims(wire, pairs["X-Amz-Credential"], names, pairs["X-Amz-Date"], signature)


def _check_algorithm(algorithm: str) -> None:
    if algorithm != ALGORITHM:
        raise incomplete(f"Unsupported ksc 'algorithm': {algorithm}.")


def _claims(wire: Wire, credential: str, names: list[str], stamp: str, signature: str) -> Signed:
    parts = credential.split("/")
    if len(parts) != 5:
        raise incomplete(
            "Credential must have exactly 5 slash-delimited elements,"
            f" e.g. accesskeyid/date/region/service/aws4_request, got: {credential}."
        )
    key, date, region, service, terminator = parts
    if terminator != TERMINATOR:
        raise mismatch(
            "Credential should be scoped with a valid terminator:"
            f" '{TERMINATOR}', not: {terminator}."
        )
    if "host" not in names:
        raise mismatch("'Host' must be a 'SignedHeader' in the Authorization.")
    moment = parse_stamp(stamp)
    if date != f"{moment:%Y%m%d}":
        raise mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from"
            " HTTP."
        )
    return Signed(key, date, region, service, moment, signature, canonical_request(wire, names))


def parse_stamp(stamp: str) -> datetime:
    """Read ``YYYYMMDDThhmmssZ`` or an HTTP date; anything else is IncompleteSignature."""
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(stamp).astimezone(UTC)
    except ValueError as exc:
        raise incomplete(f"Date must be in ISO-8601 'basic format'. Got '{stamp}'.") from exc


def check_time(moment: datetime, now: float) -> None:
    """Refuse a request whose clock differs by more than 15 minutes."""
    if abs(moment.timestamp() - now) > MAX_SKEW_SECONDS:
        raise mismatch(f"Signature expired:{moment:%Y%m%dT%H%M%SZ}.")


def canonical_request(wire: Wire, names: list[str]) -> str:
    """Return the text whose SHA-256 is signed; ``names`` are used as they stand, doubles too."""
    payload = hashlib.sha256(wire.body).hexdigest()
    if wire.headers.get("x-amz-content-sha256", payload) != payload:
        raise mismatch("The x-amz-content-sha256 header does not match the request body.")
    lines = "".join(f"{name}:{_trimmed(wire.headers.get(name, ''))}\n" for name in names)
    parts = (
        wire.method.upper(),
        canonical_path(wire.path),
        canonical_query(wire.query),
        lines,
        ";".join(names),
        payload,
    )
    return "\n".join(parts)


def _trimmed(value: str) -> str:
    return _SPACES.sub(lambda found: found[1] or " ", value.strip())


def canonical_path(path: str) -> str:
    """Normalise a path and encode each of its segments, what is encoded already once more."""
    fixed = re.sub("/+", "/", posixpath.normpath(path or "/"))
    if path.endswith("/") and not fixed.endswith("/"):
        fixed += "/"
    return quote(fixed, safe="/~")


def canonical_query(query: str) -> str:
    """Decode and re-encode a query, sorted by encoded name and then by encoded value."""
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20_000)
    encoded = sorted((_encode(k), _encode(v)) for k, v in pairs if k != "X-Amz-Signature")
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encode(value: str) -> str:
    return quote(value, safe="-_.~")


def query_value(query: str, names: tuple[str, ...]) -> str:
    """Return the first parameter of a query string with one of ``names``, in any case."""
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20_000)
    return next((value for name, value in pairs if name.lower() in names), "")
