"""Services beside a workload, as far as virtual nodes do not serve them as ordinary nodes do.

Source: Kubernetes documentation, "Virtual IPs and Service Proxies": a node port is opened by the
kube-proxy of each node, and a virtual node has none. A cloud that knows more says it itself
(`providers.base.ServiceRules`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from django.utils.translation import gettext_noop as _

from addons.compat.documents import Document
from addons.compat.report import Finding, of_problem
from addons.compat.workloads import Workload
from providers.base import Dialect, Problem, ServiceRules


def findings(
    workload: Workload,
    services: Sequence[Document],
    dialect: Dialect,
    settings: Mapping[str, str],
) -> Iterator[Finding]:
    """Of the Services that select the workload's pods."""
    for service in services:
        if not _selects(service, workload):
            continue
        for problem in _problems(service, dialect, settings):
            yield replace(
                of_problem(problem),
                path=service.where(problem.path),
                line=service.line(problem.path),
                of=f"Service {service.namespace}/{service.name}",
            )


def _selects(service: Document, workload: Workload) -> bool:
    selector = (service.body.get("spec") or {}).get("selector") or {}
    labels = workload.pod["metadata"].get("labels") or {}
    near = service.namespace == workload.document.namespace
    return near and bool(selector) and selector.items() <= labels.items()


def _problems(
    service: Document, dialect: Dialect, settings: Mapping[str, str]
) -> Sequence[Problem]:
    if isinstance(dialect, ServiceRules):
        return dialect.service_problems(service.body, settings=settings)
    if (service.body.get("spec") or {}).get("type") != "NodePort":
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
