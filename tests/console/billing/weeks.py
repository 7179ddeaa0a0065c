"""Two weeks of three clouds as pages show them: posted, running, billed, and some unpriced."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import Group

from addons.models import PodRow
from console.billing.models import BillDay, BillItem
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
    """Final up to four days ago, then in part; of today nothing."""
    for back in range(10):
        state = BillDay.State.FINAL if back > 3 else BillDay.State.PARTLY if back > 1 else ""
        for name in ("eci", "acs"):
            BillDay.objects.create(
                account=keys[name],
                day=day_of(now) - timedelta(days=back),
                currency="CNY",
                state=state or BillDay.State.ESTIMATED,
                estimate=Decimal("12.34567890"),
                billed=Decimal("12.34") if state else Decimal(0),
                rounding=Decimal("-0.0056789") if state else Decimal(0),
                matched=6 if state else 0,
                only_billed=int(back == 5),
                asked_at=now,
            )
    BillItem.objects.create(
        account=keys["eci"],
        day=day_of(now) - timedelta(days=5),
        cloud_id="eci-only-billed",
        product="eci",
        item="cpu",
        list_amount=Decimal("0.5"),
        amount=Decimal("0.5"),
        currency="CNY",
        key="k1",
        heard_at=now,
    )
