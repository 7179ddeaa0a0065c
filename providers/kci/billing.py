"""The power `Bills` of KCI keys."""

from __future__ import annotations

from datetime import date

from providers.base import Bill
from providers.kci.calls import Calls
from providers.kingsoft import bills


class BillCalls(Calls):
    _product: str = ""

    async def bill(self, day: date) -> Bill:
        """As `base.Bills`; the product's code is asked for once."""
        self._product = self._product or await bills.product_code(self.read)
        return await bills.bill(self.read, day, now=self.wire.now(), code=self._product)
