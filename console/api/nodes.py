"""Virtual nodes over REST."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from addons.models import Cluster
from addons.nodes import install
from console import audit
from console.access import Role, access, usable_account
from console.api import shapes
from console.api.base import TopicViewSet, reader
from console.api.problems import Problem
from console.billing import places
from console.fields import read
from console.live.rows import operation_rows
from console.pairs import has_catalogue, mismatch, settings_of
from console.refusals import EXPLAINED, explain
from console.snippets import snippet
from console.supply import shape, supplies
from providers.models import CloudAccount


def _node_settings(
    account: CloudAccount, second: CloudAccount | None, given: dict[str, str]
) -> dict[str, str]:
    """Raises `ValidationError` for what no provider of the node knows, or for two that do not
    go together."""
    if second and (text := mismatch(account, second)):
        raise ValidationError({"second_credential": text})
    asked = settings_of([account, second] if second else [account])
    texts, errors = read(asked, given)
    if errors:
        raise ValidationError({f"settings.{name}": text for name, text in errors.items()})
    return texts


def _placements(account: CloudAccount, data: dict[str, Any]) -> list[dict[str, str]]:
    """Raises `ValidationError` when there are none and the cloud has some to choose from."""
    if data["placements"]:
        return [dict(item) for item in data["placements"]]
    try:
        needed = has_catalogue(account)
    except EXPLAINED as error:
        raise Problem.of(explain(error)) from error
    if needed:
        raise ValidationError({"placements": _("Name at least one zone and subnet.")})
    return []


def _accepted(operation: Any) -> Response:
    [row] = operation_rows([operation], timezone.now())
    headers = {"Location": f"/api/v1/operations/{operation.pk}/"}
    return Response(row, status=status.HTTP_202_ACCEPTED, headers=headers)


@extend_schema_view(
    list=extend_schema(summary="Virtual nodes", responses=shapes.NodeShape(many=True)),
)
class Nodes(TopicViewSet):
    topic_name = "nodes"

    @extend_schema(
        summary="One virtual node, with its object's parts", responses=shapes.NodeDetailShape
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        found = self.find(request, pk=pk)
        detail = {
            "labels": found.labels,
            "taint_list": found.taints,
            "conditions": found.conditions,
            "capacity": found.capacity,
            "placements": found.placements,
            "security_group": found.security_group,
            "credential": found.account_id,
            "second_credential": found.second_account_id,
            "settings": found.settings,
            "snippet": snippet(found),
            "cost": places.cost(reader(request), places.of_node(found), timezone.now()),
        }
        return Response({**self.row(found), **detail})

    @extend_schema(
        summary="Add a virtual node; the answer is an operation",
        request=shapes.NodeRequest,
        responses={202: shapes.OperationShape},
    )
    def create(self, request: Request) -> Response:
        given = shapes.NodeRequest(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        cluster = access(Cluster, request.user, role=Role.OPERATOR, slug=data["cluster"])
        account = usable_account(request.user, data["credential"], cluster.team)
        other = data["second_credential"]
        second = usable_account(request.user, other, cluster.team) if other else None
        operation = install.add_node(
            cluster,
            account,
            second_account=second,
            zone=data["zone"],
            name=data["name"],
            placements=_placements(account, data),
            security_group=",".join(data["security_groups"]) or data["security_group"],
            settings=_node_settings(account, second, data["settings"]),
            actor=reader(request).get_username(),
            team=cluster.team,
        )
        audit.record(request, "node.add", operation.target, team=cluster.team)
        return _accepted(operation)

    @extend_schema(
        summary="Stock per zone and quota, as the clouds of the node tell them now",
        responses=shapes.SupplyShape(many=True),
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def supply(self, request: Request, pk: str) -> Response:
        return Response([shape(found) for found in supplies(self.find(request, pk=pk))])

    @extend_schema(
        summary="Remove a virtual node: its instances are deleted, or left and listed as orphans",
        request=shapes.NodeRemoval,
        responses={202: shapes.OperationShape},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        found = self.find(request, Role.OWNER, pk=pk)
        given = shapes.NodeRemoval(data=request.data or {})
        given.is_valid(raise_exception=True)
        choice = given.validated_data["instances"]
        actor, team = reader(request).get_username(), found.cluster.team
        operation = install.remove_node(found, actor=actor, team=team, instances=choice)
        detail = {"instances": choice}
        audit.record(request, "node.remove", found.name, team=team, detail=detail)
        return _accepted(operation)

    @extend_schema(summary="No new pods here", request=None, responses=shapes.NodeShape)
    @action(detail=True, methods=["post"])
    def cordon(self, request: Request, pk: str) -> Response:
        return self._cordon(request, pk, True)

    @extend_schema(summary="New pods may come again", request=None, responses=shapes.NodeShape)
    @action(detail=True, methods=["post"])
    def uncordon(self, request: Request, pk: str) -> Response:
        return self._cordon(request, pk, False)

    def _cordon(self, request: Request, pk: str, value: bool) -> Response:
        found = self.find(request, Role.OPERATOR, pk=pk)
        try:
            install.set_unschedulable(found, value)
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error
        name = "node.cordon" if value else "node.uncordon"
        audit.record(request, name, found.name, team=found.cluster.team)
        found.refresh_from_db()
        return Response(self.row(found))
