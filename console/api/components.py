"""Components over REST: the catalogue, what is installed where, and what changes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from addons.components import logs, manage, vendor_nodes
from addons.components.apply import name_of
from addons.components.base import Component, merged
from addons.components.catalogue import catalogue, localised
from addons.components.manage import ComponentError
from addons.components.vendor_nodes import VendorNode
from addons.models import Cluster, Installation, Operation, Revision
from addons.sentences import read
from console import audit
from console.access import Role, access, usable_account
from console.api import component_shapes as shapes
from console.api.base import Resource, TopicViewSet, reader
from console.api.component_logs import read_lines
from console.api.pagination import whole, whole_of
from console.api.problems import Problem
from console.api.shapes import OperationShape
from console.billing import places
from console.live.installed import INSTALLATIONS
from console.live.rows import Row, iso, operation_rows
from console.live.topics import Topic
from console.offers import component_shape, found_component, version_shape
from console.plans import plan_shape
from console.refusals import EXPLAINED, explain
from console.schema_form import asked_of

_FILTERS = [
    OpenApiParameter("group", str, enum=["core", "scheduling", "platform"]),
    OpenApiParameter("vendor", str),
    OpenApiParameter("cluster", str, description="Slug: what may be in that cluster, and is"),
]
_LOG = [
    OpenApiParameter("pod", str, description="Without it the first container that has trouble"),
    OpenApiParameter("container", str),
    OpenApiParameter("tail", int, description="Lines, at most 2000"),
    OpenApiParameter("since", int, description="Seconds"),
    OpenApiParameter("previous", bool),
]


def refused(error: Exception) -> Problem:
    """As problem details; one that is under way is named."""
    problem = Problem.of(explain(error))
    if isinstance(error, ComponentError) and error.operation is not None:
        problem.extra = {"operation": error.operation.pk}
    return problem


def key_of(request: Request) -> str:
    """The caller's Idempotency-Key, theirs alone."""
    given = request.headers.get("Idempotency-Key", "")
    return f"{reader(request).pk}:{given}" if given else ""


def accepted(operation: Operation) -> Response:
    [row] = operation_rows([operation], timezone.now())
    headers = {"Location": f"/api/v1/operations/{operation.pk}/"}
    return Response(row, status=status.HTTP_202_ACCEPTED, headers=headers)


class Components(Resource):
    lookup_value_regex = "[a-z0-9-]{1,64}"
    queryset = Installation.objects.none()
    # What is asked for never pages: the catalogue is short.
    pagination_class = None

    @extend_schema(
        summary="The catalogue of components",
        parameters=_FILTERS,
        responses=whole_of(shapes.ComponentShape),
    )
    def list(self, request: Request) -> Response:
        asked = request.query_params
        rows = (
            _offered(access(Cluster, request.user, slug=asked["cluster"]))
            if asked.get("cluster")
            else [component_shape(one) for one in catalogue().values()]
        )
        for name in ("group", "vendor"):
            rows = [row for row in rows if asked.get(name, row[name]) == row[name]]
        return whole(rows)

    @extend_schema(summary="One component", responses=shapes.ComponentDetailShape)
    def retrieve(self, request: Request, pk: str) -> Response:
        component = found_component(pk)
        versions = [version_shape(v, localised(v.schema)) for v in component.versions]
        return Response({**component_shape(component), "versions": versions})


def _offered(cluster: Cluster) -> list[dict[str, Any]]:
    return [
        {
            **component_shape(offer.component),
            "installed": offer.installed.version if offer.installed else "",
            "installation": offer.installed.pk if offer.installed else None,
            "newest": offer.newest.version if offer.newest else "",
            "compatible": offer.compatible,
            "why": offer.why,
            "nodes": list(offer.nodes),
        }
        for offer in manage.offers(cluster)
    ]


def _check_accounts(
    request: Request, component: Component, version: str, values: dict[str, Any] | None, team: Any
) -> None:
    """Every credential that the values name may be used by the caller for this team."""
    known = component.version(version) or component.latest
    for asked in asked_of(known.schema):
        named = (values or {}).get(asked.key)
        if asked.picker == "credential" and isinstance(named, int):
            usable_account(request.user, named, team)


