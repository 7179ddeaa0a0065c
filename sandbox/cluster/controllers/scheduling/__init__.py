"""The default scheduler's parts: cache of nodes, filters, scores."""
