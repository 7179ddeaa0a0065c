"""The account side of Alibaba Cloud: CS (clusters and their add-ons), RAM and STS on one gateway.

The AccessKeys are those of the account's ECI: what RAM makes or takes away here counts there at
once.
"""
