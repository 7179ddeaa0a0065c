"""The canary: one small pod on a new virtual node, seen running, then removed.

It is bound to the node by name, so that no scheduler takes it elsewhere; it asks for the smallest
size that clouds sell, ends by itself, and is taken away whatever becomes of it. It restarts on
failure, because virtual kubelets give a pod that never restarts up at the first refusal.

Its image is the one that the operation names, else the setting `CANARY_IMAGE`, else a public one of
the cloud that a vSwitch without a way to the Internet reaches. An image that cannot be pulled says
nothing of the component: the cloud has made the instance, the step warns and goes on.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext_noop as _

from addons.components import cloud
from addons.components.base import Json
from addons.components.steps.common import kept_nodes, work_of
from addons.components.steps.obstacles import STANDS, obstacle_of, stands
from addons.components.work import Work, keep
from addons.models import Operation, Step, VirtualNode
from addons.operations import NotYet, StepFailed
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import PODS, Kube
from kube.errors import AlreadyExists, Conflict, NotFound

# Source of eci_open: Alibaba Cloud help, "Configure security groups" and "Configure a container
# image" (Elastic Container Instance); registry-vpc is reached from every VPC of its region.
_ECI_OPEN = "registry-vpc.{region}.aliyuncs.com/eci_open/nginx:1.14.2"
IMAGES = {"eci": _ECI_OPEN, "acs": _ECI_OPEN}
ELSEWHERE = "busybox:1.36"
SECONDS = 300
# What an operation remembers of the image that was not pulled.
_NOTE = "canary_image_note"
_UNPULLED = "unpulled"
# The step gives up, and cleans up, before the operation's own deadline would leave the pod there.
PATIENCE = timedelta(minutes=8)


def image_for(provider: str, region: str, *, named: str = "") -> str:
    """The canary's image there; `named` is the operation's own, `{region}` in it the region."""
    known = named or settings.CANARY_IMAGE or (IMAGES.get(provider, "") if region else "")
    return (known or ELSEWHERE).replace("{region}", region)


def manifest(name: str, namespace: str, node: str, image: str) -> Json:
    size = {"cpu": "250m", "memory": "512Mi"}
    container = {
        "name": "canary",
        "image": image,
        "command": ["sh", "-c", "echo ok"],
        "resources": {"requests": size, "limits": size},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "spillway", "spillway.io/canary": "true"},
        },
        "spec": {
            "nodeName": node,
            "restartPolicy": "OnFailure",
            "activeDeadlineSeconds": SECONDS,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
        },
    }


async def canary(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    if not work.wanted.component.brings_nodes:
        return _("it runs no pods")
    kube = await ctx.kube(work.cluster_id)
    name, space = f"spillway-canary-{operation.pk}", work.wanted.namespace
    pod = await _pod(kube, name, space)
    verdict = operation.arguments.get("canary", "")
    if verdict:
        return await _cleared(kube, pod, verdict)
    if pod is None:
        await _send(ctx, kube, work, name)
        raise NotYet(_("the canary pod was sent"), 0.5)
    await _judge(ctx, operation, pod)
    raise NotYet(_("the canary pod is being removed"), 0.0)


async def _pod(kube: Kube, name: str, namespace: str) -> Json | None:
    try:
        return await kube.get(PODS, name, namespace)
    except NotFound:
        return None


async def _send(ctx: Context, kube: Kube, work: Work, name: str) -> None:
    nodes = await _names(ctx, kube, work)
    if not nodes:
        raise NotYet(_("no node of it has come yet"))
    image = image_for(
        *await ctx.db(_place, work, nodes[0]),
        named=work.operation.arguments.get("canary_image") or "",
    )
    await ctx.db(keep, work.operation, **{_NOTE: {}})
    ctx.lease.check()
    try:
        await kube.create(PODS, manifest(name, work.wanted.namespace, nodes[0], image))
    except AlreadyExists:
        return


def _place(work: Work, node: str) -> tuple[str, str]:
    """Cloud and region in which a pod of the node runs."""
    row = VirtualNode.objects.filter(cluster=work.cluster_id, name=node).first()
    if row is not None:
        return row.provider, row.region
    account = cloud.account_of(work)
    if account is not None:
        return work.kit.provider, cloud.region_of(work, account)
    return work.kit.provider, work.installation.cluster.region


async def _names(ctx: Context, kube: Kube, work: Work) -> list[str]:
    if work.installation.delivery == "hosted":
        ours: list[str] = work.operation.arguments.get("nodes") or []
        return ours
    return sorted(node["metadata"]["name"] for node in await kept_nodes(ctx, kube, work))


async def _judge(ctx: Context, operation: Operation, pod: Json) -> None:
    """Keeps the verdict when there is one; raises `NotYet` while there is none."""
    status = pod.get("status") or {}
    phase, reason = status.get("phase", "Pending"), status.get("reason", "")
    message = status.get("message") or reason or phase
    step = await ctx.db(Step.objects.filter(operation=operation, name="canary").first)
    if unpulled := await _unpulled(ctx, operation, pod):
        await ctx.db(keep, operation, canary=f"{_UNPULLED}: {unpulled}")
        return
    if phase in {"Running", "Succeeded"}:
        verdict = "ran"
    elif phase == "Failed" or (step and step.started_at and ctx.now() - step.started_at > PATIENCE):
        verdict = f"failed: {message}"
    else:
        raise NotYet(stored(_("the canary pod is %(phase)s: %(why)s"), phase=phase, why=message))
    await ctx.db(keep, operation, canary=verdict)


async def _unpulled(ctx: Context, operation: Operation, pod: Json) -> str:
    """Image and reason, once it could not be pulled for as long as a registry may be away."""
    found = obstacle_of(pod)
    if found is None or found.kind not in {"image", "name"}:
        return ""
    note = stands(operation.arguments.get(_NOTE) or {}, found, ctx.now())
    if note != operation.arguments.get(_NOTE):
        await ctx.db(keep, operation, **{_NOTE: note})
    lasts = ctx.now() - datetime.fromisoformat(note["since"])
    if found.kind == "image" and lasts < STANDS:
        return ""
    return f"{found.image}: {note['words'] or found.reason}"


async def _cleared(kube: Kube, pod: Json | None, verdict: str) -> str:
    if pod is not None:
        try:
            uid = pod["metadata"]["uid"]
            await kube.delete(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"], uid=uid)
        except Conflict:
            pass
        raise NotYet(_("the canary pod is being removed"), 0.5)
    if verdict.startswith(_UNPULLED):
        text = _(
            "warning: no pod was seen running, the canary's image cannot be pulled there: %(why)s."
            " SPILLWAY_CANARY_IMAGE names another."
        )
        return stored(text, why=verdict.partition(": ")[2])
    if verdict != "ran":
        raise StepFailed(
            stored(_("The canary pod did not run: %(why)s"), why=verdict.partition(": ")[2]),
            _("Look at the events of the node and at the credential, then retry."),
        )
    return _("a pod ran and was removed")
