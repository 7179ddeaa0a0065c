"""Services beside a workload that a virtual node does not serve as an ordinary node does.

Source: Kubernetes documentation, "Virtual IPs and service proxies": a node port is opened by the
kube-proxy of each node, and a virtual node has none (ACS user guide, "ACS Pod overview", and
Kingsoft KCE documentation, "rbkci-virtual-kubelet", list NodePort as not supported).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.compat.documents import Document
from addons.compat.report import Effect, Finding
from addons.compat.workloads import Workload


def findings(workload: Workload, services: Sequence[Document]) -> Iterator[Finding]:
    for service in services:
        spec = service.body.get("spec") or {}
        if spec.get("type") == "NodePort" and _selects(service, spec, workload):
            yield Finding(
                Effect.IGNORED,
                "NodePortNotServed",
                service.where("spec.type"),
                _("A virtual node opens no node port; the Service answers on other nodes only."),
                _("Use a Service of type LoadBalancer or ClusterIP, or an Ingress."),
                line=service.line("spec.type"),
                of=f"Service {service.namespace}/{service.name}",
            )


def _selects(service: Document, spec: Mapping[str, Any], workload: Workload) -> bool:
    selector = spec.get("selector") or {}
    labels = workload.pod["metadata"].get("labels") or {}
    near = service.namespace == workload.document.namespace
    return near and bool(selector) and selector.items() <= labels.items()
