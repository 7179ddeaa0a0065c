"""The gateway of CS, RAM, STS and BSS: signatures, permissions, faults, and the ledger.

RPC requests go to ``/`` and name their action; ROA requests are told by method and path. Refusals
are worded as each of them words them: ``Code`` and ``Message`` there, ``code`` and ``message``
here.
"""

import asyncio
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
from aiohttp import web

from ..eci import signing
from ..eci.cloud import Key
from ..eci.entry import admit
from ..eci.errors import forbidden
from ..eci.parameters import nest
from ..groups.errors import ApiFault, ConnectionLost
from ..groups.faults import Fault
from ..groups.store import Call as CallLine
from . import bss, roa, rpc
from .core import Aliyun
from .entrance import Call

_FORM = "application/x-www-form-urlencoded"
_ACTIONS = {**rpc.ACTIONS, **bss.ACTIONS}
# Where RAM calls an action otherwise than the API does (CS API reference, of each operation).
_RAM_NAMES = {"DescribeClustersV1": "GetClusters", "UpgradeClusterAddons": "UpgradeK8sComponents"}
Json = dict[str, Any]


@dataclass
class Envelope:
    """A request on its way through the gateway, filled as more becomes known."""

    request_id: str
    now: float
    method: str
    path: str
    query: dict[str, str]
    body: bytes
    headers: dict[str, str]
    form: dict[str, str] = field(default_factory=dict)
    action: str = ""
    key_id: str = ""
    retry_after_ms: int | None = None

    @property
    def flat(self) -> dict[str, str]:
        """Query and form together."""
        return {**self.query, **self.form}

    @property
    def rpc(self) -> bool:
        """Tell RPC from ROA."""
        return self.path == "/"


