"""Components of clusters, as people and programs handle them: pages, REST, fleets, command line.

All functions are synchronous and may be called from any thread but the loop's own; what asks a
cluster takes seconds. Texts that come back are in the reader's language.

    ComponentError   `code` says what kind: unknown, incompatible, invalid, busy, installed,
                     not-installed, unsupported, unreachable; `fix` what to do about it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext as _

from addons import operations
from addons.announce import announce
from addons.components import affected as affects
from addons.components import apply, checks, drifting, managed, recognise, release, vendors
from addons.components import values as value_rules
from addons.components.base import Component, Delivery, Json, Release, Version, within
from addons.components.catalogue import catalogue
from addons.components.checks import Check, Question
from addons.components.kit import Recognised
from addons.components.kits import kit_of
from addons.components.life import running_on, state_of
from addons.components.steps import actions_of
from addons.components.steps.hosted import wanted_nodes
from addons.components.vendors import NoVendor
from addons.models import Cluster, Installation, Operation, Revision, VirtualNode
from addons.operations import KINDS
from addons.runtime.loop import runtime
from addons.sentences import read
from kube import NODES
from kube.errors import KubeError
from providers.errors import ProviderError
from providers.models import CloudAccount

__all__ = [
    "ComponentError",
    "Offer",
    "Plan",
    "catalogue",
    "drift",
    "history",
    "offers",
    "plan",
    "start",
]

ACTIONS = ("install", "upgrade", "configure", "rollback", "uninstall", "adopt", "repair")
_ASK_SECONDS = 60.0


class ComponentError(Exception):
    """`operation` is the one that is under way when `code` is busy."""

    def __init__(
        self, code: str, message: str, fix: str = "", operation: Operation | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.operation = operation


@dataclass(frozen=True, slots=True)
class Offer:
    """A component as this cluster may have it. `newest` is the newest version that fits."""

    component: Component
    installed: Installation | None
    latest: Version
    compatible: bool
    why: str = ""
    newest: Version | None = None

    @property
    def upgradable(self) -> bool:
        row, newest = self.installed, self.newest
        return bool(row and newest and row.version and within(newest.version, f">{row.version}"))


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


def offers(cluster: Cluster) -> list[Offer]:
    """Every component of the catalogue, those that cannot be here with the reason."""
    rows = {row.component: row for row in cluster.installations.select_related("operation")}
    return [offer(cluster, one, rows.get(one.name)) for one in catalogue().values()]


def offer(cluster: Cluster, component: Component, row: Installation | None) -> Offer:
    """One component as the cluster may have it, `row` being what is there of it."""
    why = why_not(cluster, component, component.latest)
    fitting = [v for v in component.versions if not why_not(cluster, component, v)]
    newest = fitting[0] if fitting else None
    return Offer(
        component, row, component.latest, newest is not None, "" if newest else why, newest
    )


def why_not(cluster: Cluster, component: Component, version: Version) -> str:
    if component.kinds and cluster.kind not in component.kinds:
        return _("It is for clusters of %(kinds)s.") % {"kinds": ", ".join(component.kinds)}
    needs = version.requires.kubernetes
    if needs and not within(cluster.version or "0", needs):
        return _("It needs Kubernetes %(needs)s.") % {"needs": needs}
    return ""


def history(installation: Installation) -> list[Revision]:
    """Newest first."""
    return list(installation.revisions.select_related("operation"))


def drift(installation: Installation) -> list[dict[str, Any]]:
    """Fields that differ from the deployed revision, asked now and kept on the row."""
    found: list[dict[str, Any]] = _asked(drifting.look(runtime(), installation))
    return found


# --- what is meant ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Meant:
    """An action with everything that was left out filled in."""

    component: Component
    version: Version
    values: Json
    delivery: str
    row: Installation | None
    revision: Revision | None = None
    found: Recognised | None = None


def _meant(
    cluster: Cluster,
    name: str,
    *,
    action: str,
    version: str,
    values: Mapping[str, Any] | None,
    delivery: str,
    revision: int | None,
) -> _Meant:
    if action not in ACTIONS:
        raise ComponentError("unknown", _("There is no action %(name)s.") % {"name": action})
    try:
        component = release.component_of(name)
    except release.Unknown as error:
        raise ComponentError("unknown", _("The catalogue has no such component.")) from error
    row = release.installation_for(cluster, name)
    _fits_state(row, action)
    if row is None and not delivery and component.deliveries[0] == Delivery.MANAGED:
        vendors.find_once(cluster, runtime())
    delivery = delivery or (row.delivery if row else default_delivery(cluster, component))
    if delivery not in component.deliveries:
        raise ComponentError("unsupported", _("It is not delivered that way."))
    if action not in actions_of(delivery):
        raise ComponentError("unsupported", _("This delivery cannot do that."))
    if action == "adopt":
        return _recognised(cluster, component, delivery, row)
    if action == "rollback":
        return _earlier(component, row, revision, delivery)
    current = _current(component, row)
    chosen = _chosen(cluster, component, version, current, action)
    given = dict(values) if values is not None else _kept(row, current, chosen)
    return _Meant(component, chosen, given, delivery, row)


def default_delivery(cluster: Cluster, component: Component) -> str:
    """The first that is listed; the vendor's own way only where the vendor knows the cluster."""
    managed_first = component.deliveries[0] == Delivery.MANAGED
    if managed_first and (cluster.vendor_id or len(component.deliveries) == 1):
        return Delivery.MANAGED.value
    return next(one.value for one in component.deliveries if one != Delivery.MANAGED)


