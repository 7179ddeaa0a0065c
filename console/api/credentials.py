"""Credentials: cloud keys, what they may do, where they are used. Secrets only go in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from addons import keys
from addons.models import Cluster
from addons.runtime.loop import runtime
from addons.sweep import breaker
from console import audit
from console.access import Role, access, default_team, visible
from console.api import credential_shapes as shapes
from console.api.base import Resource, reader
from console.api.problems import Problem
from console.fields import read
from console.keys import known, new_key, shown_key, sources, used_by
from console.refusals import EXPLAINED, explain
from kube.secret import Secret
from providers import accounts, registry
from providers.base import Catalogue, Dialect, NewKey, Quotas, Use
from providers.models import CloudAccount


def shapes_of(found: Sequence[CloudAccount]) -> list[dict[str, Any]]:
    """Accounts as people may see them: no secret, the key id masked."""
    users, followed = used_by(found), sources(found)
    return [_shape(account, users[account.pk], followed.get(account.pk)) for account in found]


def _shape(
    account: CloudAccount, users: list[str], source: dict[str, str] | None
) -> dict[str, Any]:
    dialect = known(account.provider)
    return {
        "id": account.pk,
        "name": account.name,
        "provider": account.provider,
        "provider_title": dialect.title if dialect else account.provider,
        "region": account.region,
        "endpoint": account.endpoint,
        "access_key_id": shown_key(account),
        "account_id": account.account_id,
        "identity": account.identity,
        "capabilities": account.capabilities,
        "verified_at": account.verified_at,
        "verify_ms": account.verify_ms,
        "rotated_at": account.rotated_at,
        "expires_at": account.expires_at,
        "config_map": source,
        "trouble": account.trouble,
        "trouble_message": account.trouble_message,
        "halted_at": account.halted_at,
        "halt_reason": account.halt_reason,
        "used_by": users,
    }


def _answer(account: CloudAccount, code: int = status.HTTP_200_OK) -> Response:
    return Response(shapes_of([account])[0], status=code)


def _asked(provider: str) -> Dialect:
    """Raises a validation error that names the providers there are."""
    dialect = known(provider)
    if dialect is None:
        names = ", ".join(registry.PROVIDERS)
        text = _("There is no such provider; those are: %(names)s") % {"names": names}
        raise ValidationError({"provider": text})
    return dialect


def _key(dialect: Dialect, data: dict[str, Any]) -> NewKey:
    """From `fields`, or from the older flat names. Raises `ValidationError` or `Problem`."""
    names = {field.name for field in dialect.credential}
    flat = {name: data[name] for name in shapes.FLAT if data.get(name) and name in names}
    texts, errors = read(dialect.credential, flat | data["fields"])
    if errors:
        raise ValidationError(
            {name if name in flat else f"fields.{name}": text for name, text in errors.items()}
        )
    try:
        return new_key(dialect.name, texts)
    except EXPLAINED as error:
        raise Problem.of(explain(error)) from error


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
        return self.get_paginated_response(shapes_of(page))

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
        dialect = _asked(data["provider"])
        common: dict[str, Any] = {
            "name": data["name"],
            "provider": dialect.name,
            "region": data["region"],
            "endpoint": data["endpoint"],
            "now": timezone.now(),
        }
        account = (self._followed if data["config_map"] else self._given)(request, data, common)
        audit.record(request, "credential.add", account.name, team=account.team)
        return _answer(account, status.HTTP_201_CREATED)

    def _given(
        self, request: Request, data: dict[str, Any], common: dict[str, Any]
    ) -> CloudAccount:
        team = default_team(reader(request), role=Role.OPERATOR, name=data["team"])
        key = _key(registry.dialect(common["provider"]), data)
        try:
            return accounts.add(team=team, key=key, **common)
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error

    def _followed(
        self, request: Request, data: dict[str, Any], common: dict[str, Any]
    ) -> CloudAccount:
        """The credential of the team whose cluster holds the key."""
        source = data["config_map"]
        cluster = access(Cluster, request.user, role=Role.OPERATOR, slug=source["cluster"])
        try:
            return keys.add(
                team=cluster.team,
                cluster=cluster,
                namespace=source["namespace"],
                config_map=source["name"],
                cipher=Secret(data["cipher"]),
                **common,
            )
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error

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
        if account.key_source:
            text = _("This key is renewed where it is read from, not here.")
            raise Problem("key_followed", text)
        key = _key(_asked(account.provider), given.validated_data)
        try:
            account = accounts.rotate(account, key, now=timezone.now())
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

    @extend_schema(
        summary="The least policy the key needs",
        parameters=[OpenApiParameter("use", enum=[one.value for one in Use], default=Use.PODS)],
        responses=OpenApiTypes.OBJECT,
    )
    @action(detail=False, url_path=r"policy/(?P<provider>[a-z0-9-]+)")
    def policy(self, request: Request, provider: str) -> Response:
        try:
            dialect = registry.dialect(provider)
        except registry.UnknownProvider as error:
            raise Problem("unknown_provider", _("There is no such provider."), http=404) from error
        policies, use = dialect.policies(), request.query_params.get("use", Use.PODS)
        if use not in policies:
            fix = _("There are: %(names)s.") % {"names": ", ".join(policies)}
            raise Problem("invalid", _("The cloud has no such policy."), fix=fix, http=400)
        return Response(policies[Use(use)])

    @extend_schema(summary="Forget a key that nothing uses", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        account = self._find(request, pk, Role.OWNER)
        try:
            accounts.remove(account)
        except EXPLAINED as error:
            raise Problem.of(explain(error)) from error
        audit.record(request, "credential.remove", account.name, team=account.team)
        return Response(status=status.HTTP_204_NO_CONTENT)
