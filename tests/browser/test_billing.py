"""The pages of money as people see them: seeded lives, posted by the books, in a real browser."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from addons.models import PodRow
from console.models import BillDay, Budget, BudgetEvent, PriceEntry
from tests.addons.compat.manifests import PLAIN
from tests.browser.conftest import OpenPage, axe_problems, shot
from tests.console import cast
from tests.console.billing import weeks

pytestmark = pytest.mark.browser
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
VIEWS = [
    ("en", "light", (1440, 900)),
    ("zh-hans", "dark", (390, 844)),
]


@pytest.fixture
def alice(transactional_db: None) -> User:
    people = cast.make_cast()
    now = timezone.now()
    pod = weeks.seed(people.team, now)
    cast.price(people.team)
    cast.discount(people.team)
    cast.channel(people.team)
    over = cast.budget(
        people.team,
        name="shop",
        scope={"namespace": "shop"},
        amount=Decimal("2"),
        spent=Decimal("1.73"),
        expected=Decimal("2.4"),
        looked_at=now,
    )
    BudgetEvent.objects.create(
        budget=over, period_start=now, threshold="80", at=now, spent=Decimal("1.61"), amount=2
    )
    cast.export(people.team, people.alice)
    assert pod.pk
    return people.alice


def paths() -> dict[str, str]:
    pod = PodRow.objects.get()
    day = BillDay.objects.filter(only_billed=1, account__provider="eci").get()
    return {
        "usage": reverse("billing-usage") + "?period=7d",
        "day": reverse("billing-usage") + "?period=today&group=provider",
        "lines": reverse("billing-lines"),
        "bills": reverse("billing-bills"),
        "bill": reverse("billing-bill", args=[day.pk]),
        "budgets": reverse("billing-budgets"),
        "budget": reverse("billing-budget", args=[Budget.objects.get().pk]),
        "budget-new": reverse("billing-budget-new"),
        "prices": reverse("billing-prices"),
        "price-new": reverse("billing-price-new"),
        "exports": reverse("billing-exports"),
        "channels": reverse("billing-channels"),
        "pod": reverse("pod-tab", args=[pod.pk, "cost"]),
        "cluster": reverse("cluster-tab", args=["prod", "cost"]),
        "node": reverse("node", args=[pod.node_id]),
        "component": reverse("component-tab", args=["prod", "hosted-virtual-node", "cost"]),
        "overview": reverse("overview"),
    }


@pytest.mark.parametrize(("lang", "theme", "size"), VIEWS)
def test_pages_of_money_fit_and_are_accessible(
    console_url: str,
    open_page: OpenPage,
    alice: User,
    lang: str,
    theme: str,
    size: tuple[int, int],
) -> None:
    page = open_page(console_url, lang=lang, theme=theme, size=size, user=alice).page
    found = {}
    for name, path in paths().items():
        page.goto(console_url + path)
        if name == "node":
            page.locator("#cost .bars").wait_for()
        shot(page, f"money-{name}-{theme}-{lang}-{size[0]}", full=True)
        wider = page.evaluate(SIDEWAYS)
        if (problems := axe_problems(page)) or wider > 0:
            found[name] = [f"{wider} px wider", *problems]
    assert found == {}


def test_a_manifest_becomes_prices_side_by_side(
    console_url: str, open_page: OpenPage, alice: User
) -> None:
    page = open_page(console_url + reverse("billing-preview"), user=alice).page
    page.locator("#id_yaml").fill(PLAIN)
    page.locator("form[method=post] button.pri").click()
    page.locator("table.offers").wait_for()
    shot(page, "money-preview-light-en-1440", full=True)
    rows = page.locator("table.offers tbody tr")
    assert rows.count() == 3
    assert "unpriced" in rows.filter(has_text="KCI").inner_text()
    assert axe_problems(page) == []


def test_amounts_tick_and_a_bar_tells_its_parts(
    console_url: str, open_page: OpenPage, alice: User
) -> None:
    page = open_page(console_url + reverse("billing-usage"), user=alice).page
    ticking = page.locator("money-tick").first
    before = ticking.inner_text()
    page.wait_for_function(
        "before => document.querySelector('money-tick').textContent !== before", arg=before
    )
    page.locator(".bars a[data-row]").last.hover()
    tip = page.locator(".bars .chart-tip")
    tip.wait_for()
    assert "¥" in tip.inner_text()
    page.locator(".bars a[data-row]").last.click()
    page.wait_for_url("**start=*")
    assert page.locator(".bars [data-row]").count() == 24


def test_a_row_is_opened_and_its_filter_taken_off(
    console_url: str, open_page: OpenPage, alice: User
) -> None:
    page = open_page(console_url + reverse("billing-usage"), user=alice).page
    page.get_by_role("link", name="checkout").first.click()
    page.wait_for_url("**namespace=checkout*")
    assert page.locator(".tag.x").inner_text().startswith("Namespace: checkout")
    page.locator("#group").select_option("provider")
    page.wait_for_url("**group=provider*")
    assert "namespace=checkout" in page.url
    page.locator(".tag.x a").click()
    page.wait_for_url(lambda url: "namespace=" not in url)


def test_days_are_picked_when_asked_and_prices_fit_the_screen(
    console_url: str, open_page: OpenPage, alice: User
) -> None:
    page = open_page(console_url + reverse("billing-usage"), user=alice).page
    assert page.locator("#days").is_hidden()
    page.get_by_role("button", name="Other days").click()
    page.locator("#days").wait_for()
    page.goto(console_url + reverse("billing-prices"))
    inside = "[...document.querySelectorAll('.tw')].map((e) => e.scrollWidth - e.clientWidth)"
    assert max(page.evaluate(inside)) <= 0


def test_a_price_is_withdrawn_only_after_asking(
    console_url: str, open_page: OpenPage, alice: User
) -> None:
    page = open_page(console_url + reverse("billing-prices"), user=alice).page
    page.get_by_role("button", name="Withdraw").click()
    dialog = page.get_by_role("dialog", name="Withdraw this price?")
    dialog.wait_for()
    shot(page, "money-withdraw-light-en-1440")
    assert axe_problems(page) == []
    dialog.get_by_role("button", name="Cancel").click()
    dialog.wait_for(state="hidden")
    assert PriceEntry.objects.get().withdrawn_at is None
    page.get_by_role("button", name="Withdraw").click()
    dialog.get_by_role("button", name="Withdraw").click()
    page.get_by_text("withdrawn", exact=True).wait_for()
    assert PriceEntry.objects.get().withdrawn_at is not None
