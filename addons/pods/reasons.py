"""Why a pod is not further on, and what was done to it: one sentence per code, in two languages.

Codes are stored (`PodRow.blocker`, `Decision.code`, `Orphan.reason`); sentences are made when
somebody reads. A sentence says what, why and, where a person can help, what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from addons import sentences

# Blockers.
WAITING_FOR_SCHEDULE: Final = "WaitingForSchedule"
WRONG_TOLERATION: Final = "WrongToleration"
NO_TOLERATION: Final = "NoToleration"
MISSING_REFERENCE: Final = "MissingReference"
NO_STOCK: Final = "NoStock"
QUOTA: Final = "QuotaExceeded"
THROTTLED: Final = "Throttled"
INVALID_SPEC: Final = "InvalidSpec"
ACCOUNT_TROUBLE: Final = "AccountTrouble"
UNKNOWN_OUTCOME: Final = "UnknownOutcome"
CLOUD_UNAVAILABLE: Final = "CloudUnavailable"
CLUSTER_UNAVAILABLE: Final = "ClusterUnavailable"
NO_PLACE: Final = "NoPlaceYet"
STARTING: Final = "InstanceStarting"
IMAGE_PULLING: Final = "ImagePulling"
IMAGE_PULL_FAILING: Final = "ImagePullFailing"
CONTAINER_FAILING: Final = "ContainerFailing"
DELETING: Final = "WaitingForDeletion"
FINALIZERS: Final = "WaitingForFinalizers"
CLUSTER_PAUSED: Final = "ClusterPaused"
HALTED: Final = "BreakerHalted"
NOT_SERVED: Final = "NotServed"
RETRYING: Final = "Retrying"
INTERNAL: Final = "InternalError"
EXPIRED: Final = "DeadlineExceeded"
LET_IN: Final = "ToleratesVirtualNodes"
HELD: Final = "HeldByBudget"
CORDONED: Final = "CordonedByBudget"
# Decisions.
PROFILED: Final = "ProfileApplied"
IGNORED: Final = "Ignored"
INTENDED: Final = "InstanceRequested"
CREATED: Final = "InstanceCreated"
ADOPTED: Final = "InstanceAdopted"
DELETED: Final = "InstanceDeleting"
CLOSED: Final = "InstanceGone"
REFUSED: Final = "PodRefused"
LOST: Final = "InstanceLost"
REPLACED: Final = "InstanceReplaced"
FINISHED: Final = "PodFinished"
POD_DELETED: Final = "PodDeleted"
# Events of the ConfigMap.
PROFILE_FAULT: Final = "ProfileFault"
GAVE_UP: Final = "GaveUp"
OVERDUE: Final = "StartTimedOut"
FAILED_OVER: Final = "FailedOver"
RESIZE: Final = "ResizeInfeasible"
# Orphans.
ORPHAN_NO_POD: Final = "NoPod"
ORPHAN_NO_ROW: Final = "NotInLedger"
ORPHAN_NO_CLUSTER: Final = "NoCluster"
ORPHAN_SECOND: Final = "SecondInstance"
ORPHAN_LEFT: Final = "LeftByChoice"
# Breaker.
MASS_DISAPPEARANCE: Final = "MassDisappearance"
EMPTY_LIST: Final = "EmptyList"
MANY_DELETES: Final = "ManyDeletes"


@dataclass(frozen=True, slots=True)
class Reason:
    """`text` is filled with the values of the row; a value that is missing reads as a dash."""

    text: Promise
    warning: bool = False


REASONS: Mapping[str, Reason] = {
    WAITING_FOR_SCHEDULE: Reason(_("The scheduler has not chosen a node for it yet.")),
    WRONG_TOLERATION: Reason(
        _(
            "It selects the virtual nodes but tolerates {tolerated}, while their taint is "
            "{taint}: tolerate that one, or both."
        ),
        True,
    ),
    NO_TOLERATION: Reason(
        _("It selects the virtual nodes but does not tolerate their taint {taint}: add that."),
        True,
    ),
    MISSING_REFERENCE: Reason(
        _("{message}. It starts as soon as that exists: create it, or correct the name."), True
    ),
    NO_STOCK: Reason(
        _(
            "No stock of {spec} in {zones}; the next try is in {next}. "
            "Add a zone to the virtual node, or ask for another size, to start sooner."
        ),
        True,
    ),
    GAVE_UP: Reason(_("No stock of {spec} in {zones}: it fails, as its pod asks."), True),
    OVERDUE: Reason(
        _("Instance {instance} did not start within {minutes} minutes: the pod fails, as it asks."),
        True,
    ),
    FAILED_OVER: Reason(
        _("No stock of {spec} in {zones}: it fails, so that its owner makes another pod."), True
    ),
    RESIZE: Reason(
        _(
            "It cannot be resized in place: instance {instance} keeps the size that it was made "
            "with, {spec}. Delete the pod, or change its owner's template, for one of the new size."
        ),
        True,
    ),
    QUOTA: Reason(
        _("The quota of the cloud account is used up ({message}). Delete something or raise it."),
        True,
    ),
    THROTTLED: Reason(_("The cloud limits our calls at the moment; the next one is soon.")),
    INVALID_SPEC: Reason(_("It can never run as it is: {field}: {message} {fix}"), True),
    ACCOUNT_TROUBLE: Reason(
        _(
            "The cloud account does not let us create instances ({message}). "
            "Check the credential, its permissions and the balance."
        ),
        True,
    ),
    UNKNOWN_OUTCOME: Reason(
        _(
            "The cloud did not answer whether the instance was created. "
            "We look for it before asking again, so that it is never paid twice."
        ),
        True,
    ),
    CLOUD_UNAVAILABLE: Reason(_("The cloud does not answer ({message}). We try again."), True),
    CLUSTER_UNAVAILABLE: Reason(_("The cluster does not answer ({message}). We try again."), True),
    NO_PLACE: Reason(
        _("Instance {instance} waits in the cloud for a place: {message} It costs nothing so far."),
        True,
    ),
    STARTING: Reason(_("Instance {instance} is being started.")),
    IMAGE_PULLING: Reason(_("Instance {instance} has been pulling its images since {since}.")),
    IMAGE_PULL_FAILING: Reason(
        _("Image {image} cannot be pulled ({message}). Check its name and the pull secret."), True
    ),
    CONTAINER_FAILING: Reason(
        _("Container {container} keeps ending ({message}). Its log says why."), True
    ),
    DELETING: Reason(_("Instance {instance} is being deleted; we wait until the cloud confirms.")),
    FINALIZERS: Reason(_("Its instance is gone; others still hold the pod: {finalizers}.")),
    CLUSTER_PAUSED: Reason(_("Work on this cluster is paused; resume it on the cluster's page.")),
    HALTED: Reason(
        _("Deletions for this cloud account are halted ({reason}) until a person resumes them."),
        True,
    ),
    NOT_SERVED: Reason(
        _(
            "No credential of this virtual node takes the pod: its labels ask for another "
            "product. Give the node a second credential for it, or remove the label."
        ),
        True,
    ),
    RETRYING: Reason(_("The last try failed ({message}). We try again."), True),
    EXPIRED: Reason(_("It was active for longer than its activeDeadlineSeconds."), True),
    LET_IN: Reason(
        _("No node has room for it and its label sends it to virtual nodes: it may go there now.")
    ),
    HELD: Reason(
        _(
            "No new instance is made for it: {hold} It waits and costs nothing until the hold is "
            "lifted; pods that run are left alone."
        ),
        True,
    ),
    CORDONED: Reason(
        _("{hold} The node was cordoned for that; pods that run are left alone."),
        True,
    ),
    INTERNAL: Reason(_("An error of our own ({error}); we try again, and it is in the log."), True),
    PROFILED: Reason(_("The cluster's eci-profile gave it {keys}.")),
    IGNORED: Reason(_("{provider} ignores: {fields}"), True),
    PROFILE_FAULT: Reason(_("{path}: {fault}"), True),
    INTENDED: Reason(_("Asked {provider} for an instance of {spec} in {zones}.")),
    CREATED: Reason(_("{provider} accepted: instance {instance}, {spec}.")),
    ADOPTED: Reason(_("Instance {instance} was found by its tags and taken over.")),
    DELETED: Reason(_("Asked the cloud to delete instance {instance}: {why}.")),
    CLOSED: Reason(_("The cloud confirmed that instance {instance} is gone.")),
    REFUSED: Reason(_("Refused: {field}: {message} {fix}"), True),
    LOST: Reason(
        _("Instance {instance} vanished; the pod has failed so that its owner replaces it."), True
    ),
    REPLACED: Reason(_("Instance {instance} found no capacity ({message}); another is asked for.")),
    FINISHED: Reason(_("All containers have ended: {phase}.")),
    POD_DELETED: Reason(_("The pod was removed from the cluster.")),
    ORPHAN_NO_POD: Reason(_("Its pod no longer exists."), True),
    ORPHAN_NO_ROW: Reason(_("It carries our tags but is not in our ledger."), True),
    ORPHAN_NO_CLUSTER: Reason(_("Its cluster or virtual node is no longer registered."), True),
    ORPHAN_SECOND: Reason(_("Its pod runs on another instance."), True),
    ORPHAN_LEFT: Reason(_("It was left running when its virtual node was removed."), True),
    MASS_DISAPPEARANCE: Reason(_("{missing} of {known} instances vanished at once."), True),
    EMPTY_LIST: Reason(_("The cloud showed none of {known} instances."), True),
    MANY_DELETES: Reason(_("{wanted} deletions were due at once, more than {allowed}."), True),
}


# Values that are phrases of ours: why an instance is deleted, why deletions are halted.
_PHRASES: Final = {
    "its pod is gone": _("its pod is gone"),
    "its pod is being deleted": _("its pod is being deleted"),
    "its pod has ended": _("its pod has ended"),
    MASS_DISAPPEARANCE: _("many instances vanished at once"),
    EMPTY_LIST: _("the cloud showed no instances at all"),
    MANY_DELETES: _("too many deletions at once"),
}


class _Values(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "-"


def _text(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, str):
        return str(_PHRASES.get(value, value))
    return value


def _translated(told: str, places: Mapping[str, str] | None) -> str:
    """`places`: the message id has places like `%(name)s` for them; None: it has none at all."""
    return gettext(told) if places is None else gettext(told) % places


def _problem(problem: Mapping[str, Any]) -> str:
    """One of those that `addons.pods.steps.refuse` stores."""
    text = _translated(problem["message"], problem["with"])
    fix = _translated(problem["fix"], problem["with"]) if problem["fix"] else ""
    return f"{problem['field']}: {text} {fix}".strip()


def sentence(code: str, values: Mapping[str, Any]) -> str:
    """In the reader's language; an unknown code (of another version) reads as itself."""
    reason = REASONS.get(code)
    if reason is None:
        return code
    filled = _Values({key: _text(value) for key, value in values.items()})
    for key in ("message", "fix"):
        # What a provider refuses in a pod is stored in English, marked for translation there.
        if isinstance(told := values.get(key), str) and told:
            filled[key] = _translated(told, values.get("with"))
    if hold := values.get("hold"):
        filled["hold"] = sentences.read(str(hold))
    if problems := values.get("problems"):
        filled["fields"] = "; ".join(map(_problem, problems))
    if "fix" not in filled:
        # It stands in brackets or before our own full stop.
        filled["message"] = str(filled["message"]).rstrip(".")
    return str(reason.text).format_map(filled).strip()


def is_warning(code: str) -> bool:
    reason = REASONS.get(code)
    return reason is not None and reason.warning
