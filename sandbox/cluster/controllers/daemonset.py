"""DaemonSet: one pod on every node that its pods tolerate and select, virtual nodes included."""

from __future__ import annotations

from . import controllerrevisions
from .controllerrevisions import LABEL
from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import (
    controller_of,
    controller_uid,
    deleting,
    labels_of,
    matches,
    node_of,
    pod_active,
    pod_finished,
    pod_ready,
)
from .owning import PodControl, claim, orphaned, pod_from
from .replicaset import available_in
from .revisions import scaled
from .scheduling.cache import NodeInfo
from .scheduling.filters import selected, untolerated

RESOURCE = "daemonsets.apps"
GATHER = 0.05
FAILED_AGAIN = 1.0
_TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)


class DaemonSets(Controller[Key]):
    """Keys are (namespace, name)."""

    name = "daemonset-controller"

    def setup(self) -> None:
        self.sets = self.context.informer(RESOURCE)
        self.pods = self.context.informer("pods")
        self.nodes = self.context.informer("nodes")
        self.by_owner = self.pods.index("controller", controller_uid)
        self.orphans = self.pods.index("orphaned", orphaned)
        self.pod_control = PodControl(self.context, self.name)
        self.sets.on_change(lambda new, old: self.queue.add(key_of(new or old or {})))
        self.pods.on_change(self._on_pod)
        self.nodes.on_change(self._on_node)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        pod = new or old or {}
        ref = controller_of(pod)
        if ref and ref["kind"] == "DaemonSet":
            self.queue.add_after((pod["metadata"]["namespace"], ref["name"]), GATHER)

    def _on_node(self, new: Obj | None, old: Obj | None) -> None:
        if new is None or old is None or _traits(new) != _traits(old):
            for owner in self.sets:
                self.queue.add_after(key_of(owner), GATHER)

    async def reconcile(self, key: Key) -> float | None:
        """One pod per fitting node, none elsewhere; then outdated pods are replaced."""
        owner = self.sets.get(key)
        if owner is None or deleting(owner):
            return None
        revision = await controllerrevisions.ensure(self.context, owner)
        digest = revision["metadata"]["labels"][LABEL]
        await claim(
            self.context,
            "pods",
            owner,
            self.by_owner[owner["metadata"]["uid"]],
            [p for p in self.orphans[key[0]] if pod_active(p)],
        )
        again = await self._place(owner, digest)
        await self._roll(owner, digest)
        await self._publish(owner, digest)
        in_use = {labels_of(p).get(LABEL, "") for p in self._pods(owner)}
        await controllerrevisions.trim(self.context, owner, in_use)
        return again

    def _pods(self, owner: Obj) -> list[Obj]:
        selector = owner["spec"].get("selector")
        mine = self.by_owner[owner["metadata"]["uid"]]
        return [pod for pod in mine if matches(selector, labels_of(pod))]

    def _by_node(self, owner: Obj) -> dict[str, list[Obj]]:
        found: dict[str, list[Obj]] = {}
        for pod in self._pods(owner):
            found.setdefault(target_of(pod), []).append(pod)
        return found

    async def _place(self, owner: Obj, digest: str) -> float | None:
        again = None
        by_node = self._by_node(owner)
        template = _with_tolerations(owner["spec"]["template"]["spec"])
        for node in self.nodes:
            name = node["metadata"]["name"]
            pods = by_node.pop(name, [])
            run, stay = fits(template, node)
            living = [pod for pod in pods if pod_active(pod)]
            for pod in pods:
                if pod_finished(pod) and not deleting(pod) and stay:
                    await self.pod_control.delete(owner, pod)
                    again = FAILED_AGAIN
            if run and not pods:
                await self.pod_control.create(owner, self._pod(owner, digest, name))
            extra = living[1:] if stay else living
            for pod in extra:
                await self.pod_control.delete(owner, pod)
        for pods in by_node.values():
            for pod in pods:
                if pod_active(pod):
                    await self.pod_control.delete(owner, pod)
        return again

    def _pod(self, owner: Obj, digest: str, node: str) -> Obj:
        pod = pod_from(owner["spec"]["template"], owner)
        pod["metadata"]["labels"].update(
            {LABEL: digest, "pod-template-generation": str(owner["metadata"].get("generation", 1))}
        )
        pod["spec"] = _with_tolerations(pod["spec"])
        affinity = pod["spec"].setdefault("affinity", {}).setdefault("nodeAffinity", {})
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        terms = (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or [{}]
        affinity[_REQUIRED] = {
            "nodeSelectorTerms": [{**term, "matchFields": [field]} for term in terms]
        }
        return pod

    async def _roll(self, owner: Obj, digest: str) -> None:
        strategy = owner["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return
        pods = [pod for pod in self._pods(owner) if not pod_finished(pod)]
        limit = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
        room = max(1, scaled(limit, len(pods), up=True))
        room -= sum(deleting(pod) or not pod_ready(pod) for pod in pods)
        outdated = [p for p in pods if labels_of(p).get(LABEL) != digest and not deleting(p)]
        for pod in sorted(outdated, key=pod_ready):
            if not pod_ready(pod):
                await self.pod_control.delete(owner, pod)
            elif room > 0:
                room -= 1
                await self.pod_control.delete(owner, pod)

    async def _publish(self, owner: Obj, digest: str) -> None:
        owner = self.sets.get(key_of(owner)) or owner
        template = _with_tolerations(owner["spec"]["template"]["spec"])
        by_node = self._by_node(owner)
        min_ready = owner["spec"].get("minReadySeconds") or 0
        counts = dict.fromkeys(
            ("desired", "current", "misplaced", "ready", "updated", "available"), 0
        )
        for node in self.nodes:
            pods = [p for p in by_node.get(node["metadata"]["name"], []) if not pod_finished(p)]
            if not fits(template, node)[0]:
                counts["misplaced"] += bool(pods)
                continue
            counts["desired"] += 1
            counts["current"] += bool(pods)
            ready = [p for p in pods if pod_ready(p)]
            counts["ready"] += bool(ready)
            counts["updated"] += any(labels_of(p).get(LABEL) == digest for p in pods)
            now = self.context.now()
            counts["available"] += any(available_in(p, min_ready, now) <= 0 for p in ready)
        await self.context.write_status(RESOURCE, owner, _status(owner, counts))


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def _status(owner: Obj, counts: dict[str, int]) -> Obj:
    status = {
        "currentNumberScheduled": counts["current"],
        "desiredNumberScheduled": counts["desired"],
        "numberMisscheduled": counts["misplaced"],
        "numberReady": counts["ready"],
        "observedGeneration": owner["metadata"].get("generation", 1),
    }
    optional = {
        "updatedNumberScheduled": counts["updated"],
        "numberAvailable": counts["available"],
        "numberUnavailable": counts["desired"] - counts["available"],
    }
    return {**status, **{name: count for name, count in optional.items() if count}}


def _traits(node: Obj) -> tuple[object, ...]:
    spec = node["spec"]
    return node["metadata"].get("labels"), spec.get("taints"), spec.get("unschedulable")


def _with_tolerations(spec: Obj) -> Obj:
    """The spec with the tolerations that every daemon pod gets."""
    prefix = "node.kubernetes.io/"
    extra = [
        {"key": prefix + name, "operator": "Exists", "effect": effect}
        for name, effect in _TOLERATED
    ]
    if spec.get("hostNetwork"):
        key = prefix + "network-unavailable"
        extra.append({"key": key, "operator": "Exists", "effect": "NoSchedule"})
    given = spec.get("tolerations") or []
    return {**spec, "tolerations": [*given, *(t for t in extra if t not in given)]}


def fits(spec: Obj, node: Obj) -> tuple[bool, bool]:
    """(a pod should run on the node, a pod that runs there may stay)."""
    info = NodeInfo(node)
    pinned = spec.get("nodeName")
    if not selected(spec, info) or (pinned and pinned != info.name):
        return False, False
    tolerations = spec.get("tolerations") or []
    run = untolerated(tolerations, info.taints) is None
    hard = [t for t in info.taints if t.get("effect") == "NoExecute"]
    return run, untolerated(tolerations, hard) is None


def target_of(pod: Obj) -> str:
    """The node that the pod is on or meant for."""
    if node_of(pod):
        return node_of(pod)
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    for term in (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or []:
        for field in term.get("matchFields") or []:
            if field.get("key") == "metadata.name":
                return str(field["values"][0])
    return ""
