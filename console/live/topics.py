"""Topics of the live tables: which rows a reader sees under which filters, in which order.

One definition serves the first HTML page, the ids and rows of REST, and the websocket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import django_filters as df
from django.db.models import Count, F, Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import QueryDict
from django.utils import timezone

from addons.models import Cluster, Operation, PodRow, VirtualNode
from console import filters
from console.access import AnyUser, visible
from console.billing import rates
from console.live import rows as build
from console.live.rows import Row
from providers.models import Orphan

# A column, or what is made of several.
Path = str | Combinable

# Beyond this the table asks to narrow the filter instead of pinning the list.
MAX_IDS = 50_000


def _portions(ids: list[int], size: int = 5000) -> Iterator[list[int]]:
    """A statement takes a limited number of variables (SQLite: 32766)."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


@dataclass(frozen=True)
class Topic:
    name: str
    model: type[Model]
    filterset: type[df.FilterSet]
    order: tuple[str, ...]
    related: tuple[str, ...]
    build: Callable[[Sequence[Any], datetime], list[Row]]
    # A facet of several columns counts a row under the value of each.
    facets: Mapping[str, Path | tuple[Path, ...]] = field(default_factory=dict)
    sortable: Mapping[str, Path] = field(default_factory=dict)
    prefetched: tuple[str, ...] = ()

    def select(self, user: AnyUser, params: str) -> QuerySet[Any]:
        """What this user sees under these filters, unordered."""
        rows: QuerySet[Any] = visible(self.model, user)
        found: QuerySet[Any] = self.filterset(data=QueryDict(params), queryset=rows).qs
        return found

    def _order(self, sort: str) -> tuple[Any, ...]:
        """`sort=name` or `sort=-name`; what cannot be sorted by keeps the topic's own order."""
        path = self.sortable.get(sort.lstrip("-"))
        if path is None:
            return self.order
        column: Any = F(path) if isinstance(path, str) else path
        return (column.desc() if sort.startswith("-") else column.asc(), *self.order)

    def ids(self, user: AnyUser, params: str, *, limit: int = MAX_IDS + 1) -> list[int]:
        ordered = self.select(user, params).order_by(
            *self._order(QueryDict(params).get("sort") or "")
        )
        return list(ordered.values_list("pk", flat=True)[:limit])

    def matching(self, user: AnyUser, params: str, ids: Iterable[int]) -> set[int]:
        """Which of the ids the user sees under these filters."""
        found: set[int] = set()
        for some in _portions(list(ids)):
            rows = self.select(user, params).order_by().filter(pk__in=some)
            found.update(rows.values_list("pk", flat=True))
        return found

    def whole(self, found: QuerySet[Any]) -> QuerySet[Any]:
        """The rows with everything that `build` reads."""
        return found.select_related(*self.related).prefetch_related(*self.prefetched)

    def rows(self, ids: Iterable[int]) -> dict[int, Row]:
        """Rows by id, whoever asks: callers pass only ids that the reader may see."""
        now = timezone.now()
        query = self.whole(self.model._default_manager.all())
        items = [item for some in _portions(list(ids)) for item in query.filter(pk__in=some)]
        return {row["id"]: row for row in self.build(items, now)}

    def count_facets(self, user: AnyUser, params: str) -> dict[str, dict[str, int]]:
        """For each facet the counts of its values; its own choice is left out of its filter."""
        result: dict[str, dict[str, int]] = {}
        for name, path in self.facets.items():
            others = QueryDict(params, mutable=True)
            others.pop(name, None)
            found = self.select(user, others.urlencode()).order_by()
            counts: Counter[str] = Counter()
            for column in path if isinstance(path, tuple) else (path,):
                for value, n in found.values_list(column).annotate(Count("pk")):
                    if value not in (None, ""):
                        counts[str(value)] += n
            result[name] = dict(counts)
        return result


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            "pods",
            PodRow,
            filters.PodFilter,
            ("-created_at", "-pk"),
            ("cluster", "node", "instance"),
            build.pod_rows,
            {
                "phase": "phase",
                "cluster": "cluster__slug",
                "namespace": "namespace",
                "provider": filters.POD_PROVIDER,
                "node": "node_name",
            },
            {
                "name": "name",
                "status": "status",
                "namespace": "namespace",
                "provider": filters.POD_PROVIDER,
                "node": "node_name",
                "restarts": "restarts",
                "price_per_hour": rates.SORT,
                "created_at": "created_at",
            },
        ),
        Topic(
            "nodes",
            VirtualNode,
            filters.NodeFilter,
            ("cluster__name", "name"),
            ("cluster", "account", "second_account"),
            build.node_rows,
            {
                "provider": ("provider", "second_account__provider"),
                "cluster": "cluster__slug",
                "zone": "zone",
                "state": "state",
            },
            {
                "name": "name",
                "status": "state",
                "provider": "provider",
                "zone": "zone",
                "heartbeat_at": "heartbeat_at",
            },
        ),
        Topic(
            "clusters",
            Cluster,
            filters.ClusterFilter,
            ("name",),
            (),
            build.cluster_rows,
            {"state": "state", "kind": "kind", "region": "region"},
            {"name": "name", "status": "state", "last_seen_at": "last_seen_at"},
        ),
        Topic(
            "operations",
            Operation,
            filters.OperationFilter,
            ("-pk",),
            ("cluster",),
            build.operation_rows,
            {"state": "state", "kind": "kind"},
            {"title": "kind", "status": "state", "started_at": "started_at"},
            ("steps",),
        ),
        Topic(
            "orphans",
            Orphan,
            filters.OrphanFilter,
            ("found_at", "pk"),
            ("account", "instance"),
            build.orphan_rows,
            {"provider": "account__provider", "zone": "zone", "reason": "reason"},
            {
                "instance_id": "cloud_id",
                "provider": "account__provider",
                "zone": "zone",
                "price_per_hour": "price_per_hour",
                "created_at": "created_at",
            },
        ),
    )
}
