"""Protobuf bodies, as client-go's typed clients send them."""

from typing import Any

from sandbox.cluster import errors


def decode(data: bytes) -> Any:
    """Return the object of a protobuf body."""
    raise errors.unsupported_media("protobuf")
