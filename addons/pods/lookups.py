"""Instances by id and by tags, the questions of many pods in few calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary, ref

from addons.runtime.gather import Gather
from providers import tags
from providers.base import Changes, Instance, Listing, Provider
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
        self._lists: Gather[str, Listing] = Gather(self._list, seconds=GATHER_SECONDS)

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

    async def complete(self, wanted: Mapping[str, str]) -> Listing:
        """A complete list, asked for from now on, of what carries these tags and maybe more.

        Where a list is the whole account's anyway, one serves all who ask meanwhile.
        """
        provider = self._provider()
        if provider is not None and provider.idempotent_create:
            return await provider.list(tags=wanted)
        return await self._lists.ask(wanted[tags.CONSOLE])

    async def _list(self, consoles: Sequence[str]) -> Sequence[Listing]:
        provider = self._provider()
        if provider is None:
            raise Unavailable("the client of the account was replaced")
        found = {one: await provider.list(tags={tags.CONSOLE: one}) for one in set(consoles)}
        return [found[one] for one in consoles]

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
