"""Findings at the Services beside a workload; the rules are those of the reconciler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from addons.compat.documents import Document
from addons.compat.report import Finding, of_problem
from addons.pods.services import problems, title
from addons.pods.translate import Json
from providers.base import Dialect


def findings(
    pod: Json, services: Sequence[Document], dialect: Dialect, settings: Mapping[str, str]
) -> Iterator[Finding]:
    """Of the Services that select the pod."""
    for service in services:
        for problem in problems(pod, service.body, dialect, settings):
            yield replace(
                of_problem(problem),
                path=service.where(problem.path),
                line=service.line(problem.path),
                of=title(service.body),
            )
