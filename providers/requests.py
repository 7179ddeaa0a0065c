"""What was asked of a cloud under a token, kept sealed in the ledger until the answer is known.

A repeated create must ask for exactly the same or the cloud refuses it
(`IdempotentParameterMismatch`), and what a pod refers to changes: a service account token is new
each time, a ConfigMap may be edited between two tries, and the first try may have been another
process's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kube.secret import Secret
from providers import vault
from providers.base import InstanceSpec
from providers.models import Instance


def _bound(row: Instance) -> str:
    return vault.purpose("providers.Instance", "sealed_request", row.token)


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _rich(kind: type[Any], value: Any) -> Any:
    if kind is Secret:
        return Secret(value)
    raise NotImplementedError(kind.__name__)


def encode(spec: InstanceSpec) -> Secret:
    return Secret(msgspec.json.encode(spec, enc_hook=_plain).decode())


def decode(text: Secret) -> InstanceSpec:
    return msgspec.json.decode(text.reveal(), type=InstanceSpec, dec_hook=_rich)


def seal(row: Instance, request: Secret) -> None:
    """Set it on the row, unsaved; bound to the row's token."""
    row.sealed_request = vault.seal(request, _bound(row))


def request_of(row: Instance) -> InstanceSpec | None:
    """None when the row keeps none: its create was answered, or nothing was asked yet."""
    if not row.sealed_request:
        return None
    return decode(vault.unseal(row.sealed_request, _bound(row)))
