"""StatefulSet: pods with ordinal names, made in order and updated from the last."""

from __future__ import annotations

from sandbox.cluster.errors import ApiError

from . import controllerrevisions
from .controllerrevisions import LABEL
from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import (
    clone,
    controller_of,
    controller_uid,
    deleting,
    labels_of,
    pod_finished,
    pod_ready,
)
from .owning import PodControl, pod_from
from .replicaset import available_in
from .revisions import replicas_of

RESOURCE = "statefulsets.apps"
CLAIMS = "persistentvolumeclaims"


class StatefulSets(Controller[Key]):
    """Keys are (namespace, name)."""

    name = "statefulset-controller"

    def setup(self) -> None:
        self.sets = self.context.informer(RESOURCE)
        self.pods = self.context.informer("pods")
        self.by_owner = self.pods.index("controller", controller_uid)
        self.pod_control = PodControl(self.context, self.name)
        self.sets.on_change(lambda new, old: self.queue.add(key_of(new or old or {})))
        self.pods.on_change(self._on_pod)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        pod = new or old or {}
        ref = controller_of(pod)
        if ref and ref["kind"] == "StatefulSet":
            self.queue.add((pod["metadata"]["namespace"], ref["name"]))

    async def reconcile(self, key: Key) -> float | None:
        """One ordinal at a time unless podManagementPolicy is Parallel."""
        owner = self.sets.get(key)
        if owner is None or deleting(owner):
            return None
        revision = await controllerrevisions.ensure(self.context, owner)
        digest = revision["metadata"]["name"]
        if await self._fill(owner, digest) and await self._shrink(owner):
            await self._roll(owner, digest)
        await self._publish(owner, digest)
        used = {labels_of(p).get(LABEL, "").rsplit("-", 1)[-1] for p in self._pods(owner).values()}
        await controllerrevisions.trim(self.context, owner, used)
        return self._wait(owner)

    def _pods(self, owner: Obj) -> dict[int, Obj]:
        prefix = owner["metadata"]["name"] + "-"
        found = {}
        for pod in self.by_owner[owner["metadata"]["uid"]]:
            ordinal = pod["metadata"]["name"].removeprefix(prefix)
            if ordinal.isdigit():
                found[int(ordinal)] = pod
        return found

    def _ordinals(self, owner: Obj) -> range:
        start = (owner["spec"].get("ordinals") or {}).get("start") or 0
        return range(start, start + replicas_of(owner))

    def _healthy(self, owner: Obj, pod: Obj) -> bool:
        wait = available_in(pod, owner["spec"].get("minReadySeconds") or 0, self.context.now())
        return pod_ready(pod) and not deleting(pod) and wait <= 0

    def _wait(self, owner: Obj) -> float | None:
        least = owner["spec"].get("minReadySeconds") or 0
        ready = [pod for pod in self._pods(owner).values() if pod_ready(pod)]
        waits = [available_in(pod, least, self.context.now()) for pod in ready]
        return min((wait for wait in waits if wait > 0), default=None)

    async def _fill(self, owner: Obj, digest: str) -> bool:
        """Create what is missing; False while an earlier ordinal is not yet healthy."""
        parallel = owner["spec"].get("podManagementPolicy") == "Parallel"
        pods = self._pods(owner)
        for ordinal in self._ordinals(owner):
            pod = pods.get(ordinal)
            if pod is None:
                await self._create(owner, ordinal, digest)
            elif pod_finished(pod) and not deleting(pod):
                await self.pod_control.delete(owner, pod)
            elif self._healthy(owner, pod):
                continue
            elif _broken_and_old(pod, digest):
                await self.pod_control.delete(owner, pod)
            if not parallel:
                return False
        return True

    async def _create(self, owner: Obj, ordinal: int, digest: str) -> None:
        name = f"{owner['metadata']['name']}-{ordinal}"
        pod = pod_from(owner["spec"]["template"], owner)
        meta = pod["metadata"]
        del meta["generateName"]
        meta["name"] = name
        meta["labels"].update(
            {
                LABEL: digest,
                "statefulset.kubernetes.io/pod-name": name,
                "apps.kubernetes.io/pod-index": str(ordinal),
            }
        )
        pod["spec"].update(hostname=name, subdomain=owner["spec"].get("serviceName") or "")
        await self._claims(owner, pod)
        try:
            await self.pod_control.create(owner, pod)
        except ApiError as error:
            if error.code != 409:
                raise

    async def _claims(self, owner: Obj, pod: Obj) -> None:
        namespace, name = key_of(pod)
        volumes = pod["spec"].setdefault("volumes", [])
        for template in owner["spec"].get("volumeClaimTemplates") or []:
            claim = f"{template['metadata']['name']}-{name}"
            source = {"claimName": claim}
            volumes.append({"name": template["metadata"]["name"], "persistentVolumeClaim": source})
            if self.client.look(CLAIMS, claim, namespace) is None:
                labels = owner["spec"]["selector"].get("matchLabels") or {}
                meta = {"name": claim, "labels": labels}
                body = {"metadata": meta, "spec": clone(template["spec"])}
                await self.client.create(CLAIMS, body, namespace)

    async def _shrink(self, owner: Obj) -> bool:
        """Remove ordinals beyond the size, the highest first; True when there are none."""
        wanted = self._ordinals(owner)
        extra = {n: pod for n, pod in self._pods(owner).items() if n not in wanted}
        parallel = owner["spec"].get("podManagementPolicy") == "Parallel"
        for ordinal in sorted(extra, reverse=True):
            if not deleting(extra[ordinal]):
                await self.pod_control.delete(owner, extra[ordinal])
            if not parallel:
                break
        return not extra

    async def _roll(self, owner: Obj, digest: str) -> None:
        strategy = owner["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return
        partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
        pods = self._pods(owner)
        for ordinal in sorted(pods, reverse=True):
            pod = pods[ordinal]
            if ordinal < partition:
                return
            if labels_of(pod).get(LABEL) != digest:
                if not deleting(pod):
                    await self.pod_control.delete(owner, pod)
                return
            if not self._healthy(owner, pod):
                return

    async def _publish(self, owner: Obj, digest: str) -> None:
        owner = self.sets.get(key_of(owner)) or owner
        pods = list(self._pods(owner).values())
        old = owner.get("status") or {}
        updated = sum(labels_of(p).get(LABEL) == digest for p in pods)
        ready = sum(pod_ready(p) for p in pods)
        done = updated == len(pods) == replicas_of(owner) == ready
        current = digest if done else old.get("currentRevision") or digest
        status = {
            "replicas": len(pods),
            "availableReplicas": sum(self._healthy(owner, p) for p in pods),
            "observedGeneration": owner["metadata"].get("generation", 1),
            "currentRevision": current,
            "updateRevision": digest,
            "collisionCount": old.get("collisionCount", 0),
        }
        counts = {
            "readyReplicas": ready,
            "updatedReplicas": updated,
            "currentReplicas": sum(labels_of(p).get(LABEL) == current for p in pods),
        }
        status.update({name: count for name, count in counts.items() if count})
        await self.context.write_status(RESOURCE, owner, status)


def _broken_and_old(pod: Obj, digest: str) -> bool:
    """An outdated pod that never became ready would block its own update."""
    return labels_of(pod).get(LABEL) != digest and not pod_ready(pod) and not deleting(pod)
