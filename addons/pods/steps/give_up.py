"""No stock for longer than the pod shall wait: it fails, so that its owner or a person acts."""

from __future__ import annotations

from django.utils import translation

from addons.pods import reasons, store
from addons.pods.decide import Action
from addons.pods.patience import waiting_of
from addons.pods.status import failed
from addons.pods.work import Work
from addons.runtime.contract import Outcome
from providers.base import OnFailure

# Reason of the pod's status, as virtual kubelets write it for a create that failed for good.
FAILED = "ProviderFailed"
OVER = "FailedOver"


async def give_up(work: Work, action: Action) -> Outcome:
    over = waiting_of(work).on_failure is OnFailure.OVER
    code = reasons.FAILED_OVER if over else reasons.GAVE_UP
    with translation.override("en"):
        message = reasons.sentence(code, action.values)
    reason = OVER if over else FAILED
    await work.put_status(failed(work.live_pod, reason=reason, message=message, now=work.now))
    await work.say(code, **action.values)
    await work.writer.do(store.nothing, None, work.note(code, **action.values))
    await work.announce()
    return Outcome(0.0)
