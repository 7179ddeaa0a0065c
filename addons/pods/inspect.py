"""What a person asks about one pod right now: its events, its timeline, its logs, its YAML.

Called by pages and REST in any thread; the calls to the cluster and the cloud run on the process's
loop, together, each with its own deadline. A source that does not answer is named in `missing`
instead of failing the page: the mirror and our own decisions are always there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from addons.models import Decision, PodRow
from addons.pods import reasons
from addons.pods.events import COMPONENT
from addons.runtime.loop import runtime
from kube import EVENTS, PODS
from kube import errors as kube_errors
from providers import base
from providers.errors import NotFound, ProviderError
from providers.models import Instance, LogTail

ANSWER_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline. `source` is kubernetes, cloud or spillway."""

    at: datetime
    source: str
    warning: bool
    reason: str
    text: str
    count: int = 1
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    moments: tuple[Moment, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogText:
    """`kept_at` is set when these are the last lines kept after the instance had ended."""

    text: str
    kept_at: datetime | None = None


class LogsUnavailable(Exception):
    """There is nothing to read: no instance yet, or the cloud did not answer; `code` says which."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _of_kubernetes(event: dict[str, Any]) -> Moment:
    times = (event.get("lastTimestamp"), event.get("eventTime"), event.get("firstTimestamp"))
    created = event.get("metadata", {}).get("creationTimestamp")
    at = next((found for text in (*times, created) if (found := _moment(text))), None)
    return Moment(
        at=at or datetime.fromtimestamp(0, UTC),
        source="kubernetes",
        warning=event.get("type") == "Warning",
        reason=event.get("reason") or "",
        text=event.get("message") or "",
        count=event.get("count") or 1,
    )


def _of_cloud(event: base.CloudEvent) -> Moment:
    warning = event.type == "Warning"
    return Moment(event.at, "cloud", warning, event.reason, event.message, event.count)


def _of_decision(row: Decision) -> Moment:
    return Moment(
        at=row.at,
        source="spillway",
        warning=reasons.is_warning(row.code),
        reason=row.code,
        text=reasons.sentence(row.code, row.values),
        request_id=row.request_id,
    )


def _ours(event: dict[str, Any]) -> bool:
    """An Event that we wrote on the pod: its decision tells the same, in the reader's language."""
    source = event.get("source") or {}
    return COMPONENT in {source.get("component"), event.get("reportingComponent")}


async def _kubernetes_events(pod: PodRow) -> list[Moment]:
    kube = await runtime().kube(pod.cluster_id)
    listing = await kube.list(EVENTS, pod.namespace, fields=f"involvedObject.uid={pod.uid}")
    return [_of_kubernetes(event) for event in listing.items if not _ours(event)]


async def _cloud_events(instance: Instance | None) -> list[Moment]:
    if instance is None or not instance.cloud_id:
        return []
    provider = await runtime().provider(instance.account_id, instance.region)
    if not isinstance(provider, base.Events):
        return []
    return [_of_cloud(event) for event in await provider.events(instance.cloud_id)]


async def _all(pod: PodRow, instance: Instance | None) -> tuple[list[Moment], list[str]]:
    sources = {"kubernetes": _kubernetes_events(pod), "cloud": _cloud_events(instance)}
    tasks = (asyncio.wait_for(source, ANSWER_SECONDS) for source in sources.values())
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    moments: list[Moment] = []
    missing: list[str] = []
    for name, answer in zip(sources, answers, strict=True):
        if isinstance(answer, (kube_errors.KubeError, ProviderError, TimeoutError)):
            missing.append(name)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            moments += answer
    return moments, missing


def _by_time(moments: Iterable[Moment]) -> tuple[Moment, ...]:
    return tuple(sorted(moments, key=lambda moment: moment.at))


def timeline(pod: PodRow) -> Timeline:
    """Kubernetes events, cloud events and our own decisions, oldest first."""
    moments, missing = runtime().run(_all(pod, pod.instance))
    decisions = Decision.objects.filter(cluster_id=pod.cluster_id, pod_uid=pod.uid)
    return Timeline(_by_time([*moments, *map(_of_decision, decisions)]), tuple(missing))


def manifest(pod: PodRow) -> dict[str, Any] | None:
    """The pod as the API server has it now; None when it, or another of its name, is gone.

    Raises `kube.errors.KubeError`.
    """

    async def read() -> dict[str, Any]:
        kube = await runtime().kube(pod.cluster_id)
        return await asyncio.wait_for(kube.get(PODS, pod.name, pod.namespace), ANSWER_SECONDS)

    try:
        found = runtime().run(read())
    except kube_errors.NotFound:
        return None
    return found if found["metadata"].get("uid") == pod.uid else None


def _kept(instance: Instance, container: str) -> LogText:
    tail = LogTail.objects.filter(instance=instance, container=container).first()
    if tail is None:
        raise LogsUnavailable("logs_gone")
    return LogText(tail.text, kept_at=tail.taken_at)


def logs(
    pod: PodRow,
    container: str,
    *,
    tail: int = 500,
    since_seconds: int | None = None,
    previous: bool = False,
) -> LogText:
    """The container's last lines, by the cloud's API; after its end the lines kept.

    Lines start with an RFC 3339 time. Raises `LogsUnavailable`.
    """
    instance = pod.instance
    if instance is None or not instance.cloud_id:
        raise LogsUnavailable("logs_no_instance")
    if instance.state == Instance.State.CLOSED:
        return _kept(instance, container)

    async def read() -> str:
        provider = await runtime().provider(instance.account_id, instance.region)
        if not isinstance(provider, base.Logs):
            raise LogsUnavailable("logs_not_offered")
        wanted = provider.logs(
            instance.cloud_id,
            container,
            tail=tail,
            since_seconds=since_seconds,
            previous=previous,
        )
        return await asyncio.wait_for(wanted, ANSWER_SECONDS)

    try:
        return LogText(runtime().run(read()))
    except NotFound:
        return _kept(instance, container)
    except (ProviderError, TimeoutError) as error:
        raise LogsUnavailable("logs_cloud_silent", str(error)) from error
