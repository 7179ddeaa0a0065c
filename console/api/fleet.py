"""Clusters, virtual nodes, operations and orphans over REST."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from addons import operations
from addons.clusters import leaving, messages, rbac, register
from addons.components import rights, vendors
from addons.models import Cluster
from addons.sentences import read
from addons.sweep import orphans
from console import audit
from console.access import Role, default_team, usable_account
from console.api import shapes
from console.api.base import TopicViewSet, reader
from console.api.problems import Problem
from console.kubeconfig_messages import said_of_all
from console.live.rows import Row, iso
from console.refusals import EXPLAINED, explain
from kube import Kubeconfig, Target, parse_kubeconfig
from providers.models import CloudAccount

_LEAVE = OpenApiParameter(
    "leave",
    bool,
    description="`true`: components and nodes stay there, instances go on as orphans",
)


def _choose_vendor_id(cluster: Cluster, vendor_id: str) -> None:
    try:
        vendors.choose(cluster, vendor_id)
    except EXPLAINED as error:
        raise Problem.of(explain(error)) from error


def _account(request: Request, pk: int | None, team: Group) -> CloudAccount | None:
    return usable_account(request.user, pk, team) if pk is not None else None


def parsed_target(data: dict[str, Any]) -> tuple[Kubeconfig, str, Target]:
    """The kubeconfig, the context that is meant, and its target. Raises `Problem`."""
    parsed = parse_kubeconfig(data["kubeconfig"])
    usable = [context.name for context in parsed.contexts if context.usable]
    wanted = data.get("context") or parsed.current_context
    if wanted not in {context.name for context in parsed.contexts} and len(usable) == 1:
        wanted = usable[0]
    try:
        return parsed, wanted, parsed.target(wanted)
    except EXPLAINED as error:
        raise Problem.of(explain(error)) from error


def check_shape(check: dict[str, Any]) -> Row:
    return {
        "code": check["code"],
        "state": check["state"],
        "title": messages.title(check),
        "detail": messages.detail(check),
        "fix": messages.fix(check),
        "ms": check["ms"],
    }


@extend_schema_view(
    list=extend_schema(summary="Clusters", responses=shapes.ClusterShape(many=True)),
    retrieve=extend_schema(summary="One cluster", responses=shapes.ClusterDetailShape),
)
class Clusters(TopicViewSet):
    topic_name = "clusters"
    lookup_field = "slug"
    lookup_url_kwarg = "pk"
    lookup_value_regex = "[-a-zA-Z0-9_]+"

    def retrieve(self, request: Request, pk: str) -> Response:
        found = self.find(request, slug=pk)
        checks = [check_shape(check) for check in found.checks]
        return Response({**self.row(found), "checks": checks})

    @extend_schema(
        summary="Read a kubeconfig: its contexts, and what stands against each",
        request=shapes.KubeconfigRequest,
        responses=shapes.KubeconfigShape,
    )
    @action(detail=False, methods=["post"])
    def parse(self, request: Request) -> Response:
        given = shapes.KubeconfigRequest(data=request.data)
        given.is_valid(raise_exception=True)
        default_team(request.user, role=Role.OPERATOR)
        parsed = said_of_all(parse_kubeconfig(given.validated_data["kubeconfig"]))
        return Response(
            {
                "current_context": parsed.current_context,
                "problems": [_problem(problem) for problem in parsed.problems],
                "contexts": [
                    {
                        "name": context.name,
                        "cluster": context.cluster,
                        "user": context.user,
                        "server": context.server,
                        "auth_kind": str(context.auth_kind),
                        "namespace": context.namespace,
                        "insecure": context.insecure,
                        "usable": context.usable,
                        "certificate_expires": iso(context.certificate_expires),
                        "problems": [_problem(problem) for problem in context.problems],
                    }
                    for context in parsed.contexts
                ],
            }
        )

    @extend_schema(
        summary="Run the checklist on a kubeconfig without storing it",
        operation_id="clusters_check_kubeconfig",
        request=shapes.KubeconfigRequest,
        responses=shapes.CheckShape(many=True),
    )
    @action(detail=False, methods=["post"], url_path="check")
    def check_new(self, request: Request) -> Response:
        given = shapes.KubeconfigRequest(data=request.data)
        given.is_valid(raise_exception=True)
        default_team(request.user, role=Role.OPERATOR)
        _parsed, _name, target = parsed_target(given.validated_data)
        checks, _facts = register.examine(target, timezone.now())
        return Response([check_shape(check.as_dict()) for check in checks])

    @extend_schema(
        summary="Register a cluster; refused unless its checklist passes",
        request=shapes.ClusterRequest,
        responses={201: shapes.ClusterShape},
    )
    def create(self, request: Request) -> Response:
        given = shapes.ClusterRequest(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        parsed, name, target = parsed_target(data)
        chosen = next(context for context in parsed.contexts if context.name == name)
        team = default_team(reader(request), role=Role.OPERATOR, name=data["team"])
        identity = register.Identity(
            **{key: data[key] for key in ("name", "slug", "kind", "region", "environment", "tags")}
        )
        try:
            cluster = register.register(
                target,
                identity,
                team=team,
                now=timezone.now(),
                account=_account(request, data["credential"], team),
                expires=chosen.certificate_expires,
            )
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error
        audit.record(request, "cluster.register", cluster.slug, team=team)
        return Response(self.row(cluster), status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change name, environment, region, credential, tags or pause",
        request=shapes.ClusterChange,
        responses=shapes.ClusterShape,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        found = self.find(request, Role.OPERATOR, slug=pk)
        given = shapes.ClusterChange(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        if "credential" in values:
            values["account"] = _account(request, values.pop("credential"), found.team)
        vendor_id = values.pop("vendor_id", None)
        register.change(found, values)
        if vendor_id is not None:
            _choose_vendor_id(found, vendor_id)
        audit.record(request, "cluster.change", found.slug, team=found.team)
        return Response(self.row(found))

    @extend_schema(summary="Run the checklist again", request=None, responses=shapes.ClusterShape)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str) -> Response:
        found = self.find(request, Role.OPERATOR, slug=pk)
        register.check_again(found, now=timezone.now())
        audit.record(request, "cluster.check", found.slug, team=found.team)
        return self.retrieve(request, pk)

    @extend_schema(
        summary="A new kubeconfig for the same cluster",
        request=shapes.KubeconfigRequest,
        responses=shapes.ClusterShape,
    )
    @action(detail=True, methods=["post"], url_path="rotate-kubeconfig")
    def rotate(self, request: Request, pk: str) -> Response:
        found = self.find(request, Role.OPERATOR, slug=pk)
        given = shapes.KubeconfigRequest(data=request.data)
        given.is_valid(raise_exception=True)
        parsed, name, target = parsed_target(given.validated_data)
        chosen = next(context for context in parsed.contexts if context.name == name)
        try:
            register.rotate(found, target, now=timezone.now(), expires=chosen.certificate_expires)
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error
        audit.record(request, "cluster.rotate", found.slug, team=found.team)
        return Response(self.row(found))

    @extend_schema(
        summary="The roles to apply: for virtual nodes, and those for components beside them",
        responses=shapes.RolesShape,
    )
    @action(detail=False, url_path="role")
    def role(self, request: Request) -> Response:
        return Response({"yaml": rbac.manifest(), "components": rights.manifest()})

    @extend_schema(
        summary="What forgetting the cluster would leave behind", responses=shapes.HeldShape
    )
    @action(detail=True)
    def holdings(self, request: Request, pk: str) -> Response:
        return Response(leaving.held(self.find(request, slug=pk)).as_dict())

    @extend_schema(
        summary="Forget a cluster; what is still there is left only when asked to",
        parameters=[_LEAVE],
        responses={204: None},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        found = self.find(request, Role.OWNER, slug=pk)
        team = found.team
        leave = request.query_params.get("leave") == "true"
        try:
            left = register.forget(found, leave=leave, now=timezone.now())
        except EXPLAINED as error:
            problem = Problem.of(explain(error))
            if isinstance(error, register.InUse):
                problem.extra = {"held": error.held.as_dict()}
            raise problem from error
        detail = {"left": left.as_dict()} if left.anything else {}
        audit.record(request, "cluster.remove", pk, team=team, detail=detail)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _problem(problem: Any) -> Row:
    return {
        "code": problem.code,
        "path": problem.path,
        "message": problem.message,
        "fix": problem.fix,
        "blocking": problem.blocking,
    }


@extend_schema_view(
    list=extend_schema(summary="Operations", responses=shapes.OperationShape(many=True)),
)
class Operations(TopicViewSet):
    topic_name = "operations"

    @extend_schema(
        summary="One operation with its steps and log", responses=shapes.OperationDetailShape
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        found = self.find(request, pk=pk)
        steps = [
            {
                "index": step.index,
                "name": step.name,
                "label": operations.step_title(step.name),
                "state": step.state,
                "detail": read(step.detail),
                "started_at": iso(step.started_at),
                "ended_at": iso(step.ended_at),
            }
            for step in found.steps.all()
        ]
        running = found.state in operations.RUNNING
        return Response(
            {
                **self.row(found),
                "steps": steps,
                "log": found.log,
                "fix": read(found.fix),
                "can_cancel": running and not found.cancel_asked,
                "can_retry": found.state in {"failed", "cancelled"},
            }
        )

    @extend_schema(summary="Stop after the running step", request=None, responses={202: None})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        return self._act(request, pk, "cancel")

    @extend_schema(summary="Go on from the failed step", request=None, responses={202: None})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        return self._act(request, pk, "retry")

    def _act(self, request: Request, pk: str, what: str) -> Response:
        found = self.find(request, Role.OPERATOR, pk=pk)
        try:
            {"cancel": operations.cancel, "retry": operations.retry}[what](found)
        except operations.Refused as error:
            raise Problem("operation_state", str(error)) from error
        audit.record(request, f"operation.{what}", f"operation {pk}", team=found.team)
        return Response(status=status.HTTP_202_ACCEPTED)


@extend_schema_view(
    list=extend_schema(
        summary="Instances that cost while no pod owns them",
        responses=shapes.OrphanShape(many=True),
    ),
    retrieve=extend_schema(summary="One orphan", responses=shapes.OrphanShape),
)
class Orphans(TopicViewSet):
    topic_name = "orphans"

    @extend_schema(summary="Delete the instance in the cloud", request=None, responses={202: None})
    @action(detail=True, methods=["post"])
    def delete(self, request: Request, pk: str) -> Response:
        found = self.find(request, Role.OPERATOR, pk=pk)
        try:
            orphans.delete(found, by=reader(request).get_username())
        except orphans.OrphanError as error:
            raise Problem("orphan_state", str(error)) from error
        audit.record(request, "orphan.delete", found.cloud_id, team=found.account.team)
        return Response(status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Give the instance back to its pod, which must be alive",
        request=None,
        responses={202: None},
    )
    @action(detail=True, methods=["post"])
    def adopt(self, request: Request, pk: str) -> Response:
        found = self.find(request, Role.OPERATOR, pk=pk)
        try:
            orphans.adopt(found)
        except orphans.OrphanError as error:
            raise Problem("orphan_state", str(error)) from error
        audit.record(request, "orphan.adopt", found.cloud_id, team=found.account.team)
        return Response(status=status.HTTP_202_ACCEPTED)
