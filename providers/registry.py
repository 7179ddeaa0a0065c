"""Which clouds there are: name -> dotted paths, the only place that names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import cast

from django.utils.module_loading import import_string

from providers.base import Dialect, Provider
from providers.models import CloudAccount


@dataclass(frozen=True, slots=True)
class Entry:
    """`dialect`: a class without arguments. `connect`: (account, region, limited) -> Provider."""

    dialect: str
    connect: str


PROVIDERS: dict[str, Entry] = {
    "eci": Entry("providers.eci.dialect.EciDialect", "providers.eci.connect.connect"),
    "kci": Entry("providers.kci.dialect.KciDialect", "providers.kci.connect.connect"),
    "acs": Entry("providers.acs.dialect.AcsDialect", "providers.acs.connect.connect"),
}


class UnknownProvider(LookupError):
    pass


def _entry(name: str) -> Entry:
    try:
        return PROVIDERS[name]
    except KeyError as error:
        raise UnknownProvider(f"there is no provider {name!r}") from error


@cache
def dialect(name: str) -> Dialect:
    """The pure side of a provider; raises `UnknownProvider`."""
    return cast("Dialect", import_string(_entry(name).dialect)())


def client(account: CloudAccount, region: str = "", *, limited: bool = True) -> Provider:
    """A client with the account's key for `region` (empty: the account's own).

    It unseals the key and opens nothing yet; close it with `aclose`. It belongs to the event loop
    of its first call. `limited` calls share the account's rates with all processes.
    """
    connect = cast(
        "Callable[[CloudAccount, str, bool], Provider]",
        import_string(_entry(account.provider).connect),
    )
    return connect(account, region or account.region, limited)
