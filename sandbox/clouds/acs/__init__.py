"""A simulated ACS (Container Compute Service): a cluster whose every pod is an instance of its own.

ACS has no API to create instances: it is reached through Kubernetes only. So this is not a server
but what ACS adds to a cluster: admission, a scheduler that knows stock, virtual nodes whose pods
are instances, a meter and a ledger.
"""
