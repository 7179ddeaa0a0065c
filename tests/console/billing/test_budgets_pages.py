"""Pages of budgets and channels: what was told, what is not reached, and whose a channel is."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.models import BudgetEvent, Channel, Membership
from tests.console import cast as make
from tests.console.cast import Cast

pytestmark = pytest.mark.django_db
GIVEN = {
    "name": "ops",
    "kind": "webhook",
    "address": "https://hooks.example.com/spillway",
    "secret": "a-secret-of-a-webhook",
}


@pytest.fixture
def in_both(cast: Cast) -> Cast:
    role = Membership.Role.OPERATOR
    Membership.objects.create(user=cast.alice, team=cast.other, role=role)
    return cast


def test_whoever_has_one_team_is_not_asked_for_it(cast: Cast, page: Client) -> None:
    address = reverse("billing-channels")
    assert 'name="team"' not in page.get(address).text
    assert page.post(address, GIVEN).status_code == 302
    assert Channel.objects.get().team == cast.team


def test_a_channel_goes_to_the_team_that_was_chosen(in_both: Cast, page: Client) -> None:
    address = reverse("billing-channels")
    assert 'name="team"' in page.get(address).text
    assert page.post(address, GIVEN).status_code == 422
    assert page.post(address, {**GIVEN, "team": "red"}).status_code == 302
    assert Channel.objects.get().team == in_both.other
    assert page.post(address, {**GIVEN, "team": "nobodys"}).status_code == 422


def test_a_viewer_cannot_add_a_channel(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.vera)
    address = reverse("billing-channels")
    assert client.get(address).status_code == 200
    assert client.post(address, GIVEN).status_code == 403
    assert not Channel.objects.exists()


def test_a_new_budget_may_be_of_another_team(in_both: Cast, page: Client) -> None:
    address = reverse("billing-budget-new")
    assert 'href="?team=red"' in page.get(address).text
    assert page.get(address, {"team": "red"}).context["team"] == in_both.other


@pytest.mark.parametrize(
    ("amount", "shown"), [("100", "100"), ("0.5", "0.5"), ("1250.2500", "1250.25")]
)
def test_the_amount_is_filled_in_as_people_write_it(
    cast: Cast, page: Client, amount: str, shown: str
) -> None:
    budget = make.budget(cast.team, amount=amount)
    form = page.get(reverse("billing-budget", args=[budget.pk])).context["form"]
    assert form["amount"].value() == shown


def test_a_channel_is_removed_only_after_a_question(cast: Cast, page: Client) -> None:
    channel = make.channel(cast.team)
    make.budget(cast.team).channels.add(channel)
    text = page.get(reverse("billing-channels")).text
    opener, dialog = text.index("data-dialog="), text.index("<dialog", text.index("data-dialog="))
    assert text.index(reverse("billing-channel-remove", args=[channel.pk])) > dialog > opener
    assert "1 budget no longer tells it." in text


def test_the_page_tells_accepted_from_refused_and_what_is_not_reached(
    cast: Cast, page: Client
) -> None:
    budget = make.budget(cast.team, action="hold", spent="120")
    BudgetEvent.objects.create(
        budget=budget,
        period_start=timezone.now(),
        threshold="100",
        at=timezone.now(),
        spent="120",
        amount="100",
        action="none",
        told={"1": {"error": ""}, "2": {"error": "HTTP 503"}, "3": {"error": "TimeoutError"}},
    )
    text = page.get(reverse("billing-budget", args=[budget.pk])).text
    assert "Told to 1 channel." in text
    assert "Refused by 2 channels." in text
    assert "Nothing in its scope could be held." in text
    assert "There is no virtual node in its scope that can be held" in text


@pytest.mark.parametrize("name", ["billing-budget-new", "billing-channels"])
def test_a_name_of_several_lines_is_refused_beside_the_field(
    cast: Cast, page: Client, name: str
) -> None:
    given = {**GIVEN, "name": "ops\nBcc: eve", "amount": "1", "currency": "CNY"}
    more = {"period": "month", "action": "notify", "thresholds": "50"}
    answer = page.post(reverse(name), {**given, **more})
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["name"]
