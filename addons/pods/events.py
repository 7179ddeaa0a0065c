"""Kubernetes Events about what we decided, aggregated as client-go does.

Source: `k8s.io/client-go/tools/record`: a repeated event raises the count of the first one. Losing
an event costs a line in `kubectl describe`, never work: errors are logged and dropped.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from django.utils import translation

from addons.pods import reasons
from addons.pods.times import stamp
from kube import EVENTS, Kube
from kube.errors import KubeError, NotFound

Json = Mapping[str, Any]
log = logging.getLogger(__name__)
COMPONENT = "spillway"
# The same event of the same pod is repeated at most so often.
APART = timedelta(seconds=10)
_MEMORY = 4096


@dataclass(slots=True)
class _Sent:
    name: str
    count: int
    at: datetime


class Events:
    """Speaks for one cluster."""

    def __init__(self) -> None:
        self._sent: OrderedDict[tuple[str, str, str], _Sent] = OrderedDict()

    async def say(
        self, kube: Kube, pod: Json, code: str, values: Mapping[str, Any], *, now: datetime
    ) -> None:
        """`pod`, or another object that tells its own `apiVersion` and `kind`; one without a
        namespace has its events in `default`, as the API server wants it."""
        with translation.override("en"):
            message = reasons.sentence(code, values)[:1024]
        key = (pod["metadata"]["uid"], code, message)
        sent = self._sent.get(key)
        try:
            if sent is None:
                await self._create(kube, pod, key, now)
            elif now - sent.at >= APART:
                await self._repeat(kube, pod, sent, now)
        except KubeError as error:
            log.info("event %s of %s was not written: %s", code, pod["metadata"]["name"], error)

    async def _create(
        self, kube: Kube, pod: Json, key: tuple[str, str, str], now: datetime
    ) -> None:
        uid, code, message = key
        meta = pod["metadata"]
        text = f"{uid}\n{code}\n{message}\n{now.timestamp()}"
        name = f"{meta['name'][:200]}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._sent[key] = _Sent(name, 1, now)
        if len(self._sent) > _MEMORY:
            self._sent.popitem(last=False)
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": _home(pod)},
            "involvedObject": {
                "apiVersion": pod.get("apiVersion") or "v1",
                "kind": pod.get("kind") or "Pod",
                "name": meta["name"],
                "namespace": meta.get("namespace", ""),
                "uid": uid,
                "resourceVersion": meta.get("resourceVersion", ""),
            },
            "type": "Warning" if reasons.is_warning(code) else "Normal",
            "reason": code,
            "message": message,
            "count": 1,
            "firstTimestamp": stamp(now),
            "lastTimestamp": stamp(now),
            "source": {"component": COMPONENT, "host": (pod.get("spec") or {}).get("nodeName", "")},
        }
        await kube.create(EVENTS, body, _home(pod))

    async def _repeat(self, kube: Kube, pod: Json, sent: _Sent, now: datetime) -> None:
        sent.count, sent.at = sent.count + 1, now
        body = {"count": sent.count, "lastTimestamp": stamp(now)}
        try:
            await kube.patch(EVENTS, sent.name, body, _home(pod), kind="merge")
        except NotFound:
            # It outlived its time to live in the cluster; the next one is a new event.
            self._sent = OrderedDict((k, v) for k, v in self._sent.items() if v is not sent)


def _home(subject: Json) -> str:
    return str(subject["metadata"].get("namespace") or "default")


_events: WeakKeyDictionary[Kube, Events] = WeakKeyDictionary()


def events_of(kube: Kube) -> Events:
    events = _events.get(kube)
    if events is None:
        events = _events[kube] = Events()
    return events
