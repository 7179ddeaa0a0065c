"""What an action would do, asked of checks and clusters without changing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from addons.components import affected as affects
from addons.components import apply, checks, checks_cloud, judge, release
from addons.components import values as value_rules
from addons.components.base import Component, Delivery, Json, Release, Version
from addons.components.checks import Check, Question
from addons.components.hosted_nodes import wanted_nodes
from addons.components.intent import Meant
from addons.components.kits import kit_of
from addons.models import Cluster, Installation, VirtualNode
from addons.runtime.loop import Runtime
from addons.sentences import read
from kube import NODES
from providers.models import CloudAccount


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action would do, before it is started; nothing was changed to know it.

    `rows` compare old defaults, new defaults and yours; `objects` are the fields that the API
    server's dry run would change; `affected` are pods and instances of an uninstall, `cost` what
    they cost per hour, by currency.
    """

    action: str
    component: Component
    version: Version
    delivery: str
    checks: tuple[Check, ...]
    values_before: Json
    values_after: Json
    rows: tuple[value_rules.Row, ...] = ()
    objects: tuple[apply.Difference, ...] = ()
    surplus: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    affected: tuple[affects.Affected, ...] = ()
    cost: Mapping[str, Decimal] = field(default_factory=dict)
    auto_rollback: int | None = None

    @property
    def blocking(self) -> bool:
        return checks.blocking(self.checks)


def question_of(cluster: Cluster, meant: Meant, action: str) -> Question:
    wanted = release.release_of(meant.component, meant.version, meant.values, meant.row)
    renders = meant.delivery == Delivery.IN_CLUSTER and action not in {"adopt"}
    objects = () if not renders or not _renderable(wanted) else tuple(release.labelled(wanted))
    return Question(
        cluster=cluster,
        component=meant.component,
        version=meant.version,
        action=action,
        delivery=meant.delivery,
        values=wanted.effective,
        objects=objects,
        installation=meant.row,
    )


def _renderable(wanted: Release) -> bool:
    """Values that do not fit the schema are a finding, not something to render."""
    return not judge.wrong(wanted.version.schema, wanted.effective)


async def filled(reach: Runtime, made: Plan, cluster: Cluster, meant: Meant) -> Plan:
    question = await reach.db(question_of, cluster, meant, made.action)
    found = await checks.run(reach, question)
    made = replace(made, checks=tuple(found))
    kube = await reach.kube(cluster.pk)
    if made.action == "uninstall":
        return await _leaving(reach, made, cluster, meant)
    if question.objects and not _lacks_rights(found):
        old = await reach.db(_applied, meant.row)
        gone = apply.surplus(old, question.objects)
        takes = await reach.db(release.takes_over, meant.row, made.action)
        made = replace(
            made,
            objects=tuple(await apply.compare(kube, question.objects, moves=takes)),
            surplus=tuple(apply.name_of(obj) for obj in gone),
        )
    return replace(made, nodes=await _nodes(reach, question, meant))


def _lacks_rights(found: Sequence[Check]) -> bool:
    """Then the cluster refuses to compare; the check has told why."""
    return any(check.code == "rights" and check.state == "bad" for check in found)


def _applied(row: Installation | None) -> list[Json]:
    known = release.deployed(row) if row else None
    return list(known.objects_applied) if known else []


async def _nodes(reach: Runtime, question: Question, meant: Meant) -> tuple[str, ...]:
    """Names of the nodes that are there or will come, as far as they can be told."""
    if meant.delivery == Delivery.HOSTED:
        return tuple(await reach.db(_hosted_names, meant.values))
    if not meant.component.brings_nodes:
        return ()
    wanted = release.release_of(meant.component, meant.version, meant.values, meant.row)
    zones = await checks_cloud.zones(reach, question)
    return tuple(kit_of(meant.component.name).node_names(wanted, zones))


def _hosted_names(values: Json) -> list[str]:
    try:
        return [*wanted_nodes(values)]
    except (KeyError, CloudAccount.DoesNotExist):
        return []


async def _leaving(reach: Runtime, made: Plan, cluster: Cluster, meant: Meant) -> Plan:
    kube = await reach.kube(cluster.pk)
    if meant.delivery == Delivery.HOSTED:
        names = await reach.db(_hosted_names, meant.values)
        pods = await affects.pods_on(kube, names)
        rows = await reach.db(affects.hosted, pods, cluster)
    else:
        wanted = release.release_of(meant.component, meant.version, meant.values, meant.row)
        kit = kit_of(meant.component.name)
        hosted = await reach.db(_all_hosted, cluster.pk)
        nodes = (await kube.list(NODES, labels="type=virtual-kubelet")).items
        names = [
            n["metadata"]["name"]
            for n in nodes
            if n["metadata"]["name"] not in hosted and kit.owns_node(wanted, n)
        ]
        pods = await affects.pods_on(kube, names)
        rows = await reach.db(affects.in_cluster, pods, kit, cluster)
    return replace(made, nodes=tuple(names), affected=tuple(rows), cost=affects.cost(rows))


def _all_hosted(cluster_id: int) -> set[str]:
    return set(VirtualNode.objects.filter(cluster=cluster_id).values_list("name", flat=True))


def told(made: Plan) -> Plan:
    """With the checks' sentences in the reader's language: not on the loop, which has no reader."""
    said = (Check(c.code, c.state, read(c.title), read(c.detail), read(c.fix)) for c in made.checks)
    return replace(made, checks=tuple(said))


def auto_rollback(meant: Meant, action: str) -> int | None:
    """The revision that a failed change goes back to, by itself; None: it stays as it is."""
    if action not in {"upgrade", "configure"} or meant.row is None:
        return None
    if meant.delivery == Delivery.MANAGED:
        return None
    known = release.deployed(meant.row)
    back = known is not None and release.can_return_to(meant.component, known, meant.row)
    return known.number if known and back else None
