"""The addresses of the pages of money."""

from __future__ import annotations

from django.urls import path

from console.views.billing import bills, budgets, channels, exports, lines, preview, prices, usage

_BUDGET = "billing/budgets/<int:pk>/"
_CHANNEL = "billing/channels/<int:pk>/"
billing_patterns = [
    path("billing/", usage.page, name="billing-usage"),
    path("billing/lines/", lines.page, name="billing-lines"),
    path("billing/bills/", bills.page, name="billing-bills"),
    path("billing/bills/<int:pk>/", bills.day, name="billing-bill"),
    path("billing/prices/", prices.prices, name="billing-prices"),
    path("billing/prices/new/", prices.new, name="billing-price-new"),
    path("billing/prices/import/", prices.load, name="billing-prices-import"),
    path("billing/prices/<int:pk>/withdraw/", prices.withdraw, name="billing-price-withdraw"),
    path("billing/discounts/new/", prices.discount_new, name="billing-discount-new"),
    path(
        "billing/discounts/<int:pk>/remove/",
        prices.discount_remove,
        name="billing-discount-remove",
    ),
    path("billing/preview/", preview.page, name="billing-preview"),
    path("billing/exports/", exports.exports, name="billing-exports"),
    path("billing/exports/<int:pk>/remove/", exports.remove, name="billing-export-remove"),
    path("billing/budgets/", budgets.budgets, name="billing-budgets"),
    path("billing/budgets/new/", budgets.new, name="billing-budget-new"),
    path(_BUDGET, budgets.budget, name="billing-budget"),
    path(f"{_BUDGET}lift/", budgets.lift, name="billing-budget-lift"),
    path(f"{_BUDGET}test/", budgets.test, name="billing-budget-test"),
    path(f"{_BUDGET}remove/", budgets.remove, name="billing-budget-remove"),
    path("billing/channels/", channels.channels, name="billing-channels"),
    path(f"{_CHANNEL}test/", channels.test, name="billing-channel-test"),
    path(f"{_CHANNEL}remove/", channels.remove, name="billing-channel-remove"),
]
