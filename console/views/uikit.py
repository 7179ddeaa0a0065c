"""Every component of the design system in every state, on one page for staff."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

NOON = datetime(2026, 11, 2, 4, 4, 31, tzinfo=UTC)
SAMPLE_YAML = """apiVersion: v1
kind: Pod
metadata:
  name: checkout-api-7d9c6f8b54-x2kqp
  namespace: payments
  labels:
    alibabacloud.com/eci: "true"
spec:
  nodeName: virtual-kubelet-cn-hangzhou-k
  restartPolicy: Always  # the default
  containers:
    - name: app
      image: registry.example.com/checkout:2.4.1
      resources:
        limits: {cpu: "2", memory: 4Gi}
"""


def _chips() -> list[tuple[str, str]]:
    return [
        ("ok", _("Running")),
        ("prog", _("Creating")),
        ("warn", _("Pending")),
        ("bad", "CrashLoopBackOff"),
        ("done", _("Completed")),
        ("mute", _("Unknown")),
    ]


def _steps() -> list[dict[str, str]]:
    return [
        {"state": "done", "title": _("Address"), "detail": "k8s.example.com:6443", "took": "12 ms"},
        {"state": "done", "title": "TLS", "detail": _("valid for 214 days"), "took": "31 ms"},
        {
            "state": "warn",
            "title": _("Clock"),
            "detail": _("4 s behind the cluster"),
            "took": "8 ms",
        },
        {
            "state": "bad",
            "title": _("Permissions"),
            "detail": "pods/binding: create",
            "fix": _("Apply the ClusterRole below, then check again."),
            "took": "66 ms",
        },
        {"state": "now", "title": _("Nodes"), "detail": _("reading the list"), "took": ""},
        {"state": "todo", "title": _("Virtual nodes"), "detail": "", "took": ""},
    ]


def _timeline() -> list[dict[str, Any]]:
    def at(seconds: float) -> datetime:
        return NOON + timedelta(seconds=seconds)

    return [
        {
            "at": at(0),
            "tone": "mute",
            "title": "Scheduled",
            "source": "scheduler",
            "detail": "virtual-kubelet-cn-hangzhou-k",
        },
        {
            "at": at(0.4),
            "tone": "prog",
            "title": _("Instance requested"),
            "source": "Spillway",
            "detail": "2 vCPU · 4 GiB",
        },
        {
            "at": at(1.2),
            "tone": "warn",
            "title": "NoStock",
            "source": "ECI",
            "count": 3,
            "detail": _("zone k has no stock, zone j was tried next"),
        },
        {"at": at(9), "tone": "ok", "title": "Started", "source": "ECI", "detail": "app"},
        {
            "at": at(95),
            "tone": "bad",
            "title": "OOMKilled",
            "source": "kubelet",
            "detail": "app · exit 137",
        },
    ]


def _nodes() -> list[dict[str, Any]]:
    rows = (
        ("virtual-kubelet-cn-hangzhou-k", "ok", "eci", "cn-hangzhou / k", 3912, 5000, 2),
        ("virtual-kubelet-cn-hangzhou-j", "ok", "acs", "cn-hangzhou / j", 2840, 3400, 1),
        ("virtual-kubelet-cn-beijing-6a", "ok", "kci", "cn-beijing-6 / a", 1402, 2000, 4),
        ("virtual-kubelet-cn-shanghai-l", "bad", "eci", "cn-shanghai / l", 1960, 2000, 96),
    )
    names = ("name", "tone", "provider", "zone", "used", "capacity", "beat")
    return [
        dict(zip(names, row, strict=True), beat_at=datetime.now(UTC) - timedelta(seconds=row[-1]))
        for row in rows
    ]


def _pods() -> list[dict[str, Any]]:
    rows = (
        ("checkout-api-7d9c6f8b54-x2kqp", "ok", "Running", "", "payments", "eci", "2 / 4Gi"),
        ("train-llama-worker-18", "warn", "Pending", "NoStock", "ml-train", "acs", "16 / 128Gi"),
        ("spark-exec-a81f-113", "ok", "Running", "", "spark", "kci", "4 / 8Gi"),
        ("spark-exec-a81f-114", "bad", "Failed", "OOMKilled", "spark", "kci", "4 / 8Gi"),
        ("nightly-report-28931", "done", "Completed", "", "batch", "eci", "1 / 2Gi"),
    )
    names = ("name", "tone", "status", "reason", "namespace", "provider", "spec")
    return [dict(zip(names, row, strict=True)) for row in rows]


def sample() -> dict[str, Any]:
    """What the page shows; nothing of it comes from the database."""
    hours = [NOON - timedelta(minutes=5 * (36 - index)) for index in range(37)]
    wave = [(index * 7 % 13) * 9 for index in range(37)]
    return {
        "chips": _chips(),
        "steps": _steps(),
        "timeline": _timeline(),
        "nodes": _nodes(),
        "pods": _pods(),
        "yaml": SAMPLE_YAML,
        "noon": NOON,
        "recent": datetime.now(UTC) - timedelta(minutes=12, seconds=5),
        "spark_up": [3, 4, 4, 5, 6, 7, 7, 8, 10],
        "spark_wave": [2, 2, 6, 3, 5, 8, 7, 5, 3],
        "facet": [
            ("Running", _("Running"), "8,214", True),
            ("Pending", _("Pending"), "312", False),
            ("Failed", _("Failed"), "27", False),
        ],
        "wizard": [
            (_("Kubeconfig"), "done"),
            (_("Connection test"), "now"),
            (_("Identity"), ""),
            (_("Review"), ""),
        ],
        "chart": {
            "x": [int(hour.timestamp()) for hour in hours],
            "series": [
                {"label": "ECI", "colour": "--eci", "values": [3200 + value for value in wave]},
                {"label": "ACS", "colour": "--acs", "values": [2500 - value for value in wave]},
                {
                    "label": "KCI",
                    "colour": "--kci",
                    "values": [1200 + value // 2 for value in wave],
                },
            ],
        },
    }


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """Staff only; for everybody else the address does not exist."""
    if not getattr(request.user, "is_staff", False):
        raise Http404
    return render(request, "uikit.html", sample())
