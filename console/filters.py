"""Filters of lists: the same for pages, REST and the live tables.

The free-text box takes words and `key:value` pairs: `ns: phase: status: node: cluster: provider:
label:k=v restarts:>3 age:<1h`. What it does not know is searched for as text.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import django_filters as df
from django import forms
from django.db.models import Case, CharField, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, NullIf
from django.db.models.lookups import Exact
from django.utils import timezone

from addons.models import Cluster, FleetUpgrade, Installation, Operation, PodRow, VirtualNode
from providers.models import Instance, Orphan

_AGE = re.compile(r"^([<>])(\d+)([smhd])$")
_NUMBER = re.compile(r"^([<>]?)(\d+)$")
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_CENTURY = 100 * 365 * 86400

# Whose instance a pod is, or is to be: its ledger row tells, also while the cloud has none for it;
# before that its node, if one cloud alone serves there.
POD_PROVIDER = Coalesce(
    F("instance__provider"),
    Subquery(
        Instance.objects.filter(pod_uid=OuterRef("uid"))
        .order_by("-generation")
        .values("provider")[:1]
    ),
    Case(When(node__second_account__isnull=True, then=F("node__provider"))),
    Value(""),
    output_field=CharField(),
)
POD_ZONE = Coalesce(
    NullIf(F("instance__zone"), Value("")), F("node__zone"), Value(""), output_field=CharField()
)

PROBLEM = Q(phase="Failed") | ~Q(blocker="") | Q(status__in=["CrashLoopBackOff", "OOMKilled"])


def split_words(text: str) -> list[str]:
    """Words of a filter box; an unclosed quote is taken literally."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _age(value: str) -> Q:
    match = _AGE.match(value)
    if not match:
        return Q(pk__in=[])
    sign, number, unit = match.groups()
    border = timezone.now() - timedelta(seconds=min(int(number) * _UNIT[unit], _CENTURY))
    return Q(created_at__gt=border) if sign == "<" else Q(created_at__lt=border)


def _restarts(value: str) -> Q:
    match = _NUMBER.match(value)
    if not match:
        return Q(pk__in=[])
    suffix = {"<": "__lt", ">": "__gt", "": ""}[match[1]]
    return Q(**{f"restarts{suffix}": min(int(match[2]), 10**6)})


def _label(value: str) -> Q:
    """JSON containment is not in SQLite; a key transform is in every back end."""
    key, _sign, wanted = value.partition("=")
    if not wanted:
        return Q(labels__has_key=key)
    return Q(Exact(KeyTextTransform(key, "labels"), wanted))


_POD_WORDS: dict[str, Callable[[str], Q]] = {
    "ns": lambda v: Q(namespace=v),
    "namespace": lambda v: Q(namespace=v),
    "phase": lambda v: Q(phase__iexact=v),
    "status": lambda v: Q(status__iexact=v),
    "node": lambda v: Q(node_name=v),
    "cluster": lambda v: Q(cluster__slug=v),
    "provider": lambda v: Q(Exact(POD_PROVIDER, v.lower())),
    "zone": lambda v: Q(Exact(POD_ZONE, v)),
    "workload": lambda v: Q(workload_name=v),
    "instance": lambda v: Q(instance__cloud_id=v) | Q(instance__seen__shown_id=v),
    "label": _label,
    "restarts": _restarts,
    "age": _age,
}


def _pod_word(word: str) -> Q:
    key, sign, value = word.partition(":")
    if sign and value and key in _POD_WORDS:
        return _POD_WORDS[key](value)
    return (
        Q(name__icontains=word)
        | Q(namespace__icontains=word)
        | Q(instance__cloud_id__icontains=word)
        | Q(instance__seen__shown_id__icontains=word)
        | Q(ip__startswith=word)
        | Q(workload_name__icontains=word)
    )


class _AnyField(forms.MultipleChoiceField):
    """Any text, except what no database takes."""

    def valid_value(self, value: Any) -> bool:
        return "\0" not in value


class AnyOf(df.MultipleChoiceFilter):
    """`?phase=Running&phase=Pending`: any of the values given; unknown ones match nothing."""

    field_class = _AnyField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(distinct=False, **kwargs)


