"""What the cluster itself, the catalogue and our rows say about an intended change.

Each function is a `addons.components.checks.CheckFunction`; `bad` blocks, and says what mends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.compat.scheduling import lands
from addons.components import apply, judge
from addons.components import rights as rights_
from addons.components.base import Delivery, Json, within
from addons.components.checks import Check, Question, Reach
from addons.components.kits import kit_of
from addons.components.release import installation_for, release_of, takes_over
from addons.models import Installation, VirtualNode
from addons.sentences import stored
from kube import DAEMONSETS, NODES, Access, Kube
from kube.errors import Forbidden, Invalid, NotFound
from providers import registry
from providers.base import NodeProfile
from providers.models import CloudAccount

_CHANGES = frozenset({"install", "upgrade", "configure"})
_FIXES = {
    Delivery.HOSTED: _(
        "Apply the roles that the cluster's page shows under Checks once more, as an administrator."
    ),
    Delivery.IN_CLUSTER: _(
        "Apply the roles for components that the cluster's page shows under Checks, or give the"
        " cluster a kubeconfig of an administrator."
    ),
}


async def versions(_reach: Reach, question: Question) -> Sequence[Check]:
    """The cluster's kind and Kubernetes version against what the version needs."""
    title = _("Version and kind of the cluster")
    cluster, needs = question.cluster, question.version.requires
    kinds = question.component.kinds
    if kinds and cluster.kind not in kinds:
        detail = stored(_("It is for clusters of %(kinds)s."), kinds=", ".join(kinds))
        return [Check("kind", "bad", title, detail, _("Choose another component."))]
    if needs.kubernetes and not within(cluster.version or "0", needs.kubernetes):
        detail = stored(
            _("%(version)s needs Kubernetes %(needs)s; the cluster has %(has)s."),
            version=question.version.version,
            needs=needs.kubernetes,
            has=cluster.version or "-",
        )
        fix = _("Upgrade the cluster, or choose a version that fits it.")
        return [Check("kubernetes", "bad", title, detail, fix)]
    return [Check("kubernetes", "ok", title, stored("Kubernetes %(v)s", v=cluster.version))]


async def components(reach: Reach, question: Question) -> Sequence[Check]:
    """What must stand beside it, and what must not."""
    return await reach.db(_components, question)


def _components(question: Question) -> list[Check]:
    title = _("Other components")
    found = []
    for name, wanted in question.version.requires.components.items():
        other = installation_for(question.cluster, name)
        if other is None or not other.version or not within(other.version, wanted):
            detail = stored(_("It needs %(name)s %(range)s."), name=name, range=wanted)
            found.append(Check("needs", "bad", title, detail, _("Install or upgrade that first.")))
    for name in question.component.conflicts:
        if installation_for(question.cluster, name) is not None:
            detail = stored(_("%(name)s is installed and does the same."), name=name)
            found.append(Check("conflict", "bad", title, detail, _("Uninstall that first.")))
    return found or [Check("components", "ok", title)]


async def values(reach: Reach, question: Question) -> Sequence[Check]:
    """The values against the schema; the credentials that they name."""
    if question.action not in _CHANGES:
        return []
    title = _("Parameters")
    found = [
        Check(
            "values",
            "bad",
            title,
            one.sentence,
            _("Correct the parameter."),
        )
        for one in judge.wrong(question.version.schema, question.values)
    ]
    found += await reach.db(_credentials, question, title)
    return found or [Check("values", "ok", title)]


def _credentials(question: Question, title: str) -> list[Check]:
    return [
        Check("credential", "bad", title, detail, _("Choose a credential of the team."))
        for key, sub in (question.version.schema.get("properties") or {}).items()
        if "x-credential" in sub and question.values.get(key)
        for detail in _unfit(question, question.values[key], str(sub["x-credential"]))
    ]


def _unfit(question: Question, pk: Any, provider: str) -> Iterator[str]:
    rows = CloudAccount.objects.filter(team=question.cluster.team)
    account = rows.filter(pk=pk).first() if isinstance(pk, int) else None
    if account is None:
        yield stored(_("There is no credential %(pk)s."), pk=pk)
    elif provider not in {"any", account.provider}:
        yield stored(
            _("%(name)s is no credential of %(cloud)s."), name=account.name, cloud=provider
        )


async def rights(reach: Reach, question: Question) -> Sequence[Check]:
    """SelfSubjectAccessReviews for all that the change does there, then the server's own dry run
    of what would be applied."""
    if question.action == "uninstall" and not await reach.db(_begun, question.installation):
        return []
    beside = rights_.wanted(
        kit_of(question.component.name),
        question.delivery,
        question.action,
        _namespace(question),
        nodes=question.component.brings_nodes,
    )
    if not beside and not question.objects:
        return []
    kube = await reach.kube(question.cluster.pk)
    title = _("Rights in the cluster")
    asked = list(dict.fromkeys([*await _accesses(kube, question.objects), *beside]))
    lacking = [_spoken(access) for access, may in (await kube.can_i(asked)).items() if not may]
    if lacking:
        detail = stored(_("The identity may not: %(lacking)s."), lacking=", ".join(lacking))
        return [Check("rights", "bad", title, detail, _FIXES[Delivery(question.delivery)])]
    takes = await reach.db(takes_over, question.installation, question.action)
    refused = [] if question.action == "uninstall" else await _dry_run(kube, question, takes)
    ok = Check("rights", "ok", title, stored(_("%(n)s permissions"), n=len(asked)))
    return [ok, *refused]


