"""What a person may do to a pod: the API server does it, our reconciler follows."""

from __future__ import annotations

from addons.models import PodRow
from addons.runtime.loop import runtime
from kube import PODS
from kube import errors as kube_errors


def delete(pod: PodRow) -> None:
    """Ask for deletion with the pod's own grace; one that is gone already is fine.

    Raises `kube.errors.KubeError`, `Conflict` when another pod has taken the name.
    """

    async def ask() -> None:
        kube = await runtime().kube(pod.cluster_id)
        await kube.delete(PODS, pod.name, pod.namespace, uid=pod.uid)

    try:
        runtime().run(ask())
    except kube_errors.NotFound:
        return
