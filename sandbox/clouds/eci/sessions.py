"""Exec sessions: one-time URLs and the websocket behind them.

Frames are binary, the first byte is the channel: 0 stdin, 1 stdout, 2 stderr, 3 the closing status
as JSON, 4 terminal size (as Kubernetes' remote command protocol v4).
"""

import json
import secrets
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from ..programs import Run, plan

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
        code = await _once(socket, plan("", session.command, env), session.tty)
    if not socket.closed:
        await socket.send_bytes(bytes([STATUS]) + json.dumps(_status(code)).encode())
        await socket.close()
    return socket


async def _once(socket: web.WebSocketResponse, life: Run, tty: bool) -> int:
    await _print(socket, life, tty)
    return life.exit_code


async def _print(socket: web.WebSocketResponse, life: Run, tty: bool) -> None:
    text = life.output.replace("\n", "\r\n") if tty else life.output
    if text and not socket.closed:
        await socket.send_bytes(bytes([STDOUT]) + text.encode())


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
            life = plan("", ["sh", "-c", line.replace("$?", str(code))], env)
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