def _namespace(question: Question) -> str:
    row = question.installation
    return row.namespace if row else question.component.namespace


def _spoken(access: Access) -> str:
    """`create pods (kube-system)`; without a namespace it is meant everywhere."""
    return f"{access} ({access.namespace})" if access.namespace else str(access)


async def _accesses(kube: Kube, objects: Sequence[Json]) -> list[Access]:
    found: dict[Access, None] = {}
    for obj in objects:
        try:
            resource = await apply.resource_of(kube, obj)
        except NotFound:
            continue
        space = obj["metadata"].get("namespace", "") if resource.namespaced else ""
        for verb in ("get", "create", "patch", "delete"):
            found[Access(verb, resource.plural, resource.group, namespace=space)] = None
    return list(found)


async def _dry_run(kube: Kube, question: Question, takes: bool) -> list[Check]:
    """What the API server would refuse, and whose fields we would change, or take over."""
    title = _("Dry run of the objects")
    found = []
    for obj in question.objects:
        try:
            if takes:
                await apply.would_be(kube, obj, await apply.find(kube, obj), moves=True)
            else:
                await apply.put(kube, apply.masked(obj), dry_run=True)
        except apply.Conflicts as error:
            detail = stored(_("Others own fields of it: %(owners)s"), owners=error)
            fix = _("Adopt what is there, or have its owner change it.")
            if question.installation and question.installation.version:
                fix = _("Repair takes the fields over; or change them where their owner does.")
            found.append(Check("conflict", "bad", title, detail, fix))
        except NotFound:
            # A kind whose definition comes with the same release.
            continue
        except (Forbidden, Invalid) as error:
            detail = stored("%(object)s: %(error)s", object=apply.name_of(obj), error=error)
            fix = _("Mend what the API server says.")
            found.append(Check("refused", "bad", title, detail, fix))
    return found


async def names(reach: Reach, question: Question) -> Sequence[Check]:
    """Nodes of the same names, and virtual nodes with the same taint."""
    fresh = question.action == "install" and not await reach.db(_begun, question.installation)
    if not question.component.brings_nodes or not fresh:
        return []
    title = _("Names and taints of nodes")
    if question.delivery == Delivery.HOSTED:
        return [Check("names", "ok", title)]
    kube = await reach.kube(question.cluster.pk)
    nodes = (await kube.list(NODES)).items
    release = release_of(question.component, question.version, question.values)
    owns = kit_of(question.component.name).owns_node
    hosted = await reach.db(_hosted, question.cluster.pk)
    taken = [n["metadata"]["name"] for n in nodes if owns(release, n)]
    if taken:
        detail = stored(_("The cluster has %(names)s already."), names=", ".join(taken))
        fix = _("Adopt what is installed there, or choose another name.")
        return [Check("names", "bad", title, detail, fix)]
    others = [
        n["metadata"]["name"]
        for n in nodes
        if (n["metadata"].get("labels") or {}).get("type") == "virtual-kubelet"
        and n["metadata"]["name"] not in hosted
    ]
    if others:
        detail = stored(
            _("Other virtual nodes are there: %(names)s. Pods that tolerate both go to either."),
            names=", ".join(others),
        )
        return [Check("taints", "warn", title, detail, _("Select nodes by name where it matters."))]
    return [Check("names", "ok", title)]


def _begun(installation: Installation | None) -> bool:
    return installation is not None and installation.revisions.exists()


def _hosted(cluster_id: int) -> set[str]:
    return set(VirtualNode.objects.filter(cluster=cluster_id).values_list("name", flat=True))


async def daemonsets(reach: Reach, question: Question) -> Sequence[Check]:
    """DaemonSets whose pods would be sent to virtual nodes, where they cannot run."""
    if not question.component.brings_nodes or question.action not in {"install", "configure"}:
        return []
    title = _("DaemonSets and virtual nodes")
    kube = await reach.kube(question.cluster.pk)
    try:
        listing = await kube.list(DAEMONSETS)
    except Forbidden:
        detail = _("The identity may not list DaemonSets.")
        return [Check("daemonsets", "warn", title, detail, _("Grant it, to be told of them."))]
    nodes = _profiles(question)
    landing = [
        f"{one['metadata']['namespace']}/{one['metadata']['name']}"
        for one in listing.items
        if any(lands(one["spec"]["template"]["spec"], node) for node in nodes)
    ]
    if landing:
        detail = stored(
            _("%(names)s tolerate the taint of the virtual nodes and would be bound to them."),
            names=", ".join(landing),
        )
        fix = _("Give them a node affinity: type NotIn virtual-kubelet.")
        return [Check("daemonsets", "warn", title, detail, fix)]
    return [Check("daemonsets", "ok", title)]


def _profiles(question: Question) -> list[NodeProfile]:
    """The nodes that it brings, as far as taints and labels of no place in particular go."""
    told = {name: str(value).lower() for name, value in question.values.items()}
    return [
        dialect.node_profile(region="", zone="", name="", settings=told)
        for dialect in map(registry.dialect, question.component.providers)
    ]
