"""A person installs, configures, rolls back and uninstalls a component, all in the browser.

The way of Kingsoft's virtual kubelet into a cluster (its help page's manifests), against real
processes and the simulated cluster and cloud.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import COLLECT_VIOLATIONS
from tests.chaos.conftest import clouds  # noqa: F401
from tests.chaos.house import House, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.chaos]
CLUSTER, NAME, NODE = "kce-beijing", "rbkci-virtual-kubelet", "virtual-kubelet02"
SECONDS = 90_000


@pytest.fixture
def page(browser: Browser, clouds: House) -> Iterator[Page]:  # noqa: F811
    """Signed in as the admin; what the pages complained about fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.add_init_script(COLLECT_VIOLATIONS)
    made, errors = context.new_page(), list[str]()
    made.set_default_timeout(30_000)
    made.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.goto(f"http://127.0.0.1:{clouds.port}/login/")
    made.fill("[name=username]", "admin")
    made.fill("[name=password]", (clouds.directory / "password").read_text().strip())
    made.press("[name=password]", "Enter")
    expect(made.locator("#main")).to_be_visible()
    yield made
    assert errors == []
    assert made.evaluate("cspViolations") == []
    context.close()


def begin(page: Page, house: House, action: str) -> None:
    page.goto(f"http://127.0.0.1:{house.port}/c/{CLUSTER}/components/{NAME}/do/{action}/")


def go_on(page: Page) -> None:
    page.locator(".acts .pri, .row > a.pri").filter(has_text="Next").click()


def confirm(page: Page, label: str) -> None:
    """The review is read from the cluster; then the operation runs to its end."""
    page.locator("form .acts .pri", has_text=label).click()
    expect(page.locator("h1 .chip.ok")).to_be_visible(timeout=SECONDS)


def install(page: Page, house: House) -> None:
    begin(page, house, "install")
    go_on(page)
    page.select_option("[name=KCI_SUBNET_ID]", index=1)
    page.locator("[name=KCI_SECURITY_GROUP_IDS]").first.check()
    go_on(page)
    page.fill("[name=KCI_CLUSTER_ID]", "c-browser")
    page.fill("[name=nodename]", NODE)
    go_on(page)
    expect(page.get_by_text("DaemonSets and virtual nodes")).to_be_visible()
    go_on(page)
    expect(page.get_by_text("Deployment kube-system/virtual-kubelet")).to_be_visible()
    confirm(page, "Install")


def test_component_comes_and_goes_by_the_browser(page: Page, clouds: House) -> None:  # noqa: F811
    install(page, clouds)
    expect(page.locator("log-pane .ln").last).to_contain_text("succeeded")
    core = clouds.core_of(CLUSTER)
    assert NODE in {node.metadata.name for node in core.list_node().items}

    begin(page, clouds, "configure")
    go_on(page)
    page.locator("details summary").click()
    page.fill("[name=cluster-domain]", "other.local")
    go_on(page)
    go_on(page)
    expect(page.get_by_text("rolls back to v1.3.1 by itself")).to_be_visible()
    confirm(page, "Apply")

    page.goto(f"http://127.0.0.1:{clouds.port}/c/{CLUSTER}/components/{NAME}/history/")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Roll back to it").click()
    go_on(page)
    confirm(page, "Roll back")

    begin(page, clouds, "uninstall")
    confirm(page, "Uninstall")
    wait_until(lambda: NODE not in {node.metadata.name for node in core.list_node().items})
