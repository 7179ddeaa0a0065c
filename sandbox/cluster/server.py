"""The HTTPS front of one cluster: authentication, faults, routing, answers.

Every request passes one function; a handler raises ApiError and the border here turns it into a
Status. Streams (watch, log, exec) answer by themselves.
"""

import asyncio
import logging
import random
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.cluster import discovery, errors, openapi, route, verbs, wire
from sandbox.cluster.auth import account_user
from sandbox.cluster.request import User
from sandbox.cluster.selectors import exact_field
from sandbox.cluster.store import encode
from sandbox.cluster.verbs import Call

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster

Obj = dict[str, Any]
logger = logging.getLogger(__name__)
VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "gitCommit": "9d94d9ccd2b6a6b4f3b2f3ac2f8b7f86c5b1a0d2",
    "gitTreeState": "clean",
    "buildDate": "2026-06-16T08:00:00Z",
    "goVersion": "go1.26.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_OPEN = ("/healthz", "/livez", "/readyz", "/version")


class Server:
    """Listens on one port for one cluster."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster
        self._rng = random.Random()
        self._runner: web.ServerRunner | None = None
        self._front: web.Server | None = None
        self._documents: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.streams: set[asyncio.Task[Any]] = set()

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen; returns the port, which is a free one when 0 was asked."""
        self._front = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(self._front, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=context, backlog=1024)
        await site.start()
        address: tuple[str, int] = self._runner.addresses[0]
        return address[1]

    async def stop(self) -> None:
        """Close the port and every stream."""
        for task in list(self.streams):
            task.cancel()
        if self._runner and self._front:
            for connection in self._front.connections:
                if connection.transport:
                    connection.transport.abort()
            await asyncio.sleep(0)
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._faulty(request)
        except errors.ApiError as error:
            return wire.failure(error)
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except Exception as error:  # the border: the client gets a 500, the log the cause
            logger.exception("%s %s", request.method, request.path)
            return wire.failure(errors.internal(repr(error)))

    async def _faulty(self, request: web.BaseRequest) -> web.StreamResponse:
        faults = self._cluster.faults
        if faults.down:
            if request.transport:
                request.transport.abort()
            raise ConnectionResetError("the cluster is down")
        if faults.latency_ms:
            await asyncio.sleep(faults.latency_ms / 1000)
        if faults.error_rate and self._rng.random() < faults.error_rate:
            raise self._failure()
        user = self._authenticate(request)
        return await self._route(request, user)

    def _failure(self) -> errors.ApiError:
        if self._rng.random() < 0.5:
            return errors.internal("etcdserver: request timed out")
        message = "the server is currently unable to handle the request"
        return errors.ApiError(503, "ServiceUnavailable", message)

    def _authenticate(self, request: web.BaseRequest) -> User:
        if self._cluster.faults.revoked:
            raise errors.unauthorized()
        transport = request.transport
        certificate = transport.get_extra_info("peercert") if transport else None
        user = self._cluster.authenticator.user(
            request.headers.get("Authorization", ""), certificate
        )
        return self._impersonated(request, user)

    def _impersonated(self, request: web.BaseRequest, user: User) -> User:
        """Return whom the request acts as; raises ApiError 403 without the impersonate verb."""
        name = request.headers.get("Impersonate-User")
        if not name:
            return user
        groups = tuple(request.headers.getall("Impersonate-Group", ()))
        wanted = [("users", name), *(("groups", group) for group in groups)]
        for kind, target in wanted:
            if not self._cluster.authorizer.allows(
                user, "impersonate", "", kind, namespace="", name=target
            ):
                why = f'User "{user.name}" cannot impersonate resource "{kind}" in API group "" at '
                raise errors.forbidden(kind, "", target, why + "the cluster scope")
        if name.startswith("system:serviceaccount:"):
            _, _, namespace, account = name.split(":", 3)
            return account_user(namespace, account)
        return User(name, (*groups, "system:authenticated"))

    async def _route(self, request: web.BaseRequest, user: User) -> web.StreamResponse:
        path = request.path
        if path.startswith(("/api/v", "/apis/")) and path.count("/") > 3 - path.startswith(
            "/api/v"
        ):
            return await self._resource(request, user)
        self._cluster.authorizer.check_path(user, request.method.lower(), path)
        return self._document(request, path.rstrip("/") or "/")

    def _document(self, request: web.BaseRequest, path: str) -> web.Response:
        catalog = self._cluster.catalog
        accept = request.headers.get("Accept", "")
        if path in _OPEN or path.startswith(("/livez/", "/readyz/", "/healthz/")):
            if path == "/version":
                return wire.document({**VERSION, "gitVersion": self._cluster.version})
            return web.Response(text="ok")
        if path in ("/api", "/apis"):
            return self._discovery(path, accept)
        if path.startswith("/openapi"):
            return self._openapi(path, accept)
        parts = path.strip("/").split("/")
        found: Obj | None = None
        if path == "/api/v1":
            found = discovery.resource_list(catalog, "", "v1")
        elif parts[0] == "apis" and len(parts) == 2:
            found = discovery.group(catalog, parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            found = discovery.resource_list(catalog, parts[1], parts[2])
        elif path == "/":
            found = {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/openapi/v3", "/version"]}
        if found is None:
            raise errors.no_such_path()
        return wire.document(found)

    def _discovery(self, path: str, accept: str) -> web.Response:
        catalog = self._cluster.catalog
        if "g=apidiscovery.k8s.io;v=v2;" in accept:
            kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            response = wire.document(discovery.aggregated(catalog, core=path == "/api"))
            response.headers["Content-Type"] = kind
            return response
        if path == "/api":
            return wire.document(discovery.api_versions(self._cluster.address))
        return wire.document(discovery.group_list(catalog))

    def _openapi(self, path: str, accept: str) -> web.Response:
        catalog = self._cluster.catalog
        if path == "/openapi/v2":
            if "protobuf" in accept and "application/json" not in accept:
                kind = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
                return web.Response(body=openapi.V2_PROTOBUF, headers={"Content-Type": kind})
            return wire.document(openapi.v2())
        if path == "/openapi/v3":
            return wire.document(openapi.index(catalog))
        parts = path.removeprefix("/openapi/v3/").split("/")
        key = (parts[1], parts[2]) if len(parts) == 3 else ("", parts[-1])
        cached = self._documents.get(key)
        if cached is None or cached[0] != catalog.generation:
            found = openapi.document(catalog, *key)
            if found is None:
                raise errors.no_such_path()
            cached = self._documents[key] = (catalog.generation, encode(found))
        return wire.answer(cached[1])

    async def _resource(self, request: web.BaseRequest, user: User) -> web.StreamResponse:
        target = route.parse(self._cluster.catalog, request.path)
        query = request.query
        watching = query.get("watch", "").lower() in ("true", "1")
        verb = route.verb(request.method, target, watching=watching)
        streams = target.subresource in ("exec", "attach", "portforward")
        asked = _authorized(target, query.get("fieldSelector", ""))
        self._cluster.authorizer.check(user, "create" if streams else verb, asked)
        faults = self._cluster.faults
        writes = verb in ("update", "patch")
        if writes and faults.conflict_rate and self._rng.random() < faults.conflict_rate:
            resource = target.resource
            raise errors.conflict(resource.plural, resource.group, target.name)
        call = Call(self._cluster, request, user, target, verb, query)
        response = await verbs.serve(call)
        if verb == "create" and target.resource.name == "pods" and faults.loses_answer():
            if request.transport:
                request.transport.abort()
            raise ConnectionResetError("the answer is lost")
        return response


def _authorized(target: route.Target, fields: str) -> route.Target:
    """Name what a list or watch of one object is about.

    So it counts under ``resourceNames`` (k8s.io/apiserver, endpoints/request, RequestInfoFactory).
    """
    if target.name or not fields:
        return target
    return replace(target, name=exact_field(fields, "metadata.name") or "")
