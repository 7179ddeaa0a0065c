"""What is written back on the pod of the user's cluster.

Source: ACK user guide, "Run Pods on ACS using virtual nodes" (annotations of a running pod); ACS
user guide, "ACS Pod annotations". What ACS told of the pod in its own cluster is copied; the node
is the one of the user's cluster. `kubernetes.io/pod-stream-port` is not written, as no kubelet port
is served.
"""

from __future__ import annotations

from providers.acs import keys, sizes
from providers.base import Created, Instance, InstanceSpec, Size
from providers.tags import NODE


def written(
    spec: InstanceSpec, *, instance: Instance | None, created: Created | None
) -> dict[str, str]:
    found = {keys.RESOURCE_TYPE: "serverless"}
    node = spec.tags.get(NODE, "")
    if node:
        found[keys.PREFERRED_NODE] = f"{node}/1"
    if created is not None or instance is not None:
        storage = sizes.FREE_STORAGE + sizes.extra_storage(spec)
        found |= {keys.CREATED: "done", keys.STORAGE: f"{storage}Gi"}
        size = (instance and instance.size) or (created and created.size)
        found |= _size(size or sizes.billed_size(spec))
    if created is not None and created.token:
        found[keys.CLIENT_TOKEN] = created.token
    if instance is not None:
        if instance.state.billed:
            found[keys.SCHEDULE_RESULT] = "finished"
        if instance.shown_id:
            found[keys.INSTANCE_ID] = instance.shown_id
        found |= instance.written
    return found


def _size(size: Size) -> dict[str, str]:
    cards = {keys.GPU_USE_SPEC: str(size.gpu)} if size.gpu else {}
    return {keys.USE_SPEC: size.label, **cards}
