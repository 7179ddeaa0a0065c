"""The pod was active for longer than it may be: it fails, and its instance goes with it."""

from __future__ import annotations

from addons.pods import reasons, store
from addons.pods.deadline import MESSAGE, REASON
from addons.pods.decide import Action
from addons.pods.status import failed
from addons.pods.work import Work
from addons.runtime.contract import Outcome


async def expire(work: Work, action: Action) -> Outcome:
    del action
    await work.put_status(failed(work.live_pod, reason=REASON, message=MESSAGE, now=work.now))
    await work.say(reasons.EXPIRED)
    await work.writer.do(store.nothing, None, work.note(reasons.EXPIRED))
    return Outcome(0.0)
