"""Alibaba Cloud ECI: everything that knows this cloud; `rm -r` and one registry line remove it."""
