"""Budgets: an amount for a scope and a period, who hears when it is used up, what is done then.

`manage` and `channels` are what pages and REST call; `watch` looks at every budget every few
seconds; `action` holds new instances; `notify` tells the channels, by the forms in `forms`.
Nothing here ever ends a pod that runs.
"""
