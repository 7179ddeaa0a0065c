"""What leads from the lines of an instance as they are stored to those it should have. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from console.billing import figures
from console.billing.drafts import SCOPE, UNSEEN, Draft, Scope, scope_of
from console.billing.figures import COUNTS, Figures
from console.billing.models import UsageLine
from providers.meter import FIGURES, Kind

_MONEY: tuple[str, ...] = (
    "currency",
    "list_per_hour",
    "per_hour",
    "list_amount",
    "amount",
    "cpu_amount",
)
_MONEY += ("memory_amount", "machine_amount", "storage_amount", "over_amount")
_FACTS: tuple[str, ...] = (
    *SCOPE[2:],
    "team_id",
    "account_id",
    "cloud_id",
    "pod_name",
    "pod_uid",
    "labels",
    "spec",
)
_FACTS += ("end", "starts", "estimated", *FIGURES)
_FACTS = tuple(name for name in _FACTS if name not in _MONEY)


class Reason(StrEnum):
    """Why lines were taken back and written anew."""

    FACTS = "facts"
    PRICE = "price"
    BILL = "bill"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Change:
    """Lines to store, and what they add to the sums of their scopes."""

    lines: tuple[UsageLine, ...]
    figures: tuple[tuple[Scope, Figures], ...]


def net(lines: Iterable[UsageLine]) -> list[UsageLine]:
    """The lines that stand: neither taken back nor taking back."""
    lines = list(lines)
    gone = {line.takes_back_id for line in lines if line.takes_back_id is not None}
    return [line for line in lines if line.takes_back_id is None and line.pk not in gone]


def figures_of(line: UsageLine) -> Figures:
    """Of a stored line; of one that takes back, the counts are not negative."""
    counts = {"starts": line.starts, "estimated": int(line.estimated)}
    return figures.of(line, **counts)


def difference(wanted: Sequence[Draft], lines: Sequence[UsageLine], reason: str = "") -> Change:
    """`lines` are all of one instance from where `wanted` begins; of both, each start is there
    once. `reason`: see `Reason`; empty: read off what differs."""
    stand = {line.start: line for line in net(lines)}
    drafted = {draft.line.start: draft for draft in wanted}
    kept = {
        at for at in stand.keys() & drafted.keys() if not _unlike(stand[at], drafted[at].columns)
    }
    back = [line for at, line in stand.items() if at not in kept]
    new = [draft for at, draft in drafted.items() if at not in kept]
    why = reason or _reason(back, drafted)
    revisions = _revisions(lines)
    fresh = [
        UsageLine(
            **draft.columns,
            revision=revisions.get(draft.line.start, 0),
            reason=_note(draft, back, why),
        )
        for draft in new
    ]
    return Change(
        (*(taking_back(line, why) for line in back), *fresh),
        (
            *((scope_of(line), -figures_of(line)) for line in back),
            *((draft.scope, draft.figures) for draft in new),
        ),
    )


def _revisions(lines: Iterable[UsageLine]) -> dict[datetime, int]:
    """The next revision of each start."""
    found: dict[datetime, int] = {}
    for line in lines:
        found[line.start] = max(found.get(line.start, 0), line.revision + 1)
    return found


def taking_back(line: UsageLine, reason: str) -> UsageLine:
    """The same line with negative figures."""
    same = {
        field.attname: getattr(line, field.attname)
        for field in UsageLine._meta.concrete_fields
        if not field.primary_key
    }
    negative = {name: -same[name] for name in (*FIGURES, COUNTS[0])}
    return UsageLine(**{**same, **negative, "takes_back_id": line.pk, "reason": reason})


def _unlike(line: UsageLine, columns: Mapping[str, object]) -> set[str]:
    return {name for name in (*_FACTS, *_MONEY) if getattr(line, name) != columns[name]}


def _reason(back: Sequence[UsageLine], drafted: Mapping[datetime, Draft]) -> str:
    found = set()
    for line in back:
        draft = drafted.get(line.start)
        unlike = _unlike(line, draft.columns) if draft else {"end"}
        if draft and (line.kind == Kind.ORPHAN) != (draft.scope.kind == Kind.ORPHAN):
            found.add(Reason.ORPHAN)
        else:
            found.add(Reason.FACTS if unlike - set(_MONEY) else Reason.PRICE)
    ranked = (Reason.ORPHAN, Reason.FACTS, Reason.PRICE)
    return next((reason for reason in ranked if reason in found), Reason.FACTS)


def _note(draft: Draft, back: Sequence[UsageLine], why: str) -> str:
    """Why a new line is not simply the next one."""
    start, end = draft.line.start, draft.line.end
    if start == end:
        return UNSEEN
    return why if any(line.start < end and start < line.end for line in back) else ""
