"""Signing in, and the brake on guessing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from console import lockout
from console.models import AuditEntry
from tests.console.cast import PASSWORD, Cast

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def door(cast: Cast, settings: Any) -> Client:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cast.alice.set_password(PASSWORD)
    cast.alice.save()
    return Client()


def knock(door: Client, password: str, name: str = "alice", ip: str = "10.0.0.1") -> Any:
    data = {"username": name, "password": password}
    return door.post(reverse("login"), data, REMOTE_ADDR=ip)


def test_right_password_opens(door: Client) -> None:
    answer = knock(door, PASSWORD)
    assert answer.headers["Location"] == "/"
    [row] = AuditEntry.objects.all()
    assert (row.actor, row.action, row.result) == ("alice", "POST login", "ok")


def test_sixth_guess_is_refused_with_the_time(door: Client) -> None:
    for _ in range(lockout.FAILURES):
        assert knock(door, "wrong").status_code == 200
    answer = knock(door, PASSWORD)
    assert answer.status_code == 429
    assert "Try again in 15 min, at" in answer.content.decode()
    rows = AuditEntry.objects.order_by("id")
    assert {(row.actor, row.result) for row in rows} == {("anonymous", "refused")}


def test_other_people_and_other_places_are_not_held_up(door: Client) -> None:
    for _ in range(lockout.FAILURES):
        knock(door, "wrong")
    assert knock(door, PASSWORD, ip="10.0.0.2").status_code == 302
    assert knock(Client(), "wrong", name="bob").status_code == 200


def test_success_forgets_earlier_failures(door: Client) -> None:
    for _ in range(2):
        for _ in range(lockout.FAILURES - 1):
            knock(door, "wrong")
        assert knock(door, PASSWORD).status_code == 302
        door.logout()


def test_brake_ends_by_itself() -> None:
    for _ in range(lockout.FAILURES):
        lockout.failed("alice", "10.0.0.1", now=NOW)
    assert lockout.refused_until(" Alice", "10.0.0.1", now=NOW) == NOW + lockout.WINDOW
    later = NOW + lockout.WINDOW + timedelta(seconds=1)
    assert lockout.refused_until("alice", "10.0.0.1", now=later) is None


def test_people_get_in_while_nothing_can_be_counted(door: Client, settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "unix:///nowhere/redis.sock",
        }
    }
    assert knock(door, "wrong").status_code == 200
    assert knock(door, PASSWORD).status_code == 302


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/pods/"])
def test_sign_in_leads_to_our_own_pages_only(door: Client, target: str) -> None:
    data = {"username": "alice", "password": PASSWORD, "next": target}
    answer = door.post(reverse("login"), data)
    assert answer.headers["Location"] == ("/pods/" if target == "/pods/" else "/")
