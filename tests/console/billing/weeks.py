"""Two weeks of three clouds as pages show them: posted, running, billed, and some unpriced."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import Group
from django.db.models import Sum

from addons.models import PodRow
from console.billing.models import BillDay, BillItem, UsageLine
from providers.calendar import day_of
from providers.models import CloudAccount
from tests.console import cast
from tests.console.billing import books

SPACES = ("payments", "search", "ml-train", "checkout", "spark", "media", "ci", "crm", "reports")
_PLACES = (("eci", "cn-hangzhou"), ("acs", "cn-hangzhou"), ("kci", "cn-beijing-6"))


def accounts(team: Group) -> dict[str, CloudAccount]:
    return {
        name: cast.account(team, provider=name, name=f"{name}-prod", region=region)
        for name, region in _PLACES
    }


def seed(team: Group, now: datetime, days: int = 14) -> PodRow:
    """The pod of an instance that still runs."""
    keys = accounts(team)
    home = cast.cluster(team, slug="prod", name="prod-hangzhou", uid="uid-a")
    node = cast.node(home, keys["eci"], name="vk-1")
    dice = random.Random(7)
    for back in range(days, -1, -1):
        for space in dice.sample(SPACES, 5):
            _life(keys[dice.choice(("eci", "eci", "acs"))], space, now, back, dice)
    books.life(keys["kci"], now - timedelta(hours=3), namespace="spark", zone="cn-beijing-6a")
    runs = books.life(keys["eci"], now - timedelta(hours=2), pod_name="web-live")
    books.post(now)
    bills(keys, now)
    return cast.pod(node, "web-live", bare=True, instance=runs, uid=runs.pod_uid, namespace="shop")


def _life(key: CloudAccount, space: str, now: datetime, back: int, dice: random.Random) -> None:
    begin = now - timedelta(days=back, hours=dice.randint(1, 9), minutes=dice.randint(0, 59))
    end = begin + timedelta(hours=dice.randint(1, 8), minutes=dice.randint(0, 59))
    size = dice.choice((1, 2, 2, 4))
    tiers = {"acs": "general-purpose/default"}
    books.life(
        key,
        begin,
        end if end < now else None,
        namespace=space,
        workload=f"Deployment/{space}-api",
        cpu=Decimal(size),
        memory=Decimal(size * 2),
        spec=f"{size}-{size * 2}Gi",
        tier=tiers.get(key.provider, ""),
    )


def bills(keys: dict[str, CloudAccount], now: datetime) -> None:
    """Final up to four days ago, then in part; of today nothing. In cents, as clouds bill."""
    for back in range(10):
        state = BillDay.State.FINAL if back > 3 else BillDay.State.PARTLY if back > 1 else ""
        for name in ("eci", "acs"):
            day = day_of(now) - timedelta(days=back)
            left_out = int(back == 5 and name == "eci")
            estimate, billed, matched = _billed(keys[name], day, bool(state), left_out, now)
            BillDay.objects.create(
                account=keys[name],
                day=day,
                currency="CNY",
                state=state or BillDay.State.ESTIMATED,
                estimate=estimate,
                billed=billed,
                rounding=billed - estimate if state and not left_out else 0,
                matched=matched,
                only_billed=left_out,
                only_used=left_out,
                asked_at=now,
            )
    lost = day_of(now) - timedelta(days=5)
    _item(keys["eci"], lost, "eci-only-billed", "cpu", Decimal("0.5"), now)


def _billed(
    key: CloudAccount, day: date, billed: bool, left_out: int, now: datetime
) -> tuple[Decimal, Decimal, int]:
    """What was metered and billed of the day, and how many instances the bill has."""
    lines = UsageLine.objects.filter(account=key, day=day, currency="CNY")
    names = ("cpu_amount", "memory_amount")
    metered = total = Decimal(0)
    rows = lines.order_by().values("cloud_id").annotate(**{name: Sum(name) for name in names})
    for number, row in enumerate(rows):
        for name in names:
            metered += row[name]
            if billed and number >= left_out:
                cents = row[name].quantize(Decimal("0.01"))
                _item(key, day, row["cloud_id"], name.removesuffix("_amount"), cents, now)
                total += cents
    return metered, total, len(rows) - left_out if billed else 0


def _item(
    key: CloudAccount, day: date, cloud_id: str, item: str, amount: Decimal, now: datetime
) -> None:
    BillItem.objects.create(
        account=key,
        day=day,
        cloud_id=cloud_id,
        product=key.provider,
        item=item,
        list_amount=amount,
        amount=amount,
        currency="CNY",
        key=f"{day}/{cloud_id}/{item}",
        heard_at=now,
    )
