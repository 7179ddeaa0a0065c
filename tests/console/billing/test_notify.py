"""Notices reach receivers that check the signatures, once each, and no secret is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail

from addons.runtime.loop import Runtime
from console.billing.budgets import channels, manage, notify
from console.billing.budgets.errors import BudgetError
from console.billing.budgets.forms import WECOM_BYTES, Notice, refusal, wecom
from console.models import Budget, BudgetEvent, Channel
from kube.secret import Secret
from tests.console.billing.receivers import SECRETS, Receiver, receiving

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
KINDS = ("webhook", "dingtalk", "wecom", "feishu")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def team(transactional_db: None) -> Group:
    return Group.objects.create(name="blue")


def channel(team: Group, kind: str, address: str, secret: str | None = None) -> Channel:
    value = SECRETS.get(kind, "") if secret is None else secret
    return channels.create(
        team, name=kind, kind=kind, address=address, secret=Secret(value), now=NOW
    )


def event(team: Group, *told: Channel, at: datetime | None = None) -> BudgetEvent:
    budget = Budget.objects.create(
        team=team, name="shop", amount=Decimal(100), currency="CNY", created_at=NOW
    )
    budget.channels.set(told)
    return BudgetEvent.objects.create(
        budget=budget,
        period_start=NOW,
        threshold="80",
        at=at or datetime.now(UTC),
        spent=Decimal("81.5"),
        amount=Decimal(100),
    )


def tell(runtime: Runtime, now: datetime | None = None) -> int:
    due = notify.untold(now or datetime.now(UTC))
    return runtime.run(notify.tell(runtime, due), timeout=20)


def test_every_robot_accepts_its_notice_once(
    runtime: Runtime, team: Group, receiver: Receiver
) -> None:
    event(team, *(channel(team, kind, receiver.address(kind)) for kind in KINDS))
    assert tell(runtime) == len(KINDS)
    assert sorted(kind for kind, _ in receiver.got) == sorted(KINDS)
    texts = {kind: str(body) for kind, body in receiver.got}
    assert all("81.50" in texts[kind] for kind in ("dingtalk", "wecom", "feishu"))
    data = next(body["data"] for kind, body in receiver.got if kind == "webhook")
    assert (data["threshold"], data["budget"]["name"], data["team"]) == ("80", "shop", "blue")
    hook = next(body for kind, body in receiver.got if kind == "webhook")
    assert hook["type"] == "budget.crossed"
    assert hook["timestamp"] == BudgetEvent.objects.get().at.isoformat()
    assert tell(runtime) == 0
    assert len(receiver.got) == len(KINDS)


def test_a_name_of_several_lines_breaks_no_mail_and_holds_up_no_other_channel(
    runtime: Runtime, team: Group, receiver: Receiver
) -> None:
    row = event(team, channel(team, "email", "a@example.com"))
    Budget.objects.filter(pk=row.budget_id).update(name="shop\nBcc: eve@example.com")
    row.budget.channels.add(channel(team, "wecom", receiver.address("wecom")))
    assert tell(runtime) == 2
    (message,) = mail.outbox
    assert message.subject == "Budget shop Bcc: eve@example.com has reached 80 %"
    assert message.recipients() == ["a@example.com"]


def test_a_notice_that_cannot_be_written_stops_no_other(
    runtime: Runtime, team: Group, receiver: Receiver
) -> None:
    broken = event(team, channel(team, "wecom", receiver.address("wecom")))
    other = Budget.objects.create(
        team=team, name="other", amount=Decimal(100), currency="CNY", created_at=NOW
    )
    other.channels.set(Channel.objects.all())
    fields = {"period_start": NOW, "at": datetime.now(UTC), "spent": 81, "amount": 100}
    BudgetEvent.objects.create(budget=other, threshold="80", **fields)
    Budget.objects.filter(pk=broken.budget_id).update(scope=["not", "a", "scope"])
    assert tell(runtime) == 1
    broken.refresh_from_db()
    (outcome,) = broken.told.values()
    assert outcome["error"] == "ValueError"


def test_an_answer_in_pieces_is_read_to_its_end(
    runtime: Runtime, team: Group, receiver: Receiver
) -> None:
    receiver.pieces = True
    for kind in ("wecom", "dingtalk", "feishu"):
        row = channel(team, kind, receiver.address(kind))
        assert runtime.run(notify.send(runtime, row, SAMPLE), timeout=10) == ""


def test_mail_goes_to_all_recipients(runtime: Runtime, team: Group) -> None:
    event(team, channel(team, "email", "a@example.com, b@example.com"))
    assert tell(runtime) == 1
    (message,) = mail.outbox
    assert message.to == ["a@example.com", "b@example.com"]
    assert message.subject == "Budget shop has reached 80 %"
    assert "81.50 CNY" in str(message.body)


def test_a_refused_notice_is_tried_again_later_and_keeps_its_id(
    runtime: Runtime, team: Group, receiver: Receiver
) -> None:
    receiver.refuse = 1
    row = event(team, channel(team, "webhook", receiver.address("webhook")))
    assert tell(runtime) == 0
    told = BudgetEvent.objects.get().told
    (outcome,) = told.values()
    assert (outcome["error"], outcome["tries"]) == ("HTTP 503", 1)
    assert Channel.objects.get().last_error == "HTTP 503"
    assert tell(runtime) == 0
    assert receiver.got == []
    assert tell(runtime, datetime.now(UTC) + timedelta(minutes=1)) == 1
    assert receiver.headers[0]["webhook-id"] == f"budget-{row.budget_id}-event-{row.pk}"
    assert Channel.objects.get().last_error == ""


def test_pauses_grow_and_end() -> None:
    outcomes = [notify._outcome("HTTP 503", tries, NOW) for tries in range(1, notify.TRIES + 1)]
    pauses = [datetime.fromisoformat(o["again"]) - NOW for o in outcomes[:-1]]
    assert pauses[:3] == [timedelta(seconds=s) for s in (30, 60, 120)]
    assert pauses == sorted(pauses)
    assert max(pauses) == timedelta(hours=1)
    assert "again" not in outcomes[-1]


def test_a_wrong_secret_is_the_robots_own_error(
    runtime: Runtime, team: Group, receiver: Receiver
) -> None:
    for kind, code in (("dingtalk", "310000"), ("feishu", "19021")):
        event_of = channel(team, kind, receiver.address(kind), "not-the-secret")
        error = runtime.run(notify.send(runtime, event_of, SAMPLE), timeout=10)
        assert error.startswith(code)
    hook = channel(team, "webhook", receiver.address("webhook"), "not-the-secret-at-all")
    assert runtime.run(notify.send(runtime, hook, SAMPLE), timeout=10) == "HTTP 401"


URL = "https://spillway.example/"
SAMPLE = Notice("id-1", "Title", "Text", (("Spent", "1.00 CNY"),), URL, "channel.test", NOW)


def test_addresses_are_checked_when_dialled(
    runtime: Runtime, team: Group, receiver: Receiver, settings: Any
) -> None:
    row = channel(team, "webhook", receiver.address("webhook"))
    meta = channel(team, "wecom", "https://169.254.169.254/latest")
    assert "metadata" in runtime.run(notify.send(runtime, meta, SAMPLE), timeout=10)
    settings.DIAL_ALLOW = []
    assert "loopback" in runtime.run(notify.send(runtime, row, SAMPLE), timeout=10)
    assert receiver.got == []


def test_redirects_are_not_followed(runtime: Runtime, team: Group, receiver: Receiver) -> None:
    receiver.redirect = "http://169.254.169.254/"
    row = channel(team, "webhook", receiver.address("webhook"))
    assert runtime.run(notify.send(runtime, row, SAMPLE), timeout=10) == "HTTP 302"


def test_what_goes_wrong_never_tells_the_address(runtime: Runtime, team: Group) -> None:
    row = channel(team, "dingtalk", "http://127.0.0.1:1/robot/send?access_token=canary-token")
    error = runtime.run(notify.send(runtime, row, SAMPLE), timeout=10)
    assert error == "ClientConnectorError"


def test_nothing_of_a_channel_is_stored_in_the_clear(team: Group) -> None:
    row = channel(team, "feishu", "https://open.feishu.cn/open-apis/bot/v2/hook/canary")
    values = {str(value) for value in Channel.objects.values().get(pk=row.pk).values()}
    assert not any("canary" in value or SECRETS["feishu"] in value for value in values)
    assert row.shown == "open.feishu.cn"
    assert channels.address_of(row).reveal().endswith("canary")


@pytest.mark.parametrize(
    ("kind", "address", "secret", "field"),
    [
        ("email", "a@example.com\nBcc: eve@example.com", "", "address"),
        ("webhook", "https://example.com/", "short", "secret"),
        ("webhook", "https://example.com/", "whsec_not-base64-at-all!", "secret"),
        ("webhook", "https://example.com/", "whsec_c2hvcnQ=", "secret"),
        ("webhook", "http://example.com/", "long-enough-secret", "address"),
        ("webhook", "ftp://example.com/", "long-enough-secret", "address"),
        ("webhook", "http://10.1.2.3/", "long-enough-secret", "address"),
        ("webhook", "https://user:word@example.com/", "long-enough-secret", "address"),
        ("email", "nobody", "", "address"),
        ("email", "", "", "address"),
        ("wecom", "https://qyapi.weixin.qq.com/", "secret", "secret"),
    ],
)
def test_what_cannot_be_a_channel_is_refused(
    team: Group, kind: str, address: str, secret: str, field: str
) -> None:
    with pytest.raises(BudgetError) as refused:
        channel(team, kind, address, secret)
    assert refused.value.field == field


def test_the_name_of_a_channel_is_one_line(team: Group) -> None:
    with pytest.raises(BudgetError) as refused:
        channels.create(
            team,
            name="ops\nBcc: x",
            kind="email",
            address="a@example.com",
            secret=Secret(""),
            now=NOW,
        )
    assert refused.value.field == "name"


def test_long_texts_are_cut_to_what_wecom_takes() -> None:
    long = Notice("id", "标题", "很长" * 3000, (), URL, "budget.crossed", NOW)
    sending = wecom(long, Secret("https://x"), Secret(""), NOW)
    content = json.loads(sending.body)["markdown"]["content"]
    assert WECOM_BYTES - 8 < len(content.encode()) <= WECOM_BYTES
    assert not refusal("wecom", 200, b'{"errcode": 0}')
    assert refusal("wecom", 200, b"<html>") == "the answer is not the robot's"


def test_a_test_notice_says_what_went_wrong(
    runtime: Runtime, team: Group, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.billing.budgets.manage.runtime", lambda: runtime)
    row = channel(team, "wecom", receiver.address("wecom"))
    assert manage.test_channel(row, NOW) == ""
    hook = channel(team, "webhook", receiver.address("webhook"))
    assert manage.test_channel(hook, NOW) == ""
    assert receiver.got[-1][1]["type"] == "channel.test"
    receiver.refuse = 1
    assert manage.test_channel(row, NOW) == "HTTP 503"
    row.refresh_from_db()
    assert (row.last_error, row.last_tried_at) == ("HTTP 503", NOW)
