"""By what statements are grouped and narrowed: names, columns, and the same read off a line.

A key is text: a day as 2026-11-21, an account or a team by its number, a cluster by its UID,
`spot` yes or no, "" for what has none. Filters also take a cluster's slug and the names of accounts
and teams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Q, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from addons.models import Cluster
from providers.models import CloudAccount

COLUMNS = {
    "day": "day",
    "cluster": "cluster_uid",
    "namespace": "namespace",
    "workload": "workload",
    "provider": "provider",
    "account": "account_id",
    "region": "region",
    "zone": "zone",
    "node": "node_name",
    "tier": "tier",
    "type": "type",
    "kind": "kind",
    "team": "team_id",
    "spot": "tier",
}
# These are in no sum: what they need is read from the lines themselves.
LINE_COLUMNS = {"pod": "pod_name", "pod_uid": "pod_uid", "instance": "cloud_id"}
GROUPS = tuple(COLUMNS)
LINE_GROUPS = tuple(LINE_COLUMNS)
LABEL = "label:"
SPOT = "spot"
YES, NO = "yes", "no"
Where = Mapping[str, tuple[str, ...]]


def is_group(name: str) -> bool:
    return name in COLUMNS or name in LINE_COLUMNS or (name.startswith(LABEL) and len(name) > 6)


def needs_lines(names: Sequence[str]) -> bool:
    return any(name not in COLUMNS for name in names)


def column(name: str) -> str:
    """The column, or the annotation (see `labels`) of a label."""
    if name.startswith(LABEL):
        return f"label_{name.removeprefix(LABEL).encode().hex()}"
    return COLUMNS.get(name) or LINE_COLUMNS[name]


def labels(names: Sequence[str]) -> dict[str, Any]:
    """Labels as text; a label that is missing is empty."""
    return {
        column(name): Coalesce(
            KeyTextTransform(name.removeprefix(LABEL), "labels"),
            Value(""),
            output_field=TextField(),
        )
        for name in names
        if name.startswith(LABEL)
    }


def key(name: str, value: Any) -> str:
    """From what is in the column."""
    if name == "spot":
        return YES if SPOT in str(value) else NO
    return "" if value is None else str(value)


def read_key(name: str) -> Callable[[Any], str]:
    """The key of a line that is not in the database (`lines.Draft`)."""
    if name.startswith(LABEL):
        label = name.removeprefix(LABEL)
        return lambda draft: str(draft.subject.labels.get(label, ""))
    if name in LINE_COLUMNS:
        return lambda draft: key(name, getattr(draft.subject, LINE_COLUMNS[name]))
    return lambda draft: key(name, getattr(draft.scope, COLUMNS[name].removesuffix("_id")))


def resolved(where: Where, teams: frozenset[int] | None) -> dict[str, frozenset[str]]:
    """The same filters by keys: names and slugs of the reader's own teams become keys too."""
    found = {name: frozenset(filter(_may_be, texts)) for name, texts in where.items()}
    for name, named in _NAMED.items():
        if name in found:
            found[name] |= named(found[name], teams)
    for name in _NUMBERED & found.keys():
        found[name] = frozenset(filter(_is_number, found[name]))
    return found


def _may_be(text: str) -> bool:
    """PostgreSQL's texts hold no NUL, so nothing is called that."""
    return "\0" not in text


def _clusters(texts: frozenset[str], teams: frozenset[int] | None) -> frozenset[str]:
    rows = Cluster.objects.filter(slug__in=texts)
    rows = rows if teams is None else rows.filter(team__in=teams)
    return frozenset(rows.values_list("uid", flat=True))


def _accounts(texts: frozenset[str], teams: frozenset[int] | None) -> frozenset[str]:
    rows = CloudAccount.objects.filter(name__in=texts)
    rows = rows if teams is None else rows.filter(team__in=teams)
    return frozenset(str(pk) for pk in rows.values_list("pk", flat=True))


def _teams(texts: frozenset[str], teams: frozenset[int] | None) -> frozenset[str]:
    rows = Group.objects.filter(name__in=texts)
    rows = rows if teams is None else rows.filter(pk__in=teams)
    return frozenset(str(pk) for pk in rows.values_list("pk", flat=True))


_NUMBERED = frozenset({"account", "team"})
_NAMED = {"cluster": _clusters, "account": _accounts, "team": _teams}


def narrowed(where: Mapping[str, frozenset[str]]) -> Q:
    """The filters for the database; labels are to be annotated before."""
    found = Q()
    for name, keys in where.items():
        if name == "spot":
            found &= _spot(keys)
        else:
            found &= Q(**{f"{column(name)}__in": sorted(keys)})
    return found


def _is_number(text: str) -> bool:
    """Of a row: what has more digits than a key can have is none."""
    return text.isdecimal() and len(text) <= 18


def _spot(keys: frozenset[str]) -> Q:
    wanted = Q(pk__in=())
    if YES in keys:
        wanted |= Q(tier__contains=SPOT)
    if NO in keys:
        wanted |= ~Q(tier__contains=SPOT)
    return wanted


def titles(name: str, keys: Sequence[str]) -> dict[str, str]:
    """What people call the clusters, accounts and teams; of other groups the keys themselves."""
    numbers = [int(text) for text in keys if _is_number(text)]
    rows: Any = ()
    if name == "cluster":
        rows = Cluster.objects.filter(uid__in=keys).values_list("uid", "name")
    elif name == "account":
        rows = CloudAccount.objects.filter(pk__in=numbers).values_list("pk", "name")
    elif name == "team":
        rows = Group.objects.filter(pk__in=numbers).values_list("pk", "name")
    named = {str(found): str(title) for found, title in rows}
    return {text: named.get(text, text) for text in keys}
