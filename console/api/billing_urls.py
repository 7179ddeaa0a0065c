"""`/api/v1/billing/`: usage, cost, bills, prices, preview, and what stands beside."""

from __future__ import annotations

from django.urls import path

from console.api import billing, billing_insights, billing_prices

billing_patterns = [
    path("billing/summary/", billing.Summary.as_view(), name="billing-summary"),
    path("billing/statement/", billing.StatementView.as_view(), name="billing-statement"),
    path("billing/series/", billing.SeriesView.as_view(), name="billing-series"),
    path("billing/usage/", billing.Usage.as_view(), name="billing-usage"),
    path("billing/pods/<str:uid>/", billing.PodMoneyView.as_view(), name="billing-pod"),
    path(
        "billing/reconciliation/", billing.Reconciliation.as_view(), name="billing-reconciliation"
    ),
    path(
        "billing/reconciliation/<int:pk>/",
        billing_insights.DayBill.as_view(),
        name="billing-reconciliation-day",
    ),
    path(
        "billing/reconciliation/<int:pk>/lines/",
        billing_insights.DayBillLines.as_view(),
        name="billing-reconciliation-lines",
    ),
    path("billing/hints/", billing_insights.Hints.as_view(), name="billing-hints"),
    path("billing/anomalies/", billing_insights.Anomalies.as_view(), name="billing-anomalies"),
    path("billing/movers/", billing_insights.Movers.as_view(), name="billing-movers"),
    path(
        "billing/missing-prices/",
        billing_insights.MissingPrices.as_view(),
        name="billing-missing-prices",
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
