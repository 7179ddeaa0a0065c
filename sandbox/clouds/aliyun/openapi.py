"""A client of the RPC gateway that signs with V3, for what runs inside the world."""

import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from sandbox.cluster.virtualkubelet.vendor import NotCreated

from ..eci import signing
from ..eci.cloud import Key

TIMEOUT = aiohttp.ClientTimeout(total=10)


async def call(
    url: str, key: Key, version: str, action: str, params: Mapping[str, str], *, now: float
) -> dict[str, Any]:
    """Call an action; raises NotCreated with the code of a refusal, or Unreachable.

    ``now`` is Unix time.
    """
    headers = {
        "host": urlsplit(url).netloc,
        "x-acs-action": action,
        "x-acs-version": version,
        "x-acs-date": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-content-sha256": signing.EMPTY_BODY,
    }
    if key.token:
        headers["x-acs-security-token"] = key.token
    names = sorted(headers)
    wire = signing.Wire("POST", "/", params, headers)
    request = signing.canonical_request(wire, names, signing.EMPTY_BODY)
    text = f"{signing.ALGORITHM_V3}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = signing.sign_v3(key.access_key_secret, text)
    headers["Authorization"] = (
        f"{signing.ALGORITHM_V3} Credential={key.access_key_id},"
        f"SignedHeaders={';'.join(names)},Signature={signature}"
    )
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.post(url, params=params, headers=headers) as answer,
        ):
            body: dict[str, Any] = await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise NotCreated("Unreachable", str(exc) or type(exc).__name__) from exc
    if answer.status != 200:
        raise NotCreated(body.get("Code", str(answer.status)), body.get("Message", ""))
    return body
