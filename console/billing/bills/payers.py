"""Which cloud accounts pay, which keys read their bills, and whose instances are in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from providers import registry
from providers.models import CloudAccount


@dataclass(frozen=True, slots=True)
class Payer:
    """One account at a cloud, known by `number`.

    `keys` may read its bill, those that were not refused first (empty: all were). `covers` are the
    credentials whose instances it pays: those of the same account, and those of the vendor's other
    products in the same teams. The lines of instances that nobody knows go to `home`.
    """

    number: str
    home: CloudAccount
    keys: tuple[CloudAccount, ...]
    covers: tuple[CloudAccount, ...]
    grant: str


def payers() -> list[Payer]:
    accounts = list(CloudAccount.objects.select_related("team").order_by("pk"))
    groups: dict[str, list[CloudAccount]] = defaultdict(list)
    for account in accounts:
        if registry.bill_grant(account.provider):
            groups[_number(account)].append(account)
    others = [account for account in accounts if not registry.bill_grant(account.provider)]
    return [_payer(number, group, others) for number, group in sorted(groups.items())]


def _number(account: CloudAccount) -> str:
    """Without a number the key stands for the account."""
    return f"{account.provider}:{account.account_id or f'key-{account.pk}'}"[:64]


def _payer(number: str, group: list[CloudAccount], others: Iterable[CloudAccount]) -> Payer:
    home = group[0]
    vendor, teams = _vendor(home), {account.team_id for account in group}
    beside = [o for o in others if o.team_id in teams and _vendor(o) == vendor]
    grant = registry.bill_grant(home.provider)
    keys = [account for account in group if not refused(account, grant)]
    keys.sort(key=lambda account: (bool(account.trouble), account.pk))
    return Payer(number, home, tuple(keys), (*group, *beside), grant)


def _vendor(account: CloudAccount) -> str:
    known = account.provider in registry.PROVIDERS
    return registry.dialect(account.provider).vendor if known else ""


def refused(account: CloudAccount, grant: str) -> bool:
    """Whether its last verification showed that the key lacks the grant."""
    return any(tried.get("grant") == grant and not tried["ok"] for tried in account.capabilities)
