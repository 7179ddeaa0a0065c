"""Money: what ran, for how long, at what price, and what the clouds charged for it.

Usage lines are metered by `providers.meter` from the ledger, priced by `providers.prices`, written
here once and never changed. All money is Decimal with a currency; currencies are never added up.
"""