def _fits_state(row: Installation | None, action: str) -> None:
    there = row is not None and bool(row.version)
    if action in {"install", "adopt"} and there:
        raise ComponentError(
            "installed", _("It is installed already."), _("Upgrade or configure it.")
        )
    if action not in {"install", "adopt"} and row is None:
        raise ComponentError("not-installed", _("It is not installed."), _("Install it first."))
    if action not in {"install", "adopt", "uninstall"} and not there:
        raise ComponentError(
            "not-installed",
            _("Its installation never finished."),
            _("Retry the installation, or uninstall what is there."),
        )


def _current(component: Component, row: Installation | None) -> Version | None:
    if row is None:
        return None
    named = row.version
    if not named:
        newest = row.revisions.first()
        named = newest.version if newest else ""
    return component.version(named)


def _chosen(
    cluster: Cluster, component: Component, wanted: str, current: Version | None, action: str
) -> Version:
    if wanted:
        found = component.version(wanted)
        if found is None:
            raise ComponentError("unknown", _("The catalogue has no such version."))
        return found
    if action in {"install", "upgrade"}:
        fitting = [v for v in component.versions if not why_not(cluster, component, v)]
        if not fitting:
            why = why_not(cluster, component, component.latest)
            raise ComponentError("incompatible", why)
        return fitting[0]
    return current or component.latest


def _kept(row: Installation | None, current: Version | None, chosen: Version) -> Json:
    return value_rules.carried(current, chosen, _values_there(row)) if row else {}


def _values_there(row: Installation) -> Json:
    """What was set last: by the last success, or by a first install that came half way."""
    newest = None if row.version else row.revisions.first()
    return dict(newest.values if newest else row.values)


def _earlier(
    component: Component, row: Installation | None, number: int | None, delivery: str
) -> _Meant:
    assert row is not None
    rows = row.revisions.exclude(status=Revision.Status.PENDING)
    if number is None:
        rows = rows.filter(status=Revision.Status.SUPERSEDED)
        found = rows.first()
    else:
        found = rows.filter(number=number).first()
    if found is None:
        raise ComponentError("unknown", _("There is no such revision to go back to."))
    version = component.version(found.version)
    if version is None:
        raise ComponentError("unknown", _("The catalogue does not know its version any more."))
    return _Meant(component, version, dict(found.values), delivery, row, found)


def _recognised(
    cluster: Cluster, component: Component, delivery: str, row: Installation | None
) -> _Meant:
    async def ask() -> Recognised | None:
        if delivery == Delivery.MANAGED:
            return await managed.recognised(runtime(), cluster, component.name)
        return await recognise.recognise(await runtime().kube(cluster.pk), component)

    found = _asked(ask())
    if found is None:
        raise ComponentError("not-installed", _("Nothing of it was found in the cluster."))
    version = component.version(found.version)
    if version is None and component.system:
        # A part of the control plane: its version is the cluster's.
        version = component.latest
    if version is None:
        raise ComponentError(
            "unknown",
            _("It is there in version %(version)s, which the catalogue does not know.")
            % {"version": found.version},
            _("Import a catalogue file that has it."),
        )
    return _Meant(component, version, dict(found.values), delivery, row, found=found)


