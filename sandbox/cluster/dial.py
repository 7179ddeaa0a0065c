"""The way to a kubelet that is not simulated here: dialled like the real API server does.

``https://<InternalIP>:<kubeletEndpoint.Port>/containerLogs/<ns>/<pod>/<container>``, ``/exec/...``,
with a client certificate of the cluster; the kubelet's own certificate is not checked, as without
``--kubelet-certificate-authority``.
"""

import asyncio
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

from sandbox.cluster import errors, pki

if TYPE_CHECKING:
    from sandbox.cluster.connect import Place
    from sandbox.cluster.verbs import Call

Obj = dict[str, Any]
_LOG_OPTIONS = (
    "follow",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "tailLines",
    "limitBytes",
)
_RENAMED = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}


def _address(call: "Call", name: str) -> tuple[str, int]:
    resource = call.cluster.catalog.named("nodes")
    status = call.cluster.registry.entry(resource, "", name).obj.get("status") or {}
    found = {a["type"]: a["address"] for a in reversed(status.get("addresses") or ())}
    host = found.get("InternalIP") or found.get("Hostname") or found.get("ExternalIP")
    if not host:
        raise errors.ApiError(
            500, "", f'no preferred addresses found; known addresses: [] of "{name}"'
        )
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port", 10250)
    return host, int(port)


def client_context(authority: pki.Pair) -> ssl.SSLContext:
    """Return the TLS context the API server dials kubelets with."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    pair = pki.issue(
        authority, "kube-apiserver-kubelet-client", organizations=("kubeadm:cluster-admins",)
    )
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        path = Path(folder) / "client.pem"
        path.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(path)
    return context


def _failure(method: str, url: str, error: Exception) -> errors.ApiError:
    cause: BaseException = error
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    host = url.split("/")[2]
    if isinstance(cause, ConnectionRefusedError):
        text = f"dial tcp {host}: connect: connection refused"
    elif isinstance(cause, TimeoutError):
        text = f"dial tcp {host}: i/o timeout"
    else:
        text = f"dial tcp {host}: {cause}"
    return errors.ApiError(500, "", f'{method} "{url}": {text}')


async def logs(call: "Call", place: "Place") -> web.StreamResponse:
    """Copy the log of a container from its kubelet; ApiError 500 when nobody listens."""
    host, port = _address(call, place.node)
    query = urlencode({k: call.query[k] for k in _LOG_OPTIONS if k in call.query})
    target = call.target
    url = f"https://{host}:{port}/containerLogs/{target.namespace}/{target.name}/{place.container}"
    if query:
        url += f"?{query}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, ssl=client_context(call.cluster.identity.authority)) as answer,
        ):
            if answer.status >= 400:
                raise errors.ApiError(answer.status, "", (await answer.text()).strip())
            response = web.StreamResponse(headers={"Content-Type": "text/plain"})
            response.enable_chunked_encoding()
            await response.prepare(call.http)
            async for data in answer.content.iter_any():
                await response.write(data)
            await response.write_eof()
            return response
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise _failure("Get", url, error) from error


async def session(call: "Call", place: "Place", protocols: tuple[str, ...]) -> web.StreamResponse:
    """Join the caller's WebSocket with one to the kubelet."""
    host, port = _address(call, place.node)
    target = call.target
    pairs = [("command", c) for c in call.http.query.getall("command", [])]
    pairs += [(new, "1") for old, new in _RENAMED.items() if call.query.get(old) == "true"]
    path = f"{target.subresource}/{target.namespace}/{target.name}/{place.container}"
    url = f"https://{host}:{port}/{path}?{urlencode(pairs)}"
    try:
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(
                url,
                protocols=protocols,
                ssl=client_context(call.cluster.identity.authority),
            ) as upstream,
        ):
            chosen = upstream.protocol
            downstream = web.WebSocketResponse(protocols=(chosen,) if chosen else ())
            await downstream.prepare(call.http)
            await _join(downstream, upstream)
            await downstream.close()
            return downstream
    except aiohttp.WSServerHandshakeError as error:
        raise errors.ApiError(
            error.status, "", f"unable to upgrade connection: {error.message}"
        ) from error
    except (aiohttp.ClientConnectionError, OSError) as error:
        message = _failure("Get", url, error).message.partition('": ')[2]
        raise errors.ApiError(500, "", f"error dialing backend: {message}") from error


async def _copy(source: Any, target: Any) -> None:
    async for message in source:
        if message.type == WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type == WSMsgType.TEXT:
            await target.send_str(message.data)


async def _join(one: Any, other: Any) -> None:
    tasks = [asyncio.ensure_future(_copy(one, other)), asyncio.ensure_future(_copy(other, one))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
