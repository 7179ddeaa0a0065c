"""Virtual nodes: what they look like, their heartbeat, adding and removing them."""
