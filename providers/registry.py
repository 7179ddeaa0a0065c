"""Which clouds there are: name -> dotted paths, the only place that names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import cast

from django.utils.module_loading import import_string

from providers.base import Dialect, Provider
from providers.models import CloudAccount
from providers.vendor import ManagedAddons, RamUsers


@dataclass(frozen=True, slots=True)
class Entry:
    """`dialect`: a class without arguments. `connect`: (account, region, limited) -> Provider.

    `addons` and `users`: (account, region) -> `vendor.ManagedAddons`, `vendor.RamUsers`; empty
    where the key's vendor has no such API. `bills`: the grant under which its keys read bills
    (`base.Bills`); empty where they cannot.
    """

    dialect: str
    connect: str
    addons: str = ""
    users: str = ""
    bills: str = ""


PROVIDERS: dict[str, Entry] = {
    "eci": Entry(
        "providers.eci.dialect.EciDialect",
        "providers.eci.connect.connect",
        addons="providers.alibaba.cs.connect",
        users="providers.alibaba.ram.connect",
        bills="bssapi:DescribeInstanceBill",
    ),
    "kci": Entry(
        "providers.kci.dialect.KciDialect",
        "providers.kci.connect.connect",
        addons="providers.kingsoft.kce.connect",
        bills="bill-union:QueryInstanceConsume",
    ),
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


def manages_addons(provider: str) -> bool:
    """Whether the vendor of this provider's keys has an API for clusters' add-ons."""
    return bool(provider in PROVIDERS and PROVIDERS[provider].addons)


def has_users(provider: str) -> bool:
    """Whether users can be made and granted through this provider's keys."""
    return bool(provider in PROVIDERS and PROVIDERS[provider].users)


def bill_grant(provider: str) -> str:
    """The grant that lets this provider's keys read bills; empty: they cannot."""
    return PROVIDERS[provider].bills if provider in PROVIDERS else ""


def addons(account: CloudAccount, region: str = "") -> ManagedAddons:
    """The vendor's add-on API; close it with `aclose`. Raises `UnknownProvider` without one."""
    path = _entry(account.provider).addons
    if not path:
        raise UnknownProvider(f"{account.provider} has no API for add-ons")
    return cast("ManagedAddons", import_string(path)(account, region or account.region))


def users(account: CloudAccount) -> RamUsers:
    """The vendor's users; close it with `aclose`. Raises `UnknownProvider` without such an API."""
    path = _entry(account.provider).users
    if not path:
        raise UnknownProvider(f"{account.provider} has no API for users")
    return cast("RamUsers", import_string(path)(account, account.region))
