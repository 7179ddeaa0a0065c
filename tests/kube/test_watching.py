from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from random import Random
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from kube import PODS, Event, Kube, Limits, Pod, Reflector, SourceState, errors
from kube.watching import EventDecoder, LineSplitter
from tests.kube.world import FakeClock, api, status


def pod(name: str, version: int, **spec: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version)},
        "spec": spec,
    }


def line(kind: str, obj: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8), st.lists(st.integers(1, 50), max_size=20))
def test_events_are_the_same_however_the_bytes_are_cut(names: list[str], cuts: list[int]) -> None:
    data = b"".join(line("ADDED", pod(name, i)) for i, name in enumerate(names))
    splitter, decoder = LineSplitter(10_000), EventDecoder(dict)
    seen: list[str] = []
    for size in [*cuts, len(data)]:
        piece, data = data[:size], data[size:]
        lines = splitter.feed(piece)
        seen += [e.object["metadata"]["name"] for e in decoder.decode(lines)] if lines else []
    assert seen == names
    assert not splitter.pending


def test_a_line_without_end_is_refused() -> None:
    splitter = LineSplitter(100)
    splitter.feed(b"x" * 60)
    with pytest.raises(errors.UnexpectedAnswer):
        splitter.feed(b"x" * 60)


@pytest.mark.parametrize("kind", [dict, Pod])
def test_an_error_event_is_raised_whatever_type_was_expected(kind: type[Any]) -> None:
    expired = {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410}
    with pytest.raises(errors.Gone):
        EventDecoder(kind).decode(line("ADDED", pod("a", 1)) + line("ERROR", expired))


def test_an_event_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(errors.UnexpectedAnswer):
        EventDecoder(Pod).decode(line("ADDED", {"metadata": {"name": 5}}))
    with pytest.raises(errors.UnexpectedAnswer):
        EventDecoder(Pod).decode(b"<html>\n")


class Script:
    """An API whose lists and watches are answered in order; asked queries are kept."""

    def __init__(self) -> None:
        self.lists: list[Any] = []
        self.watches: list[Any] = []
        self.listed: list[dict[str, str]] = []
        self.watched: list[dict[str, str]] = []
        self.open = asyncio.Event()
        self.done = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.listed.append(dict(request.query))
            items = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            if isinstance(items, web.Response):
                return items
            version = str(100 * len(self.listed))
            return web.json_response({"metadata": {"resourceVersion": version}, "items": items})
        self.watched.append(dict(request.query))
        pieces = self.watches.pop(0) if self.watches else [None]
        if isinstance(pieces, web.Response):
            return pieces
        return await self._stream(request, pieces)

    async def _stream(self, request: web.Request, pieces: list[Any]) -> web.StreamResponse:
        """A piece of bytes is sent, None waits until the test is over, "abort" cuts the line."""
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            if piece is None:
                self.open.set()
                await self.done.wait()
            elif piece == "abort":
                assert request.transport is not None
                request.transport.abort()
            else:
                await response.write(piece)
        return response


class Seen:
    """What a reflector delivered, and a way to wait for it."""

    def __init__(self) -> None:
        self.lists: list[tuple[list[str], str]] = []
        self.batches: list[list[tuple[str, str]]] = []
        self.states: list[SourceState] = []
        self._changed = asyncio.Condition()

    async def on_list(self, items: list[Pod], version: str) -> None:
        self.lists.append(([item.metadata.name for item in items], version))
        await self._tell()

    async def on_events(self, events: list[Event[Pod]]) -> None:
        self.batches.append([(e.kind, e.object.metadata.name) for e in events])
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, *, lists: int = 0, events: int = 0) -> None:
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(
                lambda: len(self.lists) >= lists and sum(map(len, self.batches)) >= events
            )


