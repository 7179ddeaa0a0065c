"""What a pod refers to outside itself, fetched with few calls, and what is missing of it.

The kubelet waits with `CreateContainerConfigError` (environment) or stays in ContainerCreating
(volumes) until a ConfigMap, Secret or claim exists; so do we, with the kubelet's own sentences
(`configmap "x" not found`, `couldn't find key k in ConfigMap ns/x`).
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kube import Kube
from kube.errors import Forbidden, NotFound
from kube.resources import (
    CONFIGMAPS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Resource,
)

Json = Mapping[str, Any]
CACHE_SECONDS = 5.0
DEFAULT_TOKEN_SECONDS = 3600
_RESOURCES = {
    "configmaps": CONFIGMAPS,
    "secrets": SECRETS,
    "serviceaccounts": SERVICE_ACCOUNTS,
    "persistentvolumeclaims": PERSISTENT_VOLUME_CLAIMS,
    "persistentvolumes": PERSISTENT_VOLUMES,
}
_SINGULAR = {
    "configmaps": "configmap",
    "secrets": "secret",
    "persistentvolumeclaims": "persistentvolumeclaim",
    "persistentvolumes": "persistentvolume",
}


class MissingReference(Exception):
    """The pod waits: `reason` is what the kubelet shows as the waiting reason of its containers."""

    def __init__(self, message: str, *, reason: str, reference: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.reference = reference


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """`kind` is the plural resource name; `str()` is how `PodRow.references` spells it."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class TokenRef:
    """A bound service account token that a projected volume asks for."""

    account: str
    audience: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Wanted:
    objects: frozenset[Ref]
    tokens: frozenset[TokenRef]
    service_links: bool
    cluster_dns: bool


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was found: an object that does not exist is None, an unasked one is absent.

    `room` is the vCPUs and bytes of the instance, once its size is known: what a node has to give.
    """

    objects: Mapping[Ref, Json | None] = field(default_factory=dict)
    tokens: Mapping[TokenRef, str] = field(default_factory=dict, repr=False)
    services: tuple[Json, ...] = ()
    cluster_dns: str = ""
    room: Mapping[str, Decimal] = field(default_factory=dict)

    def find(self, kind: str, namespace: str, name: str) -> Json | None:
        return self.objects.get(Ref(kind, namespace, name))

    def need(self, kind: str, namespace: str, name: str, *, reason: str, prefix: str = "") -> Json:
        """The object, or the kubelet's complaint that it is missing."""
        found = self.find(kind, namespace, name)
        if found is None:
            raise MissingReference(
                f'{prefix}{_SINGULAR[kind]} "{name}" not found',
                reason=reason,
                reference=str(Ref(kind, namespace, name)),
            )
        return found


def all_containers(pod: Json) -> Iterator[Json]:
    spec = pod["spec"]
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def wanted(pod: Json) -> Wanted:
    """Everything that `resolve` has to fetch for this pod; pure."""
    spec = pod["spec"]
    namespace = pod["metadata"]["namespace"]
    objects = {
        Ref(kind, namespace, name) for kind, name in (*_of_environment(pod), *_of_volumes(spec))
    }
    account = spec.get("serviceAccountName") or "default"
    pulls = [entry["name"] for entry in spec.get("imagePullSecrets") or () if entry.get("name")]
    objects |= {Ref("secrets", namespace, name) for name in pulls}
    if not pulls:
        objects.add(Ref("serviceaccounts", namespace, account))
    return Wanted(
        objects=frozenset(objects),
        tokens=frozenset(_tokens(spec, account)),
        service_links=spec.get("enableServiceLinks", True) is not False,
        cluster_dns=spec.get("dnsPolicy", "ClusterFirst").startswith("ClusterFirst"),
    )


def _of_environment(pod: Json) -> Iterator[tuple[str, str]]:
    for container in all_containers(pod):
        for source in container.get("envFrom") or ():
            if reference := source.get("configMapRef"):
                yield "configmaps", reference["name"]
            if reference := source.get("secretRef"):
                yield "secrets", reference["name"]
        for variable in container.get("env") or ():
            value = variable.get("valueFrom") or {}
            if reference := value.get("configMapKeyRef"):
                yield "configmaps", reference["name"]
            if reference := value.get("secretKeyRef"):
                yield "secrets", reference["name"]


def _of_volumes(spec: Json) -> Iterator[tuple[str, str]]:
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            if reference := source.get("configMap"):
                yield "configmaps", reference["name"]
            if reference := source.get("secret"):
                yield "secrets", reference.get("secretName") or reference["name"]
        if claim := volume.get("persistentVolumeClaim"):
            yield "persistentvolumeclaims", claim["claimName"]


def _tokens(spec: Json, account: str) -> Iterator[TokenRef]:
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if token := source.get("serviceAccountToken"):
                yield TokenRef(
                    account,
                    token.get("audience", ""),
                    int(token.get("expirationSeconds") or DEFAULT_TOKEN_SECONDS),
                )


