"""The gateway: signatures, limits, permissions, faults, and the ledger around every action."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from ..groups import sessions
from ..groups.faults import Fault
from ..groups.store import Call as CallLine
from . import signing
from .actions import ACTIONS, PRODUCTS, Action, Call
from .actions.groups import page_number
from .cloud import COMMIT_SECONDS, EciCloud, Key
from .entry import admit
from .errors import ApiFault, ConnectionLost, forbidden
from .parameters import nest

MAX_LINE = 4 * 1024 * 1024
_FORM = "application/x-www-form-urlencoded"


@dataclass
class Envelope:
    """A request on its way through the gateway, filled as more becomes known."""

    request_id: str
    now: float
    flat: dict[str, str] = field(default_factory=dict)
    action: str = ""
    version: str = ""
    key: str = ""
    group_id: str = ""


class Neighbour(Protocol):
    """Other products of the account that answer at the same address."""

    def wants(self, request: web.BaseRequest) -> bool:
        """Tell whether a request is for one of them."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer it."""


class Gateway:
    """The HTTP server of one simulated account."""

    def __init__(self, cloud: EciCloud) -> None:
        self.cloud = cloud
        self.neighbour: Neighbour | None = None
        self.url = ""
        self._runner: web.ServerRunner | None = None
        self._commit: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one, ``url`` tells which."""
        server = web.Server(
            self._handle,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            keepalive_timeout=120.0,
            access_log=None,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        listener = socket.create_server((host, port), backlog=1024)
        await web.SockSite(self._runner, listener).start()
        self.url = f"http://{host}:{listener.getsockname()[1]}"
        self.cloud.advance(self.cloud.now())
        self.cloud.agenda.start()

    async def stop(self) -> None:
        """Stop listening and write everything down."""
        self.cloud.agenda.stop()
        if self._commit:
            self._commit.cancel()
        if self._runner:
            await self._runner.cleanup()
        self.cloud.store.commit()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/exec/":
            return await self._exec(request)
        if self.neighbour and self.neighbour.wants(request):
            return await self.neighbour.handle(request)
        if self.cloud.knobs.latency_ms:
            await asyncio.sleep(self.cloud.knobs.latency_ms / 1000)
        body = await request.read() if request.body_exists else b""
        envelope = Envelope(self.cloud.new_request_id(), self.cloud.now())
        try:
            answer = self._answer(request, body, envelope)
            status, code = 200, ""
        except ApiFault as fault:
            answer, status, code = self._refusal(envelope, fault), fault.status, fault.code
        except ConnectionLost:
            self._log(envelope, 0, "ConnectionLost")
            if request.transport:
                request.transport.abort()
            return web.Response(status=499)
        self._log(envelope, status, code)
        if self.cloud.knobs.answer_ms:
            await asyncio.sleep(self.cloud.knobs.answer_ms / 1000)
        return self._respond(envelope, status, answer)

    def _respond(self, envelope: Envelope, status: int, answer: dict[str, Any]) -> web.Response:
        headers = {
            "x-acs-request-id": envelope.request_id,
            "Date": formatdate(int(envelope.now), usegmt=True),
        }
        retry_after = answer.pop("retry_after_ms", None)
        if retry_after is not None:
            headers["x-acs-retry-after"] = str(retry_after)
        return web.Response(
            body=msgspec.json.encode(answer),
            status=status,
            headers=headers,
            content_type="application/json",
            charset="utf-8",
        )

    def _answer(self, request: web.BaseRequest, body: bytes, envelope: Envelope) -> dict[str, Any]:
        cloud = self.cloud
        path, _, query = request.raw_path.partition("?")
        pairs = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=20_000))
        form = body if request.content_type == _FORM else b""
        fields = dict(parse_qsl(form.decode(), keep_blank_values=True, max_num_fields=20_000))
        headers = request.headers
        envelope.flat = {**pairs, **fields}
        envelope.action = headers.get("x-acs-action") or envelope.flat.get("Action", "")
        envelope.version = headers.get("x-acs-version") or envelope.flat.get("Version", "")
        key = self._authenticate(request, path, pairs, body, envelope)
        action = ACTIONS.get((envelope.version, envelope.action))
        if action is None:
            raise ApiFault("InvalidApi.NotFound", "Specified api is not found.", 404)
        if cloud.knobs.limits and not cloud.buckets.take(envelope.action, envelope.now):
            raise ApiFault("Throttling.User", "Request was denied due to user flow control.")
        params = nest({k: v for k, v in envelope.flat.items() if k not in signing.V1_COMMON})
        fault = cloud.faults.draw(envelope.action, envelope.flat, _page(action, params))
        if fault and fault.when == "before" and not fault.lost_answer and not fault.empty:
            return self._planted(fault)
        cloud.advance(envelope.now)
        call = Call(cloud, key, envelope.flat, params, envelope.now, envelope.request_id, self.url)
        try:
            answer = self._perform(action, call, envelope, fault)
        finally:
            envelope.group_id = call.group_id or params.get("ContainerGroupId", "")
        if fault and fault.lost_answer:
            raise ConnectionLost
        if fault and fault.when == "after" and not fault.empty:
            return self._planted(fault)
        return {"RequestId": envelope.request_id, **answer}

    @staticmethod
    def _planted(fault: Fault) -> dict[str, Any]:
        error = fault.error()
        if fault.retry_after_ms is not None:
            error.detail = {"retry_after_ms": fault.retry_after_ms}
        raise error

    def _perform(
        self, action: Action, call: Call, envelope: Envelope, fault: Fault | None
    ) -> dict[str, Any]:
        product = PRODUCTS[envelope.version]
        permitted = action.open or call.key.may(envelope.action, product)
        if action.listing and (not permitted or (fault and fault.empty)):
            return {"TotalCount": 0, action.listing: [], "NextToken": ""}
        if not permitted:
            raise forbidden(envelope.action, product, self.cloud.account_id, call.key.access_key_id)
        return action.handler(call)

    def _authenticate(
        self,
        request: web.BaseRequest,
        path: str,
        pairs: Mapping[str, str],
        body: bytes,
        envelope: Envelope,
    ) -> Key:
        authorization = request.headers.get("Authorization", "")
        if authorization:
            headers = {name.lower(): value for name, value in request.headers.items()}
            wire = signing.Wire(request.method, path, pairs, headers, body)
            signed = signing.read_v3(wire, authorization)
            token = headers.get("x-acs-security-token", "")
        else:
            signed = signing.read_v1(request.method, envelope.flat)
            token = envelope.flat.get("SecurityToken", "")
        envelope.key = signed.access_key_id
        return admit(signed, token, self.cloud.keys, self.cloud.nonces, envelope.now)

    def _refusal(self, envelope: Envelope, fault: ApiFault) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "RequestId": envelope.request_id,
            "HostId": self.url.partition("://")[2],
            "Code": fault.code,
            "Message": fault.message,
            "Recommend": f"https://api.aliyun.com/troubleshoot?q={fault.code}&product=Eci",
        }
        if fault.detail and "retry_after_ms" in fault.detail:
            answer["retry_after_ms"] = fault.detail["retry_after_ms"]
        elif fault.detail:
            answer["AccessDeniedDetail"] = fault.detail
        return answer

    def _log(self, envelope: Envelope, status: int, code: str) -> None:
        parameters = {k: v for k, v in envelope.flat.items() if k not in signing.V1_COMMON}
        line = CallLine(
            action=envelope.action,
            access_key_id=envelope.key,
            parameters=parameters,
            status=status,
            code=code,
            request_id=envelope.request_id,
            container_group_id=envelope.group_id,
        )
        self.cloud.record(line, envelope.now)
        if self.cloud.store.owes:
            self.cloud.store.commit()
        elif self._commit is None:
            loop = asyncio.get_running_loop()
            self._commit = loop.call_later(COMMIT_SECONDS, self._commit_later)

    def _commit_later(self) -> None:
        self._commit = None
        self.cloud.store.commit()

    async def _exec(self, request: web.BaseRequest) -> web.StreamResponse:
        session = self.cloud.sessions.take(request.query.get("s", ""), self.cloud.now())
        if session is None:
            return web.Response(status=401, text="the session has expired")
        group = self.cloud.groups.get(session.group_id)
        container = group.container(session.container) if group else None
        if group is None or container is None or container.state.kind != "Running":
            return web.Response(status=409, text="the container is not running")
        return await sessions.serve(request, session, group.environment(container))


def _page(action: Action, params: dict[str, Any]) -> int:
    return page_number(params) if action.listing else 1
