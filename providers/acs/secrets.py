"""The Secrets that a pod mounts: made before it, given to it, forgotten without it.

A Secret whose pod was never made belongs to nobody; it is found by its label and deleted after a
while. One whose pod exists goes with the pod (Kubernetes documentation, "Garbage collection").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from kube import SECRETS, Kube, OnlyMeta, Pod
from kube.errors import AlreadyExists, KubeError
from providers.acs import answer, keys
from providers.acs.pod import Wanted, files_name, pull_name

TIDY_SECONDS = 600.0
# Longer than any create is repeated for.
LOOSE_FOR = timedelta(minutes=30)


class Secrets:
    def __init__(
        self,
        kube: Kube,
        namespace: str,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._now = now
        self._monotonic = monotonic
        self._tidy_at = 0.0

    async def make(self, wanted: Wanted) -> None:
        """Raises `KubeError`. What an earlier try made stays as it is."""
        for body in wanted.secrets.values():
            with suppress(AlreadyExists):
                await self._kube.create(SECRETS, json.loads(body.reveal()), self._namespace)

    async def give(self, wanted: Wanted, pod: Pod) -> None:
        """Let the pod own them. What fails here `tidy` does later: the pod is made already."""
        for name in wanted.secrets:
            with suppress(KubeError):
                await self._give(name, pod)

    async def drop(self, wanted: Wanted) -> None:
        """The pod was refused: nobody will mount them. What fails here `tidy` does later."""
        for name in wanted.secrets:
            with suppress(KubeError):
                await self._kube.delete(SECRETS, name, self._namespace)

    async def tidy(self, pods: Mapping[str, Pod], region: str) -> None:
        """Now and then: give loose ones to their pods, delete those that stayed without one.

        `pods` is a complete list. Nothing is paid for a Secret, so that failures wait.
        """
        if self._monotonic() < self._tidy_at:
            return
        self._tidy_at = self._monotonic() + TIDY_SECONDS
        labels = f"{keys.LOOSE}=true,{keys.OF_REGION}={region}"
        owners = {
            of: pod for name, pod in pods.items() for of in (files_name(name), pull_name(name))
        }
        with suppress(KubeError):
            found = await self._kube.list(SECRETS, self._namespace, labels=labels, type=OnlyMeta)
            for secret in found.items:
                name, made = secret.metadata.name, answer.time(secret.metadata.creation_timestamp)
                if name in owners:
                    await self._give(name, owners[name])
                elif made is not None and self._now() - made > LOOSE_FOR:
                    await self._kube.delete(SECRETS, name, self._namespace)

    async def _give(self, name: str, pod: Pod) -> None:
        owner = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": pod.metadata.name,
            "uid": pod.metadata.uid,
        }
        owned = {"metadata": {"ownerReferences": [owner], "labels": {keys.LOOSE: None}}}
        await self._kube.patch(SECRETS, name, owned, self._namespace)
