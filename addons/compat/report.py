"""What a check found: subjects (workloads), a verdict per cloud, findings with their fields.

Texts are message ids with `%(name)s` places, said in the reader's language when read. Sizes in vCPU
and GiB, money as Decimal per hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from providers.base import Claim, Price, Problem, Size


class Effect(StrEnum):
    """Of a field: the pod is refused for it, it has no effect, or people should know."""

    REFUSED = "refused"
    IGNORED = "ignored"
    HINT = "hint"


class Outcome(StrEnum):
    """`ELSEWHERE`: the pod's labels ask for another product of the vendor."""

    WORKS = "works"
    IGNORES = "ignores"
    REFUSED = "refused"
    ELSEWHERE = "elsewhere"


OUTCOMES = {
    Outcome.WORKS: _("Works"),
    Outcome.IGNORES: _("Works, in part ignored"),
    Outcome.REFUSED: _("Refused"),
    Outcome.ELSEWHERE: _("Goes to another product"),
}
EFFECTS = {
    Effect.REFUSED: _("refused"),
    Effect.IGNORED: _("ignored"),
    Effect.HINT: _("note"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` is the field in the user's own document; `of` names another object (a Service)."""

    effect: Effect
    code: str
    path: str
    message: str
    fix: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0
    of: str = ""
    snippet: str = ""

    @property
    def text(self) -> str:
        return gettext(self.message) % self.values if self.message else ""

    @property
    def fix_text(self) -> str:
        return gettext(self.fix) % self.values if self.fix else ""

    @property
    def effect_text(self) -> str:
        return str(EFFECTS[self.effect])


def of_problem(problem: Problem) -> Finding:
    effect = Effect.REFUSED if problem.fatal else Effect.IGNORED
    return Finding(
        effect, problem.reason, problem.path, problem.message, problem.fix, problem.values
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """One cloud's: `size` is what it would bill, None when it cannot be told or is none of its.

    `price` is the list price; None: none is known.
    Verdicts of one `group` would share a virtual node; the `chosen` one gets the pod.
    """

    provider: str
    title: str
    region: str
    node: str
    group: str
    outcome: Outcome
    claim: Claim
    chosen: bool
    findings: tuple[Finding, ...] = ()
    size: Size | None = None
    price: Price | None = None
    replicas: int = 1

    @property
    def outcome_text(self) -> str:
        return str(OUTCOMES[self.outcome])

    @property
    def price_of_all(self) -> Decimal | None:
        return self.price.per_hour * self.replicas if self.price else None


@dataclass(frozen=True, slots=True)
class Row:
    """One field of the matrix: the findings of each verdict there, in the order of the verdicts."""

    path: str
    line: int
    of: str
    cells: tuple[tuple[Finding, ...], ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """One workload. `faults`: what Kubernetes itself does not accept, whatever the cloud."""

    kind: str
    namespace: str
    name: str
    index: int
    line: int
    replicas: int
    cpu: Decimal | None = None
    memory: Decimal | None = None
    gpu: int = 0
    faults: tuple[Finding, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def runs_somewhere(self) -> bool:
        return any(v.outcome in {Outcome.WORKS, Outcome.IGNORES} for v in self.verdicts)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The matrix: fields in the order of their lines, a cell per verdict."""
        places: dict[tuple[str, str], int] = {}
        for verdict in self.verdicts:
            for finding in verdict.findings:
                places.setdefault((finding.of, finding.path), finding.line)
        ordered = sorted(places, key=lambda place: (place[0], places[place], place[1]))
        return tuple(Row(path, places[of, path], of, self._cells(of, path)) for of, path in ordered)

    def _cells(self, of: str, path: str) -> tuple[tuple[Finding, ...], ...]:
        return tuple(
            tuple(f for f in verdict.findings if (f.of, f.path) == (of, path))
            for verdict in self.verdicts
        )


@dataclass(frozen=True, slots=True)
class Report:
    """`skipped` are the objects that no cloud runs: kind and name."""

    subjects: tuple[Subject, ...]
    skipped: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether each workload runs on at least one of the clouds that were asked."""
        return all(subject.runs_somewhere for subject in self.subjects)


def as_data(report: Report) -> dict[str, Any]:
    """For programs; texts in the language that is active, decimals as text."""
    return {
        "runs": report.runs,
        "workloads": [_subject(subject) for subject in report.subjects],
        "skipped": list(report.skipped),
    }


def _subject(subject: Subject) -> dict[str, Any]:
    return {
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
        "document": subject.index,
        "line": subject.line,
        "replicas": subject.replicas,
        "asked": {"cpu": _text(subject.cpu), "memory": _text(subject.memory), "gpu": subject.gpu},
        "faults": [_finding(finding) for finding in subject.faults],
        "clouds": [_verdict(verdict) for verdict in subject.verdicts],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    size, price = verdict.size, verdict.price
    return {
        "provider": verdict.provider,
        "title": verdict.title,
        "region": verdict.region,
        "node": verdict.node,
        "outcome": str(verdict.outcome),
        "chosen": verdict.chosen,
        "billed": {
            "cpu": _text(size.cpu if size else None),
            "memory": _text(size.memory if size else None),
            "gpu": size.gpu if size else 0,
            "size": size.label if size else "",
        },
        "price_per_hour": _text(price.per_hour if price else None),
        "price_of_all_per_hour": _text(verdict.price_of_all),
        "currency": price.currency if price else "",
        "price_source": price.source if price else "",
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    kept = asdict(finding)
    told = {key: kept[key] for key in ("code", "path", "line", "of", "snippet")}
    return {
        **told,
        "effect": str(finding.effect),
        "message": finding.text,
        "fix": finding.fix_text,
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"


def merged(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """One finding per field and effect: the first that tells of it."""
    kept: dict[tuple[Effect, str, str], Finding] = {}
    for finding in findings:
        kept.setdefault((finding.effect, finding.of, finding.path), finding)
    return tuple(kept.values())
