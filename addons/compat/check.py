"""The check itself: every workload against every target. Pure; no cloud and no cluster is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext_noop as _

from addons.compat import scheduling, services
from addons.compat.documents import Document, Unreadable
from addons.compat.report import (
    Effect,
    Finding,
    Outcome,
    Report,
    Subject,
    Verdict,
    merged,
    of_problem,
)
from addons.compat.targets import Target
from addons.compat.workloads import Workload, faults_of, is_workload, read
from addons.pods import unsupported
from addons.pods.asked import totals
from addons.pods.quantity import BadQuantity
from addons.pods.references import MissingReference, Resolved
from addons.pods.steps.refuse import problem_of
from addons.pods.translate import Json, outline
from addons.pods.volumes import AS_FILES, UnsupportedVolume, volumes
from providers.base import Claim, Size
from providers.errors import InvalidSpec


@dataclass(frozen=True, slots=True)
class Beside:
    """What else there is: Services, and the labels of namespaces by name."""

    services: Sequence[Document]
    namespaces: Mapping[str, Mapping[str, str]]


def check(documents: Sequence[Document], *, targets: Sequence[Target]) -> Report:
    """Raises `Unreadable` when no document is a workload."""
    workloads = [document for document in documents if is_workload(document)]
    if not workloads:
        raise Unreadable(
            "no-workload",
            _("There is no workload in it: %(kinds)s."),
            _("Give a Pod, Deployment, ReplicaSet, StatefulSet, DaemonSet, Job or CronJob."),
            kinds=", ".join(sorted({document.kind for document in documents})),
        )
    beside = Beside(
        [document for document in documents if document.kind == "Service"],
        {
            d.name: d.body["metadata"].get("labels") or {}
            for d in documents
            if d.kind == "Namespace"
        },
    )
    skipped = (d for d in documents if not (is_workload(d) or d.kind in {"Service", "Namespace"}))
    return Report(
        tuple(_subject(document, beside, targets) for document in workloads),
        tuple(f"{document.kind} {document.name}" for document in skipped),
    )


def _subject(document: Document, beside: Beside, targets: Sequence[Target]) -> Subject:
    faults = faults_of(document)
    identity = (document.kind, document.namespace, document.name, document.index, document.line(""))
    if any(fault.effect is Effect.REFUSED for fault in faults):
        return Subject(*identity, replicas=1, faults=faults)
    workload = read(document, beside.namespaces)
    try:
        cpu, memory, gpu = totals(workload.pod)
    except BadQuantity as error:
        bad = workload.finding(_bad_quantity(error))
        return Subject(*identity, replicas=workload.replicas, faults=(*faults, bad))
    return Subject(
        *identity,
        replicas=workload.replicas,
        cpu=cpu,
        memory=memory,
        gpu=gpu,
        faults=faults,
        verdicts=tuple(_verdicts(workload, beside, targets)),
    )


def _verdicts(workload: Workload, beside: Beside, targets: Sequence[Target]) -> Iterator[Verdict]:
    claims = [(target, target.dialect.claim(target.seen(workload))) for target in targets]
    for target, claim in claims:
        rivals = [pair for pair in claims if pair[0].group == target.group]
        # The first among equals, as `addons.pods.route` decides.
        chosen, most = max(rivals, key=lambda pair: pair[1])
        takes = chosen is target and most is not Claim.NEVER
        yield _verdict(workload, beside, target, claim, chosen=takes)


def _verdict(
    workload: Workload, beside: Beside, target: Target, claim: Claim, *, chosen: bool
) -> Verdict:
    region = target.site.region
    findings: tuple[Finding, ...] = ()
    size: Size | None = None
    if claim is not Claim.NEVER:
        findings, size = _judged(workload, beside, target)
    return Verdict(
        provider=target.provider,
        title=target.dialect.title,
        region=region,
        node=target.node,
        group=target.group,
        outcome=_outcome(findings, claim),
        claim=claim,
        chosen=chosen,
        findings=findings,
        size=size,
        price=target.dialect.list_price(size, region=region) if size else None,
        replicas=workload.replicas,
    )


def _judged(
    workload: Workload, beside: Beside, target: Target
) -> tuple[tuple[Finding, ...], Size | None]:
    pod, settings = target.seen(workload), target.site.settings
    known = [*unsupported.problems(pod), *target.dialect.problems(pod, settings=settings)]
    own = [of_problem(problem) for problem in known]
    size, unsized = _size(pod, target)
    if not any(finding.effect is Effect.REFUSED for finding in own):
        own += unsized
    if workload.document.kind != "DaemonSet":
        own = _scheduled(own, pod, target, workload.namespace_labels)
    return (
        merged(
            [
                *map(workload.finding, [*own, *_volumes(pod)]),
                *services.findings(pod, beside.services, target.dialect, settings),
            ]
        ),
        size,
    )


def _scheduled(
    found: Sequence[Finding], pod: Json, target: Target, space: Mapping[str, str]
) -> list[Finding]:
    """With the scheduler's; what the dialect says of tolerations itself only gets the snippet."""
    profile = target.profile
    hints = scheduling.findings(pod, profile, space, placed=bool(target.node))
    if not any(_of_tolerations(finding) for finding in found):
        return [*found, *hints]
    snippet = scheduling.snippet(profile)
    return [
        *(replace(f, snippet=snippet) if _of_tolerations(f) else f for f in found),
        *(hint for hint in hints if not _of_tolerations(hint)),
    ]


def _of_tolerations(finding: Finding) -> bool:
    return finding.path.startswith("spec.tolerations")


def _outcome(findings: Sequence[Finding], claim: Claim) -> Outcome:
    effects = {finding.effect for finding in findings}
    if claim is Claim.NEVER:
        return Outcome.ELSEWHERE
    if Effect.REFUSED in effects:
        return Outcome.REFUSED
    return Outcome.IGNORES if Effect.IGNORED in effects else Outcome.WORKS


def _size(pod: Json, target: Target) -> tuple[Size | None, list[Finding]]:
    """The size that is billed, or why there is none; None as well when only the cloud knows it."""
    try:
        size = target.dialect.billed_size(outline(pod, site=target.site, tags={}))
    except InvalidSpec as error:
        return None, [of_problem(problem_of(error))]
    return size if size.cpu or size.label == size.type else None, []


def _volumes(pod: Json) -> Iterator[Finding]:
    """Volumes that the translation refuses for every cloud; what is missing does not matter."""
    for index, volume in enumerate(pod["spec"].get("volumes") or ()):
        if AS_FILES & volume.keys():
            continue
        alone = {**pod, "spec": {**pod["spec"], "volumes": [volume]}}
        try:
            volumes(alone, Resolved())
        except MissingReference:
            continue
        except UnsupportedVolume as error:
            path = f"spec.volumes[{index}].{error.kind}"
            yield replace(of_problem(problem_of(error)), path=path)


def _bad_quantity(error: BadQuantity) -> Finding:
    return Finding(
        Effect.REFUSED,
        "BadQuantity",
        "spec.containers",
        _("%(error)s."),
        _("Write 500m, 2, 512Mi or 4Gi."),
        {"error": str(error)},
    )
