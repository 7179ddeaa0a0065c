"""The power `Bills` of ECI keys: the account's bill of ECI, and of ACS beside it."""

from __future__ import annotations

from datetime import date

from providers.alibaba import bss
from providers.base import Bill
from providers.eci.calls import Calls


class BillCalls(Calls):
    async def bill(self, day: date) -> Bill:
        """As `base.Bills`; ACS has no key of its own that could read it."""
        return await bss.bill(self.read, day, now=self.wire.now())
