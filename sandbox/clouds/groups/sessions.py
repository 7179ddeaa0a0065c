"""Exec sessions: one-time URLs and the websocket behind them.

Frames are binary, the first byte is the channel: 0 stdin, 1 stdout, 2 stderr, 3 the closing status
as JSON, 4 terminal size (as Kubernetes' remote command protocol v4).
"""

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from ..programs import UNKNOWN, Run, plan, stamp

VALID_SECONDS = 30.0
STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3
_SHELLS = {"sh", "bash", "ash", "dash"}


@dataclass(frozen=True)
class Session:
    """A command waiting to be opened."""

    group_id: str
    container: str
    command: list[str]
    tty: bool
    stdin: bool
    opened_at: float

    @property
    def interactive(self) -> bool:
        """Tell whether the command is a shell that reads its input."""
        name = self.command[0].rsplit("/", 1)[-1]
        return self.stdin and name in _SHELLS and "-c" not in self.command


class Sessions:
    """Sessions by token; each opens once within 30 seconds."""

    def __init__(self) -> None:
        self._waiting: dict[str, Session] = {}

    def open(
        self,
        group_id: str,
        container: str,
        command: list[str],
        *,
        tty: bool,
        stdin: bool,
        now: float,
    ) -> str:
        """Register a command and return its token."""
        for token in [t for t, s in self._waiting.items() if now - s.opened_at > VALID_SECONDS]:
            del self._waiting[token]
        token = secrets.token_urlsafe(24)
        self._waiting[token] = Session(group_id, container, command, tty, stdin, now)
        return token

    def take(self, token: str, now: float) -> Session | None:
        """Return the session of a token that is still valid, once."""
        session = self._waiting.pop(token, None)
        if session is None or now - session.opened_at > VALID_SECONDS:
            return None
        return session


async def serve(
    request: web.BaseRequest, session: Session, env: dict[str, str]
) -> web.StreamResponse:
    """Run a session over a websocket until the command or the client ends it."""
    socket = web.WebSocketResponse(autoping=True)
    await socket.prepare(request)
    if session.interactive:
        code = await _shell(socket, session, env)
    else:
        code = await _once(socket, outcome(session.command, env), session.tty)
    if not socket.closed:
        await socket.send_bytes(bytes([STATUS]) + json.dumps(_status(code)).encode())
        await socket.close()
    return socket


async def _once(socket: web.WebSocketResponse, life: Run, tty: bool) -> int:
    printing = asyncio.ensure_future(_print(socket, life, tty))
    reading = asyncio.ensure_future(_until_interrupt(socket))
    await asyncio.wait({printing, reading}, return_when=asyncio.FIRST_COMPLETED)
    interrupted = not printing.done()
    for task in (printing, reading):
        task.cancel()
    await asyncio.gather(printing, reading, return_exceptions=True)
    return 130 if interrupted else life.exit_code


async def _until_interrupt(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        typed = message.data if message.type is WSMsgType.BINARY else b""
        if typed[:1] == bytes([STDIN]) and b"\x03" in typed:
            return


async def _print(socket: web.WebSocketResponse, life: Run, tty: bool) -> None:
    """Print as the program does: each line at its time, endless programs until interrupted."""
    passed = 0.0
    for at, line in life.lines:
        await asyncio.sleep(max(0.0, at - passed))
        passed = max(passed, at)
        await _line(socket, line, tty)
    while life.seconds is None and life.repeat:
        await asyncio.sleep(life.repeat.period)
        for line in life.repeat.lines:
            await _line(socket, line, tty)
    await asyncio.sleep(max(0.0, (life.seconds or 0.0) - passed))


async def _line(socket: web.WebSocketResponse, line: str, tty: bool) -> None:
    text = f"{stamp(line, time.time())}\n"
    if not socket.closed:
        data = text.replace("\n", "\r\n") if tty else text
        await socket.send_bytes(bytes([STDOUT]) + data.encode())


def outcome(command: list[str], env: Mapping[str, str]) -> Run:
    """Return what a command does inside a container; an unknown program is not found."""
    life = plan("", command, env)
    if life.seconds != UNKNOWN:
        return life
    words = command[2].split() if len(command) > 2 and command[1] == "-c" else command
    return Run(0.0, 127, ((0.0, f"sh: {words[0]}: not found"),))


async def _shell(socket: web.WebSocketResponse, session: Session, env: dict[str, str]) -> int:
    prompt = bytes([STDOUT]) + f"root@{env['HOSTNAME']}:/# ".encode()
    pending, code = "", 0
    if session.tty:
        await socket.send_bytes(prompt)
    async for message in socket:
        if message.type is not WSMsgType.BINARY or message.data[:1] != bytes([STDIN]):
            continue
        typed = message.data[1:].decode(errors="replace")
        if session.tty and typed:
            echo = typed.replace("\r\n", "\r").replace("\r", "\n").replace("\n", "\r\n")
            await socket.send_bytes(bytes([STDOUT]) + echo.encode())
        *lines, pending = (pending + typed).replace("\r", "\n").split("\n")
        for line in lines:
            life = outcome(["sh", "-c", line.replace("$?", str(code))], env)
            code = life.exit_code
            await _print(socket, life, session.tty)
            if life.exits or "\x04" in line:
                return code
            if session.tty:
                await socket.send_bytes(prompt)
    return code


def _status(code: int) -> dict[str, object]:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    cause = {"reason": "ExitCode", "message": str(code)}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [cause]},
    }
