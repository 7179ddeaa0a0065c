"""The pages follow real processes: kubectl on one side, the browser on the other, no reload."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from kubernetes import watch
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import COLLECT_VIOLATIONS
from tests.chaos import manifests as m
from tests.chaos.conftest import house, running_house  # noqa: F401
from tests.chaos.house import House, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.chaos]

# The list of lines is virtual and its elements are used again: the number tells the newest.
NEWEST_LINE = """() => Math.max(0, ...[...document.querySelectorAll("log-pane .ln .n")]
  .map((number) => Number(number.textContent)))"""
# Notes, in the page's own clock, when a row first shows a status.
RECORD = """(name) => {
  globalThis.seen = {};
  globalThis.born = performance.timeOrigin;
  const look = () => document.querySelectorAll(".vt-row").forEach((row) => {
    const title = row.querySelector("a.nm")?.textContent || "";
    const chip = row.querySelector(".chip")?.textContent;
    if (title.startsWith(name) && chip) {
      const states = (seen[title] ||= {});
      states[chip] ||= performance.timeOrigin + performance.now();
    }
  });
  new MutationObserver(look).observe(document.body,
    { subtree: true, childList: true, characterData: true });
  look();
}"""


@pytest.fixture
def context(browser: Browser, house: House) -> Iterator[BrowserContext]:  # noqa: F811
    """Signed in as the admin, through the form, once."""
    made = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    made.add_init_script(COLLECT_VIOLATIONS)
    page = made.new_page()
    page.goto(f"http://127.0.0.1:{house.port}/login/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", (house.directory / "password").read_text().strip())
    page.press("[name=password]", "Enter")
    expect(page.locator("#main")).to_be_visible()
    page.close()
    yield made
    made.close()


def opened(context: BrowserContext, house: House, path: str) -> Page:  # noqa: F811
    """A page that will tell whether anything reloaded it."""
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{house.port}{path}")
    page.evaluate("globalThis.untouched = true")
    return page


def rows(page: Page, app: str) -> Locator:
    return page.locator(".vt-row", has=page.locator("a.nm", has_text=app))


def not_reloaded(page: Page) -> None:
    assert page.evaluate("globalThis.untouched")
    assert page.evaluate("cspViolations") == []


def moments_of_running(house: House, app: str, count: int) -> dict[str, float]:  # noqa: F811
    """When the cluster's API told a watcher that each pod runs; unix seconds."""
    found: dict[str, float] = {}
    stream = watch.Watch().stream(
        house.core.list_namespaced_pod, "default", label_selector=f"app={app}", timeout_seconds=40
    )
    for event in stream:
        pod = event["object"]
        if pod.status.phase == "Running":
            found.setdefault(pod.metadata.name, time.time())
        if len(found) == count:
            break
    return found


