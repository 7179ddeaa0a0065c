"""Which Spillway this is: the name on its instances, the same for the life of the database."""

from __future__ import annotations

import uuid

from addons.models import Identity


def installation() -> str:
    """Made on first use; when several ask at once, the first row is everybody's answer."""
    names = Identity.objects.order_by("pk").values_list("name", flat=True)
    name = names.first()
    if name is None:
        Identity.objects.create(name=f"spillway-{uuid.uuid4().hex[:12]}")
        name = names.first()
    return str(name)
