"""Counts and conditions of a Deployment. Pure functions over its ReplicaSets."""

from __future__ import annotations

from .informer import Obj
from .objects import condition_of, with_condition
from .revisions import budget, replicas_of
from .timing import seconds_of, stamp

DONE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
_NO_CLOCK = {DONE, TIMED_OUT, "DeploymentPaused"}


def _sum(sets: list[Obj], field: str) -> int:
    return sum((rs.get("status") or {}).get(field) or 0 for rs in sets)


def stopped_status(deployment: Obj, sets: list[Obj], new: Obj | None, now: float) -> Obj:
    """Counts and Available; Progressing is left alone (paused, resizing or being deleted)."""
    old = deployment.get("status") or {}
    status = {k: v for k, v in old.items() if k in {"collisionCount", "conditions"}}
    status["observedGeneration"] = deployment["metadata"].get("generation", 1)
    available = _sum(sets, "availableReplicas")
    total = sum(max(replicas_of(rs), _seen(rs)) for rs in sets)
    counts = {
        "replicas": _sum(sets, "replicas"),
        "updatedReplicas": _sum([new], "replicas") if new else 0,
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total - available),
    }
    status.update({name: count for name, count in counts.items() if count})
    condition = _availability(deployment, available, now)
    status["conditions"] = with_updates(status.get("conditions"), condition, now)
    return status


def _seen(rs: Obj) -> int:
    return int((rs.get("status") or {}).get("replicas") or 0)


def _availability(deployment: Obj, available: int, now: float) -> Obj:
    _, unavailable = budget(deployment)
    enough = available >= replicas_of(deployment) - unavailable
    return {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
        "lastUpdateTime": stamp(now),
    }


def with_updates(conditions: list[Obj] | None, new: Obj, now: float) -> list[Obj]:
    """`with_condition`, but an unchanged status and reason keep the old condition as it is."""
    for old in conditions or []:
        if old["type"] == new["type"] and (old["status"], old.get("reason")) == (
            new["status"],
            new["reason"],
        ):
            return list(conditions or [])
    return with_condition(conditions, new, now)


def progress_status(deployment: Obj, sets: list[Obj], new: Obj | None, now: float) -> Obj:
    """Counts, Available, Progressing and ReplicaFailure of a running rollout."""
    status = stopped_status(deployment, sets, new, now)
    conditions = status["conditions"]
    condition = _progressing(deployment, status, new, now)
    if deployment["spec"].get("progressDeadlineSeconds") is None:
        conditions = [c for c in conditions if c["type"] != "Progressing"]
    elif condition is not None:
        conditions = with_condition(conditions, condition, now)
    status["conditions"] = _failures(conditions, sets, new, now)
    return status


def _progressing(deployment: Obj, status: Obj, new: Obj | None, now: float) -> Obj | None:
    current = condition_of(deployment, "Progressing")
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new else _quoted(deployment)
    if current and current.get("reason") == DONE and _same_size(status):
        return None
    if _complete(deployment, status):
        return _state("True", DONE, f"{subject} has successfully progressed.", now)
    if _moved(deployment.get("status") or {}, status):
        return _state("True", "ReplicaSetUpdated", f"{subject} is progressing.", now)
    if _timed_out(deployment, current, now):
        return _state("False", TIMED_OUT, f"{subject} has timed out progressing.", now)
    return None


def _quoted(deployment: Obj) -> str:
    return f'Deployment "{deployment["metadata"]["name"]}"'


def _state(status: str, reason: str, message: str, now: float) -> Obj:
    return {
        "type": "Progressing",
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": stamp(now),
    }


def _same_size(status: Obj) -> bool:
    return bool(status.get("replicas", 0) == status.get("updatedReplicas", 0))


def _complete(deployment: Obj, status: Obj) -> bool:
    wanted = replicas_of(deployment)
    names = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(name, 0) == wanted for name in names)


def _moved(old: Obj, new: Obj) -> bool:
    def stale(status: Obj) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return any(new.get(n, 0) > old.get(n, 0) for n in grown) or stale(new) < stale(old)


def _timed_out(deployment: Obj, current: Obj | None, now: float) -> bool:
    if current is None or current.get("reason") in {DONE, "DeploymentPaused"}:
        return False
    if current.get("reason") == TIMED_OUT:
        return True
    deadline = deployment["spec"]["progressDeadlineSeconds"]
    return now >= seconds_of(current.get("lastUpdateTime")) + float(deadline)


def _failures(conditions: list[Obj], sets: list[Obj], new: Obj | None, now: float) -> list[Obj]:
    sources = ([new] if new else []) + sets
    failure = next((c for c in (condition_of(rs, "ReplicaFailure") for rs in sources) if c), None)
    if failure is None:
        return [c for c in conditions if c["type"] != "ReplicaFailure"]
    copied: Obj = {k: failure[k] for k in ("type", "status", "reason", "message") if k in failure}
    return with_updates(conditions, {**copied, "lastUpdateTime": stamp(now)}, now)


def needs_look_in(deployment: Obj, now: float) -> float | None:
    """Seconds until the progress deadline may have passed."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    current = condition_of(deployment, "Progressing")
    if deadline is None or current is None or current.get("reason") in _NO_CLOCK:
        return None
    return max(1.0, seconds_of(current.get("lastUpdateTime")) + float(deadline) - now + 1)
