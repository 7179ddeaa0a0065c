"""Signatures of Kingsoft Cloud's OpenAPI: AWS Signature Version 4 in the header form.

Sources: Kingsoft Cloud OpenAPI, "Common request parameters" (document 40308) and "Signature"
(document 37587); package `kingsoftcloud-sdk-python` 1.5.8.114, which signs with the same package
as we do. Temporary keys: header `X-Ksc-Security-Token` (repository kingsoftcloud/csi-plugin); we
sign it too, so that it cannot be exchanged on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import requests
from requests_aws4auth import AWS4Auth

from kube.secret import Secret

TOKEN_HEADER = "x-ksc-security-token"  # noqa: S105
FORM = "application/x-www-form-urlencoded"
_SIGNED = ("host", "content-type", "x-amz-*", TOKEN_HEADER)


@dataclass(frozen=True, slots=True)
class Key:
    """An AccessKey; `token` is the security token of a temporary one."""

    id: str
    secret: Secret
    token: Secret


def signed_headers(
    key: Key, *, method: str, url: str, body: bytes, region: str, service: str, at: datetime
) -> dict[str, str]:
    """The headers to send `body` with, as a form, to `url`; `at` is the time of the signature."""
    moment = at.astimezone(UTC)
    headers = {
        "Accept": "application/json",
        "Content-Type": FORM,
        "x-amz-date": moment.strftime("%Y%m%dT%H%M%SZ"),
    }
    if key.token:
        headers[TOKEN_HEADER] = key.token.reveal()
    prepared = requests.Request(method, url, headers=headers, data=body).prepare()
    sign = AWS4Auth(
        key.id,
        key.secret.reveal(),
        region,
        service,
        moment.strftime("%Y%m%d"),
        include_hdrs=_SIGNED,
        raise_invalid_date=True,
    )
    sign(prepared)
    kept = {name: str(value) for name, value in prepared.headers.items()}
    kept.pop("Content-Length", None)
    return kept
