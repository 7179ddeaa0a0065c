"""Usage as FOCUS 1.2 has it (FinOps Open Cost and Usage Specification, "Cost and Usage").

Each priced usage line is a row of ChargeCategory "Usage". A line that takes another one back is
usage too, with negative quantities, so that the sums of quantities are right; what was written
after the end of its billing period and changes a final bill is a ChargeClass "Correction". What
the specification leaves to us:

* BilledCost. "A charge serving as the basis for invoicing"; its sum over a billing period must
  match the invoice. Until the bill of a day is final it is our estimate. From then on it is the
  bill's: what the bill says of an instance and day is shared out over its lines, and what the bill
  has of nothing that we know (rounding, refunds) is an "Adjustment" of its own. So the sums match.
* EffectiveCost equals BilledCost: nothing is prepaid here, so nothing is amortised.
* Unit prices are per hour, before and after discounts, and PricingQuantity is in hours. ListCost
  and ContractedCost are their products, as the specification defines them; a row without a unit
  price has the BilledCost there.
* A line without a price has no currency and no cost to state: it is left out and counted.
* The clouds' price lists carry no SKU ids: ours are made of the provider's own terms. Spot is the
  same SKU at another price.
* The account is the one that pays, where one is known, else the credential.
* The clouds do not tell of a charge whether a commitment or a reservation covered it, nor which
  invoice it is on: these columns are there and null. Prices are in the billing currency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import groupby
from typing import Any

from console.billing.exports.billed import Billed, BilledLine, DayBill, shares
from console.billing.exports.regions import NAMES as REGIONS
from console.billing.exports.source import Asked, Names, with_siblings
from console.billing.groups import SPOT
from console.models import BillItem, UsageLine
from providers import calendar, registry

USAGE, ADJUSTMENT, CORRECTION = "Usage", "Adjustment", "Correction"
# Fully qualified, as the specification asks; a bare number is taken for a quantity by many readers.
_ACCOUNTS = {"alibaba": "acs:ram::{}:root", "kingsoft": "krn:ksc:iam::{}"}
VENDORS = {"alibaba": "Alibaba Cloud", "kingsoft": "Kingsoft Cloud"}
_HOUR = Decimal(3600)
_QUANTITY = Decimal("0.000000000001")
_TENTH = Decimal("0.1")
_ZERO = Decimal(0)

COLUMNS = (
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_BillState",
    "x_BoundSeconds",
    "x_Cluster",
    "x_Estimated",
    "x_Kind",
    "x_LineId",
    "x_Namespace",
    "x_Node",
    "x_Pod",
    "x_PodUid",
    "x_PriceSource",
    "x_Reason",
    "x_Team",
    "x_Workload",
)


@dataclass
class Left:
    """How many lines are left out because nobody knows their price."""

    unpriced: int = 0


@dataclass(frozen=True, slots=True)
class Writer:
    names: Names
    billed: Billed
    left: Left = field(default_factory=Left)

    def rows(self, asked: Asked) -> Iterator[list[Any]]:
        """By account and day: usage, then what only the bill knows."""
        seen = set()
        for key, pairs in groupby(with_siblings(asked), lambda one: _day(one[0])):
            seen.add(key)
            bill = self.billed.on(*key)
            for _, group in groupby(pairs, lambda one: one[0].cloud_id):
                yield from self._lives(list(group), bill)
            yield from () if asked.where else self._items(bill)
        for key in () if asked.where else sorted(self.billed.days.keys() - seen):
            yield from self._items(self.billed.on(*key))

    def _lives(self, pairs: list[tuple[UsageLine, bool]], bill: DayBill) -> Iterator[list[Any]]:
        """The rows of one instance and day; of those that fit."""
        fitting = {line.pk for line, fits in pairs if fits}
        self.left.unpriced += sum(fits and not line.currency for line, fits in pairs)
        priced = [line for line, _ in pairs if line.currency and line.seconds]
        for part in shares(priced, bill):
            if part.line.pk in fitting:
                yield self._cells(self._usage(part))

    def _items(self, bill: DayBill) -> Iterator[list[Any]]:
        for item in bill.unmatched():
            yield self._cells(self._item(item))

    def _cells(self, row: dict[str, Any]) -> list[Any]:
        return [row.get(name) for name in COLUMNS]

    def _usage(self, part: BilledLine) -> dict[str, Any]:
        line = part.line
        return {
            **self._account(line.account_id, line.currency),
            **_period(line.day, line.start, line.end),
            **_priced(line),
            **_costs(part.billed),
            "AvailabilityZone": line.zone or None,
            "ChargeCategory": USAGE,
            "ChargeClass": CORRECTION if _corrects(part) else None,
            "ChargeDescription": _description(line),
            "ChargeFrequency": "Usage-Based",
            # With a decimal place: readers of CSV tell decimals from integers by it.
            "ConsumedQuantity": Decimal(line.seconds).quantize(_TENTH),
            "ConsumedUnit": "Seconds",
            **_region(line.region),
            "ResourceId": line.cloud_id or None,
            "ResourceName": _pod(line) if line.cloud_id else None,
            "ResourceType": "Container Instance" if line.cloud_id else None,
            **_service(line.provider),
            **_sku(line),
            "Tags": line.labels,
            "x_BillState": "final" if part.final else "estimated",
            **self._ours(line),
        }

    def _ours(self, line: UsageLine) -> dict[str, Any]:
        return {
            "x_BoundSeconds": abs(line.bound_seconds),
            "x_Cluster": self.names.clusters.get(line.cluster_uid, line.cluster_uid),
            "x_Estimated": line.estimated,
            "x_Kind": line.kind,
            "x_LineId": line.pk,
            "x_Namespace": line.namespace,
            "x_Node": line.node_name,
            "x_Pod": line.pod_name,
            "x_PodUid": line.pod_uid,
            "x_PriceSource": line.price_source,
            "x_Reason": line.reason,
            "x_Team": self.names.teams.get(line.team_id, ""),
            "x_Workload": line.workload,
        }

    def _account(self, pk: int, currency: str) -> dict[str, Any]:
        account, payer = self.names.accounts[pk], self.names.payer(pk)
        kind = registry.dialect(account.provider).vendor
        vendor, qualified = VENDORS.get(kind, account.provider), _ACCOUNTS.get(kind, "{}")
        number = payer.account_id
        return {
            "BillingAccountId": qualified.format(number) if number else f"credential-{payer.pk}",
            # Of its own team only: who else pays from this account is nobody's business.
            "BillingAccountName": (payer if payer.team_id == account.team_id else account).name,
            "BillingAccountType": "Cloud Account",
            "BillingCurrency": currency,
            "PricingCurrency": currency,
            "InvoiceIssuerName": vendor,
            "ProviderName": vendor,
            "PublisherName": vendor,
        }

    def _item(self, item: BillItem) -> dict[str, Any]:
        """A line of the bill that is no usage of ours."""
        begins = calendar.day_start(item.day)
        account = self.names.accounts[item.account_id]
        return {
            **self._account(item.account_id, item.currency),
            **_period(item.day, begins, _next_day(begins)),
            **_costs(item.amount),
            "ContractedCost": item.amount,
            "ListCost": item.amount,
            "ChargeCategory": ADJUSTMENT,
            "ChargeDescription": f"Billed by the cloud alone: {item.product} {item.item}".strip(),
            "ChargeFrequency": "Usage-Based",
            **_region(item.region),
            "ResourceId": item.cloud_id or None,
            "ResourceType": "Container Instance" if item.cloud_id else None,
            **_service(account.provider),
            "x_BillState": "final",
            "x_Estimated": False,
            "x_Kind": "bill",
            "x_Team": self.names.teams.get(account.team_id, ""),
        }


def _day(line: UsageLine) -> tuple[int, date]:
    return line.account_id, line.day


def _corrects(part: BilledLine) -> bool:
    """Whether it changes what was invoiced: taking back, or in the place of what is taken back,
    written after its month and of a bill that is final."""
    line = part.line
    changes = line.takes_back_id is not None or line.revision > 0
    return changes and part.final and line.created_at >= calendar.month_end(line.day)


def _pod(line: UsageLine) -> str | None:
    """What never was in the ledger may have no name."""
    return f"{line.namespace}/{line.pod_name}" if line.pod_name else None


def _costs(amount: Decimal) -> dict[str, Any]:
    names = ("BilledCost", "EffectiveCost", "PricingCurrencyEffectiveCost")
    return dict.fromkeys(names, amount)


def _next_day(begins: datetime) -> datetime:
    return begins + timedelta(days=1)


def _period(day: Any, start: datetime, end: datetime) -> dict[str, Any]:
    return {
        "BillingPeriodStart": calendar.month_start(day),
        "BillingPeriodEnd": calendar.month_end(day),
        "ChargePeriodStart": start,
        "ChargePeriodEnd": end,
    }


def _priced(line: UsageLine) -> dict[str, Any]:
    hours = (Decimal(line.seconds) / _HOUR).quantize(_QUANTITY, ROUND_HALF_EVEN)
    paid, listed = line.per_hour or _ZERO, line.list_per_hour or _ZERO
    return {
        "ContractedUnitPrice": paid,
        "ListUnitPrice": listed,
        "PricingCurrencyContractedUnitPrice": paid,
        "PricingCurrencyListUnitPrice": listed,
        "ContractedCost": (paid * hours).quantize(_QUANTITY, ROUND_HALF_EVEN),
        "ListCost": (listed * hours).quantize(_QUANTITY, ROUND_HALF_EVEN),
        "PricingCategory": "Dynamic" if SPOT in line.tier else "Standard",
        "PricingQuantity": hours,
        "PricingUnit": "Hours",
    }


def _region(region: str) -> dict[str, Any]:
    return {"RegionId": region or None, "RegionName": REGIONS.get(region, region) or None}


def _service(provider: str) -> dict[str, Any]:
    return {
        "ServiceCategory": "Compute",
        "ServiceName": registry.dialect(provider).title,
        "ServiceSubcategory": "Containers",
    }


def _sku(line: UsageLine) -> dict[str, Any]:
    kind = f"{line.provider}/{line.type or 'cpu-memory'}"
    beyond = f"+{line.gpu}gpu" if line.gpu else ""
    beyond += f"+{line.storage}Gi" if line.storage else ""
    details: dict[str, Any] = {
        "CoreCount": float(line.cpu),
        "MemorySize": float(line.memory),
        "GpuCount": line.gpu,
        "DiskSpace": line.storage,
        "InstanceType": line.type,
    }
    plain = "general" if SPOT in line.tier else line.tier or "general"
    return {
        "SkuId": f"{kind}/{plain}",
        "SkuMeter": "Compute Usage",
        "SkuPriceDetails": {name: value for name, value in details.items() if value},
        "SkuPriceId": f"{kind}/{line.tier or 'general'}/{line.region}/{line.spec}{beyond}",
    }


def _description(line: UsageLine) -> str:
    what = f"{registry.dialect(line.provider).title} {line.spec} {line.kind}"
    return f"{what}, taken back ({line.reason})" if line.takes_back_id else what
