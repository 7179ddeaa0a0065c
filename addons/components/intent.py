"""What is meant by an action on a component: everything that was left out, filled in.

ComponentError   `code` says what kind: unknown, incompatible, invalid, busy, installed,
                 not-installed, unsupported, unreachable; `fix` what to do about it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from addons.components import hosted_nodes, managed, offered, recognise, release, vendors
from addons.components import values as value_rules
from addons.components.base import Component, Delivery, Json, Version, within
from addons.components.kit import Recognised
from addons.components.steps import actions_of
from addons.components.vendors import NoVendor
from addons.models import Cluster, Installation, Operation, Revision
from addons.runtime.loop import Runtime
from addons.sentences import read
from kube.errors import KubeError
from providers.errors import ProviderError

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
class Meant:
    """An action with everything that was left out filled in."""

    component: Component
    version: Version
    values: Json
    delivery: str
    row: Installation | None
    revision: Revision | None = None
    found: Recognised | None = None


def meant(
    cluster: Cluster,
    name: str,
    *,
    action: str,
    version: str,
    values: Mapping[str, Any] | None,
    delivery: str,
    revision: int | None,
    runtime: Runtime,
) -> Meant:
    """Raises `ComponentError` for what cannot be meant here; may ask the cluster (adopt)."""
    if action not in ACTIONS:
        raise ComponentError("unknown", _("There is no action %(name)s.") % {"name": action})
    try:
        component = release.component_of(name)
    except release.Unknown as error:
        raise ComponentError("unknown", _("The catalogue has no such component.")) from error
    row = release.installation_for(cluster, name)
    _fits_state(row, action)
    if row is None and not delivery:
        know_vendor(cluster, component, runtime)
    asked_for = delivery
    delivery = delivery or (row.delivery if row else default_delivery(cluster, component))
    if delivery not in component.deliveries:
        raise ComponentError("unsupported", _("It is not delivered that way."))
    if action not in actions_of(delivery):
        raise ComponentError("unsupported", _("This delivery cannot do that."))
    component = offered.here(cluster, component, delivery)
    open_ = action in {"install", "upgrade"} and not (version and component.version(version))
    if delivery == Delivery.MANAGED and open_:
        offered.learn(cluster, component, runtime, installed=row.version if row else "")
        component = offered.here(cluster, component, delivery)
    if action == "adopt":
        ways = (asked_for,) if asked_for else _ways(component, delivery)
        return _recognised(cluster, component, ways, row, runtime)
    if action == "rollback":
        return _earlier(component, row, revision, delivery)
    current = current_version(component, row)
    chosen = _chosen(cluster, component, version, current, action=action, delivery=delivery)
    given = dict(values) if values is not None else _kept(row, current, chosen)
    return Meant(component, chosen, given, delivery, row)


def why_not(cluster: Cluster, component: Component, version: Version) -> str:
    """Why a cluster cannot take it, as far as it is known without asking; empty: it may."""
    reasons = [delivery_why_not(cluster, one) for one in component.deliveries]
    return _unfit(cluster, component, version) or (reasons[0] if all(reasons) else "")


def _unfit(cluster: Cluster, component: Component, version: Version) -> str:
    if component.kinds and cluster.kind not in component.kinds:
        kinds = ", ".join(_kind(one) for one in component.kinds)
        return _("It is for clusters of %(kinds)s.") % {"kinds": kinds}
    needs = version.requires.kubernetes
    if needs and not within(cluster.version or "0", needs):
        return _("It needs Kubernetes %(needs)s.") % {"needs": needs}
    return ""


def _kind(kind: str) -> str:
    """ACK, KCE, or clusters that people run by themselves."""
    return _("your own machines") if kind == "self-managed" else kind.upper()


def delivery_why_not(cluster: Cluster, delivery: str) -> str:
    """Why nothing comes to the cluster that way, as far as it is known without asking."""
    if delivery == Delivery.MANAGED and vendors.unknown(cluster):
        return _("No credential of the team reaches an add-on API that knows this cluster.")
    return ""


def know_vendor(cluster: Cluster, component: Component, runtime: Runtime | None = None) -> None:
    """Have asked once whether a vendor knows the cluster, where it is the component's first way;
    what it offers there is then asked too."""
    if component.deliveries[0] == Delivery.MANAGED:
        vendors.find_once(cluster, runtime)
        if cluster.vendor_id:
            offered.learn(cluster, component, runtime)


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


def current_version(component: Component, row: Installation | None) -> Version | None:
    if row is None:
        return None
    named = row.version
    if not named:
        newest = row.revisions.first()
        named = newest.version if newest else ""
    return component.version(named)


def _chosen(
    cluster: Cluster,
    component: Component,
    wanted: str,
    current: Version | None,
    *,
    action: str,
    delivery: str,
) -> Version:
    if wanted:
        found = component.version(wanted)
        if found is None:
            raise ComponentError("unknown", _("The catalogue has no such version."))
        return found
    if action in {"install", "upgrade"}:
        fitting = [v for v in component.versions if not _unfit(cluster, component, v)]
        if not fitting:
            raise ComponentError("incompatible", _unfit(cluster, component, component.latest))
        return offered.newest(cluster, component, delivery, fitting)
    return current or component.latest


def _kept(row: Installation | None, current: Version | None, chosen: Version) -> Json:
    return value_rules.carried(current, chosen, _values_there(row)) if row else {}


def _values_there(row: Installation) -> Json:
    """What was set last: by the last success, or by a first install that came half way."""
    newest = None if row.version else row.revisions.first()
    return dict(newest.values if newest else row.values)


def _earlier(
    component: Component, row: Installation | None, number: int | None, delivery: str
) -> Meant:
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
    return Meant(component, version, dict(found.values), delivery, row, found)


def _ways(component: Component, first: str) -> tuple[str, ...]:
    """How others may have put it there: what is likeliest first."""
    rest = [one.value for one in component.deliveries if one.value not in (first, Delivery.HOSTED)]
    return (first, *(way for way in rest if way != Delivery.MANAGED))


def _recognised(
    cluster: Cluster,
    component: Component,
    ways: Sequence[str],
    row: Installation | None,
    runtime: Runtime,
) -> Meant:
    async def ask(way: str) -> Recognised | None:
        if way == Delivery.MANAGED:
            return await managed.recognised(runtime, cluster, component.name)
        if way == Delivery.HOSTED:
            return await runtime.db(hosted_nodes.recognised, cluster, component)
        return await recognise.recognise(await runtime.kube(cluster.pk), component)

    delivery, found = ways[0], None
    for way in ways:
        found = asked(runtime, ask(way))
        if found is not None:
            delivery = way
            break
    if found is None:
        raise ComponentError("not-installed", _("Nothing of it was found in the cluster."))
    if delivery == Delivery.HOSTED and not found.values:
        raise ComponentError(
            "unsupported",
            _("Its virtual nodes differ in more than their zones: %(names)s")
            % {"names": found.evidence},
            _("Change or remove them one by one; one component has one set of values."),
        )
    if delivery == Delivery.MANAGED and not component.version(found.version):
        offered.learn(cluster, component, runtime, installed=found.version)
        component = offered.here(cluster, component, delivery)
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
    return Meant(component, version, dict(found.values), delivery, row, found=found)


def asked(runtime: Runtime, coroutine: Any) -> Any:
    """Run it on the loop; what clusters and clouds refuse comes as `ComponentError`."""
    try:
        return runtime.run(coroutine, timeout=_ASK_SECONDS)
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
