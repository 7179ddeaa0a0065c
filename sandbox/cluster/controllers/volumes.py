"""PersistentVolumeClaims are given a volume at once, as a dynamic provisioner would."""

from __future__ import annotations

from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import deleting

CLAIMS = "persistentvolumeclaims"
VOLUMES = "persistentvolumes"


class Volumes(Controller[Key]):
    """Keys are (namespace, name) of claims."""

    name = "persistent-volume-binder"

    def setup(self) -> None:
        self.claims = self.context.informer(CLAIMS)
        self.volumes = self.context.informer(VOLUMES)
        self.claims.on_change(self._on_claim)

    def _on_claim(self, new: Obj | None, old: Obj | None) -> None:
        if new is None and old is not None:
            self.queue.add(key_of(old))
        elif new is not None and (new.get("status") or {}).get("phase") != "Bound":
            self.queue.add(key_of(new))

    async def reconcile(self, key: Key) -> float | None:
        """Make a volume for the claim and bind the two; drop the volume of a claim that is gone."""
        claim = self.claims.get(key)
        if claim is None:
            await self._drop(key)
            return None
        if deleting(claim) or (claim.get("status") or {}).get("phase") == "Bound":
            return None
        name = claim["spec"].get("volumeName") or f"pvc-{claim['metadata']['uid']}"
        if self.volumes.get(("", name)) is None:
            await self.client.create(VOLUMES, _volume(name, claim))
        volume = self.volumes.get(("", name))
        if volume is not None:
            status = {**(volume.get("status") or {}), "phase": "Bound"}
            await self.context.write_status(VOLUMES, volume, status)
        if not claim["spec"].get("volumeName"):
            claim = await self.client.patch(
                CLAIMS, key[1], key[0], {"spec": {"volumeName": name}}, kind="merge"
            )
        status = {
            "phase": "Bound",
            "accessModes": claim["spec"].get("accessModes") or [],
            "capacity": dict(claim["spec"]["resources"]["requests"]),
        }
        await self.context.write_status(CLAIMS, claim, status)
        return None

    async def _drop(self, key: Key) -> None:
        for volume in self.volumes:
            ref = volume["spec"].get("claimRef") or {}
            reclaimed = volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
            if (ref.get("namespace"), ref.get("name")) == key and reclaimed:
                await self.context.remove(VOLUMES, volume)


def _volume(name: str, claim: Obj) -> Obj:
    meta, spec = claim["metadata"], claim["spec"]
    return {
        "metadata": {"name": name},
        "spec": {
            "capacity": dict(spec["resources"]["requests"]),
            "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec.get("storageClassName") or "",
            "volumeMode": spec.get("volumeMode") or "Filesystem",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
            "csi": {"driver": "diskplugin.csi.alibabacloud.com", "volumeHandle": name},
        },
    }
