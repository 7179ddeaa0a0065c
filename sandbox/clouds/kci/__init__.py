"""A simulated Kingsoft Cloud account: KCI on the wire, its instances, its meter.

One address serves KCI (2020-07-02) and what a client of it asks of IAM, STS, KCE and VPC, told
apart by the service in the credential scope, as the shared internal endpoint does.
"""
