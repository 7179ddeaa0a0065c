"""Which credentials may serve one virtual node, and what its fields are called and hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _

from addons.runtime.loop import runtime
from console.keys import known
from providers.base import Catalogue, Dialect, Field, SeveralGroups
from providers.models import CloudAccount


def mismatch(first: CloudAccount, second: CloudAccount) -> str:
    """Why the two cannot serve one node; empty when they can."""
    one, other = known(first.provider), known(second.provider)
    if one is None or other is None:
        return _("This installation does not know the provider of this credential.")
    if one.vendor != other.vendor or one.name == other.name:
        text = _(
            "%(first)s and %(second)s do not serve one node: it takes two products of a vendor."
        )
        return text % {"first": one.title, "second": other.title}
    if first.region != second.region and second.region:
        text = _("The credentials are for two regions, %(first)s and %(second)s.")
        return text % {"first": first.region, "second": second.region}
    return ""


def could_pair(accounts: Iterable[CloudAccount]) -> bool:
    """Whether there are two among them that could serve one node."""
    found = {(d.vendor, d.name) for d in (known(a.provider) for a in accounts) if d}
    return any(
        vendor == other and name != another for vendor, name in found for other, another in found
    )


def settings_of(accounts: Sequence[CloudAccount]) -> list[Field]:
    """The settings that a node of these accounts has, each once."""
    fields: dict[str, Field] = {}
    for account in accounts:
        dialect = known(account.provider)
        for field in dialect.node_settings if dialect else ():
            fields.setdefault(field.name, field)
    return list(fields.values())


def groups_max(dialect: Dialect) -> int:
    return dialect.security_groups_max if isinstance(dialect, SeveralGroups) else 1


def subnet_words(dialect: Dialect) -> dict[str, str]:
    """What the vendor calls a subnet."""
    if dialect.vendor == "alibaba":
        return {"one": _("vSwitch"), "many": _("vSwitches")}
    return {"one": _("Subnet"), "many": _("Subnets")}


def has_catalogue(account: CloudAccount) -> bool:
    """Whether the cloud tells its subnets, so that a node must be given some."""
    loop = runtime()
    return isinstance(loop.run(loop.provider(account.pk, account.region)), Catalogue)
