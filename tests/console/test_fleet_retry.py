"""Clusters that failed in a fleet upgrade are tried again, while it runs and after it stopped."""

from __future__ import annotations

import pytest
from django.test import Client
from rest_framework.test import APIClient

from addons.models import FleetUpgrade
from tests.console.cast import Fleet


@pytest.fixture
def upgrade(fleet: Fleet) -> FleetUpgrade:
    found = fleet.fleet_upgrade
    found.state = FleetUpgrade.State.RUNNING
    found.save()
    found.members.update(state="failed", detail="no")
    return found


def test_what_failed_waits_for_another_try(api: APIClient, upgrade: FleetUpgrade) -> None:
    answer = api.post(f"/api/v1/fleet-upgrades/{upgrade.pk}/retry/")
    assert answer.status_code == 200
    assert {one["state"] for one in answer.json()["members"]} == {"waiting"}
    again = api.post(f"/api/v1/fleet-upgrades/{upgrade.pk}/retry/")
    assert (again.status_code, again.json()["detail"]) == (409, "No cluster failed.")


def test_the_page_offers_it_while_the_waves_go_on(page: Client, upgrade: FleetUpgrade) -> None:
    address = f"/fleet-upgrades/{upgrade.pk}/"
    assert f'action="{address}retry/"' in page.get(address).content.decode()
    page.post(f"{address}retry/")
    assert f'action="{address}retry/"' not in page.get(address).content.decode()
