"""A create waits for its turn at the cloud before anything is read or written for it."""

from __future__ import annotations

from addons.pods import reasons
from addons.pods.decide import Action
from addons.pods.steps.create import create
from addons.pods.work import Work
from addons.runtime.contract import Outcome
from providers.base import Turns

# A shorter wait is done in place.
SOON_SECONDS = 0.3


async def create_in_turn(work: Work, action: Action) -> Outcome:
    provider = await work.provider()
    wait = await provider.turn(work.uid) if isinstance(provider, Turns) else 0.0
    if wait > SOON_SECONDS:
        return Outcome(wait, reasons.THROTTLED)
    return await create(work, action)
