"""Budgets and channels in a real browser: what is not reached, whose a channel is, a question."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from console.models import Budget, BudgetEvent, Channel, Membership
from tests.browser.conftest import OpenPage, axe_problems, shot
from tests.console import cast

pytestmark = pytest.mark.browser
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def alice(transactional_db: None) -> User:
    """Of two teams; one budget is used up and could stop nothing, one channel failed to tell."""
    people = cast.make_cast()
    Membership.objects.create(user=people.alice, team=people.other, role=Membership.Role.OWNER)
    channels = [cast.channel(team) for team in (people.team, people.other)]
    cast.installation(cast.cluster(people.team))
    now = timezone.now()
    budget = cast.budget(people.team, action="hold", spent="120", looked_at=now)
    budget.channels.add(channels[0])
    told = {"1": {"error": ""}, "2": {"error": "HTTP 503"}}
    amounts = {"spent": 120, "amount": 100, "action": "none", "told": told}
    BudgetEvent.objects.create(budget=budget, period_start=now, threshold="100", at=now, **amounts)
    return people.alice


@pytest.mark.parametrize(("theme", "size"), [("light", (1440, 900)), ("dark", (390, 844))])
def test_pages_fit_and_are_accessible_with_all_they_may_say(
    console_url: str, open_page: OpenPage, alice: User, theme: str, size: tuple[int, int]
) -> None:
    page = open_page(console_url, theme=theme, size=size, user=alice).page
    paths = {
        "budget-none": reverse("billing-budget", args=[Budget.objects.get().pk]),
        "budget-teams": reverse("billing-budget-new"),
        "channels-teams": reverse("billing-channels"),
    }
    found = {}
    for name, path in paths.items():
        page.goto(console_url + path)
        shot(page, f"money-{name}-{theme}-en-{size[0]}", full=True)
        wider = page.evaluate(SIDEWAYS)
        if (problems := axe_problems(page)) or wider > 0:
            found[name] = [f"{wider} px wider", *problems]
    assert found == {}


def test_a_channel_goes_after_the_question_was_answered(
    console_url: str, open_page: OpenPage, alice: User
) -> None:
    page = open_page(console_url + reverse("billing-channels"), user=alice).page
    assert page.get_by_label("Team").locator("option").all_inner_texts() == ["blue", "red"]
    row = page.locator("tbody tr").first
    row.get_by_role("button", name="Remove").click()
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    assert axe_problems(page) == []
    dialog.get_by_role("button", name="Cancel").click()
    dialog.wait_for(state="hidden")
    assert Channel.objects.count() == 2
    row.get_by_role("button", name="Remove").click()
    dialog.get_by_role("button", name="Remove").click()
    page.get_by_text("The channel is gone.").wait_for()
    assert Channel.objects.count() == 1
