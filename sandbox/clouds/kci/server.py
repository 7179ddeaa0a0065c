"""The gateway: signatures, limits, permissions, faults, and the ledger around every action."""

import asyncio
import socket
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from ..groups import sessions
from ..groups.store import Call as CallLine
from . import signing, wire
from .actions import ACTIONS, Action, Call
from .agent import Agents
from .cloud import COMMIT_SECONDS, KciCloud
from .errors import (
    ApiFault,
    ConnectionLost,
    denied,
    mismatch,
    missing,
    throttled,
    token_expired,
    unknown_api,
    unknown_key,
)
from .keys import Key
from .wire import Json

MAX_LINE = 4 * 1024 * 1024
TOKEN_HEADERS = ("x-ksc-security-token", "x-amz-security-token")
SERVICES = frozenset({"kci", "iam", "sts", "kce", "vpc", "bill-union"})
ANYWHERE = frozenset({"iam", "sts", "bill-union"})
DOMAIN = ".api.ksyun.com"


@dataclass
class Envelope:
    """A request on its way through the gateway, filled as more becomes known."""

    request_id: str
    now: float
    json: bool
    flat: dict[str, str] = field(default_factory=dict)
    service: str = ""
    key: str = ""
    group_id: str = ""

    @property
    def action(self) -> str:
        """The action asked for."""
        return self.flat.get("Action", "")


