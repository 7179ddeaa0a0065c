"""Whether the scheduler would ever put a pod on the virtual node, and what to write for that.

Source: Kubernetes documentation, "Taints and Tolerations" and "Assigning Pods to Nodes". A pod that
names its node passes the scheduler by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml
from django.utils.translation import gettext_noop as _

from addons.compat.report import Effect, Finding
from addons.pods.taints import repels, spelled, tolerated
from addons.watch.labelled import ON_NAMESPACE, ON_POD, labelled, toleration_of
from providers.base import NodeProfile

Json = Mapping[str, Any]
_TYPE = "type"
# Labels whose values belong to one place: a cloud is asked without one.
_OF_A_PLACE = ("topology.", "failure-domain.", "kubernetes.io/hostname")


def findings(
    pod: Json, profile: NodeProfile, space: Mapping[str, str], *, placed: bool
) -> Iterator[Finding]:
    """`space` are the labels of its namespace.

    `placed`: the profile is that of a real node, so that its zone and name count too.
    """
    spec = pod["spec"]
    if spec.get("nodeName"):
        return
    labels = {
        key: value
        for key, value in profile.labels.items()
        if placed or not key.startswith(_OF_A_PLACE)
    }
    example = snippet(profile)
    away = [*_selector(spec, labels, placed=placed), *_affinity(spec, labels, placed=placed)]
    lacking = [
        t for t in profile.taints if repels(t) and not tolerated(spec.get("tolerations") or (), t)
    ]
    yield from (_away(path, example) for path in away)
    for taint in lacking:
        yield _not_tolerated(spec, taint, example, sent=_sent(pod, taint, space))
    if not away and not lacking and profile.taints and not _aims(spec):
        yield Finding(
            Effect.HINT,
            "MayRunElsewhere",
            "spec.nodeSelector",
            _("Nothing sends it to a virtual node: it may run on an ordinary node too."),
            _("Select the virtual nodes if it must run there."),
            snippet=example,
        )


def lands(spec: Json, profile: NodeProfile) -> bool:
    """Whether a DaemonSet's pod of this spec would be bound to nodes like this one.

    What selects a place (a zone, a host name) may hold for one of them.
    """
    tolerations = spec.get("tolerations") or ()
    if any(repels(taint) and not tolerated(tolerations, taint) for taint in profile.taints):
        return False
    labels = profile.labels
    return not any((*_selector(spec, labels, placed=False), *_affinity(spec, labels, placed=False)))


def _not_tolerated(spec: Json, taint: Mapping[str, str], example: str, *, sent: bool) -> Finding:
    values = {"taint": spelled(taint)}
    suffix = taint["key"].rpartition("/")[2]
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        key = toleration.get("key") or ""
        if key.rpartition("/")[2] == suffix:
            return Finding(
                Effect.HINT,
                "WrongToleration",
                f"spec.tolerations[{index}].key",
                _("It tolerates another taint; the node's is %(taint)s: never scheduled there."),
                _("Tolerate the node's taint."),
                values,
                snippet=example,
            )
    if sent:
        return Finding(
            Effect.HINT,
            "SentByLabel",
            "spec.tolerations",
            _("Its label, or its namespace's, sends it there once no other node has room for it."),
            _("Add the toleration, and select the virtual nodes, if it must go there at once."),
            values,
            snippet=example,
        )
    return Finding(
        Effect.HINT,
        "TolerationMissing",
        "spec.tolerations",
        _("It does not tolerate the node's taint %(taint)s: never scheduled there."),
        _("Add the toleration, and select the virtual nodes."),
        values,
        snippet=example,
    )


def _sent(pod: Json, taint: Mapping[str, str], space: Mapping[str, str]) -> bool:
    """Whether the watch process gives the pod this toleration when the scheduler finds no node."""
    labels = pod["metadata"].get("labels")
    sent = labelled(labels, ON_POD) or labelled(space, ON_NAMESPACE)
    return sent and toleration_of([taint]) is not None


def _away(path: str, example: str) -> Finding:
    return Finding(
        Effect.HINT,
        "SelectsOtherNodes",
        path,
        _("It asks for nodes that a virtual node is not: never scheduled there."),
        _("Remove it, or select the virtual nodes."),
        snippet=example,
    )


def _selector(spec: Json, labels: Mapping[str, str], *, placed: bool) -> Iterator[str]:
    for key, value in (spec.get("nodeSelector") or {}).items():
        if (placed or not key.startswith(_OF_A_PLACE)) and labels.get(key) != value:
            yield "spec.nodeSelector"
            return


def _required(spec: Json) -> Sequence[Json]:
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms: Sequence[Json] = required.get("nodeSelectorTerms") or ()
    return terms


def _affinity(spec: Json, labels: Mapping[str, str], *, placed: bool) -> Iterator[str]:
    """Terms are alternatives; the expressions of a term must all hold."""
    terms = _required(spec)
    if terms and not any(_term(term, labels, placed=placed) for term in terms):
        yield "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"


def _term(term: Json, labels: Mapping[str, str], *, placed: bool) -> bool:
    expressions: Iterable[Json] = term.get("matchExpressions") or ()
    return all(
        _holds(e, labels) for e in expressions if placed or not e["key"].startswith(_OF_A_PLACE)
    )


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def _aims(spec: Json) -> bool:
    """Whether it selects virtual nodes by the label that tells them."""
    if _TYPE in (spec.get("nodeSelector") or {}):
        return True
    terms = _required(spec)
    return bool(terms) and all(
        any(e["key"] == _TYPE for e in term.get("matchExpressions") or ()) for term in terms
    )


def snippet(profile: NodeProfile) -> str:
    """What to add under the pod's `spec`."""
    wanted: dict[str, Any] = {}
    if kind := profile.labels.get(_TYPE):
        wanted["nodeSelector"] = {_TYPE: kind}
    if taints := [taint for taint in profile.taints if repels(taint)]:
        wanted["tolerations"] = [_toleration(taint) for taint in taints]
    return yaml.safe_dump(wanted, sort_keys=False) if wanted else ""


def _toleration(taint: Mapping[str, str]) -> dict[str, str]:
    effect = {"effect": taint["effect"]}
    if not taint.get("value"):
        return {"key": taint["key"], "operator": "Exists", **effect}
    return {"key": taint["key"], "operator": "Equal", "value": taint["value"], **effect}
