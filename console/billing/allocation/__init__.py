"""Costs in the shape of OpenCost's Allocation API, for clients that know that one."""
