"""The Secret that Alibaba Cloud's add-ons read their key from (ACK One user guide)."""

from __future__ import annotations

from addons.components.base import Json, Release
from addons.components.kit import Kit, key_part
from addons.components.kits import manifests as m

NAME = "alibaba-addon-secret"


def render(release: Release) -> list[Json]:
    credential = release.effective["credential"]
    parts = {
        "access-key-id": key_part(credential, "id"),
        "access-key-secret": key_part(credential, "secret"),
    }
    return [m.secret(NAME, release.namespace, parts)]


KIT = Kit(render=render)