class _Search(df.FilterSet):
    """`q` over the fields named by `searched`."""

    searched: ClassVar[tuple[str, ...]] = ("name",)
    q = df.CharFilter(method="search")

    def search(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        for word in split_words(value)[:12]:
            condition = Q()
            for field in self.searched:
                condition |= Q(**{f"{field}__icontains": word})
            rows = rows.filter(condition)
        return rows


class PodFilter(df.FilterSet):
    VIEWS: ClassVar[tuple[str, ...]] = ("all", "problems", "pending", "gone")

    q = df.CharFilter(method="search")
    view = df.CharFilter(method="by_view")
    cluster = AnyOf(field_name="cluster__slug")
    namespace = AnyOf()
    name = df.CharFilter()
    phase = AnyOf()
    status = AnyOf()
    node = AnyOf(field_name="node_name")
    zone = AnyOf(method="by_zone")
    provider = AnyOf(method="by_provider")
    workload = AnyOf(field_name="workload_name")
    uid = df.CharFilter()
    instance = df.CharFilter(method="by_instance")

    class Meta:
        model = PodRow
        fields: ClassVar[list[str]] = []

    @property
    def qs(self) -> QuerySet[PodRow]:
        rows: QuerySet[PodRow] = super().qs
        if self.data.get("view") == "gone" or self.data.get("uid"):
            return rows
        return rows.filter(gone_at=None)

    def search(self, rows: QuerySet[PodRow], _name: str, value: str) -> QuerySet[PodRow]:
        for word in split_words(value)[:12]:
            rows = rows.filter(_pod_word(word))
        return rows

    def by_provider(self, rows: QuerySet[PodRow], _name: str, value: list[str]) -> QuerySet[PodRow]:
        return rows.alias(serving=POD_PROVIDER).filter(serving__in=value) if value else rows

    def by_zone(self, rows: QuerySet[PodRow], _name: str, value: list[str]) -> QuerySet[PodRow]:
        return rows.alias(lies_in=POD_ZONE).filter(lies_in__in=value) if value else rows

    def by_instance(self, rows: QuerySet[PodRow], _name: str, value: str) -> QuerySet[PodRow]:
        return rows.filter(_POD_WORDS["instance"](value))

    def by_view(self, rows: QuerySet[PodRow], _name: str, value: str) -> QuerySet[PodRow]:
        if value == "problems":
            return rows.filter(PROBLEM)
        if value == "pending":
            border = timezone.now() - timedelta(seconds=60)
            return rows.filter(phase="Pending", created_at__lt=border)
        if value == "gone":
            return rows.exclude(gone_at=None)
        return rows


class NodeFilter(_Search):
    searched = ("name", "zone", "cluster__name")
    cluster = AnyOf(field_name="cluster__slug")
    provider = AnyOf(method="by_provider")
    zone = AnyOf()
    state = AnyOf()

    class Meta:
        model = VirtualNode
        fields: ClassVar[list[str]] = []

    def by_provider(
        self, rows: QuerySet[VirtualNode], _name: str, value: list[str]
    ) -> QuerySet[VirtualNode]:
        if not value:
            return rows
        return rows.filter(Q(provider__in=value) | Q(second_account__provider__in=value))


class ClusterFilter(_Search):
    searched = ("name", "slug", "region", "server")
    state = AnyOf()
    kind = AnyOf()
    region = AnyOf()

    class Meta:
        model = Cluster
        fields: ClassVar[list[str]] = []


class OperationFilter(_Search):
    searched = ("target", "kind", "actor")
    state = AnyOf()
    kind = AnyOf()
    cluster = AnyOf(field_name="cluster__slug")

    class Meta:
        model = Operation
        fields: ClassVar[list[str]] = []


class OrphanFilter(_Search):
    searched = ("cloud_id", "name", "pod_name", "namespace")
    account = df.NumberFilter(field_name="account_id")
    provider = AnyOf(field_name="account__provider")
    zone = AnyOf()
    reason = AnyOf()
    closed = df.BooleanFilter(method="by_closed")

    class Meta:
        model = Orphan
        fields: ClassVar[list[str]] = []

    def by_closed(self, rows: QuerySet[Orphan], _name: str, value: bool) -> QuerySet[Orphan]:
        return rows.exclude(closed_at=None) if value else rows.filter(closed_at=None)

    @property
    def qs(self) -> QuerySet[Orphan]:
        rows: QuerySet[Orphan] = super().qs
        return rows if self.data.get("closed") else rows.filter(closed_at=None)


class InstallationFilter(_Search):
    searched = ("component", "release", "cluster__name")
    cluster = AnyOf(field_name="cluster__slug")
    component = AnyOf()
    delivery = AnyOf()
    version = AnyOf()
    state = AnyOf()
    drifted = df.BooleanFilter(method="by_drift")

    class Meta:
        model = Installation
        fields: ClassVar[list[str]] = []

    def by_drift(
        self, rows: QuerySet[Installation], _name: str, value: bool
    ) -> QuerySet[Installation]:
        return rows.exclude(drift=[]) if value else rows.filter(drift=[])


class FleetUpgradeFilter(_Search):
    searched = ("component", "version", "actor")
    component = AnyOf()
    state = AnyOf()

    class Meta:
        model = FleetUpgrade
        fields: ClassVar[list[str]] = []
