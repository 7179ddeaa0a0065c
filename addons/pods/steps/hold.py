"""New instances are refused here (`addons.holds`): the pod waits, says why, and costs nothing."""

from __future__ import annotations

from django.utils import translation

from addons.pods import reasons
from addons.pods.container_status import Waiting
from addons.pods.decide import Action
from addons.pods.status import status_of
from addons.pods.steps.create import note_once
from addons.pods.work import Work
from addons.runtime.contract import Outcome

# Lifting queues the pod at once; this is for a hold that ends in any other way.
LOOK_SECONDS = 30.0


async def hold(work: Work, action: Action) -> Outcome:
    outcome = Outcome(LOOK_SECONDS, reasons.HELD, action.values)
    with translation.override("en"):
        message = reasons.sentence(reasons.HELD, action.values)
    waiting = Waiting(reasons.HELD, message)
    await work.put_status(status_of(work.live_pod, None, now=work.now, waiting=waiting))
    await work.say(reasons.HELD, **action.values)
    await note_once(work, outcome)
    return outcome
