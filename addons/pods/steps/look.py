"""A create without an answer: search the cloud by our tags before anything else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from addons.pods import reasons, store
from addons.pods.decide import Action
from addons.pods.lookups import lookups_of
from addons.pods.status import is_over
from addons.pods.steps import looked
from addons.pods.steps.create import accepted, create
from addons.pods.work import Work, outcome_of
from addons.runtime.contract import Outcome
from providers import ledger, tags
from providers.base import Created, Instance
from providers.errors import ProviderError

# So long may a fresh instance be missing in lists. Two complete lists, so far apart and both asked
# for after the last call, prove that there is none.
SETTLING = timedelta(seconds=30)
# From then on the request is not repeated but given up, and asked under a new token.
GIVEN_UP = timedelta(seconds=120)
AGAIN_SECONDS = 3.5


async def look(work: Work, action: Action) -> Outcome:
    row, provider = work.open_row, await work.provider()
    mine = ledger.tags(row, installation=work.scene.installation)
    wanted = {key: mine[key] for key in (tags.CONSOLE, tags.UID, tags.GENERATION)}
    try:
        listing = await lookups_of(provider, work.ctx.now).complete(wanted)
    except ProviderError as error:
        return outcome_of(error)
    found = _mine(listing.instances, mine)
    if found is not None:
        looked.forget(row.pk)
        outcome = await accepted(work, row, Created(found.id, ""), code=reasons.ADOPTED)
        # Its last change may be older than any the sweep will ask for: what was found is told now.
        telling = store.Telling(work.account, found, listing.asked_at)
        await work.writer.do(store.observe, telling)
        return replace(outcome, requeue_after=0.0)
    proven = looked.missed(row.pk, listing.asked_at) >= SETTLING
    wanted_still = _live(work) and listing.asked_at - row.intended_at <= GIVEN_UP
    if wanted_still and (proven or provider.idempotent_create):
        return await create(work, action)
    if proven:
        looked.forget(row.pk)
        await work.writer.do(store.not_made, row.pk)
        return Outcome(0.0)
    return Outcome(AGAIN_SECONDS, reasons.UNKNOWN_OUTCOME)


def _live(work: Work) -> bool:
    pod = work.pod
    return pod is not None and not is_over(pod) and not pod["metadata"].get("deletionTimestamp")


def _mine(instances: tuple[Instance, ...], mine: dict[str, str]) -> Instance | None:
    """The filter of a cloud is not trusted: every tag that identifies is compared."""
    keys = (tags.CONSOLE, tags.CLUSTER, tags.UID, tags.GENERATION)
    return next((i for i in instances if all(i.tags.get(key) == mine[key] for key in keys)), None)