class Resolver:
    """Fetches for the pods of one cluster; what was found is good for a few seconds.

    The cache makes a thousand pods of one Deployment cost a handful of GETs. A missing object is
    never cached, so that a pod goes on as soon as it appears. One event loop only.
    """

    def __init__(
        self, kube: Kube, *, monotonic: Callable[[], float], seconds: float = CACHE_SECONDS
    ) -> None:
        self._kube = weakref.ref(kube)
        self._monotonic = monotonic
        self._seconds = seconds
        self._cache: dict[Any, tuple[float, asyncio.Future[Any]]] = {}

    @property
    def kube(self) -> Kube:
        kube = self._kube()
        if kube is None:
            raise RuntimeError("the client of the cluster was replaced")
        return kube

    async def resolve(self, pod: Json) -> Resolved:
        """Raises `KubeError` when the API cannot be asked, `MissingReference` for an object that we
        may not read; what is not there is None."""
        ask = wanted(pod)
        refs = sorted(ask.objects)
        found = dict(
            zip(refs, await asyncio.gather(*(self._object(ref) for ref in refs)), strict=True)
        )
        found |= await self._second_hop(found)
        return Resolved(
            objects=found,
            tokens={token: await self._token(pod, token) for token in sorted_tokens(ask.tokens)},
            services=await self._services(pod["metadata"]["namespace"], links=ask.service_links),
            cluster_dns=await self._cluster_dns() if ask.cluster_dns else "",
        )

    async def _second_hop(self, found: Mapping[Ref, Json | None]) -> dict[Ref, Any]:
        """Volumes behind bound claims, and the pull secrets that the service account names."""
        more: set[Ref] = set()
        for ref, value in found.items():
            if value is None:
                continue
            if ref.kind == "persistentvolumeclaims" and value["spec"].get("volumeName"):
                more.add(Ref("persistentvolumes", "", value["spec"]["volumeName"]))
            if ref.kind == "serviceaccounts":
                names = (entry.get("name") for entry in value.get("imagePullSecrets") or ())
                more |= {Ref("secrets", ref.namespace, name) for name in names if name}
        refs = sorted(more - set(found))
        values = await asyncio.gather(*(self._object(ref) for ref in refs))
        return dict(zip(refs, values, strict=True))

    async def _object(self, ref: Ref) -> Json | None:
        async def fetch() -> Json | None:
            try:
                return await self.kube.get(_RESOURCES[ref.kind], ref.name, ref.namespace or None)
            except NotFound:
                return None
            except Forbidden as error:
                # The rest of the cluster answers: only who names such an object waits.
                raise MissingReference(
                    error.message, reason="ContainerCreating", reference=str(ref)
                ) from error

        return await self._once(ref, fetch)  # type: ignore[no-any-return]

    async def services(self, namespace: str) -> Sequence[Json]:
        """Those of the namespace itself."""

        async def listed() -> Sequence[Json]:
            return (await self.kube.list(SERVICES, namespace)).items

        found: Sequence[Json] = await self._once(("services", namespace), listed)
        return found

    async def _services(self, namespace: str, *, links: bool) -> tuple[Json, ...]:
        async def masters() -> list[Json]:
            try:
                return [await self.kube.get(SERVICES, "kubernetes", "default")]
            except NotFound:
                return []

        first = await self._once("master", masters)
        if not links:
            return tuple(first)
        own = await self.services(namespace)
        seen = {service["metadata"]["name"] for service in own} if namespace == "default" else set()
        return (*own, *(s for s in first if s["metadata"]["name"] not in seen))

    async def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        async def fetch() -> Json | None:
            try:
                return await self.kube.get(NAMESPACES, namespace)
            except NotFound:
                return None

        found = await self._once(("namespace", namespace), fetch)
        return dict((found or {"metadata": {}})["metadata"].get("labels") or {})

    async def _cluster_dns(self) -> str:
        async def fetch() -> str:
            try:
                service = await self.kube.get(SERVICES, "kube-dns", "kube-system")
            except (NotFound, Forbidden):
                return ""
            address = service["spec"].get("clusterIP", "")
            return "" if address == "None" else str(address)

        return str(await self._once("dns", fetch))

    async def _token(self, pod: Json, token: TokenRef) -> str:
        """A token bound to this pod (TokenRequest API); never cached."""
        meta = pod["metadata"]
        resource = Resource(
            "", "v1", f"serviceaccounts/{token.account}/token", "TokenRequest", namespaced=True
        )
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [token.audience] if token.audience else [],
                "expirationSeconds": token.seconds,
                "boundObjectRef": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": meta["name"],
                    "uid": meta["uid"],
                },
            },
        }
        try:
            answer = await self.kube.create(resource, body, meta["namespace"])
        except NotFound as error:
            raise MissingReference(
                f'serviceaccount "{token.account}" not found', reason="ContainerCreating"
            ) from error
        return str(answer["status"]["token"])

    async def _once(self, key: Any, fetch: Callable[[], Any]) -> Any:
        """One call in flight per key; the answer is shared until it is too old or was nothing."""
        now = self._monotonic()
        held = self._cache.get(key)
        if held is not None and held[0] > now:
            return await asyncio.shield(held[1])
        future = asyncio.ensure_future(fetch())
        self._cache[key] = (now + self._seconds, future)
        try:
            value = await asyncio.shield(future)
        except BaseException:
            self._cache.pop(key, None)
            raise
        if value is None:
            self._cache.pop(key, None)
        self._shrink(now)
        return value

    def _shrink(self, now: float) -> None:
        if len(self._cache) > 2000:
            self._cache = {k: v for k, v in self._cache.items() if v[0] > now}


def sorted_tokens(tokens: frozenset[TokenRef]) -> list[TokenRef]:
    return sorted(tokens, key=lambda token: (token.account, token.audience, token.seconds))
