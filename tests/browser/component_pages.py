"""The pages of components as somebody walks through them, without a complaint of the browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import COLLECT_VIOLATIONS
from tests.journeys.place import Place

# An operation's own deadline; what a page needs is far less.
OPERATION_MS = 90_000.0


@contextmanager
def signed_in(browser: Browser, url: str, password: str) -> Iterator[Page]:
    """As the admin; what the pages complained about fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.add_init_script(COLLECT_VIOLATIONS)
    page, errors = context.new_page(), list[str]()
    page.set_default_timeout(30_000)
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{url}/login/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    expect(page.locator("#main")).to_be_visible()
    yield page
    assert errors == []
    assert page.evaluate("cspViolations") == []
    context.close()


class Walker:
    """Somebody in the browser, going by what stands on the page."""

    def __init__(self, page: Page, place: Place) -> None:
        self.page = page
        self.place = place

    def open(self, path: str) -> None:
        self.page.goto(self.place.url + path)

    def see(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()

    def card(self, cluster: str, component: str) -> Locator:
        """From the cluster's page to its components, and the card of one."""
        self.open(f"/c/{cluster}/")
        self.page.get_by_label("Cluster", exact=True).get_by_role("link", name="Components").click()
        return self.page.locator(f"#comp-{component}")

    def begin(self, cluster: str, component: str, button: str) -> None:
        self.card(cluster, component).get_by_role("link", name=button).click()

    def choose(self, version: str, delivery: str = "") -> None:
        self.page.check(f"[name=version][value='{version}']")
        if delivery:
            self.page.check(f"[name=delivery][value={delivery}]")
        self.next()

    def next(self) -> None:
        self.page.locator(".acts .pri, .row > a.pri").filter(has_text="Next").click()

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            self.page.fill(f"[name='{name}']", value)

    def checked(self, state: str, *texts: str) -> None:
        """A line of the preflight in this state says all of the texts."""
        line = self.page.locator(f"#plan .steps > li:has(.m.{state})")
        for text in texts:
            line = line.filter(has_text=text)
        expect(line.first).to_be_visible()

    def confirm(self, button: str) -> None:
        """The review is confirmed; the operation runs to its good end before one's eyes."""
        self.page.locator("form .acts .pri", has_text=button).click()
        self.ended()

    def ended(self) -> None:
        """The operation on the page has ended well."""
        expect(self.page.locator("h1 .chip.ok")).to_be_visible(timeout=OPERATION_MS)

    def begin_uninstall(self, cluster: str, component: str) -> None:
        self.open(f"/c/{cluster}/components/{component}/")
        self.page.get_by_role("link", name="Uninstall", exact=True).click()

    def steps_to(self, step: str) -> None:
        """On with what stands there, until the wizard's step of that name."""
        while f"/{step}/" not in self.page.url:
            before = self.page.url
            self.next()
            expect(self.page).not_to_have_url(before)

    def region(self, cluster: str, region: str) -> None:
        """Set in the cluster's settings."""
        self.open(f"/c/{cluster}/settings/")
        self.page.fill("[name=region]", region)
        self.page.get_by_role("button", name="Save").click()
        expect(self.page.locator("[name=region]")).to_have_value(region)

    def did(self, what: str) -> None:
        """The operation's log says it."""
        expect(self.page.locator("log-pane .ln").filter(has_text=what).last).to_be_visible()
