"""Chromium, the console on a free port, and what every page must pass.

`console_url` serves the real ASGI application in a thread, on the test database.
`page` collects console errors and Content-Security-Policy violations and fails on any.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.fleet import Fleet, Running, serving

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
SHOTS = Path(__file__).resolve().parent.parent / "shots"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLLECT_VIOLATIONS = """
globalThis.cspViolations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  cspViolations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""

# Playwright's own loop runs in this thread; Django then refuses the ORM in tests without this.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """WhiteNoise hands files to ASGI as plain iterators; Django warns of it on every file.

    A browser that leaves a page drops answers half sent: the collector closes their files.
    """
    quiet = ("StreamingHttpResponse must consume synchronous iterators", "unclosed file")
    for item in items:
        if "console_url" in getattr(item, "fixturenames", ()):
            for message in quiet:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{message}"))


@dataclass
class Watched:
    """A page and everything it complained about."""

    page: Page
    errors: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect_error(self, pattern: str) -> None:
        """Console errors that match are part of the test."""
        self.expected.append(pattern)

    def unexpected(self) -> list[str]:
        return [e for e in self.errors if not any(re.search(p, e) for p in self.expected)]

    def violations(self) -> list[str]:
        found: list[str] = self.page.evaluate("globalThis.cspViolations || []")
        return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: apt-get install chromium, or set CHROMIUM")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()
    # sync_playwright leaves its loop set; the next async test wants a fresh one.
    with contextlib.suppress(RuntimeError):
        asyncio.set_event_loop(None)


OpenPage = Callable[..., Watched]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens an address: `open_page(url, lang="zh-hans", theme="dark", user=alice)`."""
    contexts: list[BrowserContext] = []
    watched: list[Watched] = []

    def open_one(
        url: str,
        *,
        lang: str = "en",
        theme: str = "light",
        size: tuple[int, int] = (1440, 900),
        user: User | None = None,
    ) -> Watched:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale="zh-CN" if lang.startswith("zh") else "en-US",
            timezone_id="Asia/Shanghai",
            reduced_motion="reduce",
        )
        contexts.append(context)
        cookies = {"django_language": lang, "theme": theme}
        if user:
            client = Client()
            client.force_login(user)
            cookies["sessionid"] = client.cookies["sessionid"].value
        origin = "/".join(url.split("/")[:3]) + "/"
        context.add_cookies([{"name": n, "value": v, "url": origin} for n, v in cookies.items()])
        context.add_init_script(COLLECT_VIOLATIONS)
        page = context.new_page()
        seen = Watched(page)
        watched.append(seen)
        page.on("console", lambda m: seen.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.goto(url)
        return seen

    yield open_one
    problems = [(w.unexpected(), w.violations()) for w in watched if not w.page.is_closed()]
    for context in contexts:
        context.close()
    for errors, violations in problems:
        assert errors == []
        assert violations == []


def axe_problems(page: Page, only: Sequence[str] = ()) -> list[str]:
    """Serious and critical findings of axe-core, or of some rules: rule, element, what to do."""
    run = {"type": "rule", "values": [*only]} if only else {"type": "tag", "values": RULES}
    options = {"runOnly": run, "resultTypes": ["violations"], "preload": False}
    results = Axe().run(page, options=options)
    return [
        f"{found['id']}: {node['html'][:160]} — {node['failureSummary'][:200]}"
        for found in results.response["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def shot(page: Page, name: str, *, full: bool = False) -> Path:
    """A picture in tests/shots/, to be looked at."""
    SHOTS.mkdir(exist_ok=True)
    path = SHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=full, animations="disabled")
    return path


@pytest.fixture
def console_url(transactional_db: None, redis_server: Any, settings: Any) -> Iterator[str]:
    """The whole console, websocket included, on a free loopback port."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    from console.asgi import application

    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=0,
        log_level="warning",
        ws="websockets-sansio",
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = threading.Event()
    while not server.started and thread.is_alive():
        deadline.wait(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    server.force_exit = True
    thread.join(10)
    # While the warnings of this test are still quiet.
    gc.collect()


@pytest.fixture
def staff(transactional_db: None) -> User:
    return User.objects.create_user("liwei", password="a-long-enough-1", is_staff=True)


ServeFleet = Callable[..., Running]


@pytest.fixture
def serve_fleet() -> Iterator[ServeFleet]:
    """A made-up fleet behind the live-table protocol, without Django."""
    with contextlib.ExitStack() as stack:
        yield lambda **knobs: stack.enter_context(serving(Fleet(**knobs)))
