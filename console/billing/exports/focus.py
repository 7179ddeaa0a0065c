"""Usage as FOCUS 1.2 has it (FinOps Open Cost and Usage Specification, "Cost and Usage").

Each priced usage line is a row of ChargeCategory "Usage"; a line that takes another back is an
"Adjustment", and a ChargeClass "Correction" once the cloud's bill of its day is final. What the
specification leaves to us:

* BilledCost. "A charge serving as the basis for invoicing"; its sum over a billing period must
  match the invoice. Until the bill of a day is final it is our estimate. From then on it is the
  bill's: what the bill says of an instance and day is shared out over its lines, and what the bill
  has of nothing that we know (rounding, refunds) is a row of its own. So the sums match.
* EffectiveCost equals BilledCost: nothing is prepaid here, so nothing is amortised.
* ContractedCost and ListCost are the line after and before discounts. Unit prices are per hour and
  PricingQuantity in hours, so that their product is the cost but for the rounding of eight places.
* A line without a price has no currency and no cost to state: it is left out and counted.
* The clouds' price lists carry no SKU ids: ours are made of the provider's own terms.

Conditional columns of concepts that do not exist here (commitments, capacity reservations, sub
accounts, pricing in another currency, account types) are not part of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import groupby
from typing import Any

from console.billing.exports.billed import Billed, BilledLine, shares
from console.billing.exports.source import Asked, Names, each
from console.models import BillItem, UsageLine
from providers import calendar, registry

USAGE, ADJUSTMENT, CORRECTION = "Usage", "Adjustment", "Correction"
VENDORS = {"alibaba": "Alibaba Cloud", "kingsoft": "Kingsoft Cloud"}
_HOUR = Decimal(3600)
_QUANTITY = Decimal("0.000000000001")

COLUMNS = (
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
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
        """Usage first, then what only the bill knows."""
        whole = not asked.where
        for _, group in groupby(each(asked), lambda one: (one.account_id, one.day, one.cloud_id)):
            lines = list(group)
            priced = [line for line in lines if line.currency and line.seconds]
            self.left.unpriced += sum(not line.currency for line in lines)
            for part in shares(priced, self.billed):
                yield self._cells(self._usage(part))
        for item in self.billed.unmatched() if whole else ():
            yield self._cells(self._item(item))

    def _cells(self, row: dict[str, Any]) -> list[Any]:
        return [row.get(name) for name in COLUMNS]

    def _usage(self, part: BilledLine) -> dict[str, Any]:
        line = part.line
        back = line.takes_back_id is not None
        correction = CORRECTION if back and part.final else None
        return {
            **self._account(line.account_id, line.currency),
            **_period(line.day, line.start, line.end),
            **_priced(line),
            "AvailabilityZone": line.zone or None,
            "BilledCost": part.billed,
            "EffectiveCost": part.billed,
            "ContractedCost": line.amount,
            "ListCost": line.list_amount,
            "ChargeCategory": ADJUSTMENT if back else USAGE,
            "ChargeClass": correction,
            "ChargeDescription": _description(line),
            "ChargeFrequency": "Usage-Based",
            "ConsumedQuantity": None if back else Decimal(line.seconds),
            "ConsumedUnit": None if back else "Seconds",
            **_region(line.region),
            "ResourceId": line.cloud_id or None,
            "ResourceName": f"{line.namespace}/{line.pod_name}" if line.cloud_id else None,
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
        account = self.names.accounts[pk]
        vendor = VENDORS.get(registry.dialect(account.provider).vendor, account.provider)
        return {
            "BillingAccountId": account.account_id or f"credential-{account.pk}",
            "BillingAccountName": account.name,
            "BillingCurrency": currency,
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
            "BilledCost": item.amount,
            "EffectiveCost": item.amount,
            "ContractedCost": item.amount,
            "ListCost": item.list_amount,
            "ChargeCategory": ADJUSTMENT,
            "ChargeDescription": f"Billed by the cloud alone: {item.product} {item.item}".strip(),
            "ChargeFrequency": "Usage-Based",
            **_region(item.region),
            "ResourceId": item.cloud_id or None,
            "ResourceType": "Container Instance" if item.cloud_id else None,
            **_service(account.provider),
            "Tags": {},
            "x_BillState": "final",
            "x_Estimated": False,
            "x_Kind": "bill",
            "x_Team": self.names.teams.get(account.team_id, ""),
        }


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
    return {
        "ContractedUnitPrice": line.per_hour,
        "ListUnitPrice": line.list_per_hour,
        "PricingCategory": "Dynamic" if "spot" in line.tier else "Standard",
        "PricingQuantity": hours,
        "PricingUnit": "Hours",
    }


def _region(region: str) -> dict[str, Any]:
    return {"RegionId": region or None, "RegionName": region or None}


def _service(provider: str) -> dict[str, Any]:
    return {
        "ServiceCategory": "Compute",
        "ServiceName": registry.dialect(provider).title,
        "ServiceSubcategory": "Containers",
    }


def _sku(line: UsageLine) -> dict[str, Any]:
    sku = f"{line.provider}/{line.type or 'cpu-memory'}/{line.tier or 'general'}"
    details: dict[str, Any] = {
        "F_CoreCount": float(line.cpu),
        "F_MemorySize": float(line.memory),
        **({"F_GpuCount": line.gpu} if line.gpu else {}),
        **({"F_DiskSpace": line.storage} if line.storage else {}),
        **({"F_InstanceType": line.type} if line.type else {}),
    }
    return {
        "SkuId": sku,
        "SkuMeter": "Compute Usage",
        "SkuPriceDetails": details,
        "SkuPriceId": f"{sku}/{line.region}/{line.spec}",
    }


def _description(line: UsageLine) -> str:
    what = f"{registry.dialect(line.provider).title} {line.spec} {line.kind}"
    return f"{what}, taken back ({line.reason})" if line.takes_back_id else what
