"""RAM grants of a credential: a user with policy and key for one add-on. Keys are never shown."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from addons.components import ram
from addons.models import Cluster
from addons.sentences import read
from console import audit
from console.access import Role, access
from console.api import component_shapes as shapes
from console.api.base import reader
from console.api.components import refused
from console.api.idempotency import Idempotent
from console.live.rows import Row
from console.refusals import EXPLAINED
from providers.models import CloudAccount, RamGrant


def masked(key_id: str) -> str:
    return f"{key_id[:4]}••••{key_id[-4:]}" if len(key_id) > 8 else ""


def grant_shape(row: RamGrant, told: ram.Status | None) -> Row:
    """As people may see it; `told` is what cloud and clusters say now."""
    slugs = _slugs([row])
    held = told.clusters if told else {}
    names = [slugs[one["cluster"]] for one in row.deliveries if one["cluster"] in slugs]
    return {
        "addon": row.addon,
        "user": row.user,
        "policy": row.policy,
        "state": row.state,
        "granted": told.granted if told else None,
        "access_key_id": masked(row.access_key_id),
        "clusters": [{"cluster": slug, "holds_key": held.get(slug)} for slug in names],
        "note": read(told.note) if told else "",
        "actor": row.actor,
        "created_at": row.created_at,
        "rotated_at": row.rotated_at,
    }


def _slugs(rows: list[RamGrant]) -> dict[str, str]:
    """UID -> slug of the clusters that were given a key."""
    uids = {one["cluster"] for row in rows for one in row.deliveries}
    return dict(Cluster.objects.filter(uid__in=uids).values_list("uid", "slug"))


def asked(row: RamGrant) -> ram.Status | None:
    """How it stands now; None when the cloud does not say. Raises nothing of the cloud's."""
    if row.state == RamGrant.State.REVOKED:
        return None
    try:
        return ram.query(row.account, row.addon)
    except EXPLAINED:
        # The row is shown all the same; whether it works stays open.
        return None


def found_grant(account: CloudAccount, addon: str) -> RamGrant:
    row = account.ram_grants.filter(addon=addon).exclude(state=RamGrant.State.REVOKED).first()
    if row is None:
        raise Http404(_("Nothing is granted to this add-on."))
    return row


class RamGrants(Idempotent):
    @extend_schema(
        summary="What was granted for add-ons, as the cloud and clusters tell now",
        operation_id="ram_grants_list",
        responses=shapes.RamGrantShape(many=True),
    )
    def get(self, request: Request, pk: int) -> Response:
        account = access(CloudAccount, request.user, pk=pk)
        rows = [grant_shape(row, asked(row)) for row in account.ram_grants.all()]
        return Response({"next": None, "previous": None, "results": rows})

    @extend_schema(
        summary="A user with policy and key for an add-on; with `cluster` also its Secret",
        operation_id="ram_grants_create",
        request=shapes.RamGrantRequest,
        responses={201: shapes.RamGrantShape},
    )
    def post(self, request: Request, pk: int) -> Response:
        account = access(CloudAccount, request.user, role=Role.OPERATOR, pk=pk)
        given = shapes.RamGrantRequest(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        now = timezone.now()
        slug = data["cluster"]
        cluster = _cluster(request, slug) if slug else None
        try:
            row = ram.grant(account, data["addon"], actor=reader(request).get_username(), now=now)
            if cluster is not None:
                ram.deliver(row, cluster, now=now, replace=data["replace"])
        except EXPLAINED as error:
            raise refused(error) from error
        _record(request, "ram.grant", row, cluster=slug)
        return Response(grant_shape(row, asked(row)), status=status.HTTP_201_CREATED)


def _cluster(request: Request, slug: str) -> Cluster:
    return access(Cluster, request.user, role=Role.OPERATOR, slug=slug)


def _record(request: Request, what: str, row: RamGrant, **detail: Any) -> None:
    target = f"{row.account.name}/{row.addon}"
    told = {"user": row.user, **{name: text for name, text in detail.items() if text}}
    audit.record(request, what, target, team=row.account.team, detail=told)


class RamGrantOne(Idempotent):
    @extend_schema(
        summary="Delete Secrets, keys, policy and user",
        operation_id="ram_grants_destroy",
        responses={204: None},
    )
    def delete(self, request: Request, pk: int, addon: str) -> Response:
        account = access(CloudAccount, request.user, role=Role.OWNER, pk=pk)
        row = found_grant(account, addon)
        try:
            ram.revoke(row, now=timezone.now())
        except EXPLAINED as error:
            raise refused(error) from error
        _record(request, "ram.revoke", row)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RamGrantRotation(Idempotent):
    @extend_schema(
        summary="A new key in every cluster that has the old one; then the old one is disabled",
        operation_id="ram_grants_rotate",
        request=None,
        responses=shapes.RamGrantShape,
    )
    def post(self, request: Request, pk: int, addon: str) -> Response:
        account = access(CloudAccount, request.user, role=Role.OPERATOR, pk=pk)
        row = found_grant(account, addon)
        try:
            ram.rotate(row, now=timezone.now())
        except EXPLAINED as error:
            raise refused(error) from error
        _record(request, "ram.rotate", row)
        return Response(grant_shape(row, asked(row)))
