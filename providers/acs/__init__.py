"""Alibaba Cloud ACS: everything that knows this cloud; `rm -r` and one registry line remove it."""