class Gateway:
    """The HTTP server of one simulated account."""

    def __init__(self, cloud: KciCloud) -> None:
        self.cloud = cloud
        self.agents = Agents(cloud)
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
        self.agents.start()

    async def stop(self) -> None:
        """Stop listening and write everything down."""
        self.cloud.agenda.stop()
        await self.agents.stop()
        if self._commit:
            self._commit.cancel()
        if self._runner:
            await self._runner.cleanup()
        self.cloud.store.commit()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/exec/":
            return await self._exec(request)
        knobs = self.cloud.knobs
        if knobs.latency_ms:
            await asyncio.sleep(knobs.latency_ms / 1000)
        body = await request.read() if request.body_exists else b""
        as_json = "json" in request.headers.get("Accept", "")
        envelope = Envelope(self.cloud.new_id(), self.cloud.now(), as_json)
        headers: dict[str, str] = {}
        try:
            answer = self._answer(request, body, envelope)
            status, code = 200, ""
        except ApiFault as fault:
            answer, status, code = _refusal(fault), fault.status, fault.code
            headers = fault.detail or {}
        except ConnectionLost:
            self._log(envelope, 0, "ConnectionLost")
            if request.transport:
                request.transport.abort()
            return web.Response(status=499)
        self._log(envelope, status, code)
        if knobs.answer_ms:
            await asyncio.sleep(knobs.answer_ms / 1000)
        return self._respond(
            envelope, status, {"RequestId": envelope.request_id, **answer}, headers
        )

    @staticmethod
    def _respond(
        envelope: Envelope, status: int, answer: Json, headers: dict[str, str]
    ) -> web.Response:
        if envelope.json:
            text, kind = msgspec.json.encode(answer), "application/json"
        else:
            root = "ErrorResponse" if status != 200 else f"{envelope.action}Response"
            text, kind = wire.as_xml(root, answer), "text/xml"
        headers = {**headers, "X-KSC-Request-Id": envelope.request_id}
        return web.Response(
            body=text, status=status, headers=headers, content_type=kind, charset="utf-8"
        )

    def _answer(self, request: web.BaseRequest, body: bytes, envelope: Envelope) -> Json:
        path, _, query = request.raw_path.partition("?")
        envelope.flat = wire.parameters(query, request.headers.get("Content-Type", ""), body)
        names = {name.lower(): value for name, value in request.headers.items()}
        arrived = signing.Wire(request.method, path, query, names, body)
        key = self._authenticate(arrived, envelope)
        action = self._action(envelope)
        self._admit(key, envelope)
        return self._perform(key, action, envelope)

    def _authenticate(self, arrived: signing.Wire, envelope: Envelope) -> Key:
        cloud = self.cloud
        signed = signing.read(arrived)
        envelope.key, envelope.service = signed.access_key_id, signed.service
        self._check_scope(signed, arrived.headers["host"], envelope)
        signing.check_time(signed.moment, envelope.now)
        key = cloud.keys.by_id.get(signed.access_key_id)
        if key is None or key.disabled:
            raise unknown_key()
        _check_token(key, _token(arrived), envelope.now)
        if not signed.matches(key.access_key_secret):
            raise mismatch(
                "The request signature we calculated does not match the signature you provided."
            )
        key.used_at = envelope.now
        return key

    def _check_scope(self, signed: signing.Signed, host: str, envelope: Envelope) -> None:
        service = signed.service
        expected = envelope.flat.get("Service", service)
        label = host.partition(".")[0]
        if host.endswith(DOMAIN) and label not in {"internal", expected}:
            expected = label
        if service not in SERVICES or service != expected:
            raise mismatch(f"Credential should be scoped to correct service: {expected}.")
        if service not in ANYWHERE and signed.region != self.cloud.region:
            raise mismatch(f"Credential should be scoped to a valid region, not:{signed.region}.")

    @staticmethod
    def _action(envelope: Envelope) -> Action:
        for name in ("Action", "Version"):
            if not envelope.flat.get(name):
                raise missing(name)
        action = ACTIONS.get((envelope.service, envelope.flat["Version"], envelope.action))
        if action is None:
            raise unknown_api()
        return action

    def _admit(self, key: Key, envelope: Envelope) -> None:
        knobs = self.cloud.knobs
        take = self.cloud.buckets.take
        if knobs.limits and not take(envelope.action, knobs.calls_per_second, envelope.now):
            raise throttled()
        if not key.may(envelope.action):
            user = f"krn:ksc:iam::{self.cloud.account_id}:user/{key.user}"
            raise denied(user, f"{envelope.service}:{envelope.action}")

    def _perform(self, key: Key, action: Action, envelope: Envelope) -> Json:
        cloud, flat = self.cloud, envelope.flat
        fault = cloud.faults.draw(envelope.action, flat, _page(flat) if action.listing else 1)
        if fault and fault.when == "before" and not fault.lost_answer and not fault.empty:
            error = fault.error()
            if fault.retry_after_ms is not None:
                error.detail = {"Retry-After": f"{fault.retry_after_ms / 1000:g}"}
            raise error
        cloud.advance(envelope.now)
        call = Call(cloud, key, flat, envelope.now, self.url)
        if fault and fault.empty and action.listing:
            return {"MaxResults": 20, "Marker": 0, "TotalCount": 0, action.listing: []}
        try:
            answer = action.answer(call)
        finally:
            envelope.group_id = call.group_id
        if fault and fault.lost_answer:
            raise ConnectionLost
        if fault and fault.when == "after":
            raise fault.error()
        return answer

    def _log(self, envelope: Envelope, status: int, code: str) -> None:
        line = CallLine(
            action=envelope.action,
            access_key_id=envelope.key,
            parameters=wire.redacted(envelope.flat),
            status=status,
            code=code,
            request_id=envelope.request_id,
            container_group_id=envelope.group_id,
            service=envelope.service,
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
        session = self.cloud.sessions.take(request.query.get("token", ""), self.cloud.now())
        if session is None:
            return web.Response(status=401, text="the session has expired")
        group = self.cloud.groups.get(session.group_id)
        container = group.container(session.container) if group else None
        if group is None or container is None or container.state.kind != "Running":
            return web.Response(status=409, text="the container is not running")
        return await sessions.serve(request, session, group.environment(container))


def _refusal(fault: ApiFault) -> Json:
    kind = "Sender" if fault.status < 500 else "Receiver"
    return {"Error": {"Type": kind, "Code": fault.code, "Message": fault.message}}


def _token(arrived: signing.Wire) -> str:
    for name in TOKEN_HEADERS:
        if value := arrived.headers.get(name, "").strip():
            return value
    return signing.query_value(arrived.query, TOKEN_HEADERS)


def _check_token(key: Key, token: str, now: float) -> None:
    if token != key.token:
        raise unknown_key()
    if key.expires_at is not None and now >= key.expires_at:
        raise token_expired()


def _page(flat: dict[str, str]) -> int:
    marker, size = flat.get("Marker", ""), flat.get("MaxResults", "")
    start = int(marker) if marker.isdecimal() else 0
    return start // (int(size) if size.isdecimal() and int(size) else 20) + 1
