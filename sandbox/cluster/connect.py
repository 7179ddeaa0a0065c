"""pods/log, pods/exec and pods/attach: to a simulated kubelet here, or by dialling a real one.

exec and attach speak the WebSocket subprotocols ``v5.channel.k8s.io`` and ``v4.channel.k8s.io``:
one byte of channel (0 stdin, 1 stdout, 2 stderr, 3 status, 4 resize, 255 close), then data.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from sandbox.cluster import dial, errors
from sandbox.cluster.clock import parse_time
from sandbox.cluster.store import Event

if TYPE_CHECKING:
    from sandbox.cluster.verbs import Call

Obj = dict[str, Any]
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
SUCCESS: Obj = {"metadata": {}, "status": "Success"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a container runs."""

    pod: Obj
    container: str
    node: str


async def serve(call: "Call") -> web.StreamResponse | None:
    """Answer a stream, or return None when the request is none."""
    handler = _STREAMS.get(call.target.subresource)
    if handler is None or call.resource.name != "pods":
        return None
    result: web.StreamResponse = await handler(call)
    return result


def _place(call: "Call") -> Place:
    target = call.target
    entry = call.cluster.registry.entry(call.resource, target.namespace, target.name)
    spec = entry.obj["spec"]
    names = [
        item["name"]
        for kind in ("initContainers", "containers", "ephemeralContainers")
        for item in spec.get(kind) or ()
    ]
    container = call.query.get("container", "")
    main = [item["name"] for item in spec["containers"]]
    if not container:
        if len(main) != 1:
            listed = " ".join(main)
            raise errors.bad_request(
                f"a container name must be specified for pod {target.name}, choose one of: "
                f"[{listed}]"
            )
        container = main[0]
    if container not in names:
        raise errors.bad_request(f"container {container} is not valid for pod {target.name}")
    return Place(entry.obj, container, spec.get("nodeName", ""))


def _integer(call: "Call", name: str) -> int | None:
    text = call.query.get(name)
    if text is None or text == "":
        return None
    if not text.lstrip("-").isdigit():
        raise errors.bad_request(f'{name}: invalid value "{text}"')
    value = int(text)
    if value < 0:
        cause = errors.cause(
            "FieldValueInvalid", name, f"Invalid value: {value}: must be greater than or equal to 0"
        )
        raise errors.invalid("PodLogOptions", "", call.target.name, [cause])
    return value


def _flag(call: "Call", name: str) -> bool:
    return call.query.get(name, "").lower() in ("true", "1")


def _since(call: "Call") -> int | None:
    text = call.query.get("sinceTime")
    if not text:
        return _integer(call, "sinceSeconds")
    past = call.cluster.clock.now() - parse_time(text)
    return max(1, int(past.total_seconds()))


async def _log(call: "Call") -> web.StreamResponse:
    place = _place(call)
    if not place.node:
        return web.Response(text="")
    backend = call.cluster.kubelets.get(place.node)
    if backend is None:
        return await dial.logs(call, place)
    lines = backend.logs(
        place.pod,
        place.container,
        follow=_flag(call, "follow"),
        tail_lines=_integer(call, "tailLines"),
        since_seconds=_since(call),
        timestamps=_flag(call, "timestamps"),
        previous=_flag(call, "previous"),
    )
    first = await anext(lines, b"")
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    await response.prepare(call.http)
    limit = _integer(call, "limitBytes")
    if not _flag(call, "follow"):
        await _pour(response, first, lines, limit, asyncio.Event())
    else:
        ended = asyncio.Event()
        stop = call.cluster.store.listen("pods", _on_removal(place, ended))
        try:
            await _pour(response, first, lines, limit, ended)
        finally:
            stop()
    await response.write_eof()
    return response


def _on_removal(place: Place, ended: asyncio.Event) -> Callable[[Event], None]:
    """Return a listener that sets ``ended`` when the pod is removed, so that a follower ends."""
    uid = place.pod["metadata"]["uid"]

    def listener(event: Event) -> None:
        if event.type == "DELETED" and event.entry.obj["metadata"]["uid"] == uid:
            ended.set()

    return listener


