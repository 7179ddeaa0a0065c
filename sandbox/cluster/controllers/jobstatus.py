"""What a Job's pods add up to, and when the Job is over. Pure functions."""

from __future__ import annotations

from typing import NamedTuple

from .informer import Obj
from .objects import annotations_of, condition_of, deleting, pod_finished, pod_ready
from .timing import seconds_of

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FIRST_BACK_OFF = 10.0
LONGEST_BACK_OFF = 360.0


class Verdict(NamedTuple):
    """How a Job ends: condition type, reason and message."""

    kind: str
    reason: str
    message: str


def phase_of(pod: Obj) -> str:
    """The pod's phase."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def active(pods: list[Obj]) -> list[Obj]:
    """Pods that may still do work."""
    return [pod for pod in pods if not pod_finished(pod) and not deleting(pod)]


def uncounted(pods: list[Obj]) -> list[Obj]:
    """Ended pods that still carry the tracking finalizer, i.e. are in no count yet."""
    return [pod for pod in pods if TRACKING in finalizers(pod) and _over(pod)]


def _over(pod: Obj) -> bool:
    return pod_finished(pod) or (deleting(pod) and not _runs(pod))


def _runs(pod: Obj) -> bool:
    """Being deleted, but a kubelet may still be stopping it."""
    return bool(pod["metadata"].get("deletionGracePeriodSeconds"))


def finalizers(obj: Obj) -> list[str]:
    """The finalizers, never None."""
    return obj["metadata"].get("finalizers") or []


def finished(job: Obj) -> Obj | None:
    """The Complete or Failed condition that is True."""
    for kind in ("Complete", "Failed"):
        condition = condition_of(job, kind)
        if condition and condition["status"] == "True":
            return condition
    return None


def completion_index(pod: Obj) -> int | None:
    """The index of an Indexed Job's pod."""
    text = annotations_of(pod).get(INDEX)
    return int(text) if text is not None and text.isdigit() else None


def parse_indexes(text: str | None) -> set[int]:
    """ "0-2,5" -> {0, 1, 2, 5}."""
    found: set[int] = set()
    for part in (text or "").split(","):
        if part:
            low, _, high = part.partition("-")
            found.update(range(int(low), int(high or low) + 1))
    return found


def format_indexes(indexes: set[int]) -> str:
    """{0, 1, 2, 5} -> "0-2,5"."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def restarts(pods: list[Obj]) -> int:
    """Container restarts of the live pods, for restartPolicy OnFailure."""
    return sum(
        status.get("restartCount", 0)
        for pod in pods
        for status in (pod.get("status") or {}).get("containerStatuses") or []
    )


def ready_count(pods: list[Obj]) -> int:
    """Live pods that are ready."""
    return sum(pod_ready(pod) for pod in pods)


def failure_of(job: Obj, pods: list[Obj], failed: int, now: float) -> Verdict | None:
    """Why the Job has failed, if it has."""
    spec = job["spec"]
    limit = spec.get("backoffLimit", 6)
    policy = spec["template"]["spec"].get("restartPolicy")
    exceeded = failed > limit
    if policy == "OnFailure":
        count = restarts(active(pods))
        exceeded = exceeded or (count >= limit > 0) or (limit == 0 and count > 0)
    if exceeded:
        text = "Job has reached the specified backoff limit"
        return Verdict("Failed", "BackoffLimitExceeded", text)
    if deadline_left(job, now) is not None and (deadline_left(job, now) or 0) <= 0:
        text = "Job was active longer than specified deadline"
        return Verdict("Failed", "DeadlineExceeded", text)
    return None


def deadline_left(job: Obj, now: float) -> float | None:
    """Seconds until activeDeadlineSeconds is over, None without one."""
    limit = job["spec"].get("activeDeadlineSeconds")
    started = (job.get("status") or {}).get("startTime")
    if limit is None or not started:
        return None
    return seconds_of(started) + float(limit) - now


def completed(job: Obj, pods: list[Obj], succeeded: int) -> bool:
    """As many successes as asked; without `completions` one success and no pod left."""
    completions = job["spec"].get("completions")
    if completions is None:
        return succeeded > 0 and not active(pods)
    return succeeded >= int(completions)


def wanted_active(job: Obj, pods: list[Obj], succeeded: int) -> int:
    """How many pods should be working now."""
    parallelism = job["spec"].get("parallelism", 1)
    completions = job["spec"].get("completions")
    if completions is None:
        return len(active(pods)) if succeeded else int(parallelism)
    return min(int(parallelism), int(completions) - succeeded)


def back_off(failed: int, last_failure: float, now: float) -> float:
    """Seconds before the next pod after failures."""
    if not failed or not last_failure:
        return 0.0
    wait = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * float(2 ** min(failed - 1, 10)))
    return max(0.0, last_failure + wait - now)


def ended_at(pod: Obj) -> float:
    """When the pod's last container ended, seconds since the epoch; 0.0 when unknown."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    ends = [
        ((status.get("state") or {}).get("terminated") or {}).get("finishedAt")
        for status in statuses
    ]
    return max((seconds_of(end) for end in ends), default=0.0)
