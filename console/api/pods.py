"""Pods: rows, timeline, logs, YAML, deletion."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from addons.models import PodRow
from addons.pods import control, inspect
from console import audit
from console.access import Role
from console.api import shapes
from console.api.base import TopicViewSet
from console.api.problems import Problem
from kube.errors import KubeError

# A container's name is a DNS label.
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
_LOG_CODES = {
    "logs_no_instance": lambda: _("The pod has no instance yet, so there is nothing to read."),
    "logs_gone": lambda: _("The instance is gone and no lines of this container were kept."),
    "logs_not_offered": lambda: _("This cloud does not offer logs."),
    "logs_cloud_silent": lambda: _("The cloud did not answer."),
}


def read_logs(pod: PodRow, query: Any) -> inspect.LogText:
    """The log named by `container`, `tail` (<= 2000), `since` seconds and `previous`."""
    container = str(query.get("container", ""))
    tail, since = str(query.get("tail", "500")), str(query.get("since", ""))
    if not _NAME.match(container) or not tail.isdecimal() or (since and not since.isdecimal()):
        raise Problem(
            "bad_log_request",
            _("A log is asked for by `container`, `tail` lines and `since` seconds."),
            http=400,
        )
    try:
        return inspect.logs(
            pod,
            container,
            tail=max(1, min(int(tail), 2000)),
            since_seconds=int(since) if since else None,
            previous=query.get("previous") in {"1", "true"},
        )
    except inspect.LogsUnavailable as error:
        raise Problem(
            error.code, _LOG_CODES[error.code](), extra={"detail": error.detail}
        ) from error


def log_file(pod: PodRow, query: dict[str, str]) -> HttpResponse:
    """The last 2000 lines as a download. Raises `Problem`."""
    text = read_logs(pod, {**query, "tail": "2000"}).text
    name = f"{pod.namespace}-{pod.name}-{query['container']}.log"
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@extend_schema_view(
    list=extend_schema(summary="Pods on virtual nodes", responses=shapes.PodShape(many=True)),
    retrieve=extend_schema(summary="One pod", responses=shapes.PodShape),
)
class Pods(TopicViewSet):
    topic_name = "pods"

    @extend_schema(
        summary="Kubernetes events, cloud events and our decisions, merged",
        responses=shapes.TimelineShape,
    )
    @action(detail=True)
    def timeline(self, request: Request, pk: str) -> Response:
        found = inspect.timeline(self.find(request, pk=pk))
        return Response(
            {"moments": [asdict(moment) for moment in found.moments], "missing": found.missing}
        )

    @extend_schema(
        summary="The last lines of a container, also after its end",
        parameters=[
            OpenApiParameter("container", str, required=True),
            OpenApiParameter("tail", int, description="Lines, at most 2000"),
            OpenApiParameter("since", int, description="Seconds"),
            OpenApiParameter("previous", bool),
        ],
        responses=shapes.LogShape,
    )
    @action(detail=True)
    def logs(self, request: Request, pk: str) -> Response:
        found = read_logs(self.find(request, pk=pk), request.query_params)
        return Response({"text": found.text, "kept_at": found.kept_at})

    @extend_schema(summary="The same as a text file", responses={(200, "text/plain"): bytes})
    @action(detail=True, url_path="logs/download")
    def download(self, request: Request, pk: str) -> HttpResponse:
        pod = self.find(request, pk=pk)
        return log_file(pod, request.query_params.dict())

    @extend_schema(summary="The pod as the API server has it now", responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def manifest(self, request: Request, pk: str) -> Response:
        try:
            found = inspect.manifest(self.find(request, pk=pk))
        except KubeError as error:
            raise Problem("cluster_silent", str(error), http=502) from error
        if found is None:
            raise Problem("pod_gone", _("The pod is gone from its cluster."), http=410)
        return Response(found)

    @extend_schema(
        summary="Delete the pod; its controller, if any, makes another", responses={202: None}
    )
    def destroy(self, request: Request, pk: str) -> Response:
        pod = self.find(request, Role.OPERATOR, pk=pk)
        try:
            control.delete(pod)
        except KubeError as error:
            raise Problem("cluster_refused", str(error), http=502) from error
        target = f"{pod.cluster.slug}/{pod.namespace}/{pod.name}"
        audit.record(request, "pod.delete", target, team=pod.cluster.team)
        return Response(status=status.HTTP_202_ACCEPTED)
