"""A create without an answer: search the cloud by our tags before anything else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from addons.pods import reasons, store
from addons.pods.decide import Action
from addons.pods.status import is_over
from addons.pods.steps.create import accepted, create
from addons.pods.work import Work, outcome_of
from addons.runtime.contract import Outcome
from providers import ledger, tags
from providers.base import Created, Instance
from providers.errors import ProviderError

APART = timedelta(seconds=3)
# So long may a fresh instance be missing in lists; while its pod lives we wait longer before we
# believe that there is none and ask under a new token.
SETTLING = timedelta(seconds=30)
GIVEN_UP = timedelta(seconds=120)
# Row -> when a complete list first did not hold it; lost with the process, which only costs time.
_looked: dict[int, datetime] = {}


async def look(work: Work, action: Action) -> Outcome:
    row, provider = work.open_row, await work.provider()
    mine = ledger.tags(row, installation=work.scene.installation)
    wanted = {key: mine[key] for key in (tags.CONSOLE, tags.UID, tags.GENERATION)}
    try:
        listing = await provider.list(tags=wanted)
    except ProviderError as error:
        return outcome_of(error)
    found = _mine(listing.instances, mine)
    if found is not None:
        _looked.pop(row.pk, None)
        outcome = await accepted(work, row, Created(found.id, ""), code=reasons.ADOPTED)
        # Its last change may be older than any the sweep will ask for: what was found is told now.
        telling = store.Telling(work.account, found, listing.asked_at)
        await work.writer.do(store.observe, telling)
        return replace(outcome, requeue_after=0.0)
    first = _looked.setdefault(row.pk, listing.asked_at)
    twice = listing.asked_at - first >= APART
    age, live = listing.asked_at - row.intended_at, _live(work)
    if twice and age > (GIVEN_UP if live else SETTLING):
        _looked.pop(row.pk, None)
        await work.writer.do(store.not_made, row.pk)
        return Outcome(0.0)
    if live and (provider.idempotent_create or twice):
        return await create(work, action)
    return Outcome(APART.total_seconds() + 0.5, reasons.UNKNOWN_OUTCOME)


def _live(work: Work) -> bool:
    pod = work.pod
    return pod is not None and not is_over(pod) and not pod["metadata"].get("deletionTimestamp")


def _mine(instances: tuple[Instance, ...], mine: dict[str, str]) -> Instance | None:
    """The filter of a cloud is not trusted: every tag that identifies is compared."""
    keys = (tags.CONSOLE, tags.CLUSTER, tags.UID, tags.GENERATION)
    return next((i for i in instances if all(i.tags.get(key) == mine[key] for key in keys)), None)
