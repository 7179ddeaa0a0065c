"""The page of all components: both themes, both languages, no finding of any kind."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, axe_problems, shot

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("lang", ["en", "zh-hans"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_component_is_accessible_and_quiet(
    open_page: OpenPage, console_url: str, staff: User, lang: str, theme: str
) -> None:
    page = open_page(f"{console_url}/ui-kit/", lang=lang, theme=theme, user=staff).page
    page.wait_for_selector(".chart canvas")
    page.wait_for_selector("log-pane .ln")
    shot(page, f"ui-kit-{theme}-{lang}", full=True)
    assert page.get_attribute("html", "lang") == ("zh-Hans" if lang == "zh-hans" else "en")
    assert axe_problems(page) == []


@pytest.mark.parametrize("width", [320, 640, 1280])
def test_nothing_is_cut_off_on_a_narrow_screen(
    open_page: OpenPage, console_url: str, staff: User, width: int
) -> None:
    page = open_page(f"{console_url}/ui-kit/", user=staff, size=(width, 720)).page
    shot(page, f"ui-kit-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_palette_opens_by_key_finds_a_page_and_gives_focus_back(
    open_page: OpenPage, console_url: str, staff: User
) -> None:
    page = open_page(f"{console_url}/ui-kit/", user=staff).page
    button = page.locator("[data-palette]")
    button.focus()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()
    page.keyboard.type("pods")
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("Pods")
    assert axe_problems(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    expect(button).to_be_focused()


def test_a_dialog_holds_focus_and_asks_for_the_name(
    open_page: OpenPage, console_url: str, staff: User
) -> None:
    page = open_page(f"{console_url}/ui-kit/", user=staff).page
    opener = page.get_by_role("button", name="Open dialog")
    opener.click()
    dialog = page.locator("#kit-dialog")
    danger = dialog.get_by_role("button", name="Remove cluster")
    expect(danger).to_be_disabled()
    dialog.get_by_label("Type prod-hangzhou to confirm").fill("prod-hangzhou")
    expect(danger).to_be_enabled()
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || "
            "document.getElementById('kit-dialog').contains(document.activeElement)"
        )
    assert axe_problems(page) == []
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()


def test_a_menu_is_walked_with_the_arrow_keys(
    open_page: OpenPage, console_url: str, staff: User
) -> None:
    page = open_page(f"{console_url}/ui-kit/", user=staff).page
    button = page.locator("[popovertarget=theme-menu]")
    button.press("Enter")
    expect(page.locator("#theme-menu")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitemradio", name="Dark")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.get_attribute("html", "data-theme") == "dark"
    expect(page.locator("#theme-menu")).to_be_hidden()


def test_the_log_pauses_when_the_reader_scrolls_up_and_finds_words(
    open_page: OpenPage, console_url: str, staff: User
) -> None:
    page = open_page(f"{console_url}/ui-kit/", user=staff).page
    pane = page.locator("log-pane")
    page.wait_for_selector("log-pane .ln")
    add = "(pane, count) => pane.take(Array.from({length: count}, (_, at) => `line ${at}`))"
    pane.evaluate(add, 99_000)
    assert pane.locator(".ln").count() < 80
    expect(pane.locator(".ln").last).to_contain_text("line 98999")
    pane.locator(".log").evaluate("log => { log.scrollTop = 0; }")
    expect(pane.locator(".pill")).to_be_visible()
    pane.evaluate(add, 214)
    expect(pane.locator(".pill")).to_contain_text("214 new lines")
    pane.locator("input").fill("redis")
    expect(pane.locator(".fld .num")).to_have_text("1 / 2")
    pane.locator("input").press("Enter")
    expect(pane.locator(".fld .num")).to_have_text("2 / 2")
    pane.locator(".pill").click()
    expect(pane.locator(".ln").last).to_contain_text("line 213")


@pytest.mark.parametrize("lang", ["en", "zh-hans"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in_page_is_accessible_and_quiet(
    open_page: OpenPage, console_url: str, lang: str, theme: str
) -> None:
    page = open_page(f"{console_url}/login/", lang=lang, theme=theme).page
    shot(page, f"login-{theme}-{lang}")
    assert axe_problems(page) == []


def test_a_missing_page_keeps_the_shell_and_names_the_request(
    open_page: OpenPage, console_url: str, staff: User
) -> None:
    seen = open_page(f"{console_url}/no/such/page/", user=staff)
    seen.expect_error("404")
    expect(seen.page.locator("#side")).to_be_visible()
    expect(seen.page.locator("main code")).not_to_be_empty()
    assert axe_problems(seen.page) == []
    shot(seen.page, "404")
