"""Instances by id, the questions of many pods in few calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary, ref

from addons.runtime.gather import Gather
from providers.base import Changes, Instance, Provider
from providers.errors import NotFound, Unavailable

GATHER_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Answer:
    """`instance` is None when the cloud's list did not hold the id at `asked_at`."""

    instance: Instance | None
    asked_at: datetime


class Lookups:
    def __init__(self, provider: Provider, now: Callable[[], datetime]) -> None:
        self._provider = ref(provider)
        self._now = now
        self._many: Gather[str, Answer] = Gather(self._details, seconds=GATHER_SECONDS)

    async def get(self, instance_id: str) -> Answer:
        """Raises `ProviderError` when the cloud could not be asked."""
        provider = self._provider()
        if provider is None or isinstance(provider, Changes):
            return await self._many.ask(instance_id)
        asked_at = self._now()
        try:
            return Answer(await provider.get(instance_id), asked_at)
        except NotFound:
            return Answer(None, asked_at)

    async def _details(self, ids: Sequence[str]) -> Sequence[Answer]:
        provider: object = self._provider()
        if not isinstance(provider, Changes):
            raise Unavailable("the client of the account was replaced")
        listing = await provider.details(list(dict.fromkeys(ids)))
        found = {instance.id: instance for instance in listing.instances}
        return [Answer(found.get(one), listing.asked_at) for one in ids]


_lookups: WeakKeyDictionary[Provider, Lookups] = WeakKeyDictionary()


def lookups_of(provider: Provider, now: Callable[[], datetime]) -> Lookups:
    """One per client of an account in a region."""
    lookups = _lookups.get(provider)
    if lookups is None:
        lookups = _lookups[provider] = Lookups(provider, now)
    return lookups
