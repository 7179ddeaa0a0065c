"""`/api/v1/billing/`: usage, cost, bills, prices, preview."""

from __future__ import annotations

from django.urls import path

from console.api import billing, billing_prices

billing_patterns = [
    path("billing/summary/", billing.Summary.as_view(), name="billing-summary"),
    path("billing/statement/", billing.StatementView.as_view(), name="billing-statement"),
    path("billing/series/", billing.SeriesView.as_view(), name="billing-series"),
    path("billing/usage/", billing.Usage.as_view(), name="billing-usage"),
    path("billing/pods/<str:uid>/", billing.PodMoneyView.as_view(), name="billing-pod"),
    path(
        "billing/reconciliation/", billing.Reconciliation.as_view(), name="billing-reconciliation"
    ),
    path("billing/preview/", billing.Preview.as_view(), name="billing-preview"),
    path("billing/prices/", billing_prices.Prices.as_view(), name="billing-prices"),
    path(
        "billing/prices/import/", billing_prices.PriceImport.as_view(), name="billing-prices-import"
    ),
    path(
        "billing/prices/<int:pk>/withdraw/",
        billing_prices.PriceWithdrawal.as_view(),
        name="billing-price-withdraw",
    ),
    path("billing/discounts/", billing_prices.Discounts.as_view(), name="billing-discounts"),
    path("billing/discounts/<int:pk>/", billing_prices.Discount.as_view(), name="billing-discount"),
]
