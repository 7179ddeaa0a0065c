"""What a cloud cannot do for a pod: refused with every reason, or said once when it is ignored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.pods import reasons, store
from addons.pods.status import failed
from addons.pods.volumes import UnsupportedVolume
from addons.pods.work import Work
from addons.runtime.contract import Outcome
from providers.base import Problem
from providers.errors import InvalidSpec
from providers.models import Instance


def problem_of(error: UnsupportedVolume | InvalidSpec) -> Problem:
    """A refusal of translation or of the cloud itself, in the form of those known beforehand."""
    if isinstance(error, UnsupportedVolume):
        return Problem(
            error.path,
            "VolumeNotSupported",
            _("No cloud mounts volumes of the type %(kind)s, as %(name)s is."),
            _("Use emptyDir, ConfigMap, Secret, NFS or FlexVolume."),
            values={"kind": error.kind, "name": error.name},
        )
    # As a message id without places.
    return Problem("spec", error.code or "InvalidSpec", error.message.replace("%", "%%"), "")


def told(problem: Problem) -> dict[str, Any]:
    """As it is stored: the sentence is made in the reader's language."""
    return {
        "field": problem.path,
        "message": problem.message,
        "fix": problem.fix,
        "with": dict(problem.values),
    }


async def refuse(work: Work, found: Sequence[Problem]) -> Outcome:
    """The pod can never run here: it fails for good, with each field, reason and fix."""
    if work.row is not None and work.row.state == Instance.State.INTENT:
        await work.writer.do(store.not_made, work.row.pk)
    texts = [f"{one.path}: {one.text} {one.fix_text}".strip() for one in found]
    status = failed(work.live_pod, reason="ProviderFailed", message="; ".join(texts), now=work.now)
    await work.put_status(status)
    for problem in found:
        await work.say(reasons.REFUSED, **told(problem))
    notes = [work.note(reasons.REFUSED, **told(problem)) for problem in found]
    await work.writer.do(store.nothing, None, *notes)
    await work.announce()
    return Outcome(None, reasons.INVALID_SPEC, told(found[0]))


async def say_ignored(work: Work, found: Sequence[Problem]) -> None:
    """One event and one line of the timeline for all that the cloud leaves out of this pod."""
    if not found:
        return
    values: dict[str, Any] = {"provider": work.dialect.title, "problems": [told(p) for p in found]}
    await work.say(reasons.IGNORED, **values)
    await work.writer.do(store.nothing, None, work.note(reasons.IGNORED, **values))
