"""The clouds' bills beside our own lines: fetched, attributed, compared, and what they settle.

A bill is of a cloud account, not of a key: `payers` says which key reads for whom. `fetch` keeps a
day's bill whole or not at all; `reconcile` compares it with the usage lines of that day; `settle`
takes from a final bill the end of a life that nobody saw end. `round` does all of it for the days
that are due.
"""
