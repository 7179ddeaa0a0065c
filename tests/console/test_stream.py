"""The live stream: what a browser hears, when, and what it never hears."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.urls import reverse

from addons.announce import announce, blocking_client
from addons.models import PodRow
from console.live import consumer, views
from console.live import hub as hubs
from console.live.hub import hub
from console.live.topics import TOPICS
from console.models import Membership
from tests.conftest import RedisServer
from tests.console import cast as make
from tests.console.browser import Browser
from tests.console.cast import Cast, Fleet

pytestmark = pytest.mark.django_db(transaction=True)
Frame = dict[str, Any]


@pytest.fixture
async def live(redis_server: RedisServer) -> AsyncIterator[None]:
    blocking_client.cache_clear()
    # The first address made loads every page; a server has made one before it has a socket.
    reverse("pods")
    yield
    await hub.stop()
    blocking_client.cache_clear()


@pytest.fixture
def people(transactional_db: None) -> Cast:
    return make.make_cast()


@pytest.fixture
def home(people: Cast) -> Fleet:
    return make.make_fleet(people.team)


Opener = Callable[..., Any]


@pytest.fixture
async def browser(live: None) -> AsyncIterator[Opener]:
    opened: list[Browser] = []

    async def open_browser(user: User, **options: Any) -> Browser:
        made = await (await sync_to_async(Browser)(user, **options)).open()
        opened.append(made)
        return made

    yield open_browser
    for made in opened:
        await made.close()


def _is(topic: str) -> Callable[[Frame], bool]:
    return lambda frame: frame["t"] == topic and "facets" not in frame


@sync_to_async
def change(pod: PodRow, **fields: Any) -> None:
    PodRow.objects.filter(pk=pod.pk).update(**fields)
    announce("pods", [pod.pk])


async def test_change_reaches_the_screen_within_300_ms(
    people: Cast, home: Fleet, browser: Opener
) -> None:
    page = await browser(people.alice)
    await page.look_at("pods")
    start = time.monotonic()
    await change(home.pod, status="Error", phase="Failed")
    frame = await page.hear_until(_is("pods"))
    assert time.monotonic() - start < 0.3
    assert frame["up"][0]["status"] == "Error"
    assert (frame["add"], frame["del"], frame["gone"], frame["total"]) == (0, 0, [], 1)


async def test_new_and_gone_rows_are_counted(people: Cast, home: Fleet, browser: Opener) -> None:
    page = await browser(people.alice)
    await page.look_at("pods", "phase=Running")
    new = await sync_to_async(make.pod)(home.node)
    await change(new)
    frame = await page.hear_until(_is("pods"))
    assert (frame["add"], frame["del"], frame["total"]) == (1, 0, 2)
    await change(home.pod, phase="Succeeded")
    frame = await page.hear_until(_is("pods"))
    assert (frame["add"], frame["del"], frame["total"]) == (0, 1, 1)
    assert frame["gone"] == [home.pod.pk]


async def test_counts_of_filters_follow(people: Cast, home: Fleet, browser: Opener) -> None:
    page = await browser(people.alice)
    await page.look_at("pods")
    await change(home.pod, phase="Failed")
    frame = await page.hear_until(lambda frame: "facets" in frame)
    assert frame["facets"]["phase"] == {"Failed": 1}


async def test_only_the_window_is_sent_and_it_moves(
    people: Cast, home: Fleet, browser: Opener
) -> None:
    other = await sync_to_async(make.pod)(home.node)
    page = await browser(people.alice)
    ids = await page.look_at("pods")
    token = views.sign(views.View(people.alice.pk, "pods", "", len(ids)))
    await page.say(op="sub", topic="pods", view=token, ids=[other.pk])
    await page.settle()
    await change(home.pod, status="Unseen")
    assert await page.settle() == []
    await page.say(op="sub", topic="pods", view=token, ids=[home.pod.pk])
    frame = await page.hear_until(_is("pods"))
    assert frame["up"][0]["status"] == "Unseen", "what changed lately is repeated"


async def test_row_that_left_before_it_was_scrolled_to_is_named(
    people: Cast, home: Fleet, browser: Opener
) -> None:
    page = await browser(people.alice)
    await page.look_at("pods", "phase=Running")
    token = views.sign(views.View(people.alice.pk, "pods", "phase=Running", 1))
    await page.say(op="sub", topic="pods", view=token, ids=[])
    await page.settle()
    await change(home.pod, phase="Failed")
    await page.hear_until(_is("pods"))
    await page.say(op="sub", topic="pods", view=token, ids=[home.pod.pk])
    assert (await page.hear_until(_is("pods")))["gone"] == [home.pod.pk]


@pytest.mark.parametrize("token", ["", "forged", "of another"])
async def test_foreign_view_token_is_answered_by_resync(
    people: Cast, home: Fleet, browser: Opener, token: str
) -> None:
    if token == "of another":
        token = views.sign(views.View(people.alice.pk, "pods", "", 1))
    page = await browser(people.charlie)
    await page.say(op="sub", topic="pods", view=token, ids=[home.pod.pk])
    assert await page.hear() == {"t": "resync", "topic": "pods"}


async def test_other_team_never_hears_of_our_rows(
    people: Cast, home: Fleet, browser: Opener
) -> None:
    page = await browser(people.charlie)
    for topic, pk in (("pods", home.pod.pk), ("nodes", home.node.pk), ("orphans", home.orphan.pk)):
        token = views.sign(views.View(people.charlie.pk, topic, "", 0))
        await page.say(op="sub", topic=topic, view=token, ids=[pk])
    for name, row in (
        *(("pod", home.pod), ("op", home.operation), ("node", home.node)),
        ("credential", home.account),
    ):
        await page.say(op="sub", topic=f"{name}:{row.pk}")
        assert (await page.hear_until(lambda f: f["t"] == "error"))["message"] == "unknown topic"
    await page.say(op="sub", topic="overview")
    heard = await page.settle()
    for topic, row in (("pods", home.pod), ("nodes", home.node), ("orphans", home.orphan)):
        await sync_to_async(announce)(topic, [row.pk])
    await sync_to_async(announce)("accounts", [home.account.pk])
    heard += await page.settle()
    assert [row for frame in heard for row in frame.get("up", [])] == []
    assert all(frame["t"] != "overview" for frame in heard)
    assert all(not frame.get("add") and not frame.get("total") for frame in heard)


@pytest.mark.parametrize("topic", ["pod", "op", "node", "cluster", "credential", "overview"])
async def test_flag_tells_that_something_changed(
    people: Cast, home: Fleet, browser: Opener, topic: str
) -> None:
    named = {
        "pod": ("pods", home.pod.pk),
        "op": ("operations", home.operation.pk),
        "node": ("nodes", home.node.pk),
        "cluster": ("clusters", home.cluster.pk),
        "credential": ("accounts", home.account.pk),
        "overview": ("pods", home.pod.pk),
    }
    page = await browser(people.vera)
    name = topic if topic == "overview" else f"{topic}:{named[topic][1]}"
    await page.say(op="sub", topic=name)
    await page.settle()
    await sync_to_async(announce)(named[topic][0], [named[topic][1]])
    frame = await page.hear_until(lambda frame: frame["t"] == name)
    assert frame["changed"] is True


@pytest.fixture
def quick_recheck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "RECHECK_SECONDS", 0.05)


async def test_rights_taken_away_end_the_view(
    people: Cast, home: Fleet, browser: Opener, quick_recheck: None
) -> None:
    page = await browser(people.bob)
    await page.look_at("pods")
    await page.say(op="sub", topic=f"pod:{home.pod.pk}")
    await page.settle()
    await sync_to_async(Membership.objects.filter(user=people.bob).delete)()
    told = {(await page.hear())["topic"], (await page.hear())["topic"]}
    assert told == {"pods", f"pod:{home.pod.pk}"}
    await change(home.pod, status="Secret")
    assert await page.settle() == []


@pytest.mark.parametrize("end", ["signed out", "deactivated", "new password", "deleted"])
async def test_session_that_ended_closes_the_stream(
    people: Cast, browser: Opener, quick_recheck: None, end: str
) -> None:
    page = await browser(people.bob)
    users = User.objects.filter(pk=people.bob.pk)
    ways: dict[str, Callable[[], Any]] = {
        "signed out": Session.objects.all().delete,
        "deactivated": lambda: users.update(is_active=False),
        "new password": lambda: users.update(password="other"),
        "deleted": users.delete,
    }
    await sync_to_async(ways[end])()
    assert await page.socket.receive_output(timeout=2) == {
        "type": "websocket.close",
        "code": 4401,
    }


async def test_every_view_resyncs_after_redis_was_away(
    people: Cast, home: Fleet, browser: Opener, redis_server: RedisServer
) -> None:
    page = await browser(people.alice)
    await page.look_at("pods")
    await page.say(op="sub", topic=f"pod:{home.pod.pk}")
    await page.settle()
    redis_server.stop()
    await sync_to_async(PodRow.objects.filter(pk=home.pod.pk).update)(status="Missed")
    redis_server.start()
    told = {(await page.hear(10))["topic"], (await page.hear(10))["topic"]}
    assert told == {"pods", f"pod:{home.pod.pk}"}
    await page.look_at("pods")
    await change(home.pod, status="Heard")
    assert (await page.hear_until(_is("pods")))["up"][0]["status"] == "Heard"


async def test_page_is_told_when_live_data_stays_away(
    people: Cast, browser: Opener, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "AWAY_SECONDS", 0.1)
    page = await browser(people.alice)
    redis_server.stop()
    try:
        closed = await page.socket.receive_output(timeout=5)
        assert closed == {"type": "websocket.close", "code": 1013}
        monkeypatch.setattr(consumer, "LISTEN_SECONDS", 0.1)
        again = await sync_to_async(Browser)(people.alice)
        assert await again.socket.connect(timeout=5) == (False, 1013)
    finally:
        redis_server.start()


async def test_failed_flush_makes_views_resync(
    people: Cast, home: Fleet, browser: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await browser(people.alice)
    await page.look_at("pods")

    def fail(*_args: Any) -> None:
        raise RuntimeError("no rows today")

    with monkeypatch.context() as broken:
        broken.setattr(hubs, "_frames", fail)
        await change(home.pod, status="Lost")
        assert await page.hear() == {"t": "resync", "topic": "pods"}
    await change(home.pod, status="Found")
    assert (await page.hear_until(_is("pods")))["up"][0]["status"] == "Found"


async def test_noise_on_the_channel_and_from_the_browser_does_no_harm(
    people: Cast, home: Fleet, browser: Opener
) -> None:
    page = await browser(people.alice)
    for noise in (b"{", b'{"topic": "pods"}', b'{"topic": "pods", "ids": ["x"]}'):
        await sync_to_async(blocking_client().publish)(hubs.CHANNEL, noise)
    await page.socket.send_text("[1]")
    assert (await page.hear())["t"] == "error"
    await page.socket.send_text("not json")
    assert (await page.hear())["t"] == "error"
    await page.say(op="sub", topic="pods", view=1, ids={"a": 1})
    assert (await page.hear())["t"] == "resync"
    await page.look_at("pods")
    await change(home.pod, status="Still")
    assert (await page.hear_until(_is("pods")))["up"][0]["status"] == "Still"


async def test_slow_browser_is_sent_away_and_delays_nobody(
    people: Cast, browser: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "MAX_WAITING", 3)
    page = await browser(people.alice)
    [socket] = hub.sockets
    for number in range(5):
        socket.send({"t": "x", "seq": number})
    closed = await page.socket.receive_output(timeout=2)
    assert closed == {"type": "websocket.close", "code": 4408}


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        ("http://testserver", True),
        ("http://127.0.0.1:8000", True),
        ("http://testserver:9999", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
    ],
)
async def test_socket_opens_for_our_own_pages_only(
    people: Cast, live: None, origin: str, welcome: bool
) -> None:
    page = await sync_to_async(Browser)(people.alice, origin=origin)
    connected, _code = await page.socket.connect(timeout=5)
    assert connected is welcome
    await page.close()


async def test_socket_needs_a_session(people: Cast, live: None) -> None:
    page = await sync_to_async(Browser)(None)
    assert await page.socket.connect(timeout=5) == (False, 4401)


async def test_rows_are_made_once_for_all_sockets_of_a_language(
    people: Cast, home: Fleet, browser: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [await browser(people.alice) for _ in range(3)]
    for page in pages:
        await page.look_at("pods")
    calls = []
    real = type(TOPICS["pods"]).matching
    monkeypatch.setattr(
        type(TOPICS["pods"]), "matching", lambda *given: calls.append(1) or real(*given)
    )
    await change(home.pod, status="Once")
    for page in pages:
        assert (await page.hear_until(_is("pods")))["up"][0]["status"] == "Once"
    assert len(calls) == 1
