"""A simulated Alibaba Cloud ECI: the OpenAPI on the wire, its instances, its meter.

The server answers ECI (2018-08-08) and the little of STS, VPC and ECS that a client of ECI asks
for, on one address, told apart by Action and Version as the RPC gateway does.
"""
