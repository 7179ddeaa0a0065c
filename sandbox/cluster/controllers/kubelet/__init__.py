"""On-premises nodes: registration, Leases, and pods that start, run, end and leave."""
