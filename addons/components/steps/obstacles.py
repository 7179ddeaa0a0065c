"""Why the pods of a workload do not come up, told long before a rollout's deadline.

By the kubelet's reasons for a waiting container (Kubernetes source, `pkg/kubelet/images/types.go`,
`pkg/kubelet/kuberuntime`): an image name that cannot be parsed never heals and is told at once; a
crash is told at its second restart; an image that cannot be pulled and a container that cannot be
made are told once they have stood for `STANDS`, because a registry may be away for a moment and a
Secret may be written a moment later.

Only pods of the newest template count: what an upgrade replaces may well be what is broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext_noop as _

from addons.components.base import Json
from addons.components.work import keep
from addons.models import Operation
from addons.operations import StepFailed
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import PODS, REPLICASETS, Kube
from kube.errors import Conflict, KubeError, NotFound

STANDS = timedelta(seconds=60)
# What an operation remembers of the obstacle it saw last.
NOTE = "obstacle"
AGAIN = {"again": "yes"}
_CRASHING = "CrashLoopBackOff"
_BAD_NAME = "InvalidImageName"
_IMAGE = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", _BAD_NAME}
)
_MAKING = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
    | {"PreCreateHookError", "PreStartHookError", "PostStartHookError"}
)
_WORST_FIRST = ("crash", "name", "making", "image")
_RESTARTS = 2
_LAST_LINES = 5
_REVISION = "deployment.kubernetes.io/revision"
_FIXES = {
    "crash": _("Check the credential and the values, then change them and retry."),
    "name": _("Correct the image in the values, then start again."),
    "image": _(
        "Check the image's address and version, that the nodes reach its registry, and the pull"
        " secret; then retry, or change the values."
    ),
    "making": _("Make what the message names, or correct the values; then retry."),
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A container that does not start. `kind` is crash, name, image or making."""

    kind: str
    pod: str
    namespace: str
    container: str
    image: str
    reason: str
    message: str

    @property
    def key(self) -> str:
        """The same as long as the same container is held up by the same kind of thing."""
        return f"{self.kind} {self.pod} {self.container}"


def obstacle_of(pod: Json) -> Obstacle | None:
    """The first container of a pod that the kubelet cannot start. Pure."""
    meta, status = pod["metadata"], pod.get("status") or {}
    if meta.get("deletionTimestamp"):
        return None
    for one in (*(status.get("initContainerStatuses") or ()), *_containers(status)):
        waiting = (one.get("state") or {}).get("waiting") or {}
        kind = _kind(waiting.get("reason", ""), one.get("restartCount", 0))
        if kind:
            return Obstacle(
                kind,
                meta["name"],
                meta["namespace"],
                one["name"],
                _image(pod, one["name"]) or one.get("image", ""),
                waiting["reason"],
                waiting.get("message", ""),
            )
    return None


def _containers(status: Mapping[str, Sequence[Json]]) -> Sequence[Json]:
    return status.get("containerStatuses") or ()


def _image(pod: Json, container: str) -> str:
    spec = pod.get("spec") or {}
    known = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    return next((one.get("image", "") for one in known if one["name"] == container), "")


def _kind(reason: str, restarts: int) -> str:
    if reason == _CRASHING:
        return "crash" if restarts >= _RESTARTS else ""
    if reason in _IMAGE:
        return "name" if reason == _BAD_NAME else "image"
    return "making" if reason in _MAKING else ""


def stands(note: Mapping[str, str], obstacle: Obstacle, now: datetime) -> dict[str, str]:
    """The note of the obstacle, with since when it stands and its most telling words. Pure."""
    if note.get("key") != obstacle.key:
        note = {"since": now.isoformat()}
    # A back-off says less than the pull that failed before it.
    telling = "" if obstacle.reason == "ImagePullBackOff" else obstacle.message
    words = telling or note.get("words", "") or obstacle.message
    return {"key": obstacle.key, "since": note["since"], "words": words}


async def renew(ctx: Context, operation: Operation, kube: Kube, workloads: Sequence[Json]) -> None:
    """After a retry: pods that wait for their next try, up to five minutes, are made anew."""
    if operation.arguments.get(NOTE) != AGAIN:
        return
    for live in workloads:
        for pod in await _newest(kube, live):
            if obstacle_of(pod) is not None:
                meta = pod["metadata"]
                ctx.lease.check()
                with suppress(NotFound, Conflict):
                    await kube.delete(PODS, meta["name"], meta["namespace"], uid=meta["uid"])
    await ctx.db(keep, operation, **{NOTE: {}})


async def held_up(ctx: Context, operation: Operation, kube: Kube, live: Json) -> str:
    """What holds the workload up for the moment; empty: nothing that is known.

    Raises `StepFailed` when it will not pass by itself.
    """
    found = [obstacle_of(pod) for pod in await _newest(kube, live)]
    obstacles = [one for one in found if one is not None]
    if not obstacles:
        return ""
    one = min(obstacles, key=lambda each: _WORST_FIRST.index(each.kind))
    note = stands(operation.arguments.get(NOTE) or {}, one, ctx.now())
    if note != operation.arguments.get(NOTE):
        await ctx.db(keep, operation, **{NOTE: note})
    words = note["words"]
    if one.kind == "crash":
        words = await _last_words(kube, one) or words
    lasts = ctx.now() - datetime.fromisoformat(note["since"])
    if one.kind in {"crash", "name"} or lasts >= STANDS:
        raise StepFailed(sentence(one, words), _FIXES[one.kind])
    return sentence(one, words)


def sentence(obstacle: Obstacle, words: str) -> str:
    """In plain words, as it is stored."""
    texts = {
        "crash": _("%(pod)s is in %(reason)s: %(words)s"),
        "name": _("%(pod)s: %(image)s is not the name of an image."),
        "image": _("%(pod)s: the image %(image)s cannot be pulled (%(reason)s): %(words)s"),
        "making": _("%(pod)s: the container %(container)s cannot be made (%(reason)s): %(words)s"),
    }
    return stored(
        texts[obstacle.kind],
        pod=obstacle.pod,
        container=obstacle.container,
        image=obstacle.image,
        reason=obstacle.reason,
        words=words or "-",
    )


async def _newest(kube: Kube, live: Json) -> list[Json]:
    """The pods of a Deployment's newest ReplicaSet; all pods of any other workload."""
    space = live["metadata"]["namespace"]
    labels = ((live["spec"].get("selector") or {}).get("matchLabels")) or {}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = (await kube.list(PODS, space, labels=selector)).items
    if live["kind"] != "Deployment":
        return pods
    wanted = (live["metadata"].get("annotations") or {}).get(_REVISION)
    sets = {name: await _revision(kube, name, space) for name in {_set(pod) for pod in pods}}
    return [pod for pod in pods if sets[_set(pod)] == wanted]


def _set(pod: Json) -> str:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((one["name"] for one in owners if one["kind"] == "ReplicaSet"), "")


async def _revision(kube: Kube, name: str, namespace: str) -> str | None:
    if not name:
        return None
    try:
        found = await kube.get(REPLICASETS, name, namespace)
    except NotFound:
        return None
    return str((found["metadata"].get("annotations") or {}).get(_REVISION))


async def _last_words(kube: Kube, obstacle: Obstacle) -> str:
    pieces: list[bytes] = []
    try:
        async for piece in kube.logs(
            obstacle.namespace,
            obstacle.pod,
            container=obstacle.container,
            tail_lines=_LAST_LINES,
            previous=True,
        ):
            pieces.append(piece)
    except KubeError:
        return ""
    return b"".join(pieces).decode(errors="replace").strip()[-500:]
