"""The audit trail: one row per call that changes something, a chain that shows every tampering."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections
from django.test import Client, RequestFactory
from django.urls import reverse
from rest_framework.test import APIClient

from console import audit
from console.models import AppendOnly, AuditEntry
from tests.console import cast as make
from tests.console.cast import Cast, Fleet

CALLS: dict[str, tuple[Callable[[Any, Fleet], Any], str, str]] = {
    "page": (
        lambda client, fleet: client.post(reverse("cluster-pause", args=[fleet.cluster.slug])),
        "cluster.pause",
        "ok",
    ),
    "preference": (
        lambda client, _fleet: client.post(reverse("settings-appearance"), {"theme": "dark"}),
        "POST settings-appearance",
        "ok",
    ),
    "refused by validation": (
        lambda client, _fleet: client.post("/api/v1/tokens/", {}),
        "POST api:tokens",
        "refused",
    ),
    "absent": (
        lambda client, _fleet: client.post("/api/v1/nodes/999/cordon/"),
        "POST api:nodes-cordon",
        "refused",
    ),
    "sign-out": (lambda client, _fleet: client.post(reverse("logout")), "POST logout", "ok"),
}


@pytest.mark.parametrize("name", CALLS)
def test_call_that_changes_something_leaves_one_row(
    cast: Cast, page: Client, fleet: Fleet, name: str
) -> None:
    call, action, result = CALLS[name]
    call(page, fleet)
    [row] = AuditEntry.objects.all()
    assert (row.actor, row.action, row.result, row.ip) == ("alice", action, result, "127.0.0.1")
    assert row.via == "session"
    assert len(row.request_id) == 32
    assert audit.broken() == ""


def test_program_is_told_from_a_person(cast: Cast, fleet: Fleet) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make.token(cast.bob)[1]}")
    client.patch(f"/api/v1/clusters/{fleet.cluster.slug}/", {"name": "x"})
    [row] = AuditEntry.objects.all()
    assert (row.actor, row.via, row.team, row.target) == (
        *("bob", "token"),
        *(cast.team, fleet.cluster.slug),
    )


def test_what_a_viewer_tried_is_noted(cast: Cast, fleet: Fleet) -> None:
    client = Client()
    client.force_login(cast.vera)
    client.post(reverse("cluster-remove", args=[fleet.cluster.slug]))
    [row] = AuditEntry.objects.all()
    assert (row.actor, row.result, row.detail) == ("vera", "refused", {"status": 403})


def test_reading_leaves_no_row(page: Client, fleet: Fleet) -> None:
    page.get(reverse("overview"))
    page.get("/api/v1/pods/")
    assert not AuditEntry.objects.exists()


def test_call_of_nobody_leaves_no_row(db: None) -> None:
    Client().post("/api/v1/tokens/", {"name": "x"})
    assert not AuditEntry.objects.exists()


def test_row_cannot_be_changed_or_deleted(page: Client, fleet: Fleet) -> None:
    CALLS["page"][0](page, fleet)
    row = AuditEntry.objects.get()
    for attempt in (
        row.save,
        row.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(actor="nobody"),
        lambda: AuditEntry.objects.bulk_update([row], ["actor"]),
    ):
        with pytest.raises(AppendOnly):
            attempt()


def _trail(user: Any, length: int) -> None:
    request = RequestFactory(REMOTE_ADDR="2001:DB8:0:0::7").post("/")
    request.user = user
    for number in range(length):
        audit.record(request, "test", f"row {number}", detail={"b": number, "a": "ü"})


def test_every_tampering_is_found(cast: Cast) -> None:
    """One hundred at random: any field of any row, rows removed, exchanged and added."""
    _trail(cast.alice, 20)
    assert audit.broken() == ""
    rng = random.Random(1)
    fields = ("actor", "action", "target", "result", "via", "ip", "request_id", "hash")
    ids = list(AuditEntry.objects.order_by("pk").values_list("pk", flat=True))

    def change(pk: int) -> tuple[str, list[Any]]:
        value = "::1" if (field := rng.choice(fields)) == "ip" else f"x{rng.random()}"
        return f"UPDATE console_auditentry SET {field} = %s WHERE id = %s", [value, pk]

    def later(pk: int) -> tuple[str, list[Any]]:
        moment = AuditEntry.objects.get(pk=pk).at + timedelta(seconds=1)
        return "UPDATE console_auditentry SET at = %s WHERE id = %s", [str(moment), pk]

    def remove(pk: int) -> tuple[str, list[Any]]:
        return "DELETE FROM console_auditentry WHERE id = %s", [pk]

    def move(pk: int) -> tuple[str, list[Any]]:
        return "UPDATE console_auditentry SET id = %s WHERE id = %s", [10**6, pk]

    found = []
    for _ in range(100):
        pk = rng.choice([*ids[:-1], ids[-1], ids[-1]])
        tamper = rng.choice([change, change, later, remove] + [move] * (pk != ids[-1]))
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT clean")
            statement = tamper(pk)
            cursor.execute(*statement)
            found.append(audit.broken() or statement)
            cursor.execute("ROLLBACK TO clean")
    assert [entry for entry in found if not isinstance(entry, str)] == []
    assert audit.broken() == ""


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_one_chain() -> None:
    user = make.make_cast().alice

    def write(_number: int) -> None:
        try:
            _trail(user, 5)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    assert AuditEntry.objects.count() == 30
    assert audit.broken() == ""


def test_command_says_whether_the_trail_holds(cast: Cast, capsys: pytest.CaptureFixture) -> None:
    _trail(cast.alice, 3)
    call_command("audit")
    assert "3 entries, unbroken" in capsys.readouterr().out
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM console_auditentry WHERE target = 'row 2'")
    with pytest.raises(CommandError, match="2 entries, 3 were written"):
        call_command("audit")
