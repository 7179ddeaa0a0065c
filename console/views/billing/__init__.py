"""The pages of money: usage and cost, bills, budgets, prices, preview, exports, channels."""
