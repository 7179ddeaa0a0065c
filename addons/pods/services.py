"""Services that select a pod, as far as virtual nodes do not serve them as ordinary nodes do.

Source: Kubernetes documentation, "Virtual IPs and Service Proxies": a node port is opened by the
kube-proxy of each node, and a virtual node has none. A cloud that knows more says it itself
(`providers.base.ServiceRules`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext_noop as _

from providers.base import Dialect, Problem, ServiceRules

Json = Mapping[str, Any]


def title(service: Json) -> str:
    """`Service shop/web`."""
    meta = service["metadata"]
    return f"Service {meta.get('namespace') or 'default'}/{meta.get('name', '')}"


def problems(
    pod: Json, service: Json, dialect: Dialect, settings: Mapping[str, str]
) -> Sequence[Problem]:
    """Of one Service, with its own paths; none when it does not select the pod."""
    if not _selects(service, pod["metadata"]):
        return ()
    if isinstance(dialect, ServiceRules):
        return dialect.service_problems(service, settings=settings)
    if (service.get("spec") or {}).get("type") != "NodePort":
        return ()
    return (
        Problem(
            "spec.type",
            "NodePortNotServed",
            _("A virtual node opens no node port; the Service answers on other nodes only."),
            _("Use a Service of type LoadBalancer or ClusterIP, or an Ingress."),
            fatal=False,
        ),
    )


def beside(
    pod: Json, services: Sequence[Json], dialect: Dialect, settings: Mapping[str, str]
) -> list[Problem]:
    """Of all of them, with paths that name the Service."""
    return [
        replace(problem, path=f"{title(service)} {problem.path}")
        for service in services
        for problem in problems(pod, service, dialect, settings)
    ]


def _selects(service: Json, meta: Json) -> bool:
    selector = (service.get("spec") or {}).get("selector") or {}
    near = (service["metadata"].get("namespace") or "default") == meta["namespace"]
    return near and bool(selector) and selector.items() <= (meta.get("labels") or {}).items()
