"""What each cloud would do with a workload: of a manifest, or of one that a cluster has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from addons.compat import documents, targets
from addons.compat.check import check
from addons.compat.documents import Document, Unreadable
from addons.compat.fetch import RESOURCES, fetch
from addons.compat.report import Report, as_data
from addons.compat.targets import Target
from addons.models import Cluster, VirtualNode
from addons.runtime.loop import runtime
from console.access import AnyUser, access, visible
from console.api.problems import Problem
from console.refusals import EXPLAINED, Refusal, explain
from kube.errors import Forbidden, NotFound
from providers import registry
from providers.models import CloudAccount

KINDS = sorted(RESOURCES)


class CompatibilityRequest(s.Serializer[Any]):
    yaml = s.CharField(
        max_length=documents.MAX_BYTES,
        required=False,
        trim_whitespace=False,
        help_text="Workloads, and the Services beside them; several documents or a List",
    )
    cluster = s.SlugField(required=False, help_text="Instead of `yaml`: slug of the cluster")
    kind = s.ChoiceField(KINDS, required=False)
    namespace = s.CharField(max_length=253, required=False)
    name = s.CharField(max_length=253, required=False)
    providers = s.ListField(
        child=s.CharField(max_length=16), default=list, help_text="Only these; default: all"
    )
    region = s.CharField(
        max_length=64,
        required=False,
        default="",
        help_text="Where; default: the region of the first credential of each cloud",
    )
    node = s.IntegerField(required=False, help_text="Only the clouds of this virtual node")

    def validate_providers(self, names: list[str]) -> list[str]:
        unknown = sorted(set(names) - set(registry.PROVIDERS))
        if unknown:
            known = ", ".join(registry.PROVIDERS)
            raise s.ValidationError(
                _("There is no provider %(name)s; there are %(known)s.")
                % {"name": ", ".join(unknown), "known": known}
            )
        return names

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = [field for field in ("cluster", "kind", "namespace", "name") if attrs.get(field)]
        if ("yaml" in attrs) is bool(named) or 0 < len(named) < 4:
            raise s.ValidationError(
                _("Give `yaml`, or all of `cluster`, `kind`, `namespace` and `name`.")
            )
        return attrs


class FindingShape(s.Serializer[Any]):
    effect = s.ChoiceField(["refused", "ignored", "hint"])
    code = s.CharField()
    path = s.CharField(help_text="In the document that was given")
    line = s.IntegerField(help_text="0: unknown")
    of = s.CharField(help_text="Another object than the workload: `Service shop/web`")
    message = s.CharField()
    fix = s.CharField()
    snippet = s.CharField(help_text="YAML to add under the pod's `spec`")


class AskedShape(s.Serializer[Any]):
    cpu = s.CharField(allow_null=True, help_text="vCPU")
    memory = s.CharField(allow_null=True, help_text="GiB")
    gpu = s.IntegerField()


class BilledShape(AskedShape):
    size = s.CharField(help_text="The cloud's own spelling; empty: it cannot be told")


class CloudShape(s.Serializer[Any]):
    provider = s.CharField()
    title = s.CharField()
    region = s.CharField()
    node = s.CharField()
    outcome = s.ChoiceField(["works", "ignores", "refused", "elsewhere"])
    chosen = s.BooleanField(help_text="Gets the pod where several serve one virtual node")
    billed = BilledShape()
    price_per_hour = s.CharField(allow_null=True, help_text="null: no list price known")
    price_of_all_per_hour = s.CharField(allow_null=True)
    currency = s.CharField()
    price_source = s.CharField()
    findings = FindingShape(many=True)


class WorkloadShape(s.Serializer[Any]):
    kind = s.CharField()
    namespace = s.CharField()
    name = s.CharField()
    document = s.IntegerField(help_text="Counted from 0")
    line = s.IntegerField()
    replicas = s.IntegerField(help_text="Pods at one time; of a DaemonSet those of one node")
    asked = AskedShape()
    faults = FindingShape(many=True, help_text="What Kubernetes itself does not accept")
    clouds = CloudShape(many=True)


class CompatibilityShape(s.Serializer[Any]):
    runs = s.BooleanField(help_text="Each workload runs on one of the clouds at least")
    workloads = WorkloadShape(many=True)
    skipped = s.ListField(child=s.CharField(), help_text="Objects that no cloud runs")


def refused(error: Unreadable) -> Refusal:
    return Refusal("unreadable_manifest", error.text, error.fix_text, 422)


def asked_targets(
    user: AnyUser,
    *,
    node: int | None,
    names: Sequence[str] = (),
    region: str = "",
    cluster: str = "",
) -> list[Target]:
    """Of a virtual node, else of clouds; `cluster` is the slug of the workload's own."""
    if node is not None:
        return targets.of_node(access(VirtualNode, user, pk=node))
    return targets.of_providers(
        names,
        accounts=visible(CloudAccount, user),
        region=region,
        cluster=access(Cluster, user, slug=cluster) if cluster else None,
    )


def stored(user: AnyUser, workload: Mapping[str, str]) -> list[Document]:
    """The workload as its cluster has it. Raises what `EXPLAINED` lists."""
    cluster = access(Cluster, user, slug=workload["cluster"])

    async def ask() -> list[Document]:
        kube = await runtime().kube(cluster.pk)
        kind, namespace, name = (workload[key] for key in ("kind", "namespace", "name"))
        return await fetch(kube, kind=kind, namespace=namespace, name=name)

    return runtime().run(ask())


def fetch_refused(error: Exception) -> Refusal:
    """What a cluster's refusal to show a workload means to the reader."""
    if isinstance(error, NotFound):
        return Refusal(
            "no_such_workload",
            _("The cluster has no such workload."),
            _("Check kind, namespace and name; all three are case-sensitive."),
            404,
        )
    if isinstance(error, Forbidden):
        return Refusal(
            "cluster_refused",
            _("The cluster does not let Spillway read it: %(error)s") % {"error": error},
            _("Apply the ClusterRole again, or paste the manifest."),
            502,
        )
    return explain(error)


class Compatibility(APIView):
    # Nothing is stored, so that a token that may only read may ask too.
    only_reads = True

    @extend_schema(
        summary="What each cloud would do with a workload, and what it would cost there",
        operation_id="compatibility_check",
        request=CompatibilityRequest,
        responses=CompatibilityShape,
    )
    def post(self, request: Request) -> Response:
        given = CompatibilityRequest(data=request.data)
        given.is_valid(raise_exception=True)
        return Response(as_data(self._report(request, given.validated_data)))

    def _report(self, request: Request, data: dict[str, Any]) -> Report:
        user = request.user
        chosen = asked_targets(
            user,
            node=data.get("node"),
            names=data["providers"],
            region=data["region"],
            cluster=data.get("cluster", ""),
        )
        try:
            found = documents.parse(data["yaml"]) if "yaml" in data else stored(user, data)
            return check(found, targets=chosen)
        except Unreadable as error:
            refusal = refused(error)
            extra = {"line": error.line, "path": error.path, "reason": error.code}
            raise Problem(
                refusal.code, refusal.detail, fix=refusal.fix, http=refusal.http, extra=extra
            ) from error
        except EXPLAINED as error:
            raise Problem.of(fetch_refused(error)) from error