@asynccontextmanager
async def watching(
    script: Script, *, inactivity: float = 5.0, clock: FakeClock | None = None
) -> AsyncIterator[tuple[Seen, FakeClock]]:
    seen, time = Seen(), clock or FakeClock()
    async with api(script.answer, limits=Limits(timeout=5), clock=time) as kube:
        reflector = Reflector(
            kube,
            PODS,
            fields="spec.nodeName=n",
            type=Pod,
            on_list=seen.on_list,
            on_events=seen.on_events,
            on_state=seen.states.append,
            clock=time,
            random=Random(1),
            inactivity=inactivity,
        )
        task = asyncio.create_task(reflector.run())
        try:
            yield seen, time
        finally:
            script.done.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_list_is_followed_by_its_changes() -> None:
    script = Script()
    script.lists = [[pod("a", 1)]]
    together = line("ADDED", pod("b", 101)) + line("DELETED", pod("a", 102))
    bookmark = line("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "150"}})
    script.watches = [[together, bookmark], [line("MODIFIED", pod("b", 160)), None]]
    async with watching(script) as (seen, _):
        await seen.until(lists=1, events=3)
    assert seen.lists == [(["a"], "100")]
    assert seen.batches == [[("ADDED", "b"), ("DELETED", "a")], [("MODIFIED", "b")]]
    assert script.watched[0]["resourceVersion"] == "100"
    assert script.watched[0]["allowWatchBookmarks"] == "true"
    assert script.watched[0]["fieldSelector"] == "spec.nodeName=n"
    assert int(script.watched[0]["timeoutSeconds"]) >= 200
    assert script.watched[1]["resourceVersion"] == "150"
    assert [s.synced for s in seen.states] == [True]


@pytest.mark.parametrize("shape", ["event", "answer"])
async def test_a_forgotten_version_leads_to_a_new_list_without_waiting(shape: str) -> None:
    expired = {"kind": "Status", "reason": "Expired", "code": 410, "message": "too old"}
    first = [line("ERROR", expired)] if shape == "event" else status(410, "Expired")
    script = Script()
    script.lists = [[pod("a", 1)], [pod("b", 2)]]
    script.watches = [first, [line("ADDED", pod("c", 201)), None]]
    async with watching(script) as (seen, clock):
        await seen.until(lists=2, events=1)
    assert seen.lists == [(["a"], "100"), (["b"], "200")]
    assert clock.slept == [0.0]
    assert [s.synced for s in seen.states] == [True, False, True]
    assert isinstance(seen.states[1].error, errors.Gone)


async def test_a_cut_connection_resumes_where_it_stopped_and_lists_again_within_a_minute() -> None:
    script = Script()
    script.lists = [[pod("a", 1)], [pod("a", 1)], [pod("z", 9)]]
    script.watches = [
        [line("ADDED", pod("b", 101)), "abort"],
        [line("ADDED", pod("c", 102)), None],
    ]
    async with watching(script) as (seen, clock):
        await seen.until(lists=1, events=2)
        await script.open.wait()
        assert script.watched[1]["resourceVersion"] == "101"
        assert int(script.watched[1]["timeoutSeconds"]) < 60
        assert len(seen.lists) == 1
        clock.now += 60
        script.done.set()
        await seen.until(lists=2)
    stale = next(s for s in seen.states if not s.synced)
    assert isinstance(stale.error, errors.Unreachable)
    assert stale.stale_since == 1_000.0
    assert stale.next_try is not None
    assert 0.25 <= clock.slept[0] <= 0.5
    assert seen.states[-1].synced


async def test_a_silent_watch_is_reconnected() -> None:
    script = Script()
    script.lists = [[pod("a", 1)]]
    script.watches = [[None], [line("ADDED", pod("b", 101)), None]]
    async with watching(script, inactivity=0.2) as (seen, _):
        await seen.until(events=1)
    assert isinstance(seen.states[1].error, errors.WatchStalled)
    assert len(seen.lists) == 1


async def test_pauses_grow_with_jitter_to_half_a_minute_and_respect_retry_after() -> None:
    script = Script()
    script.lists = [status(500, "InternalError") for _ in range(9)]
    script.lists += [status(429, "TooManyRequests", retryAfterSeconds=29), [pod("a", 1)]]
    async with watching(script) as (seen, clock):
        await seen.until(lists=1)
    assert clock.slept[9] >= 29
    for index, pause in enumerate(clock.slept[:9]):
        full = min(30.0, 0.5 * 2**index)
        assert full / 2 <= pause <= full
    assert len({round(p / min(30.0, 0.5 * 2**i), 3) for i, p in enumerate(clock.slept[:9])}) > 5
    assert not seen.states[0].synced
    assert seen.states[0].stale_since is None


async def test_a_watch_that_closes_at_once_does_not_spin() -> None:
    script = Script()
    script.lists = [[pod("a", 1)]]
    script.watches = [[], [], [line("ADDED", pod("b", 101)), None]]
    async with watching(script) as (seen, clock):
        await seen.until(events=1)
    assert len(clock.slept) == 2
    assert clock.slept[0] >= 0.25


async def test_a_failed_page_delivers_no_list() -> None:
    script = Script()
    script.lists = [status(403, "Forbidden"), [pod("a", 1)]]
    async with watching(script) as (seen, _):
        await seen.until(lists=1)
    assert seen.lists == [(["a"], "100")] or seen.lists == [(["a"], "200")]
    assert isinstance(seen.states[0].error, errors.Forbidden)


async def test_a_callback_that_fails_ends_the_run_and_is_not_swallowed() -> None:
    script = Script()
    script.lists = [[pod("a", 1)]]

    async def broken(items: list[Pod], version: str) -> None:
        raise LookupError("database is away")

    async with api(script.answer) as kube:
        reflector = Reflector(
            kube, PODS, type=Pod, on_list=broken, on_events=broken, clock=FakeClock()
        )
        with pytest.raises(LookupError):
            await reflector.run()


async def _first(kube: Kube, **options: Any) -> Event[Any]:
    async with aclosing(kube.watch(PODS, resource_version="1", **options)) as events:
        async for event in events:
            return event
    raise AssertionError("no event")


async def test_an_object_larger_than_every_buffer_arrives_whole() -> None:
    script = Script()
    big = "x" * 3_000_000
    script.watches = [[line("ADDED", pod("a", 5, nodeName=big)), None]]
    async with api(script.answer) as kube:
        event = await _first(kube, type=Pod)
        script.done.set()
    assert event.object.spec.node_name == big
    assert (event.kind, event.resource_version) == ("ADDED", "5")


async def test_open_watches_take_no_place_from_calls() -> None:
    script = Script()
    script.lists = [[pod("a", 1)]]
    script.watches = [[line("ADDED", pod("a", 5)), None] for _ in range(3)]
    async with api(script.answer, limits=Limits(in_flight=1, timeout=3)) as kube:
        sources = [kube.watch(PODS, resource_version="1") for _ in range(3)]
        for source in sources:
            await anext(source)
        assert len((await kube.list(PODS)).items) == 1
        script.done.set()
        for source in sources:
            await source.aclose()
