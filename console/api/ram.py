"""RAM grants of a credential: a user with policy and key for one add-on. Keys are never shown."""

from __future__ import annotations

from django.http import Http404, HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from addons.components import ram
from addons.components.grants import masked
from addons.components.ram_steps import running_on
from addons.models import Cluster, Operation
from addons.sentences import read
from console import audit
from console.access import Role, access
from console.api import component_shapes as shapes
from console.api.base import reader
from console.api.components import accepted, refused
from console.api.idempotency import Idempotent
from console.api.pagination import whole, whole_of
from console.api.shapes import OperationShape
from console.live.rows import Row
from console.refusals import EXPLAINED
from providers.models import CloudAccount, RamGrant


def grant_shape(row: RamGrant, told: ram.Status | None) -> Row:
    """As people may see it; `told` is what cloud and clusters say now."""
    slugs = _slugs([row])
    busy = running_on(ram.target_of(row), row.account.team_id)
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
        "operation": busy.pk if busy else None,
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
    if row.state != RamGrant.State.GRANTED:
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
        responses=whole_of(shapes.RamGrantShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        account = access(CloudAccount, request.user, pk=pk)
        rows = [grant_shape(row, asked(row)) for row in account.ram_grants.all()]
        return whole(rows)

    @extend_schema(
        summary="A user with policy and key for an add-on; with `cluster` also its Secret",
        operation_id="ram_grants_create",
        request=shapes.RamGrantRequest,
        responses={202: OperationShape},
    )
    def post(self, request: Request, pk: int) -> Response:
        account = access(CloudAccount, request.user, role=Role.OPERATOR, pk=pk)
        given = shapes.RamGrantRequest(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        slug = data["cluster"]
        cluster = access(Cluster, request.user, role=Role.OPERATOR, slug=slug) if slug else None
        try:
            operation = ram.grant(
                account,
                data["addon"],
                actor=reader(request).get_username(),
                now=timezone.now(),
                cluster=cluster,
                replace=data["replace"],
            )
        except EXPLAINED as error:
            raise refused(error) from error
        record(request, "ram.grant", account, operation)
        return accepted(operation)


def record(
    request: HttpRequest | Request, what: str, account: CloudAccount, operation: Operation
) -> None:
    """In the audit trail, with the operation that does it."""
    detail = {"operation": operation.pk}
    audit.record(request, what, operation.target, team=account.team, detail=detail)


class RamGrantOne(Idempotent):
    @extend_schema(
        summary="Delete Secrets, keys, policy and user",
        operation_id="ram_grants_destroy",
        responses={202: OperationShape},
    )
    def delete(self, request: Request, pk: int, addon: str) -> Response:
        account = access(CloudAccount, request.user, role=Role.OWNER, pk=pk)
        try:
            operation = ram.revoke(
                found_grant(account, addon), actor=reader(request).get_username()
            )
        except EXPLAINED as error:
            raise refused(error) from error
        record(request, "ram.revoke", account, operation)
        return accepted(operation)


class RamGrantRotation(Idempotent):
    @extend_schema(
        summary="A new key in every cluster that has the old one; then the old one is disabled",
        operation_id="ram_grants_rotate",
        request=None,
        responses={202: OperationShape},
    )
    def post(self, request: Request, pk: int, addon: str) -> Response:
        account = access(CloudAccount, request.user, role=Role.OPERATOR, pk=pk)
        try:
            operation = ram.rotate(
                found_grant(account, addon), actor=reader(request).get_username()
            )
        except EXPLAINED as error:
            raise refused(error) from error
        record(request, "ram.rotate", account, operation)
        return accepted(operation)
