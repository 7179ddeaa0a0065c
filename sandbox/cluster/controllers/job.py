"""Job: run pods until enough of them have succeeded or too many have failed."""

from __future__ import annotations

from typing import Any

from . import jobstatus
from .informer import Key, Obj, key_of
from .jobstatus import INDEX, TRACKING, Verdict, active
from .loop import Controller
from .objects import (
    clone,
    condition_of,
    controller_of,
    controller_uid,
    deleting,
    pod_finished,
    with_condition,
)
from .owning import PodControl, pod_from
from .timing import seconds_of, stamp

RESOURCE = "jobs.batch"


class Jobs(Controller[Key]):
    """Keys are (namespace, name)."""

    name = "job-controller"

    def setup(self) -> None:
        self.jobs = self.context.informer(RESOURCE)
        self.pods = self.context.informer("pods")
        self.by_owner = self.pods.index("controller", controller_uid)
        self.tracked = self.pods.index("tracked", _tracked)
        self.pod_control = PodControl(self.context, self.name)
        self.jobs.on_change(lambda new, old: self.queue.add(key_of(new or old or {})))
        self.pods.on_change(self._on_pod)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        for pod in (new, old):
            ref = controller_of(pod) if pod else None
            if pod and ref and ref["kind"] == "Job":
                self.queue.add((pod["metadata"]["namespace"], ref["name"]))

    async def reconcile(self, key: Key) -> float | None:
        """Count what ended, decide whether the Job is over, else keep its pods going."""
        job = self.jobs.get(key)
        await self._free_strangers(key, job)
        if job is None:
            return None
        if deleting(job):
            await self._let_go(self._pods(job))
            return None
        if jobstatus.finished(job):
            await self._let_go(self._pods(job))
            return await self._expire(job)
        job = await self._begin(job)
        job = await self._count(job)
        verdict = self._verdict(job)
        if verdict is not None:
            await self._end(job, verdict)
            return None
        if job["spec"].get("suspend"):
            await self._suspend(job)
            return None
        return await self._work_on(job)

    def _pods(self, job: Obj) -> list[Obj]:
        return self.by_owner[job["metadata"]["uid"]]

    async def _free_strangers(self, key: Key, job: Obj | None) -> None:
        """Pods of a Job that is gone must not wait for it."""
        uid = job["metadata"]["uid"] if job else ""
        for pod in self.tracked[key]:
            if (controller_of(pod) or {}).get("uid") != uid:
                await self._release(pod)

    async def _begin(self, job: Obj) -> Obj:
        status = dict(job.get("status") or {})
        suspended = bool(job["spec"].get("suspend"))
        condition = condition_of(job, "Suspended")
        if suspended and (condition is None or condition["status"] != "True"):
            text = ("JobSuspended", "Job suspended")
            status = self._with(status, Verdict("Suspended", *text))
            status.pop("startTime", None)
            await self.events.emit(self.name, job, "Suspended", "Job suspended")
        elif not suspended and condition is not None and condition["status"] == "True":
            text = ("JobResumed", "Job resumed")
            status = self._with(status, Verdict("Suspended", *text), state="False")
            status["startTime"] = self.context.stamp()
            await self.events.emit(self.name, job, "Resumed", "Job resumed")
        elif not suspended and not status.get("startTime"):
            status["startTime"] = self.context.stamp()
        return await self.context.write_status(RESOURCE, job, status)

    async def _count(self, job: Obj) -> Obj:
        """Ended pods enter the counts, then lose their finalizer; safe to repeat at any point."""
        status = dict(job.get("status") or {})
        noted = status.get("uncountedTerminatedPods") or {}
        known = {*(noted.get("succeeded") or []), *(noted.get("failed") or [])}
        ended = jobstatus.uncounted(self._pods(job))
        fresh = [pod for pod in ended if pod["metadata"]["uid"] not in known]
        if fresh:
            self._add_counts(job, status, fresh)
            job = await self.context.write_status(RESOURCE, job, status)
        for pod in ended:
            await self._release(pod)
        if (job.get("status") or {}).get("uncountedTerminatedPods"):
            status = {k: v for k, v in job["status"].items() if k != "uncountedTerminatedPods"}
            job = await self.context.write_status(RESOURCE, job, status)
        return job

    def _add_counts(self, job: Obj, status: dict[str, Any], fresh: list[Obj]) -> None:
        won = [pod for pod in fresh if jobstatus.phase_of(pod) == "Succeeded"]
        lost = [pod for pod in fresh if jobstatus.phase_of(pod) != "Succeeded"]
        if job["spec"].get("suspend"):
            lost = [pod for pod in lost if not deleting(pod)]
        if job["spec"].get("completionMode") == "Indexed":
            done = jobstatus.parse_indexes(status.get("completedIndexes"))
            done |= {i for i in map(jobstatus.completion_index, won) if i is not None}
            status["completedIndexes"] = jobstatus.format_indexes(done)
            gained = len(done) - (status.get("succeeded") or 0)
        else:
            gained = len(won)
        for name, more in (("succeeded", gained), ("failed", len(lost))):
            if more:
                status[name] = (status.get(name) or 0) + more
        status["uncountedTerminatedPods"] = {
            name: uids
            for name, pods in (("succeeded", won), ("failed", lost))
            if (uids := [pod["metadata"]["uid"] for pod in pods])
        }

    async def _release(self, pod: Obj) -> None:
        current = self.pods.get(key_of(pod))
        if current is None or TRACKING not in jobstatus.finalizers(current):
            return
        edited = clone(current)
        kept = [f for f in jobstatus.finalizers(current) if f != TRACKING]
        edited["metadata"]["finalizers"] = kept
        await self.client.update("pods", edited)

    async def _let_go(self, pods: list[Obj]) -> None:
        for pod in pods:
            await self._release(pod)

    def _verdict(self, job: Obj) -> Verdict | None:
        status = job.get("status") or {}
        pods = self._pods(job)
        if jobstatus.completed(job, pods, status.get("succeeded") or 0):
            text = "Reached expected number of succeeded pods"
            return Verdict("Complete", "CompletionsReached", text)
        failed = status.get("failed") or 0
        return jobstatus.failure_of(job, pods, failed, self.context.now())

    async def _end(self, job: Obj, verdict: Verdict) -> None:
        living = active(self._pods(job))
        for pod in living:
            await self.pod_control.delete(job, pod)
        status = dict(job["status"])
        over = not [p for p in self._pods(job) if TRACKING in jobstatus.finalizers(p)]
        target = "SuccessCriteriaMet" if verdict.kind == "Complete" else "FailureTarget"
        status = self._with(status, verdict._replace(kind=target))
        self._tally(job, status)
        if not over:
            await self.context.write_status(RESOURCE, job, status)
            return
        status = self._with(status, verdict)
        status.pop("active", None)
        if verdict.kind == "Complete":
            status["completionTime"] = self.context.stamp()
            await self.events.emit(self.name, job, "Completed", "Job completed")
        else:
            await self.events.emit(self.name, job, verdict.reason, verdict.message, kind="Warning")
        await self.context.write_status(RESOURCE, job, status)

    async def _suspend(self, job: Obj) -> None:
        for pod in active(self._pods(job)):
            await self.pod_control.delete(job, pod)
        await self._publish(job)

    async def _work_on(self, job: Obj) -> float | None:
        status = job["status"]
        pods = self._pods(job)
        living = active(pods)
        missing = jobstatus.wanted_active(job, pods, status.get("succeeded") or 0) - len(living)
        waits = []
        if missing > 0:
            last = max((jobstatus.ended_at(p) for p in pods if _failed(p)), default=0.0)
            wait = jobstatus.back_off(status.get("failed") or 0, last, self.context.now())
            if wait > 0:
                waits.append(wait)
            else:
                await self._create(job, missing, living)
        elif missing < 0:
            for pod in sorted(living, key=_worth)[:-missing]:
                await self.pod_control.delete(job, pod)
        await self._publish(job)
        left = jobstatus.deadline_left(job, self.context.now())
        if left is not None:
            waits.append(max(0.0, left))
        return min(waits) if waits else None

    async def _create(self, job: Obj, count: int, living: list[Obj]) -> None:
        indexes = self._free_indexes(job, living) if _indexed(job) else None
        for place in range(count):
            pod = pod_from(job["spec"]["template"], job)
            pod["metadata"].setdefault("finalizers", []).append(TRACKING)
            if indexes is not None:
                if place >= len(indexes):
                    return
                _index(job, pod, indexes[place])
            await self.pod_control.create(job, pod)

    def _free_indexes(self, job: Obj, living: list[Obj]) -> list[int]:
        done = jobstatus.parse_indexes((job.get("status") or {}).get("completedIndexes"))
        busy = {jobstatus.completion_index(pod) for pod in living}
        return [i for i in range(job["spec"]["completions"]) if i not in done and i not in busy]

    async def _publish(self, job: Obj) -> None:
        job = self.jobs.get(key_of(job)) or job
        status = dict(job.get("status") or {})
        self._tally(job, status)
        await self.context.write_status(RESOURCE, job, status)

    def _tally(self, job: Obj, status: dict[str, Any]) -> None:
        pods = self._pods(job)
        living = active(pods)
        ending = [p for p in pods if deleting(p) and not pod_finished(p)]
        status.pop("active", None)
        if living:
            status["active"] = len(living)
        status["ready"] = jobstatus.ready_count(living)
        status["terminating"] = len(ending)
        status.setdefault("uncountedTerminatedPods", {})

    def _with(self, status: Obj, verdict: Verdict, *, state: str = "True") -> Obj:
        condition = {
            "type": verdict.kind,
            "status": state,
            "reason": verdict.reason,
            "message": verdict.message,
        }
        now = self.context.now()
        old = status.get("conditions") or []
        kept = next((c for c in old if c["type"] == verdict.kind), None)
        if kept and kept["status"] == state:
            return status
        condition["lastProbeTime"] = stamp(now)
        return {**status, "conditions": with_condition(old, condition, now)}

    async def _expire(self, job: Obj) -> float | None:
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        if ttl is None:
            return None
        condition = jobstatus.finished(job) or {}
        left = seconds_of(condition.get("lastTransitionTime")) + float(ttl) - self.context.now()
        if left > 0:
            return left
        await self.context.remove(RESOURCE, job, propagation="Foreground")
        return None


def _tracked(pod: Obj) -> list[Key]:
    """Index function: (namespace, name) of the Job that a finalizer makes the pod wait for."""
    ref = controller_of(pod)
    if ref is None or ref["kind"] != "Job" or TRACKING not in jobstatus.finalizers(pod):
        return []
    return [(pod["metadata"]["namespace"], ref["name"])]


def _failed(pod: Obj) -> bool:
    return jobstatus.phase_of(pod) == "Failed"


def _worth(pod: Obj) -> tuple[bool, float]:
    """Pods not yet running go first, then the newest."""
    created = seconds_of(pod["metadata"].get("creationTimestamp"))
    return jobstatus.phase_of(pod) == "Running", -created


def _indexed(job: Obj) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def _index(job: Obj, pod: Obj, index: int) -> None:
    meta = pod["metadata"]
    meta.setdefault("annotations", {})[INDEX] = str(index)
    meta["labels"][INDEX] = str(index)
    meta["generateName"] = f"{job['metadata']['name']}-{index}-"
    pod["spec"].setdefault("hostname", f"{job['metadata']['name']}-{index}")
    for container in pod["spec"]["containers"]:
        path = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
        container.setdefault("env", []).append({"name": "JOB_COMPLETION_INDEX", "valueFrom": path})