async def _pour(
    response: web.StreamResponse,
    first: bytes,
    lines: AsyncIterator[bytes],
    limit: int | None,
    ended: asyncio.Event,
) -> None:
    sent = 0
    waiter = asyncio.ensure_future(ended.wait())
    data: bytes | None = first
    try:
        while data is not None:
            if limit is not None and sent + len(data) >= limit:
                await response.write(data[: limit - sent])
                return
            await response.write(data)
            sent += len(data)
            data = await _either(lines, waiter)
    finally:
        waiter.cancel()


async def _either(lines: AsyncIterator[bytes], ended: "asyncio.Future[Any]") -> bytes | None:
    """Return the next line, or None at the end of the lines or of the pod."""
    following = asyncio.ensure_future(anext(lines, None))
    await asyncio.wait({following, ended}, return_when=asyncio.FIRST_COMPLETED)
    if following.done():
        return following.result()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return None


def _commands(call: "Call") -> list[str]:
    getall: Callable[[str, list[str]], list[str]] = call.http.query.getall
    return getall("command", [])


async def _exec(call: "Call") -> web.StreamResponse:
    command = _commands(call)
    if not command:
        raise errors.bad_request("you must specify at least one command for the container")
    return await _session(call, command)


async def _attach(call: "Call") -> web.StreamResponse:
    return await _session(call, [])


async def _session(call: "Call", command: list[str]) -> web.StreamResponse:
    place = _place(call)
    if not place.node:
        name = call.target.name
        raise errors.bad_request(f"pod {name} does not have a host assigned")
    if call.http.headers.get("Upgrade", "").lower() != "websocket":
        raise errors.bad_request("unable to upgrade: this server speaks WebSocket, not SPDY")
    backend = call.cluster.kubelets.get(place.node)
    if backend is None:
        return await dial.session(call, place, PROTOCOLS)
    socket = web.WebSocketResponse(protocols=PROTOCOLS)
    await socket.prepare(call.http)
    wants_input = _flag(call, "stdin")
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    reader = asyncio.ensure_future(_read(socket, queue))
    try:
        frames = _frames(call, backend, place, command, _drain(queue) if wants_input else None)
        await _play(socket, frames, reader if not wants_input else None)
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    await socket.close()
    return socket


async def _frames(
    call: "Call",
    backend: Any,
    place: Place,
    command: list[str],
    stdin: AsyncIterator[bytes] | None,
) -> AsyncIterator[tuple[int, bytes]]:
    if command:
        async for frame in backend.exec(
            place.pod, place.container, command, stdin, _flag(call, "tty")
        ):
            yield frame
        return
    options: Obj = {"tail_lines": 0, "since_seconds": None, "timestamps": False, "previous": False}
    async for data in backend.logs(place.pod, place.container, follow=True, **options):
        yield STDOUT, data


async def _play(
    socket: web.WebSocketResponse,
    frames: AsyncIterator[tuple[int, bytes]],
    gone: "asyncio.Future[None] | None",
) -> None:
    told = False
    try:
        async for channel, data in frames:
            if socket.closed or (gone is not None and gone.done()):
                return
            told = told or channel == STATUS
            await socket.send_bytes(bytes([channel]) + data)
    except errors.ApiError as error:
        told = True
        await socket.send_bytes(bytes([STATUS]) + json.dumps(error.status()).encode())
    if not told and not socket.closed:
        await socket.send_bytes(bytes([STATUS]) + json.dumps(SUCCESS).encode())


async def _read(socket: web.WebSocketResponse, queue: "asyncio.Queue[bytes | None]") -> None:
    async for message in socket:
        frame = message.data
        if message.type == WSMsgType.TEXT:
            frame = frame.encode()
        elif message.type != WSMsgType.BINARY:
            continue
        if not frame:
            continue
        channel, data = frame[0], frame[1:]
        if channel == STDIN:
            queue.put_nowait(data)
        elif channel == CLOSE and data[:1] == bytes([STDIN]):
            queue.put_nowait(None)
    queue.put_nowait(None)


async def _drain(queue: "asyncio.Queue[bytes | None]") -> AsyncIterator[bytes]:
    while (data := await queue.get()) is not None:
        yield data


async def _port_forward(call: "Call") -> web.StreamResponse:
    raise errors.bad_request(
        f"pods/{call.target.subresource} is not supported by this simulated cluster"
    )


_STREAMS: dict[str, Callable[["Call"], Any]] = {
    "log": _log,
    "exec": _exec,
    "attach": _attach,
    "portforward": _port_forward,
}