def _asked(coroutine: Any) -> Any:
    try:
        return runtime().run(coroutine, timeout=_ASK_SECONDS)
    except (KubeError, TimeoutError) as error:
        raise ComponentError(
            "unreachable",
            _("The cluster does not answer: %(error)s") % {"error": error},
            _("Look at the cluster's connection."),
        ) from error
    except ProviderError as error:
        raise ComponentError(
            "unreachable",
            _("The cloud does not answer: %(error)s") % {"error": error},
            _("Look at the credential."),
        ) from error
    except NoVendor as missing:
        raise ComponentError("unsupported", read(missing.message), read(missing.fix)) from missing


# --- plan ---------------------------------------------------------------------------------------


def plan(
    cluster: Cluster,
    component: str,
    *,
    action: str,
    version: str = "",
    values: Mapping[str, Any] | None = None,
    delivery: str = "",
    revision: int | None = None,
) -> Plan:
    """What `start` would do with the same arguments. Raises `ComponentError`."""
    meant = _meant(
        cluster,
        component,
        action=action,
        version=version,
        values=values,
        delivery=delivery,
        revision=revision,
    )
    current = _current(meant.component, meant.row)
    before = dict(meant.row.values) if meant.row else {}
    made = Plan(
        action=action,
        component=meant.component,
        version=meant.version,
        delivery=meant.delivery,
        checks=(),
        values_before=before,
        values_after=meant.values,
        rows=tuple(value_rules.three_way(current, meant.version, before, meant.values)),
        auto_rollback=_auto_rollback(meant, action),
    )
    whole: Plan = _asked(_filled(made, cluster, meant))
    return whole


def _question(cluster: Cluster, meant: _Meant, action: str) -> Question:
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
    return not value_rules.wrong(wanted.version.schema, wanted.effective)


async def _filled(made: Plan, cluster: Cluster, meant: _Meant) -> Plan:
    reach = runtime()
    question = await reach.db(_question, cluster, meant, made.action)
    found = await checks.run(reach, question)
    told = tuple(Check(c.code, c.state, read(c.title), read(c.detail), read(c.fix)) for c in found)
    made = replace(made, checks=told)
    kube = await reach.kube(cluster.pk)
    if made.action == "uninstall":
        return await _leaving(made, cluster, meant)
    if question.objects:
        old = await reach.db(_applied, meant.row)
        gone = apply.surplus(old, question.objects)
        made = replace(
            made,
            objects=tuple(await apply.compare(kube, question.objects)),
            surplus=tuple(apply.name_of(obj) for obj in gone),
        )
    return replace(made, nodes=await _nodes(meant))


def _applied(row: Installation | None) -> list[Json]:
    known = release.deployed(row) if row else None
    return list(known.objects_applied) if known else []


async def _nodes(meant: _Meant) -> tuple[str, ...]:
    """Names of the nodes that are there or will come, as far as they can be told."""
    if meant.delivery == Delivery.HOSTED:
        return tuple(await runtime().db(_hosted_names, meant.values))
    named = meant.values.get("nodename") or meant.version.defaults().get("nodename")
    return (str(named),) if meant.component.brings_nodes and named else ()


def _hosted_names(values: Json) -> list[str]:
    try:
        return [*wanted_nodes(values)]
    except (KeyError, CloudAccount.DoesNotExist):
        return []


async def _leaving(made: Plan, cluster: Cluster, meant: _Meant) -> Plan:
    reach = runtime()
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
        rows = affects.in_cluster(pods, kit, cluster.region)
    return replace(made, nodes=tuple(names), affected=tuple(rows), cost=affects.cost(rows))


def _all_hosted(cluster_id: int) -> set[str]:
    return set(VirtualNode.objects.filter(cluster=cluster_id).values_list("name", flat=True))


