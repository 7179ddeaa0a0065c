"""The books: lines are written once, corrected by new lines, and their sums always agree."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from addons.models import PodRow
from addons.tasks import _purge as purge
from console.appended import AppendOnly
from console.billing import changes, posting, sums
from console.billing.drafts import scope_of
from console.billing.figures import COUNTS, NAMES, NOTHING
from console.billing.models import LiveMeter, LiveShare, PriceEntry, UsageLine, UsageSum
from providers import accounts
from providers.models import Instance
from tests.console.billing.books import HOUR, NOON, life, lines, post, stray, sum_of, told
from tests.console.cast import Cast, Fleet, account

pytestmark = pytest.mark.django_db
DAY = 24 * HOUR


def sums_agree() -> None:
    """Every sum is that of its lines, to the last digit."""
    wanted = {}
    for line in UsageLine.objects.all():
        sign = 1 if line.takes_back_id is None else -1
        more = changes.figures_of(line) if sign > 0 else -changes.figures_of(line.takes_back)
        wanted[scope_of(line)] = wanted.get(scope_of(line), NOTHING) + more
    stored = {scope_of(row): row for row in UsageSum.objects.all()}  # type: ignore[arg-type]
    assert stored.keys() == {scope for scope, more in wanted.items()}
    for scope, more in wanted.items():
        for name in NAMES:
            assert getattr(stored[scope], name) == getattr(more, name), (name, scope)


def test_a_life_that_ended_is_posted_whole_split_at_midnight_of_utc_8(cast: Cast) -> None:
    row = life(account(cast.team), NOON - DAY, NOON)
    assert post(NOON + HOUR) == 3
    assert told(lines(row)) == [
        (20, "starting", 17, ""),
        (12 * 3600 - 20, "running", 17, ""),
        (12 * 3600, "running", 18, ""),
    ]
    row.refresh_from_db()
    assert not row.unposted
    assert sum_of("starts") == 1
    sums_agree()


def test_a_life_that_goes_on_is_posted_up_to_the_last_midnight_and_continued_the_next_day(
    cast: Cast,
) -> None:
    row = life(account(cast.team), NOON - DAY)
    post(NOON)
    assert sum(one.seconds for one in lines(row)) == 12 * 3600
    assert not posting.due(NOON).exists()
    post(NOON + DAY)
    assert told(lines(row))[2:] == [(24 * 3600, "running", 18, "")]
    sums_agree()


def test_posting_again_writes_nothing_whatever_is_marked(cast: Cast) -> None:
    key = account(cast.team)
    for hours in range(5):
        life(key, NOON - DAY, NOON - hours * HOUR)
    life(key, NOON - 3 * DAY)
    assert post(NOON) > 0
    Instance.objects.update(unposted=True)
    assert post(NOON + HOUR) == 0
    # Even when what it remembers of the row was lost.
    Instance.objects.update(unposted=True, posted_until=None)
    assert post(NOON + HOUR) == 0
    sums_agree()


def test_a_later_fact_takes_back_only_what_it_touches(cast: Cast) -> None:
    row = life(account(cast.team), NOON - 2 * DAY, NOON)
    post(NOON)
    before = {one.pk: one for one in lines(row)}
    row.billed_to = NOON - HOUR
    row.seen = {**row.seen, "ended_at": row.billed_to.isoformat()}
    row.unposted = True
    row.save()
    assert post(NOON + HOUR) == 2
    back, new = lines(row)[-2:]
    assert back.takes_back.seconds == 12 * 3600
    assert (back.seconds, new.seconds, new.revision) == (-12 * 3600, 11 * 3600, 1)
    assert {back.reason, new.reason} == {changes.Reason.FACTS}
    assert all(UsageLine.objects.get(pk=pk).seconds == one.seconds for pk, one in before.items())
    assert sum_of("seconds") == 47 * 3600
    sums_agree()


def test_a_price_that_came_later_is_told_as_the_reason(cast: Cast) -> None:
    row = life(account(cast.team), NOON - HOUR, NOON, tier="gold")
    post(NOON)
    assert {one.currency for one in lines(row)} == {""}
    for item, amount in (("cpu", "0.1"), ("memory", "0.01")):
        PriceEntry.objects.create(
            team=cast.team,
            provider="eci",
            item=item,
            tier="gold",
            per="hour",
            amount=Decimal(amount),
            currency="CNY",
            valid_from=NOON - DAY,
            origin="operator",
            entered_at=NOON,
        )
    row.unposted = True
    row.save()
    post(NOON + HOUR)
    new = changes.net(lines(row))
    assert {(one.currency, one.reason) for one in new} == {("CNY", changes.Reason.PRICE)}
    assert sum_of("amount") == Decimal("0.24")
    assert sum_of("seconds", currency="") == 0
    sums_agree()


def test_a_reason_that_is_given_is_kept(cast: Cast) -> None:
    row = life(account(cast.team), NOON - HOUR, NOON)
    post(NOON)
    Instance.objects.filter(pk=row.pk).update(billed_to=NOON - timedelta(seconds=5))
    posting.post([row.pk], NOON + HOUR, reason=changes.Reason.BILL)
    assert {one.reason for one in lines(row)} == {"", changes.Reason.BILL}
    sums_agree()


def test_a_retry_that_never_ran_costs_as_failed_once_it_is_over(cast: Cast) -> None:
    row = life(account(cast.team), NOON - DAY, None, started=None)
    post(NOON)
    assert {one.kind for one in lines(row)} == {"starting"}
    row.billed_to, row.state, row.unposted = NOON, Instance.State.CLOSED, True
    row.seen = {**row.seen, "ended_at": NOON.isoformat(), "state": "failed"}
    row.save()
    post(NOON + HOUR)
    assert {one.kind for one in changes.net(lines(row))} == {"failed"}
    assert sum_of("seconds", kind="starting") == 0
    assert sum_of("seconds", kind="failed") == 24 * 3600
    sums_agree()


def test_lines_are_never_changed_and_never_deleted(cast: Cast) -> None:
    row = life(account(cast.team), NOON - HOUR, NOON)
    post(NOON)
    line = lines(row)[0]
    with pytest.raises(AppendOnly):
        UsageLine.objects.update(seconds=1)
    with pytest.raises(AppendOnly):
        line.save()
    with pytest.raises(AppendOnly):
        UsageLine.objects.all().delete()


def test_an_orphan_that_the_ledger_never_knew_costs_from_when_it_was_made(cast: Cast) -> None:
    key = account(cast.team)
    known = stray(key, NOON - DAY, NOON - HOUR, billed_from=NOON - DAY)
    unknown = stray(key, None, NOON - DAY)
    post(NOON)
    assert [(one.seconds, one.kind) for one in lines(known)] == [(12 * 3600, "orphan")]
    assert [one.estimated for one in lines(known) + lines(unknown)] == [False, True]
    known.seen_at = known.closed_at = NOON + HOUR
    known.save()
    post(NOON + 2 * HOUR)
    assert sum(one.amount for one in lines(known)) == Decimal("0.5") * 25
    assert post(NOON + 3 * HOUR) == 0
    sums_agree()


def test_one_row_that_cannot_be_posted_keeps_no_other_from_it(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    key = account(cast.team)
    good, bad, other = (life(key, NOON - HOUR, NOON) for _ in range(3))
    Instance.objects.filter(pk=bad.pk).update(seen={"what": 1}, sizes=[{"until": "never"}])
    post(NOON)
    assert [len(lines(row)) for row in (good, bad, other)] == [2, 0, 2]
    assert f"instance {bad.pk}" in caplog.text
    assert list(posting.due(NOON)) == [bad]


def test_a_posting_that_dies_leaves_nothing_behind(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = life(account(cast.team), NOON - DAY)

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(posting, "update_each", die)
        with pytest.raises(Killed), transaction.atomic():
            posting.post([row.pk], NOON)
    assert not UsageLine.objects.exists()
    assert not UsageSum.objects.exists()
    assert not LiveShare.objects.exists()
    assert post(NOON) == 2
    sums_agree()


def test_sums_stay_exact_over_many_additions(cast: Cast, fleet: Fleet) -> None:
    line = UsageLine(
        team=cast.team,
        account=fleet.account,
        provider="eci",
        region="r",
        kind="running",
        day=NOON.date(),
        currency="CNY",
    )
    step = NOTHING + changes.figures_of(
        UsageLine(seconds=1, amount=Decimal("0.12345679"), cpu_seconds=Decimal("0.001"))
    )
    for _ in range(2000):
        sums.grow_sums({scope_of(line): step})
    found = UsageSum.objects.get()
    assert (found.amount, found.cpu_seconds) == (Decimal("246.91358"), Decimal(2))
    assert found.lines == 2000
    assert set(COUNTS) <= set(NAMES)


def test_a_batch_asks_the_database_the_same_number_of_questions(
    cast: Cast, django_assert_max_num_queries: object
) -> None:
    key = account(cast.team)
    for _ in range(60):
        life(key, NOON - DAY, NOON)
    post(NOON)
    Instance.objects.update(unposted=True)
    pks = list(Instance.objects.values_list("pk", flat=True))
    with django_assert_max_num_queries(25):  # type: ignore[operator]
        posting.post(pks, NOON + HOUR)
    assert connection.vendor in {"sqlite", "postgresql"}
    assert LiveMeter.objects.exists()


def test_what_has_usage_lines_is_never_forgotten(cast: Cast, fleet: Fleet) -> None:
    key = account(cast.team, name="old")
    row = life(key, NOON - HOUR, NOON, pod_uid=fleet.pod.uid + "-old")
    post(NOON)
    with pytest.raises(accounts.InUse, match="2 usage lines"):
        accounts.remove(key, drop_history=True)
    assert len(lines(row)) == 2
    PodRow.objects.filter(pk=fleet.pod.pk).update(gone_at=NOON - 30 * DAY, uid=row.pod_uid)
    purge(NOON)
    assert not PodRow.objects.filter(pk=fleet.pod.pk).exists()
    assert {one.workload for one in lines(row)} == {"Deployment/web"}
