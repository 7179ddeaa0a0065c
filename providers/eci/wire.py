"""One signed call to ECI, or to a neighbour that ECI needs, over a kept connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from providers.alibaba import wire
from providers.alibaba.signing import Key, flatten, signed_headers
from providers.eci import errors

__all__ = ["Key", "Wire", "flatten", "signed_headers"]


class Wire(wire.Wire):
    """Calls of one key in one region, ECI's unless told otherwise; errors sorted as ECI's are."""

    product: ClassVar[str] = "eci"
    versions: ClassVar[Mapping[str, str]] = {**wire.VERSIONS, "eci": "2018-08-08"}
    translate: ClassVar[wire.Translate] = staticmethod(errors.error)
