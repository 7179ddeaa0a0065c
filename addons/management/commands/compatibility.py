"""`manage.py compatibility FILE`: what each cloud would do with the workloads in a manifest."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from addons.compat import documents, targets
from addons.compat.check import check
from addons.compat.documents import Unreadable
from addons.compat.report import Finding, Outcome, Report, Subject, Verdict, as_data
from addons.compat.targets import Target
from addons.models import VirtualNode
from providers.models import CloudAccount
from providers.registry import UnknownProvider

REFUSED, UNREADABLE = 1, 2


class Command(BaseCommand):
    help = (
        "Say per cloud what works, is ignored or is refused, with the billed size and its price. "
        "Exit code 1: a workload that every cloud asked refuses; 2: the file cannot be read."
    )

    # It reads and stores nothing, and its exit code is about the manifest alone.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="YAML or JSON; `-` reads standard input")
        parser.add_argument("--provider", action="append", default=[], help="only this cloud")
        parser.add_argument("--region", default="", help="default: of the first credential")
        parser.add_argument("--node", default="", help="the clouds of a node: CLUSTER/NODE")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        asked = _targets(options)
        try:
            report = check(documents.parse(_read(options["file"])), targets=asked)
        except Unreadable as error:
            text = f"{error.text} {error.fix_text}".strip()
            raise CommandError(text, returncode=UNREADABLE) from error
        if options["json"]:
            self.stdout.write(json.dumps(as_data(report), indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_lines(report)))
        if not report.runs:
            sys.exit(REFUSED)


def _targets(options: dict[str, Any]) -> list[Target]:
    if options["node"]:
        slug, _slash, name = options["node"].partition("/")
        node = VirtualNode.objects.filter(cluster__slug=slug, name=name).first()
        if node is None:
            raise CommandError(f"there is no virtual node {options['node']}", returncode=UNREADABLE)
        return targets.of_node(node)
    # Without need of it the database is left alone: the check runs on any build machine.
    accounts = () if options["region"] else CloudAccount.objects.all()
    try:
        return targets.of_providers(
            options["provider"], accounts=accounts, region=options["region"]
        )
    except UnknownProvider as error:
        raise CommandError(str(error), returncode=UNREADABLE) from error


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(str(error), returncode=UNREADABLE) from error


def _lines(report: Report) -> Iterator[str]:
    for subject in report.subjects:
        yield from _subject(subject)
        yield ""
    if report.skipped:
        yield _("Not checked: %(objects)s") % {"objects": ", ".join(report.skipped)}


def _subject(subject: Subject) -> Iterator[str]:
    pods = ngettext("%(count)s pod", "%(count)s pods", subject.replicas)
    asked = " ".join(
        [
            f"{subject.cpu.normalize():f} vCPU" if subject.cpu is not None else "",
            f"{subject.memory.normalize():f} GiB" if subject.memory is not None else "",
            f"{subject.gpu} GPU" if subject.gpu else "",
        ]
    ).strip()
    yield (
        f"{subject.kind} {subject.namespace}/{subject.name}: "
        f"{pods % {'count': subject.replicas}}, {asked or _('nothing asked')}"
    )
    for fault in subject.faults:
        yield _finding(fault)
    for verdict in subject.verdicts:
        yield f"  {verdict.provider:<5} {verdict.outcome_text:<24} {_money(verdict)}".rstrip()
        for finding in verdict.findings:
            yield _finding(finding)


def _money(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.ELSEWHERE:
        return ""
    size = verdict.size.label if verdict.size else "-"
    if verdict.price is None:
        return f"{size}  {_('no list price known')}"
    each = f"{verdict.price.per_hour.normalize():f}"
    total = f"{(verdict.price_of_all or 0):f}".rstrip("0").rstrip(".")
    currency = verdict.price.currency
    return f"{size}  {each} {currency}/h x {verdict.replicas} = {total} {currency}/h"


def _finding(finding: Finding) -> str:
    place = f"{finding.of} {finding.path}".strip()
    line = f":{finding.line}" if finding.line else ""
    text = f"{finding.text} {finding.fix_text}".strip()
    return f"        {finding.effect_text:<8} {place}{line}  {text}"
