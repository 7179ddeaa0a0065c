"""Files of usage: asked for, made in the background, fetched by whoever asked, forgotten."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from addons.runtime.contract import LeaseLost
from console.billing.exports import manage
from console.billing.exports.cells import cell
from console.models import Export, Membership, UsageLine
from tests.console import cast as make
from tests.console.billing.lines import taken_back, usage
from tests.console.cast import Cast

ASKED = {"format": "usage", "start": "2026-11-01", "end": "2026-12-01"}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("console.billing.exports.manage.nudge", lambda: None)
    settings.DATA_DIR = tmp_path


def fetch(api: APIClient, **fields: Any) -> list[dict[str, str]]:
    asked = api.post("/api/v1/billing/exports/", {**ASKED, **fields})
    assert asked.status_code == 202, asked.json()
    assert api.get(asked["Location"]).json()["state"] == "waiting"
    early = api.get(f"{asked['Location']}file/", headers={"Accept": "text/csv"})
    assert (early.status_code, early.json()["code"]) == (409, "export_not_ready")
    assert manage.make_waiting(timezone.now()) == 1
    told = api.get(asked["Location"]).json()
    assert told["state"] == "ready"
    answer: Any = api.get(told["file"], headers={"Accept": "text/csv"})
    assert "attachment" in answer["Content-Disposition"]
    text = b"".join(answer.streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == told["rows"]
    return rows


def test_a_file_holds_every_line_of_the_readers_teams(cast: Cast, api: APIClient) -> None:
    ours, theirs = make.account(cast.team), make.account(cast.other)
    taken_back(usage(ours))
    usage(theirs)
    rows = fetch(api)
    assert [row["amount"] for row in rows] == ["0.50000000", "-0.50000000"]
    assert (rows[1]["takes_back"], rows[1]["reason"]) == (rows[0]["id"], "facts")


def test_filters_are_those_of_statements(cast: Cast, api: APIClient) -> None:
    account = make.account(cast.team)
    usage(account, namespace="else")
    wanted = usage(account, labels={"app": "db"})
    usage(account)
    assert [row["id"] for row in fetch(api, where={"label:app": ["db"]})] == [str(wanted.pk)]
    assert len(fetch(api, where={"namespace": ["shop"]})) == 2
    assert fetch(api, start="2026-11-21") == []


def test_only_whoever_asked_gets_the_file(cast: Cast, api: APIClient) -> None:
    usage(make.account(cast.team))
    fetch(api)
    export = Export.objects.get()
    for person in (cast.bob, cast.charlie):
        client = APIClient()
        client.force_login(person)
        for path in ("", "file/"):
            url = f"/api/v1/billing/exports/{export.pk}/{path}"
            assert client.get(url).status_code == 404
        assert client.delete(f"/api/v1/billing/exports/{export.pk}/").status_code == 404


def test_rights_are_those_of_when_it_is_made(cast: Cast, api: APIClient) -> None:
    usage(make.account(cast.team))
    asked = api.post("/api/v1/billing/exports/", {**ASKED, "team": "blue"})
    Membership.objects.filter(user=cast.alice).delete()
    manage.make_waiting(timezone.now())
    assert api.get(asked["Location"]).json()["rows"] == 0
    refused = api.post("/api/v1/billing/exports/", {**ASKED, "team": "red"})
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"end": "2026-11-01"}, "end"),
        ({"start": "2025-01-01"}, "start"),
        ({"where": {"colour": ["red"]}}, "where"),
        ({"where": {"day": ["yesterday"]}}, "where"),
        ({"start": "0001-01-01", "end": "0001-01-02"}, "start"),
        ({"format": "xls"}, "format"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    cast: Cast, api: APIClient, fields: Any, field: str
) -> None:
    told = api.post("/api/v1/billing/exports/", {**ASKED, **fields}).json()
    assert [error["field"] for error in told["errors"]] == [field]


def test_not_more_than_a_few_wait_at_a_time(cast: Cast, api: APIClient) -> None:
    codes = [api.post("/api/v1/billing/exports/", ASKED).status_code for _ in range(6)]
    assert codes == [202] * 5 + [429]


def test_files_are_forgotten_after_a_week(cast: Cast, api: APIClient) -> None:
    usage(make.account(cast.team))
    fetch(api)
    assert len(list(manage.directory().iterdir())) == 1
    manage.make_waiting(timezone.now() + manage.KEPT + timedelta(seconds=1))
    assert list(manage.directory().iterdir()) == []
    assert not Export.objects.exists()


def test_what_goes_wrong_is_told_and_leaves_the_others(
    cast: Cast, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = api.post("/api/v1/billing/exports/", ASKED)
    Export.objects.update(query={"start": "never"})
    api.post("/api/v1/billing/exports/", ASKED)
    assert manage.make_waiting(timezone.now()) == 2
    states = list(Export.objects.order_by("pk").values_list("state", "error"))
    assert states == [("failed", "ValueError"), ("ready", "")]
    assert bad.status_code == 202


def test_whoever_lost_the_lease_leaves_the_file_to_the_next_one(cast: Cast, api: APIClient) -> None:
    usage(make.account(cast.team))
    api.post("/api/v1/billing/exports/", ASKED)

    def lost() -> None:
        raise LeaseLost("exports")

    with pytest.raises(LeaseLost):
        manage.make_waiting(timezone.now(), lost)
    assert Export.objects.get().state == Export.State.WAITING
    assert manage.make_waiting(timezone.now()) == 1
    assert (Export.objects.get().state, Export.objects.get().rows) == ("ready", 1)


@pytest.mark.parametrize("start", list("=+-@\t\r\n＝＋－＠"))
def test_no_text_is_taken_for_a_formula(start: str) -> None:
    assert cell(f'{start}HYPERLINK("x")').startswith("'")


def test_names_that_look_like_formulas_are_guarded_and_numbers_are_not(
    cast: Cast, api: APIClient
) -> None:
    account = make.account(cast.team, name='=cmd|" /C calc"!A0')
    taken_back(usage(account))
    rows = fetch(api)
    assert {row["account"][:2] for row in rows} == {"'="}
    assert rows[1]["amount"] == "-0.50000000"
    assert UsageLine.objects.count() == 2
