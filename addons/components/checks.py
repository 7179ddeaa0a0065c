"""What is checked before a component is changed: a check is a function that answers with findings.

A check is asked with a `Question` and gives any number of `Check`s; `bad` blocks. Texts are kept
with `addons.sentences.stored`, so that each reader has them in a language of their own. Which
checks there are, by dotted path, is `CHECKS`; those of the cluster stand in `checks_cluster`, those
that ask clouds in `checks_cloud`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from django.utils.module_loading import import_string
from django.utils.translation import gettext_noop as _

from addons.components.base import Component, Json, Version
from addons.models import Cluster, Installation
from addons.sentences import stored
from kube import Kube
from kube.errors import Forbidden, KubeError, Unauthorized
from providers.base import Provider
from providers.errors import AccountTrouble, ProviderError

T = TypeVar("T")


class Reach(Protocol):
    """What a check may ask: the part of a reconciler's `Context` that the process's loop has."""

    async def kube(self, cluster_id: int) -> Kube: ...
    async def provider(self, account_id: int, region: str) -> Provider: ...
    async def db(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T: ...


@dataclass(frozen=True, slots=True)
class Check:
    """`state` is ok, warn or bad; title, detail and fix are stored sentences."""

    code: str
    state: str
    title: str
    detail: str = ""
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Question:
    """One intended change. `values` are the effective ones, `objects` what would be applied."""

    cluster: Cluster
    component: Component
    version: Version
    action: str
    delivery: str
    values: Json
    objects: tuple[Json, ...] = ()
    installation: Installation | None = None


CheckFunction = Callable[[Reach, Question], Awaitable[Sequence[Check]]]

_FOR_GOOD = (Forbidden, Unauthorized, AccountTrouble)
_CLUSTER = "addons.components.checks_cluster"
_CLOUD = "addons.components.checks_cloud"
_ASKED = ("vendor", "activation", "region", "account", "addon_key", "quota", "subnets")
CHECKS: dict[str, str] = {
    "versions": f"{_CLUSTER}.versions",
    "components": f"{_CLUSTER}.components",
    "values": f"{_CLUSTER}.values",
    "rights": f"{_CLUSTER}.rights",
    "owners": "addons.components.checks_owners.owners",
    "names": f"{_CLUSTER}.names",
    "daemonsets": f"{_CLUSTER}.daemonsets",
    **{code: f"{_CLOUD}.{code}" for code in _ASKED},
}


async def run(
    reach: Reach,
    question: Question,
    paths: Mapping[str, str] | None = None,
    *,
    patient: bool = False,
) -> list[Check]:
    """Every check's findings, in order; one that cannot be made is a finding of its own.

    `patient`: what a cluster or cloud refuses for the moment is raised, so that the caller waits.
    """
    found: list[Check] = []
    for code, path in (paths or CHECKS).items():
        function: CheckFunction = import_string(path)
        try:
            found += await function(reach, question)
        except (KubeError, ProviderError) as error:
            if patient and not isinstance(error, _FOR_GOOD):
                raise
            found.append(
                Check(
                    code,
                    "bad",
                    _("A check could not be made"),
                    stored("%(error)s", error=error),
                    _("Mend the connection, then look again."),
                )
            )
    return found


def blocking(checks: Sequence[Check]) -> bool:
    return any(check.state == "bad" for check in checks)
