"""The scheduler of an ACS cluster: a zone is a virtual node, and it must have stock.

Texts of the NoStock condition: ACS help page "Custom conditions of ACS pods".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.cluster.controllers.informer import Key, Obj, key_of
from sandbox.cluster.controllers.objects import annotations_of, with_condition
from sandbox.cluster.controllers.quantities import Amounts
from sandbox.cluster.controllers.scheduler import Scheduler
from sandbox.cluster.controllers.scheduling.cache import NodeInfo
from sandbox.cluster.controllers.scheduling.filters import Refusal

from .wants import want_of

if TYPE_CHECKING:
    from sandbox.cluster.controllers.context import Context

    from .cloud import AcsCloud

COMPONENT = "AcsService"
VSWITCHES = "network.alibabacloud.com/vswitch-ids"
ZONE = "topology.kubernetes.io/zone"
_ELSEWHERE = "node(s) didn't match Pod's vSwitches"
_NO_STOCK = "node(s) had no stock"
CREATED = "ContainerInstanceCreated"
OUT_OF_STOCK = "Create failed because the specified instance is out of stock."


class AcsScheduler(Scheduler):
    """The default scheduler that also asks for stock and keeps to the pod's vSwitches."""

    def __init__(self, context: Context, cloud: AcsCloud) -> None:
        self._cloud = cloud
        super().__init__(context)

    def setup(self) -> None:
        """Follow the vSwitches of the cluster's profile too."""
        self._sold_out: dict[Key, list[str]] = {}
        self.profiles = self.context.informer("configmaps")
        super().setup()

    def retry(self) -> None:
        """Look at every waiting pod again."""
        for key in self._waiting:
            self.queue.add(key)

    async def reconcile(self, key: Key) -> float | None:
        """Bind the pod, tell which zones had no stock; waiting pods are tried again soon."""
        self._sold_out.pop(key, None)
        again = await super().reconcile(key)
        if again is None:
            return None
        return min(again, self._cloud.knobs.retry_seconds / self.clock.speed)

    def _sieve(self, pod: Obj, asked: Amounts) -> tuple[list[NodeInfo], list[Refusal]]:
        fitting, refusals = super()._sieve(pod, asked)
        zones, want = self._zones(pod), want_of(pod)
        left, sold_out = [], []
        for info in fitting:
            zone = info.labels.get(ZONE, "")
            if zones is not None and zone not in zones:
                refusals.append(Refusal([_ELSEWHERE], final=True))
            elif not self._cloud.has_stock(zone, want):
                sold_out.append(zone)
                refusals.append(Refusal([f"{_NO_STOCK} of {want.stock_names[0]}"], final=True))
            else:
                left.append(info)
        if sold_out:
            self._sold_out[key_of(pod)] = sold_out
        return left, refusals

    def _zones(self, pod: Obj) -> set[str] | None:
        profile = self.profiles.get(("kube-system", "acs-profile")) or {}
        given = annotations_of(pod).get(VSWITCHES) or (profile.get("data") or {}).get("vSwitchIds")
        if not given:
            return None
        vswitches = self._cloud.network.vswitches
        names = (name.strip() for name in given.split(","))
        return {vswitches[name].zone for name in names if name in vswitches}

    async def _bind(self, pod: Obj, info: NodeInfo) -> None:
        await self._tell(pod)
        await super()._bind(pod, info)

    async def _explain(self, pod: Obj, message: str) -> None:
        await super()._explain(pod, message)
        if await self._tell(pod):
            await self._mark(pod)

    async def _tell(self, pod: Obj) -> bool:
        """One event for the zones that were sold out."""
        zones = self._sold_out.get(key_of(pod))
        if not zones:
            return False
        want, listed = want_of(pod), ", ".join(sorted(zones))
        text = f"{OUT_OF_STOCK} {listed}"
        await self.events.emit(COMPONENT, pod, "NoStock", text, kind="Warning")
        for zone in zones:
            self._cloud.record("CreateInstance", pod, zone, code=f"NoStock/{want.stock_names[0]}")
        return True

    async def _mark(self, pod: Obj) -> None:
        current = self.pods.get(key_of(pod))
        if current is None:
            return
        condition = {
            "type": CREATED,
            "status": "False",
            "reason": "NoStock",
            "message": OUT_OF_STOCK,
        }
        status = dict(current.get("status") or {})
        status["conditions"] = with_condition(
            status.get("conditions"), condition, self.context.now()
        )
        await self.context.write_status("pods", current, status)
