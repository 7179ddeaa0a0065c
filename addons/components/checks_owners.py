"""Before what others installed is changed: whose it was, and whether it is called as ours is.

A `addons.components.checks.CheckFunction`.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext_noop as _

from addons.components import apply, ownership
from addons.components.base import Delivery
from addons.components.checks import Check, Question, Reach
from addons.components.recognise import recognise
from addons.components.release import takes_over
from addons.sentences import stored
from kube import Kube

_TITLE = _("Owners of what is there")


async def owners(reach: Reach, question: Question) -> Sequence[Check]:
    """Whose fields become ours; workloads that go by another name than the version's own."""
    if question.delivery != Delivery.IN_CLUSTER or not question.objects:
        return []
    if not await reach.db(takes_over, question.installation, question.action):
        return []
    kube = await reach.kube(question.cluster.pk)
    if beside := await _beside(kube, question):
        detail = stored(
            _("It stands there as %(names)s; ours would stand beside it."), names=beside
        )
        fix = _("Uninstall what is there, then install the component.")
        return [Check("owners", "bad", _TITLE, detail, fix)]
    told = []
    for obj in question.objects:
        live = await apply.find(kube, obj)
        if live and (names := ownership.installers(live)):
            told.append(f"{apply.name_of(obj)} ({', '.join(names)})")
    if not told:
        return [Check("owners", "ok", _TITLE)]
    detail = stored(
        _("Spillway takes over from others, and what they set besides goes: %(objects)s"),
        objects=", ".join(told),
    )
    fix = _("Look through the differences; what is to stay, set as a parameter.")
    return [Check("owners", "warn", _TITLE, detail, fix)]


async def _beside(kube: Kube, question: Question) -> str:
    """Names of what was recognised and is none of the objects that would be applied."""
    if question.installation is None or not question.installation.adopted:
        return ""
    found = await recognise(kube, question.component)
    ours = {apply.identity(obj) for obj in question.objects}
    there = found.objects if found else ()
    return ", ".join(apply.name_of(obj) for obj in there if apply.identity(obj) not in ours)
