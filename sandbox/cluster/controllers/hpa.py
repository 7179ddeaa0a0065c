"""HorizontalPodAutoscaler: status only; the simulated metrics never ask for another size."""

from __future__ import annotations

from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import with_condition

RESOURCE = "horizontalpodautoscalers.autoscaling"
PERIOD = 15.0


class Autoscalers(Controller[Key]):
    """Keys are (namespace, name)."""

    name = "horizontal-pod-autoscaler"

    def setup(self) -> None:
        self.scalers = self.context.informer(RESOURCE)
        self.scalers.on_change(lambda new, _: self.queue.add(key_of(new)) if new else None)

    async def reconcile(self, key: Key) -> float | None:
        """Keep the target within min and max, and say what it has."""
        scaler = self.scalers.get(key)
        if scaler is None:
            return None
        target = self._target(scaler)
        status = dict(scaler.get("status") or {})
        if target is None:
            self._judge(status, "AbleToScale", "False", "FailedGetScale")
        else:
            resource, obj = target
            wanted = await self._bound(scaler, resource, obj)
            current = int((obj.get("status") or {}).get("replicas") or 0)
            status.update(currentReplicas=current, desiredReplicas=wanted)
            self._judge(status, "AbleToScale", "True", "SucceededGetScale")
            self._judge(status, "ScalingActive", "False", "FailedGetResourceMetric")
        status.pop("observedGeneration", None)
        await self.context.write_status(RESOURCE, scaler, status)
        return PERIOD

    def _target(self, scaler: Obj) -> tuple[str, Obj] | None:
        ref = scaler["spec"]["scaleTargetRef"]
        resource = self.context.catalog.of_kind(ref.get("apiVersion", "apps/v1"), ref["kind"])
        if resource is None:
            return None
        namespace = scaler["metadata"]["namespace"]
        obj = self.client.look(resource.storage, ref["name"], namespace)
        return None if obj is None else (resource.storage, obj)

    async def _bound(self, scaler: Obj, resource: str, obj: Obj) -> int:
        spec = scaler["spec"]
        size = int(obj["spec"].get("replicas", 1))
        if size == 0:
            return 0
        wanted = min(max(size, spec.get("minReplicas", 1)), spec["maxReplicas"])
        if wanted != size:
            namespace, name = key_of(obj)
            body = {"spec": {"replicas": wanted}}
            await self.client.patch(resource, name, namespace, body, kind="merge")
            way = "below minReplicas" if wanted > size else "above maxReplicas"
            text = f"New size: {wanted}; reason: Current number of replicas {way}"
            await self.events.emit(self.name, scaler, "SuccessfulRescale", text)
        return int(wanted)

    def _judge(self, status: Obj, kind: str, state: str, reason: str) -> None:
        condition = {
            "type": kind,
            "status": state,
            "reason": reason,
            "message": _MESSAGES[reason],
        }
        now = self.context.now()
        status["conditions"] = with_condition(status.get("conditions"), condition, now)


_MESSAGES = {
    "SucceededGetScale": "the HPA controller was able to get the target's current scale",
    "FailedGetScale": "the HPA controller was unable to get the target's current scale",
    "FailedGetResourceMetric": (
        "the HPA was unable to compute the replica count: no metrics returned from resource "
        "metrics API"
    ),
}