def test_scaled_pods_appear_and_turn_to_running_within_a_second(
    context: BrowserContext,
    house: House,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    house.apply(m.deployment("web", 1))
    wait_until(lambda: [p["status"]["phase"] for p in house.pods("web")] == ["Running"])
    page = opened(context, house, "/pods/?q=web")
    expect(rows(page, "web-")).to_have_count(1)
    # Slow enough for the new rows to be listed before they run.
    house.world.knobs(schedule_seconds=3.0, pull_seconds=2.0)
    page.evaluate(RECORD, "web-")
    house.kubectl("scale", "deployment", "web", "--replicas", "4")
    told = moments_of_running(house, "web", 4)
    expect(rows(page, "web-")).to_have_count(4, timeout=10_000)
    expect(rows(page, "web-").locator(".chip.ok")).to_have_count(4, timeout=10_000)
    seen = page.evaluate("seen")
    fresh = [name for name in told if len(seen.get(name, {})) > 1]
    assert len(fresh) == 3, seen
    late = [max(seen[name]["Running"] / 1000 - told[name], 0.0) for name in fresh]
    with capsys.disabled():
        figures = ", ".join(f"{seconds:.2f} s" for seconds in late)
        print(f"\nRunning on screen after the API event: {figures}")  # noqa: T201 - a figure
    assert max(late) < 1.0
    not_reloaded(page)


def test_a_deleted_pod_stays_in_its_place_greyed_out(
    context: BrowserContext,
    house: House,  # noqa: F811
) -> None:
    house.apply(m.bound("leaver"), m.bound("stayer"))
    wait_until(lambda: all(p["status"]["phase"] == "Running" for p in house.pods()))
    page = opened(context, house, "/pods/?q=er")
    leaver = rows(page, "leaver")
    expect(leaver.locator(".chip.ok")).to_have_count(1)
    # A reader who looks at a row is not disturbed by news.
    leaver.click()
    house.kubectl("delete", "pod", "leaver", "--wait=false")
    expect(page.locator(".vt-row.deleted")).to_have_count(1, timeout=15_000)
    expect(page.locator(".vt-row.deleted")).to_contain_text("Deleted")
    expect(page.locator("[data-apply]")).to_be_visible()
    page.locator("[data-apply]").click()
    expect(rows(page, "leaver")).to_have_count(0)
    expect(rows(page, "stayer").locator(".chip.ok")).to_have_count(1)
    not_reloaded(page)


def test_the_timeline_grows_and_logs_follow(
    context: BrowserContext,
    house: House,  # noqa: F811
) -> None:
    house.world.knobs(schedule_seconds=2.0, pull_seconds=2.0)
    talk = ["sh", "-c", "i=0; while true; do i=$((i+1)); echo line $i; sleep 1; done"]
    house.apply(m.bound("talker", containers=[m.container("busybox", command=talk)]))
    pod = wait_until(lambda: house.pods("talker"))[0]
    row = wait_until(lambda: house.row(pod["metadata"]["uid"]), what="the pod is mirrored")
    page = opened(context, house, f"/pods/{row['id']}/")
    entries = page.locator(".tl li")
    before = entries.count()
    expect(page.locator("#pod-top .chip.ok")).to_be_visible(timeout=20_000)
    expect(page.locator(".tl")).to_contain_text("Started", timeout=20_000)
    assert entries.count() > before
    not_reloaded(page)
    page.goto(f"http://127.0.0.1:{house.port}/pods/{row['id']}/logs/")
    page.wait_for_function(f"() => ({NEWEST_LINE})() > 0", timeout=15_000)
    count = page.evaluate(NEWEST_LINE)
    page.wait_for_function(f"(n) => ({NEWEST_LINE})() > n + 2", arg=count, timeout=15_000)


def test_a_killed_web_process_shows_the_strip_and_heals(
    context: BrowserContext,
    house: House,  # noqa: F811
) -> None:
    house.apply(m.bound("patient"))
    wait_until(lambda: [p["status"]["phase"] for p in house.pods("patient")] == ["Running"])
    page = opened(context, house, "/pods/?q=patient")
    expect(rows(page, "patient").locator(".chip.ok")).to_have_count(1)
    house.kill("web")
    expect(page.locator("#reconnect")).to_be_visible(timeout=12_000)
    expect(page.locator("#reconnect")).to_contain_text("Reconnecting")
    expect(rows(page, "patient")).to_have_count(1)
    house.kubectl("delete", "pod", "patient", "--wait=false")
    wait_until(lambda: not house.pods("patient"))
    house.restart("web")
    expect(page.locator("#reconnect")).to_be_hidden(timeout=40_000)
    expect(page.locator(".vt-row:not(.deleted)")).to_have_count(0, timeout=20_000)
    not_reloaded(page)


def test_the_chinese_page_says_in_chinese_why_a_pod_waits(
    context: BrowserContext,
    house: House,  # noqa: F811
) -> None:
    sources = [{"configMapRef": {"name": "absent"}}]
    house.apply(m.bound("waiter", containers=[m.container(envFrom=sources)]))
    house.rest("me/", "PATCH", {"language": "zh-hans"})
    try:
        page = opened(context, house, "/pods/?q=waiter")
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
        expect(rows(page, "waiter").locator(".sub").filter(has_text="absent")).to_contain_text(
            "自动启动", timeout=20_000
        )
        house.kubectl("create", "configmap", "absent")
        expect(rows(page, "waiter").locator(".chip.ok")).to_have_text("运行中", timeout=20_000)
        not_reloaded(page)
    finally:
        house.rest("me/", "PATCH", {"language": "en"})