class Gateway:
    """The HTTP server of CS, RAM and STS."""

    def __init__(self, cloud: Aliyun) -> None:
        self.cloud = cloud
        self.url = ""
        self._nonces = signing.Nonces()
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one, ``url`` tells which."""
        server = web.Server(self.handle, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        listener = socket.create_server((host, port), backlog=256)
        await web.SockSite(self._runner, listener).start()
        self.url = f"http://{host}:{listener.getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    def wants(self, request: web.BaseRequest) -> bool:
        """Tell whether a request is for CS, RAM, ACC, BSS or AssumeRole of STS."""
        if request.path != "/":
            return True
        version = request.headers.get("x-acs-version") or request.query.get("Version", "")
        action = request.headers.get("x-acs-action") or request.query.get("Action", "")
        return version in {rpc.RAM, rpc.ACC, rpc.BSS} or (version, action) == (
            rpc.STS,
            "AssumeRole",
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if self.cloud.cs.knobs.latency_ms:
            await asyncio.sleep(self.cloud.cs.knobs.latency_ms / 1000)
        envelope = await self._open(request)
        try:
            answer: Any = self._answer(envelope)
            status, code = 200, ""
        except ApiFault as fault:
            answer, status, code = self._refusal(envelope, fault), fault.status, fault.code
        except ConnectionLost:
            self._log(envelope, 0, "ConnectionLost")
            if request.transport:
                request.transport.abort()
            return web.Response(status=499)
        self._log(envelope, status, code)
        headers = {"x-acs-request-id": envelope.request_id}
        if envelope.retry_after_ms is not None:
            headers["x-acs-retry-after"] = str(envelope.retry_after_ms)
        return web.Response(
            body=b"" if answer is None else msgspec.json.encode(answer),
            status=status,
            headers=headers,
            content_type="application/json",
            charset="utf-8",
        )

    async def _open(self, request: web.BaseRequest) -> Envelope:
        path, _, query = request.raw_path.partition("?")
        body = await request.read() if request.body_exists else b""
        form = body.decode() if request.content_type == _FORM else ""
        return Envelope(
            request_id=self.cloud.new_request_id(),
            now=self.cloud.now(),
            method=request.method,
            path=path,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            body=body,
            headers={name.lower(): value for name, value in request.headers.items()},
            form=dict(parse_qsl(form, keep_blank_values=True)),
        )

    def _answer(self, envelope: Envelope) -> Any:
        if envelope.rpc:
            return self._rpc(envelope)
        return self._roa(envelope)

    def _rpc(self, envelope: Envelope) -> Json:
        flat, headers = envelope.flat, envelope.headers
        envelope.action = headers.get("x-acs-action") or flat.get("Action", "")
        version = headers.get("x-acs-version") or flat.get("Version", "")
        key = self._authenticate(envelope)
        handler = _ACTIONS.get((version, envelope.action))
        if handler is None:
            raise ApiFault("InvalidApi.NotFound", "Specified api is not found.", 404)
        product = rpc.PRODUCTS[version]
        if envelope.action not in rpc.OPEN:
            self._permit(envelope, key, product)
        params = nest({k: v for k, v in flat.items() if k not in signing.V1_COMMON})
        fault = self._draw(envelope, flat)
        cloud, activated = self.cloud, self.cloud.cs.knobs.acs_activated
        answer = handler(rpc.Call(cloud.ram, key, params, envelope.now, cloud.bills, activated))
        if not envelope.action.startswith(("Get", "List", "Describe")):
            self.cloud.keep()
        _after(fault)
        return {"RequestId": envelope.request_id, **answer}

    def _roa(self, envelope: Envelope) -> Any:
        envelope.action, handler, parts = _route(envelope)
        key = self._authenticate(envelope)
        self._permit(envelope, key, "cs")
        path = {name: unquote(value) for name, value in parts.items()}
        fault = self._draw(envelope, {**envelope.query, **path})
        inside = self.cloud.inside
        answer = handler(
            Call(
                self.cloud.cs,
                inside,
                self.cloud.networks,
                path,
                envelope.query,
                _decoded(envelope.body),
                envelope.request_id,
                envelope.now,
            )
        )
        if envelope.method != "GET":
            self.cloud.keep()
        _after(fault)
        return answer

    def _authenticate(self, envelope: Envelope) -> Key:
        headers = envelope.headers
        if authorization := headers.get("authorization", ""):
            path, query = envelope.path, envelope.query
            wire = signing.Wire(envelope.method, path, query, headers, envelope.body)
            signed = signing.read_v3(wire, authorization)
            token = headers.get("x-acs-security-token", "")
        else:
            signed = signing.read_v1(envelope.method, envelope.flat)
            token = envelope.flat.get("SecurityToken", "")
        envelope.key_id = signed.access_key_id
        return admit(signed, token, self.cloud.ram.keys, self._nonces, envelope.now)

    def _permit(self, envelope: Envelope, key: Key, product: str) -> None:
        action = _RAM_NAMES.get(envelope.action, envelope.action)
        if key.may(action, product):
            return
        account = self.cloud.account_id
        denied = forbidden(action, product, account, key.access_key_id)
        denied.code = "StatusForbidden" if product == "cs" else "NoPermission"
        raise denied

    def _draw(self, envelope: Envelope, flat: dict[str, str]) -> Fault | None:
        fault = self.cloud.cs.faults.draw(envelope.action, flat, 1)
        envelope.retry_after_ms = fault.retry_after_ms if fault else None
        if fault and fault.when == "before" and not fault.lost_answer:
            raise fault.error()
        return fault

    def _refusal(self, envelope: Envelope, fault: ApiFault) -> Json:
        if envelope.rpc:
            answer: Json = {
                "RequestId": envelope.request_id,
                "HostId": self.url.partition("://")[2],
                "Code": fault.code,
                "Message": fault.message,
            }
            return {**answer, "AccessDeniedDetail": fault.detail} if fault.detail else answer
        answer = {
            "code": fault.code,
            "message": fault.message,
            "requestId": envelope.request_id,
            "status": fault.status,
        }
        return {**answer, "accessDeniedDetail": fault.detail} if fault.detail else answer

    def _log(self, envelope: Envelope, status: int, code: str) -> None:
        parameters = {k: v for k, v in envelope.flat.items() if k not in signing.V1_COMMON}
        if not envelope.rpc:
            parameters = {**parameters, "path": envelope.path}
            if envelope.body:
                parameters["body"] = envelope.body.decode(errors="replace")
        line = CallLine(
            action=envelope.action,
            access_key_id=envelope.key_id,
            parameters=parameters,
            status=status,
            code=code,
            request_id=envelope.request_id,
            container_group_id="",
            service="rpc" if envelope.rpc else "cs",
        )
        self.cloud.record(line, envelope.now)


def _route(envelope: Envelope) -> tuple[str, roa.Handler, dict[str, str]]:
    for method, pattern, action, handler in roa.ROUTES:
        found = pattern.fullmatch(envelope.path)
        if found and method == envelope.method:
            return action, handler, found.groupdict()
    raise ApiFault("InvalidAction.NotFound", "Specified api is not found.", 404)


def _after(fault: Fault | None) -> None:
    if fault and fault.lost_answer:
        raise ConnectionLost
    if fault and fault.when == "after":
        raise fault.error()


def _decoded(body: bytes) -> Any:
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as exc:
        raise ApiFault("InvalidParameter", "the body is not JSON") from exc
