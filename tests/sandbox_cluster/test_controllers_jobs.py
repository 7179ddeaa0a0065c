"""Jobs and CronJobs."""

from tests.sandbox_cluster.controllers_world import world


def job(name="work", *, command="sleep 5", policy="Never", **spec):
    container = {"name": "main", "image": "busybox", "command": ["sh", "-c", command]}
    template = {"spec": {"containers": [container], "restartPolicy": policy}}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": template, **spec},
    }


def status(w, name="work"):
    return w.look("jobs.batch", name)["status"]


def ended(w, kind, name="work"):
    found = w.look("jobs.batch", name)
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return next(
        (c["reason"] for c in conditions if c["type"] == kind and c["status"] == "True"), None
    )


async def test_a_job_runs_as_many_at_once_as_asked_until_enough_succeeded():
    async with world() as w:
        peaks = []
        w.client.subscribe("pods", lambda *_: peaks.append(len(w.pods("Running"))))
        await w.client.create("jobs.batch", job(completions=5, parallelism=2))
        await w.until(lambda: ended(w, "Complete"))
        assert status(w)["succeeded"] == 5
        assert status(w)["completionTime"]
        assert "active" not in status(w)
        assert max(peaks) == 2
        assert not any(p["metadata"].get("finalizers") for p in w.pods())


async def test_a_job_gives_up_after_its_back_off_limit():
    async with world() as w:
        await w.client.create("jobs.batch", job(command="exit 1", backoffLimit=2))
        await w.until(lambda: ended(w, "Failed") == "BackoffLimitExceeded")
        assert status(w)["failed"] == 3
        assert len(w.pods("Failed")) == 3


async def test_a_job_with_on_failure_restarts_in_place():
    async with world() as w:
        await w.client.create(
            "jobs.batch", job(command="exit 1", policy="OnFailure", backoffLimit=2)
        )
        await w.until(lambda: ended(w, "Failed") == "BackoffLimitExceeded")
        assert len(w.all("pods")) <= 1


async def test_a_finished_job_is_removed_after_its_time_to_live():
    async with world() as w:
        await w.client.create("jobs.batch", job(ttlSecondsAfterFinished=20))
        await w.until(lambda: ended(w, "Complete"))
        await w.until(lambda: w.look("jobs.batch", "work") is None and not w.all("pods"), within=30)


async def test_suspending_stops_pods_and_resuming_starts_them_again():
    async with world() as w:
        await w.client.create("jobs.batch", job(command="sleep 60"))
        await w.until(lambda: w.pods("Running"))
        await w.patch("jobs.batch", "work", {"spec": {"suspend": True}})
        await w.until(lambda: not w.all("pods"))
        assert "failed" not in status(w)
        await w.patch("jobs.batch", "work", {"spec": {"suspend": False}})
        await w.until(lambda: w.pods("Running"))


async def test_a_job_deadline_kills_what_still_runs():
    async with world() as w:
        await w.client.create("jobs.batch", job(command="sleep 600", activeDeadlineSeconds=15))
        await w.until(lambda: ended(w, "Failed") == "DeadlineExceeded", within=30)
        assert not w.pods()


async def test_an_indexed_job_gives_each_pod_its_index():
    async with world() as w:
        body = job(command="echo $JOB_COMPLETION_INDEX", completionMode="Indexed", completions=3)
        body["spec"]["parallelism"] = 3
        await w.client.create("jobs.batch", body)
        await w.until(lambda: ended(w, "Complete"))
        assert status(w)["completedIndexes"] == "0-2"


async def test_deleting_a_job_leaves_no_pod_waiting_for_a_finalizer():
    async with world() as w:
        await w.client.create("jobs.batch", job(command="sleep 600"))
        await w.until(lambda: w.pods("Running"))
        await w.client.delete("jobs.batch", "work", "default")
        await w.until(lambda: not w.all("pods"))


async def test_a_cron_job_fires_on_its_schedule_and_keeps_a_short_history():
    async with world() as w:
        body = {
            "metadata": {"name": "tick", "namespace": "default"},
            "spec": {
                "schedule": "* * * * *",
                "successfulJobsHistoryLimit": 2,
                "jobTemplate": {"spec": job(command="echo tick")["spec"]},
            },
        }
        await w.client.create("cronjobs.batch", body)
        await w.pass_time(300)
        assert len(w.all("jobs.batch")) in {2, 3}
        found = w.look("cronjobs.batch", "tick")["status"]
        assert found["lastScheduleTime"].endswith(":00Z")
        assert found["lastSuccessfulTime"] >= found["lastScheduleTime"]
        await w.patch("cronjobs.batch", "tick", {"spec": {"suspend": True}})
        before = [j["metadata"]["uid"] for j in w.all("jobs.batch")]
        await w.pass_time(120)
        assert [j["metadata"]["uid"] for j in w.all("jobs.batch")] == before
