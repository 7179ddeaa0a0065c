"""Credentials: cloud keys, what they may do, where they are used. Secrets only go in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from addons.models import Cluster, VirtualNode
from addons.runtime.loop import runtime
from addons.sweep import breaker
from console import audit
from console.access import Role, access, default_team, visible
from console.api import shapes
from console.api.base import Resource, reader
from console.api.problems import Problem
from console.refusals import EXPLAINED, explain
from kube.secret import Secret
from providers import accounts, registry
from providers.base import Catalogue, NewKey, Quotas
from providers.models import CloudAccount


def used_by(found: Sequence[CloudAccount]) -> dict[int, list[str]]:
    """Account -> names of the clusters and virtual nodes that use it."""
    names: dict[int, list[str]] = defaultdict(list)
    for rows, name in ((Cluster.objects, "slug"), (VirtualNode.objects, "name")):
        for account, text in rows.filter(account__in=found).values_list("account", name):
            names[account].append(text)
    return names


def shape(account: CloudAccount, users: list[str]) -> dict[str, Any]:
    """An account as people may see it: no secret, the key id masked."""
    return {
        "id": account.pk,
        "name": account.name,
        "provider": account.provider,
        "region": account.region,
        "endpoint": account.endpoint,
        "access_key_id": account.masked_key,
        "account_id": account.account_id,
        "identity": account.identity,
        "capabilities": account.capabilities,
        "verified_at": account.verified_at,
        "verify_ms": account.verify_ms,
        "rotated_at": account.rotated_at,
        "expires_at": account.expires_at,
        "trouble": account.trouble,
        "trouble_message": account.trouble_message,
        "halted_at": account.halted_at,
        "halt_reason": account.halt_reason,
        "used_by": users,
    }


def _answer(account: CloudAccount, code: int = status.HTTP_200_OK) -> Response:
    return Response(shape(account, used_by([account])[account.pk]), status=code)


def new_key(given: dict[str, Any]) -> NewKey:
    return NewKey(
        id=given["access_key_id"].strip(),
        secret=Secret(given["access_key_secret"].strip()),
        token=Secret(given.get("security_token", "").strip()),
    )


async def pickers(account_id: int, region: str) -> dict[str, Any]:
    """What a form offers: zones, subnets with free addresses, security groups, quota."""
    provider = await runtime().provider(account_id, region)
    if not isinstance(provider, Catalogue):
        return {"regions": {}, "subnets": [], "security_groups": [], "quota": None}
    return {
        "regions": await provider.regions(),
        "subnets": [asdict(subnet) for subnet in await provider.subnets()],
        "security_groups": [asdict(group) for group in await provider.security_groups()],
        "quota": asdict(await provider.quota()) if isinstance(provider, Quotas) else None,
    }


@extend_schema_view(
    list=extend_schema(summary="Credentials", responses=shapes.CredentialShape(many=True)),
    retrieve=extend_schema(summary="One credential", responses=shapes.CredentialShape),
)
class Credentials(Resource):
    queryset = CloudAccount.objects.none()

    def _find(self, request: Request, pk: str, role: Role = Role.VIEWER) -> CloudAccount:
        return access(CloudAccount, request.user, role=role, pk=pk)

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(visible(CloudAccount, request.user)) or []
        users = used_by(page)
        return self.get_paginated_response([shape(item, users[item.pk]) for item in page])

    def retrieve(self, request: Request, pk: str) -> Response:
        return _answer(self._find(request, pk))

    @extend_schema(
        summary="Add a key: tried with read-only calls first, stored sealed",
        request=shapes.CredentialRequest,
        responses={201: shapes.CredentialShape},
    )
    def create(self, request: Request) -> Response:
        given = shapes.CredentialRequest(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        team = default_team(reader(request), role=Role.OPERATOR, name=data["team"])
        try:
            account = accounts.add(
                team=team,
                name=data["name"],
                provider=data["provider"],
                region=data["region"],
                endpoint=data["endpoint"],
                key=new_key(data),
                now=timezone.now(),
            )
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error
        audit.record(request, "credential.add", account.name, team=team)
        return _answer(account, status.HTTP_201_CREATED)

    @extend_schema(summary="Try the key again", request=None, responses=shapes.CredentialShape)
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, pk: str) -> Response:
        account = self._find(request, pk, Role.OPERATOR)
        try:
            accounts.verify(account, now=timezone.now())
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error
        audit.record(request, "credential.verify", account.name, team=account.team)
        return _answer(account)

    @extend_schema(
        summary="Replace the key; the new one is tried before it takes over",
        request=shapes.RotateRequest,
        responses=shapes.CredentialShape,
    )
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        account = self._find(request, pk, Role.OPERATOR)
        given = shapes.RotateRequest(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            account = accounts.rotate(account, new_key(given.validated_data), now=timezone.now())
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error
        audit.record(request, "credential.rotate", account.name, team=account.team)
        return _answer(account)

    @extend_schema(
        summary="Resume an account that the breaker halted",
        request=None,
        responses=shapes.CredentialShape,
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        account = self._find(request, pk, Role.OPERATOR)
        breaker.resume(account.pk)
        audit.record(request, "credential.resume", account.name, team=account.team)
        account.refresh_from_db()
        return _answer(account)

    @extend_schema(
        summary="Zones, vSwitches with free addresses, security groups and quota",
        responses=OpenApiTypes.OBJECT,
    )
    @action(detail=True)
    def catalogue(self, request: Request, pk: str) -> Response:
        account = self._find(request, pk)
        region = request.query_params.get("region", account.region)
        try:
            return Response(runtime().run(pickers(account.pk, region)))
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error

    @extend_schema(summary="The least policy the key needs", responses=OpenApiTypes.OBJECT)
    @action(detail=False, url_path=r"policy/(?P<provider>[a-z]+)")
    def policy(self, request: Request, provider: str) -> Response:
        try:
            dialect = registry.dialect(provider)
        except registry.UnknownProvider as error:
            raise Problem("unknown_provider", _("There is no such provider."), http=404) from error
        return Response(dialect.policy())

    @extend_schema(summary="Forget a key that nothing uses", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        account = self._find(request, pk, Role.OWNER)
        try:
            accounts.remove(account)
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error
        audit.record(request, "credential.remove", account.name, team=account.team)
        return Response(status=status.HTTP_204_NO_CONTENT)