@extend_schema_view(
    list=extend_schema(
        summary="What is installed where", responses=shapes.InstallationShape(many=True)
    ),
)
class Installations(TopicViewSet):
    topic_name = "installations"

    @property
    def topic(self) -> Topic:
        return INSTALLATIONS

    @extend_schema(
        summary="One installation with its values", responses=shapes.InstallationDetailShape
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        found = self.find(request, pk=pk)
        component = catalogue().get(found.component)
        version = component.version(found.version) if component else None
        effective = merged(version.defaults(), found.values) if version else found.values
        more = {
            "values": found.values,
            "effective": effective,
            "drift": found.drift,
            "cost": places.cost(reader(request), places.of_installation(found), timezone.now()),
        }
        return Response({**self.row(found), **more})

    @extend_schema(
        summary="Install a component; with `dry_run` what it would do",
        request=shapes.InstallRequest,
        responses={200: shapes.PlanShape, 202: OperationShape},
    )
    def create(self, request: Request) -> Response:
        return self._new(request, shapes.InstallRequest, "install")

    @extend_schema(
        summary="Take over a component that others installed",
        request=shapes.AdoptRequest,
        responses={200: shapes.PlanShape, 202: OperationShape},
    )
    @action(detail=False, methods=["post"])
    def adopt(self, request: Request) -> Response:
        return self._new(request, shapes.AdoptRequest, "adopt")

    def _new(self, request: Request, kind: type[Any], what: str) -> Response:
        given = kind(data=request.data)
        given.is_valid(raise_exception=True)
        data = dict(given.validated_data)
        cluster = access(Cluster, request.user, role=Role.OPERATOR, slug=data.pop("cluster"))
        return self._do(request, cluster, data.pop("component"), what, data)

    @extend_schema(
        summary="Upgrade; without a version to the newest that fits",
        request=shapes.ChangeRequest,
        responses={200: shapes.PlanShape, 202: OperationShape},
    )
    @action(detail=True, methods=["post"])
    def upgrade(self, request: Request, pk: str) -> Response:
        return self._change(request, pk, shapes.ChangeRequest, "upgrade")

    @extend_schema(
        summary="Set other values",
        request=shapes.ConfigureRequest,
        responses={200: shapes.PlanShape, 202: OperationShape},
    )
    @action(detail=True, methods=["post"])
    def configure(self, request: Request, pk: str) -> Response:
        return self._change(request, pk, shapes.ConfigureRequest, "configure")

    @extend_schema(
        summary="Go back to a revision",
        request=shapes.RollbackRequest,
        responses={200: shapes.PlanShape, 202: OperationShape},
    )
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, pk: str) -> Response:
        return self._change(request, pk, shapes.RollbackRequest, "rollback")

    @extend_schema(
        summary="Uninstall: drain, delete instances, nodes and objects, prove that none is left",
        request=shapes.UninstallRequest,
        responses={200: shapes.PlanShape, 202: OperationShape},
    )
    @action(detail=True, methods=["post"])
    def uninstall(self, request: Request, pk: str) -> Response:
        return self._change(request, pk, shapes.UninstallRequest, "uninstall", Role.OWNER)

    @extend_schema(
        summary="Apply again what the deployed revision says",
        request=shapes.RepairRequest,
        responses={200: shapes.PlanShape, 202: OperationShape},
    )
    @action(detail=True, methods=["post"])
    def repair(self, request: Request, pk: str) -> Response:
        return self._change(request, pk, shapes.RepairRequest, "repair")

    def _change(
        self, request: Request, pk: str, kind: type[Any], what: str, role: Role = Role.OPERATOR
    ) -> Response:
        found = self.find(request, role, pk=pk)
        given = kind(data=request.data or {})
        given.is_valid(raise_exception=True)
        return self._do(request, found.cluster, found.component, what, dict(given.validated_data))

    def _do(
        self, request: Request, cluster: Cluster, name: str, what: str, data: dict[str, Any]
    ) -> Response:
        dry = data.pop("dry_run")
        component = catalogue().get(name)
        if component is not None:
            version, values = data.get("version", ""), data.get("values")
            _check_accounts(request, component, version, values, cluster.team)
        try:
            if dry:
                for doing in ("instances", "canary_image"):
                    data.pop(doing, None)
                return Response(plan_shape(manage.plan(cluster, name, action=what, **data)))
            operation = manage.start(
                cluster,
                name,
                action=what,
                **data,
                actor=reader(request).get_username(),
                team=cluster.team,
                key=key_of(request),
            )
        except EXPLAINED as error:
            raise refused(error) from error
        detail = {key: data[key] for key in ("version", "revision", "instances") if data.get(key)}
        target = f"{cluster.slug}/{name}"
        audit.record(request, f"component.{what}", target, team=cluster.team, detail=detail)
        return accepted(operation)

    @extend_schema(
        summary="Its revisions, newest first",
        responses=whole_of(shapes.RevisionShape),
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def revisions(self, request: Request, pk: str) -> Response:
        rows = [_revision(row) for row in manage.history(self.find(request, pk=pk))]
        return whole(rows)

    @extend_schema(
        summary="Virtual nodes of the vendor's own virtual kubelet, as the cluster tells now",
        responses=whole_of(shapes.VendorNodeShape),
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def nodes(self, request: Request, pk: str) -> Response:
        try:
            found = vendor_nodes.of(self.find(request, pk=pk))
        except TimeoutError as error:
            text = _("The cluster did not answer in time.")
            raise Problem("cluster_silent", text, http=502) from error
        except EXPLAINED as error:
            raise refused(error) from error
        rows = [_vendor_node(node) for node in found]
        return whole(rows)

    @extend_schema(
        summary="Compare with the cluster now",
        responses=whole_of(shapes.DifferenceShape),
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def drift(self, request: Request, pk: str) -> Response:
        try:
            found = manage.drift(self.find(request, pk=pk))
        except EXPLAINED as error:
            raise refused(error) from error
        return whole(found)

    @extend_schema(
        summary="The log of its own pods in the cluster",
        parameters=_LOG,
        responses=shapes.ComponentLogShape,
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def logs(self, request: Request, pk: str) -> Response:
        found, asked = self.find(request, pk=pk), request.query_params.dict()
        try:
            sources = logs.sources(found)
        except TimeoutError as error:
            text = _("The cluster did not answer in time.")
            raise Problem("cluster_silent", text, http=502) from error
        except EXPLAINED as error:
            raise refused(error) from error
        if sources and not asked.get("pod"):
            asked |= {"pod": sources[0].pod, "container": sources[0].container}
        text = read_lines(found, asked) if sources else ""
        return Response({"text": text, "containers": [asdict(one) for one in sources]})


def _vendor_node(node: VendorNode) -> Row:
    return {
        "name": node.name,
        "status": node.status,
        "role": node.role,
        "zone": node.zone,
        "version": node.version,
        "created_at": node.created,
    }


def _revision(row: Revision) -> Row:
    return {
        "number": row.number,
        "action": row.action,
        "version": row.version,
        "status": row.status,
        "values": row.values,
        "objects": [name_of(obj) for obj in row.objects_applied],
        "actor": row.actor,
        "note": read(row.note),
        "operation": row.operation_id,
        "created_at": iso(row.created_at),
    }
