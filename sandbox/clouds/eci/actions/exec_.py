"""ExecContainerCommand: answers at once (Sync) or hands out URLs that open a session."""

import json

from ...groups.sessions import outcome
from ..errors import ApiFault, incorrect_status, invalid
from ..model import Container, Group
from ..parameters import flag, required, text
from .base import Call, Json

MAX_WORDS, MAX_WORD = 20, 256


def execute(call: Call) -> Json:
    """Run a command in a running container."""
    params = call.params
    call.region()
    group = call.cloud.get(required(params, "ContainerGroupId"))
    call.group_id = group.id
    container = _container(group, text(params, "ContainerName"))
    command = _command(required(params, "Command"))
    tty, sync = flag(params, "TTY"), flag(params, "Sync")
    if sync and tty:
        raise invalid("TTY", "false is expected with Sync")
    if sync:
        return {"SyncResponse": outcome(command, group.environment(container)).output}
    token = call.cloud.sessions.open(
        group.id, container.name, command, tty=tty, stdin=flag(params, "Stdin", True), now=call.now
    )
    socket = call.base_url.replace("http", "ws", 1)
    return {
        "WebSocketUri": f"{socket}/exec/?s={token}",
        "HttpUrl": f"{call.base_url}/terminal?param={token}",
    }


def _container(group: Group, name: str) -> Container:
    container = group.container(name or group.containers[0].name)
    if container is None:
        raise invalid("ContainerName", f"{name} is not a container of {group.id}")
    if container.state.kind != "Running":
        raise incorrect_status(group.id, group.status)
    return container


def _command(raw: str) -> list[str]:
    try:
        words = json.loads(raw)
    except ValueError as exc:
        raise invalid("Command", "a JSON array of texts is expected") from exc
    if not isinstance(words, list) or not words or not all(isinstance(w, str) for w in words):
        raise invalid("Command", "a JSON array of texts is expected")
    if len(words) > MAX_WORDS or any(len(word) > MAX_WORD for word in words):
        raise ApiFault("InvalidParameter.ValueExceeded", "Command has too many or too long words.")
    return words
