"""Deployment: one ReplicaSet per template, replaced within maxSurge and maxUnavailable."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.errors import ApiError

from . import revisions
from .deploystatus import needs_look_in, progress_status, stopped_status
from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import (
    annotations_of,
    clone,
    condition_of,
    controller_of,
    controller_uid,
    deleting,
    owner_reference,
    pod_finished,
    with_condition,
)
from .owning import claim, orphaned
from .revisions import budget, replicas_of

RESOURCE = "deployments.apps"
SETS = "replicasets.apps"


class Deployments(Controller[Key]):
    """Keeps every Deployment's ReplicaSets; keys are (namespace, name)."""

    name = "deployment-controller"

    def setup(self) -> None:
        self.deployments = self.context.informer(RESOURCE)
        self.sets = self.context.informer(SETS)
        self.pods = self.context.informer("pods")
        self.sets_by_owner = self.sets.index("controller", controller_uid)
        self.orphan_sets = self.sets.index("orphaned", orphaned)
        self.pods_by_owner = self.pods.index("controller", controller_uid)
        self.deployments.on_change(lambda new, old: self.queue.add(key_of(new or old or {})))
        self.sets.on_change(self._on_set)
        self.pods.on_change(self._on_pod)

    def _on_set(self, new: Obj | None, old: Obj | None) -> None:
        for rs in (new, old):
            ref = controller_of(rs) if rs else None
            if rs and ref and ref["kind"] == "Deployment":
                self.queue.add((rs["metadata"]["namespace"], ref["name"]))

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        """A Recreate rollout waits for the last old pod to be gone."""
        if new is not None and not pod_finished(new):
            return
        pod = new or old
        ref = controller_of(pod) if pod else None
        if pod is None or ref is None or ref["kind"] != "ReplicaSet":
            return
        rs = self.sets.get((pod["metadata"]["namespace"], ref["name"]))
        owner = controller_of(rs) if rs else None
        if owner:
            self.queue.add((pod["metadata"]["namespace"], owner["name"]))

    async def reconcile(self, key: Key) -> float | None:
        """One step of the rollout; each write brings the next."""
        deployment = self.deployments.get(key)
        if deployment is None:
            return None
        sets = await claim(
            self.context,
            SETS,
            deployment,
            self.sets_by_owner[deployment["metadata"]["uid"]],
            self.orphan_sets[key[0]],
        )
        if deleting(deployment):
            await self._stand_still(deployment, sets)
            return None
        if deployment["spec"].get("paused"):
            await self._mark_paused(deployment)
            await self._resize(self._fresh(deployment), sets)
            return None
        await self._mark_resumed(deployment)
        deployment = self._fresh(deployment)
        if self._resized(deployment, sets):
            await self._resize(deployment, sets)
            return None
        if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            return await self._recreate(deployment, sets)
        return await self._roll(deployment, sets)

    def _fresh(self, deployment: Obj) -> Obj:
        return self.deployments.get(key_of(deployment)) or deployment

    def _owned(self, deployment: Obj) -> list[Obj]:
        return self.sets_by_owner[deployment["metadata"]["uid"]]

    def _resized(self, deployment: Obj, sets: list[Obj]) -> bool:
        wanted = str(replicas_of(deployment))
        return any(
            replicas_of(rs) > 0 and annotations_of(rs).get(revisions.DESIRED) not in {None, wanted}
            for rs in sets
        )

    async def _stand_still(self, deployment: Obj, sets: list[Obj]) -> None:
        new = revisions.find_new(deployment, sets)
        status = stopped_status(deployment, sets, new, self.context.now())
        await self.context.write_status(RESOURCE, deployment, status)

    async def _resize(self, deployment: Obj, sets: list[Obj]) -> None:
        new = await self._new_set(deployment, sets, create=False)
        await self._scale_all(deployment, self._owned(deployment), new)
        if deployment["spec"].get("paused"):
            await self._clean_up(deployment, new)
        deployment = self._fresh(deployment)
        await self._stand_still(deployment, self._owned(deployment))

    async def _scale_all(self, deployment: Obj, sets: list[Obj], new: Obj | None) -> None:
        active = [rs for rs in sets if replicas_of(rs) > 0]
        latest = active[0] if len(active) == 1 else (new if not active else None)
        if latest is not None:
            await self._scale(deployment, latest, replicas_of(deployment))
            return
        if new is not None and _saturated(deployment, new):
            for rs in active:
                if rs["metadata"]["uid"] != new["metadata"]["uid"]:
                    await self._scale(deployment, rs, 0)
            return
        if len(active) > 1:
            sizes = revisions.proportional_sizes(deployment, active)
            for rs in active:
                await self._scale(deployment, rs, sizes[rs["metadata"]["name"]])

    async def _roll(self, deployment: Obj, sets: list[Obj]) -> float | None:
        new = await self._new_set(deployment, sets, create=True)
        deployment = self._fresh(deployment)
        sets = self._owned(deployment)
        if new is not None and not await self._grow_new(deployment, sets, new):
            await self._shrink_old(deployment, sets, new)
        return await self._finish(deployment)

    async def _grow_new(self, deployment: Obj, sets: list[Obj], new: Obj) -> bool:
        wanted = replicas_of(deployment)
        if replicas_of(new) == wanted:
            return False
        if replicas_of(new) > wanted:
            return await self._scale(deployment, new, wanted)
        return await self._scale(deployment, new, revisions.size_of_new(deployment, sets, new))

    async def _shrink_old(self, deployment: Obj, sets: list[Obj], new: Obj) -> None:
        name = new["metadata"]["name"]
        old = [rs for rs in sets if rs["metadata"]["name"] != name and replicas_of(rs) > 0]
        if not old:
            return
        _, unavailable = budget(deployment)
        floor = replicas_of(deployment) - unavailable
        waiting = replicas_of(new) - _available(new)
        room = sum(replicas_of(rs) for rs in sets) - floor - waiting
        if room <= 0:
            return
        for rs in revisions.by_creation(old):
            unhealthy = min(room, replicas_of(rs) - _available(rs))
            if unhealthy > 0:
                await self._scale(deployment, rs, replicas_of(rs) - unhealthy)
                room -= unhealthy
        await self._shrink_healthy(deployment, old, floor)

    async def _shrink_healthy(self, deployment: Obj, old: list[Obj], floor: int) -> None:
        room = sum(_available(rs) for rs in self._owned(deployment)) - floor
        for rs in revisions.by_creation(old):
            current = self.sets.get(key_of(rs))
            if current is None or room <= 0:
                continue
            step = min(room, replicas_of(current))
            if step > 0:
                await self._scale(deployment, current, replicas_of(current) - step)
                room -= step

    async def _recreate(self, deployment: Obj, sets: list[Obj]) -> float | None:
        new = await self._new_set(deployment, sets, create=False)
        fresh = new["metadata"]["uid"] if new else ""
        old = [rs for rs in sets if rs["metadata"]["uid"] != fresh]
        scaled = [await self._scale(deployment, rs, 0) for rs in old]
        busy = any(
            not pod_finished(pod) for rs in old for pod in self.pods_by_owner[rs["metadata"]["uid"]]
        )
        if not any(scaled) and not busy:
            new = await self._new_set(self._fresh(deployment), sets, create=True)
            if new is not None:
                await self._scale(deployment, new, replicas_of(deployment))
        return await self._finish(self._fresh(deployment))

    async def _finish(self, deployment: Obj) -> float | None:
        deployment = self._fresh(deployment)
        sets = self._owned(deployment)
        new = revisions.find_new(deployment, sets)
        status = progress_status(deployment, sets, new, self.context.now())
        if _complete(deployment, status):
            await self._clean_up(deployment, new)
        deployment = await self.context.write_status(RESOURCE, deployment, status)
        return needs_look_in(deployment, self.context.now())

    async def _new_set(self, deployment: Obj, sets: list[Obj], *, create: bool) -> Obj | None:
        existing = revisions.find_new(deployment, sets)
        others = [rs for rs in sets if rs is not existing]
        revision = max((revisions.revision_of(rs) for rs in others), default=0) + 1
        if existing is not None:
            return await self._keep_new(deployment, existing, revision)
        if not create:
            return None
        wanted = revisions.new_replica_set(deployment, sets, revision, owner_reference(deployment))
        made = await self._create_set(deployment, wanted)
        if made is None:
            return None
        await self._scaled_event(deployment, made, 0, replicas_of(made))
        await self._note_revision(deployment, revision)
        await self._progress(
            deployment,
            "NewReplicaSetCreated",
            f'Created new replica set "{made["metadata"]["name"]}"',
        )
        return made

    async def _create_set(self, deployment: Obj, wanted: Obj) -> Obj | None:
        try:
            return await self.client.create(SETS, wanted, wanted["metadata"]["namespace"])
        except ApiError as error:
            if error.reason != "AlreadyExists":
                name = wanted["metadata"]["name"]
                message = f'Failed to create new replica set "{name}": {error.message}'
                await self._progress(deployment, "ReplicaSetCreateError", message, status="False")
                raise
        status = dict(deployment.get("status") or {})
        status["collisionCount"] = (status.get("collisionCount") or 0) + 1
        await self.context.write_status(RESOURCE, deployment, status)
        return None

    async def _keep_new(self, deployment: Obj, existing: Obj, revision: int) -> Obj:
        revision = max(revision, revisions.revision_of(existing))
        edited = clone(existing)
        notes = edited["metadata"].setdefault("annotations", {})
        previous = notes.get(revisions.REVISION)
        notes.update(revisions.copied_annotations(deployment))
        if previous != str(revision):
            notes[revisions.REVISION] = str(revision)
            if previous:
                history = [h for h in notes.get(revisions.REVISION_HISTORY, "").split(",") if h]
                notes[revisions.REVISION_HISTORY] = ",".join([*history, previous])
        edited["spec"]["minReadySeconds"] = deployment["spec"].get("minReadySeconds") or 0
        if edited["metadata"] != existing["metadata"] or (
            edited["spec"]["minReadySeconds"] != (existing["spec"].get("minReadySeconds") or 0)
        ):
            existing = await self.client.update(SETS, edited)
        await self._note_revision(deployment, revision)
        if condition_of(self._fresh(deployment), "Progressing") is None:
            message = f'Found new replica set "{existing["metadata"]["name"]}"'
            await self._progress(deployment, "FoundNewReplicaSet", message)
        return existing

    async def _note_revision(self, deployment: Obj, revision: int) -> None:
        if revisions.revision_of(deployment) == revision:
            return
        meta = deployment["metadata"]
        body = {"metadata": {"annotations": {revisions.REVISION: str(revision)}}}
        await self.client.patch(RESOURCE, meta["name"], meta["namespace"], body, kind="merge")

    async def _progress(
        self, deployment: Obj, reason: str, message: str, *, status: str = "True"
    ) -> None:
        if deployment["spec"].get("progressDeadlineSeconds") is None:
            return
        deployment = self._fresh(deployment)
        now = self.context.now()
        condition = {
            "type": "Progressing",
            "status": status,
            "reason": reason,
            "message": message,
            "lastUpdateTime": self.context.stamp(),
        }
        old = deployment.get("status") or {}
        conditions = with_condition(old.get("conditions"), condition, now)
        await self.context.write_status(RESOURCE, deployment, {**old, "conditions": conditions})

    async def _mark_paused(self, deployment: Obj) -> None:
        condition = condition_of(deployment, "Progressing") or {}
        if condition.get("reason") not in {"DeploymentPaused", "ProgressDeadlineExceeded"}:
            await self._progress(
                deployment, "DeploymentPaused", "Deployment is paused", status="Unknown"
            )

    async def _mark_resumed(self, deployment: Obj) -> None:
        condition = condition_of(deployment, "Progressing") or {}
        if condition.get("reason") == "DeploymentPaused":
            await self._progress(
                deployment, "DeploymentResumed", "Deployment is resumed", status="Unknown"
            )

    async def _scale(self, deployment: Obj, rs: Obj, size: int) -> bool:
        rs = self.sets.get(key_of(rs)) or rs
        before = replicas_of(rs)
        notes = revisions.sized_annotations(deployment)
        stale = notes.items() - annotations_of(rs).items()
        if before == size and not stale:
            return False
        edited = clone(rs)
        edited["spec"]["replicas"] = size
        edited["metadata"].setdefault("annotations", {}).update(notes)
        await self.client.update(SETS, edited)
        if before != size:
            await self._scaled_event(deployment, rs, before, size)
        return before != size

    async def _scaled_event(self, deployment: Obj, rs: Obj, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        text = f"Scaled {way} replica set {rs['metadata']['name']} from {before} to {after}"
        await self.events.emit(self.name, deployment, "ScalingReplicaSet", text)

    async def _clean_up(self, deployment: Obj, new: Obj | None) -> None:
        limit = deployment["spec"].get("revisionHistoryLimit")
        if limit is None:
            return
        uid = new["metadata"]["uid"] if new else ""
        old = [
            rs
            for rs in self._owned(deployment)
            if rs["metadata"]["uid"] != uid and not deleting(rs)
        ]
        ordered = sorted(old, key=revisions.revision_of)
        for rs in ordered[: max(0, len(old) - limit)]:
            status = rs.get("status") or {}
            if replicas_of(rs) == 0 and not status.get("replicas"):
                await self.context.remove(SETS, rs)


def _available(rs: Obj) -> int:
    return int((rs.get("status") or {}).get("availableReplicas") or 0)


def _saturated(deployment: Obj, rs: Obj) -> bool:
    desired = annotations_of(rs).get(revisions.DESIRED)
    wanted = replicas_of(deployment)
    return bool(replicas_of(rs) == wanted == _available(rs) and desired == str(wanted))


def _complete(deployment: Obj, status: dict[str, Any]) -> bool:
    wanted = replicas_of(deployment)
    counted = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(name, 0) == wanted for name in counted)
