"""What every provider must do. A provider's tests inherit `ProviderContract` and give the fixtures
`provider` (a client with permission), `stranger` (one without) and `place`.

A cloud without a power says so in `missing`; its tests are then skipped, and one test holds it to
its word.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from providers.base import (
    Catalogue,
    Changes,
    Created,
    Events,
    Instance,
    InstanceState,
    Listing,
    Logs,
    Provider,
    Quotas,
    Quote,
    Verify,
)
from providers.errors import AccountTrouble, NotFound, UnknownOutcome
from providers.registry import dialect
from providers.tags import CONSOLE as CONSOLE_TAG
from providers.tags import POD, owner_of
from tests.providers.cloud import CONSOLE, Place


async def until(look: Callable[[], Awaitable[Any]], *, seconds: float) -> Any:
    """The first true answer; AssertionError after `seconds`."""
    end = asyncio.get_running_loop().time() + seconds
    while not (value := await look()):
        assert asyncio.get_running_loop().time() < end, f"not true within {seconds} s"
        await asyncio.sleep(0.02 if seconds < 60 else 2)
    return value


async def until_state(
    provider: Provider, created: Created, wanted: set[InstanceState], *, seconds: float
) -> Instance:
    async def look() -> Instance | None:
        seen = await provider.get(created.id)
        return seen if seen.state in wanted else None

    found: Instance = await until(look, seconds=seconds)
    return found


def name_of(word: str) -> str:
    return f"{word}-{secrets.token_hex(4)}"


class ProviderContract:
    """Inherited, never copied. `absent` is an id that no instance has."""

    absent = "eci-bp100000000000000000"
    missing: frozenset[type[Any]] = frozenset()
    idempotent = True

    def needs(self, power: type[Any]) -> None:
        if power in self.missing:
            pytest.skip(f"this cloud has no {power.__name__}")

    def needs_tokens(self) -> None:
        if not self.idempotent:
            pytest.skip("this cloud has no idempotency tokens")

    async def test_the_powers_are_those_declared(self, provider: Provider) -> None:
        assert provider.idempotent_create is self.idempotent
        for power in (Catalogue, Changes, Events, Logs, Quotas, Quote, Verify):
            assert isinstance(provider, power) is (power not in self.missing), power.__name__

    async def test_a_created_instance_runs_and_tells_whose_it_is(
        self, provider: Provider, place: Place
    ) -> None:
        spec = place.spec(name_of("runs"))
        created = await provider.create(spec, token=secrets.token_hex(16))
        try:
            seen = await until_state(
                provider, created, {InstanceState.RUNNING}, seconds=place.seconds
            )
            assert created.request_id
            assert seen.ip
            assert seen.zone in {placement.zone for placement in place.placements}
            assert seen.size is not None
            assert seen.size.label == place.size
            assert seen.created_at is not None
            assert owner_of(seen.tags) == owner_of(spec.tags)
            assert seen.containers is not None
            assert [c.name for c in seen.containers] == ["main"]
            assert seen.containers[0].state.started_at is not None
        finally:
            await provider.delete(created.id)

    async def test_the_same_token_gives_the_same_instance(
        self, provider: Provider, place: Place
    ) -> None:
        self.needs_tokens()
        spec, token = place.spec(name_of("twice")), secrets.token_hex(16)
        first, *others = await asyncio.gather(
            *(provider.create(spec, token=token) for _ in range(5))
        )
        try:
            assert {other.id for other in others} == {first.id}
        finally:
            await provider.delete(first.id)

    async def test_the_same_token_for_another_spec_is_refused(
        self, provider: Provider, place: Place
    ) -> None:
        self.needs_tokens()
        token = secrets.token_hex(16)
        first = await provider.create(place.spec(name_of("one")), token=token)
        try:
            with pytest.raises(UnknownOutcome):
                await provider.create(place.spec(name_of("other")), token=token)
        finally:
            await provider.delete(first.id)

    async def test_a_list_by_tags_holds_ours_and_no_others(
        self, provider: Provider, place: Place
    ) -> None:
        name = name_of("listed")
        made = await provider.create(place.spec(name), token=secrets.token_hex(16))
        other = await provider.create(
            place.spec(name_of("foreign"), tags={"team": "blue"}), token=secrets.token_hex(16)
        )
        try:

            async def look() -> Listing | None:
                listing = await provider.list(tags={CONSOLE_TAG: CONSOLE, POD: name})
                return listing if listing.instances else None

            listing: Listing = await until(look, seconds=place.seconds)
            assert [instance.id for instance in listing.instances] == [made.id]
            everything = await provider.list(tags={CONSOLE_TAG: CONSOLE})
            assert other.id not in {instance.id for instance in everything.instances}
        finally:
            await provider.delete(made.id)
            await provider.delete(other.id)

    async def test_a_deleted_instance_goes_and_then_is_not_found(
        self, provider: Provider, place: Place
    ) -> None:
        created = await provider.create(
            place.spec(name_of("goes"), grace_seconds=1), token=secrets.token_hex(16)
        )
        await until_state(provider, created, {InstanceState.RUNNING}, seconds=place.seconds)
        await provider.delete(created.id)

        async def gone() -> bool:
            try:
                await provider.get(created.id)
            except NotFound:
                return True
            return False

        await until(gone, seconds=place.seconds)
        with pytest.raises(NotFound):
            await provider.delete(created.id)

    async def test_what_never_was_is_not_found(self, provider: Provider) -> None:
        with pytest.raises(NotFound):
            await provider.get(self.absent)

    async def test_changes_and_details_tell_the_same_state(
        self, provider: Provider, place: Place
    ) -> None:
        self.needs(Changes)
        assert isinstance(provider, Changes)
        created = await provider.create(place.spec(name_of("change")), token=secrets.token_hex(16))
        try:
            await until_state(provider, created, {InstanceState.RUNNING}, seconds=place.seconds)
            delta = await provider.changes(since_seconds=300)
            told = {instance.id: instance for instance in delta.instances}[created.id]
            detail = (await provider.details([created.id])).instances[0]
            assert told.state is detail.state is InstanceState.RUNNING
            assert told.ip == detail.ip
            assert told.containers is not None
            assert detail.containers is not None
            assert told.containers[0].state.started_at == detail.containers[0].state.started_at
            assert detail.billed_from is not None
            assert [
                i.id
                for i in (await provider.changes(since_seconds=None, ids=[created.id])).instances
            ] == [created.id]
        finally:
            await provider.delete(created.id)

    async def test_logs_and_events_are_told(self, provider: Provider, place: Place) -> None:
        self.needs(Logs)
        assert isinstance(provider, Logs)
        assert isinstance(provider, Events)
        created = await provider.create(place.spec(name_of("logs")), token=secrets.token_hex(16))
        try:
            await until_state(provider, created, {InstanceState.RUNNING}, seconds=place.seconds)
            assert isinstance(await provider.logs(created.id, "main", tail=10), str)
            assert await provider.events(created.id)
        finally:
            await provider.delete(created.id)

    async def test_a_price_is_quoted_per_hour(self, provider: Provider, place: Place) -> None:
        self.needs(Quote)
        assert isinstance(provider, Quote)
        detail = place.spec("price")
        size = dialect(provider.name).billed_size(detail)
        price = await provider.price(size, zone="")
        assert 0 < price.per_hour < 100
        assert price.currency

    async def test_pickers_find_the_place_of_the_test(
        self, provider: Provider, place: Place
    ) -> None:
        self.needs(Catalogue)
        assert isinstance(provider, Catalogue)
        assert place.region in await provider.regions()
        subnets = {subnet.id: subnet for subnet in await provider.subnets()}
        for placement in place.placements:
            assert subnets[placement.subnet].zone == placement.zone
        groups = {group.id for group in await provider.security_groups()}
        assert place.security_group in groups

    async def test_the_quota_is_told(self, provider: Provider) -> None:
        self.needs(Quotas)
        assert isinstance(provider, Quotas)
        assert (await provider.quota()).cpu_max > 0

    async def test_verification_lists_what_works(self, provider: Provider) -> None:
        self.needs(Verify)
        assert isinstance(provider, Verify)
        seen = await provider.verify()
        assert seen.account_id
        refused = [c for c in seen.capabilities if not c.ok]
        assert not refused, refused

    async def test_a_key_without_permission_never_gives_an_empty_list(
        self, stranger: Provider
    ) -> None:
        with pytest.raises(AccountTrouble):
            await stranger.list(tags={CONSOLE_TAG: CONSOLE})
        with pytest.raises(AccountTrouble):
            await stranger.get(self.absent)
