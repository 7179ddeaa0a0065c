"""Signatures of Alibaba Cloud's APIs: ACS3-HMAC-SHA256 in headers, for RPC and ROA style alike.

Source: Alibaba Cloud SDK guide, "V3 request body and signature". Canonical form and signature are
computed by the official package (`alibabacloud-tea-openapi`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alibabacloud_openapi_util.client import Client as Flat
from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest

from kube.secret import Secret

_ALGORITHM = "ACS3-HMAC-SHA256"
_AGENT = "spillway"
JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Key:
    """An AccessKey; `token` is the security token of a temporary one."""

    id: str
    secret: Secret
    token: Secret


def flatten(model: Any) -> dict[str, str]:
    """An SDK request model, or a map, as flat query parameters (`Container.1.Name`)."""
    fields = model if isinstance(model, Mapping) else model.to_map()
    flat: dict[str, Any] = Flat.query(dict(fields))
    return {key: str(value) for key, value in flat.items() if value is not None}


def signed_headers(
    key: Key,
    *,
    host: str,
    action: str,
    version: str,
    query: Mapping[str, str],
    at: datetime,
    nonce: str,
    method: str = "POST",
    path: str = "/",
    body: bytes = b"",
) -> dict[str, str]:
    """The headers to send `body`, JSON or nothing, to `path?query` of `host`."""
    digest = hashlib.sha256(body).hexdigest()
    request = DaraRequest()
    request.method, request.pathname, request.query = method, path, dict(query)
    request.headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-version": version,
        "x-acs-date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": digest,
        "accept": "application/json",
        "user-agent": _AGENT,
    }
    if body:
        request.headers["content-type"] = JSON_TYPE
    if key.token:
        request.headers["x-acs-accesskey-id"] = key.id
        request.headers["x-acs-security-token"] = key.token.reveal()
    request.headers["Authorization"] = Utils.get_authorization(
        request, _ALGORITHM, digest, key.id, key.secret.reveal()
    )
    return dict(request.headers)