def _auto_rollback(meant: _Meant, action: str) -> int | None:
    """The revision that a failed change goes back to, by itself; None: it stays as it is."""
    if action not in {"upgrade", "configure"} or meant.row is None:
        return None
    if meant.delivery == Delivery.MANAGED:
        return None
    known = release.deployed(meant.row)
    return known.number if known else None


# --- start --------------------------------------------------------------------------------------


def start(
    cluster: Cluster,
    component: str,
    *,
    action: str,
    version: str = "",
    values: Mapping[str, Any] | None = None,
    delivery: str = "",
    revision: int | None = None,
    instances: str = "delete",
    actor: str,
    team: Group,
    key: str = "",
) -> Operation:
    """The operation that does it; with the same `key` the same one, whatever became of it.

    `instances` is `delete` or `leave` (uninstall: they go on, billed, on the orphan list). Raises
    `ComponentError`: busy while another operation runs on the component.
    """
    known = _by_key(cluster, component, key)
    if known is not None:
        return known
    meant = _meant(
        cluster,
        component,
        action=action,
        version=version,
        values=values,
        delivery=delivery,
        revision=revision,
    )
    _valid(meant, action)
    if instances not in {"delete", "leave"}:
        raise ComponentError("invalid", _("Instances are deleted or left."))
    with transaction.atomic():
        Cluster.objects.select_for_update().get(pk=cluster.pk)
        known = _by_key(cluster, component, key)
        if known is not None:
            return known
        row = _row(cluster, meant)
        _not_busy(row)
        arguments = _arguments(meant, row, action, instances=instances, key=key)
        operation = operations.start(
            f"{action}-component",
            target=component,
            cluster=cluster,
            team=team,
            actor=actor,
            arguments=arguments,
        )
        Installation.objects.filter(pk=row.pk).update(state=state_of(action), operation=operation)
        transaction.on_commit(lambda: announce("installations", [row.pk]))
    return operation


def _by_key(cluster: Cluster, component: str, key: str) -> Operation | None:
    if not key:
        return None
    kinds = [kind for kind in KINDS if kind.endswith("-component")]
    return Operation.objects.filter(
        cluster=cluster, target=component, kind__in=kinds, arguments__key=key
    ).first()


def _valid(meant: _Meant, action: str) -> None:
    if action not in {"install", "upgrade", "configure"}:
        return
    wanted = release.release_of(meant.component, meant.version, meant.values, meant.row)
    found = value_rules.wrong(meant.version.schema, wanted.effective)
    if found:
        text = "; ".join(f"{one.path or '-'}: {one.message}" for one in found)
        raise ComponentError("invalid", text, _("Correct the parameters."))


def _row(cluster: Cluster, meant: _Meant) -> Installation:
    """The installation's row, made for a first install."""
    found, component = meant.found, meant.component
    row, _new = Installation.objects.get_or_create(
        cluster=cluster,
        component=component.name,
        defaults={
            "delivery": meant.delivery,
            "release": found.release if found else component.release or component.name,
            "namespace": found.namespace if found else component.namespace,
            "adopted": found is not None,
        },
    )
    if not row.version and row.delivery != meant.delivery:
        row.delivery = meant.delivery
        row.save(update_fields=["delivery"])
    return row


def _not_busy(row: Installation) -> None:
    other = running_on(row)
    if other is not None:
        raise ComponentError(
            "busy",
            _("Operation %(pk)s is at it: %(title)s.")
            % {"pk": other.pk, "title": operations.title(other)},
            _("Wait until it ends, or cancel it."),
            other,
        )


def _arguments(
    meant: _Meant, row: Installation, action: str, *, instances: str, key: str
) -> dict[str, Any]:
    return {
        "installation": row.pk,
        "component": meant.component.name,
        "action": action,
        "delivery": meant.delivery,
        "version": meant.version.version,
        "values": meant.values,
        "revision": meant.revision.number if meant.revision else None,
        "note": str(meant.revision.number) if meant.revision else "",
        "instances": instances,
        "key": key,
        "auto_rollback": _auto_rollback(meant, action),
        # What came no further than its checks has nothing in the cluster: others' may be there.
        "untouched": not row.version and not row.revisions.exists(),
        "was": {"state": row.state, "mark": row.mark, "version": row.version},
    }
