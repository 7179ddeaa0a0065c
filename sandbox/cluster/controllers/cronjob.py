"""CronJob: a Job at each time of the schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterError, croniter

from sandbox.cluster.errors import ApiError

from . import jobstatus
from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import clone, controller_of, controller_uid, deleting, owner_reference
from .timing import seconds_of, stamp

RESOURCE = "cronjobs.batch"
JOBS = "jobs.batch"
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class CronJobs(Controller[Key]):
    """Keys are (namespace, name)."""

    name = "cronjob-controller"

    def setup(self) -> None:
        self.crons = self.context.informer(RESOURCE)
        self.jobs = self.context.informer(JOBS)
        self.by_owner = self.jobs.index("controller", controller_uid)
        self.crons.on_change(lambda new, old: self.queue.add(key_of(new or old or {})))
        self.jobs.on_change(self._on_job)

    def _on_job(self, new: Obj | None, old: Obj | None) -> None:
        job = new or old or {}
        ref = controller_of(job)
        if ref and ref["kind"] == "CronJob":
            self.queue.add((job["metadata"]["namespace"], ref["name"]))

    async def reconcile(self, key: Key) -> float | None:
        """Tidy up ended Jobs, start the one that is due, sleep until the next."""
        cron = self.crons.get(key)
        if cron is None or deleting(cron):
            return None
        jobs = self.by_owner[cron["metadata"]["uid"]]
        await self._tidy(cron, jobs)
        cron = await self._track(cron)
        if cron["spec"].get("suspend"):
            return None
        try:
            due, following = self._times(cron)
        except (CroniterError, ZoneInfoNotFoundError, ValueError) as error:
            text = f"unparseable schedule: {cron['spec']['schedule']!r}: {error}"
            await self.events.emit(self.name, cron, "UnparseableSchedule", text, kind="Warning")
            return None
        if due is not None:
            await self._fire(cron, due)
        return max(0.1, following - self.context.now() + 0.1)

    def _times(self, cron: Obj) -> tuple[float | None, float]:
        """(latest time that is due and unmet or None, next time), seconds since the epoch."""
        spec, now = cron["spec"], self.context.now()
        zone = ZoneInfo(spec["timeZone"]) if spec.get("timeZone") else UTC
        status = cron.get("status") or {}
        last = seconds_of(status.get("lastScheduleTime") or cron["metadata"]["creationTimestamp"])
        limit = spec.get("startingDeadlineSeconds")
        if limit is not None:
            last = max(last, now - limit)
        times = croniter(spec["schedule"], datetime.fromtimestamp(now + 1e-3, zone))
        due = times.get_prev(datetime).timestamp()
        following = times.get_next(datetime).timestamp()
        return (due if due > last else None), following

    async def _fire(self, cron: Obj, due: float) -> None:
        policy = cron["spec"].get("concurrencyPolicy", "Allow")
        running = [j for j in self.by_owner[cron["metadata"]["uid"]] if not jobstatus.finished(j)]
        if running and policy == "Forbid":
            text = (
                "Not starting job because prior execution is running and concurrency policy "
                "is Forbid"
            )
            await self.events.emit(self.name, cron, "JobAlreadyActive", text)
            return
        if policy == "Replace":
            for job in running:
                await self._delete(cron, job)
        job = _job_of(cron, due)
        try:
            await self.client.create(JOBS, job, job["metadata"]["namespace"])
        except ApiError as error:
            if error.reason != "AlreadyExists":
                text = f"Error creating job: {error.message}"
                await self.events.emit(self.name, cron, "FailedCreate", text, kind="Warning")
                raise
        else:
            text = f"Created job {job['metadata']['name']}"
            await self.events.emit(self.name, cron, "SuccessfulCreate", text)
        await self._track(cron, scheduled=due)

    async def _track(self, cron: Obj, scheduled: float | None = None) -> Obj:
        cron = self.crons.get(key_of(cron)) or cron
        jobs = self.by_owner[cron["metadata"]["uid"]]
        status = dict(cron.get("status") or {})
        running = [job for job in jobs if not jobstatus.finished(job)]
        status.pop("active", None)
        if running:
            status["active"] = [_reference(job) for job in running]
        if scheduled is not None:
            status["lastScheduleTime"] = stamp(scheduled)
        ends = [(job.get("status") or {}).get("completionTime") for job in jobs]
        latest = max((end for end in ends if end), default=None)
        if latest and latest > (status.get("lastSuccessfulTime") or ""):
            status["lastSuccessfulTime"] = latest
        return await self.context.write_status(RESOURCE, cron, status)

    async def _tidy(self, cron: Obj, jobs: list[Obj]) -> None:
        spec = cron["spec"]
        limits = {
            "Complete": spec.get("successfulJobsHistoryLimit", 3),
            "Failed": spec.get("failedJobsHistoryLimit", 1),
        }
        for kind, limit in limits.items():
            ended = [job for job in jobs if (jobstatus.finished(job) or {}).get("type") == kind]
            ended.sort(key=lambda job: seconds_of(job["metadata"].get("creationTimestamp")))
            for job in ended[: max(0, len(ended) - limit)]:
                if not deleting(job):
                    await self._delete(cron, job)

    async def _delete(self, cron: Obj, job: Obj) -> None:
        await self.context.remove(JOBS, job)
        text = f"Deleted job {job['metadata']['name']}"
        await self.events.emit(self.name, cron, "SuccessfulDelete", text)


def _job_of(cron: Obj, due: float) -> Obj:
    template = clone(cron["spec"]["jobTemplate"])
    meta = template.get("metadata") or {}
    owner = cron["metadata"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{owner['name']}-{int(due // 60)}",
            "namespace": owner["namespace"],
            "labels": dict(meta.get("labels") or {}),
            "annotations": {**(meta.get("annotations") or {}), SCHEDULED: stamp(due)},
            "ownerReferences": [owner_reference(cron)],
        },
        "spec": template["spec"],
    }


def _reference(job: Obj) -> Obj:
    meta = job["metadata"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
        "resourceVersion": meta["resourceVersion"],
    }
