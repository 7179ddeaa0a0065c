"""From the bytes of a watch to batches of typed events.

A watch is a line of JSON per event (Kubernetes API concepts, "Efficient detection of changes").
Lines are cut by hand, since one object may be larger than any reader's buffer, and all complete
lines of a piece are decoded in one go.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import Any, Generic, Literal, TypeVar, cast

import aiohttp
import msgspec

from kube import errors
from kube.status import Status, from_status

T = TypeVar("T")
EventKind = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class Event(msgspec.Struct, Generic[T], frozen=True):
    """One change; a BOOKMARK's object holds nothing but the resource version."""

    kind: EventKind
    object: T
    resource_version: str


class _Wire(msgspec.Struct, Generic[T]):
    type: EventKind | Literal["ERROR"]
    object: T


class _Meta(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class _OnlyMeta(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)


class LineSplitter:
    """Collects bytes and gives back what ends in a newline; one line is bounded."""

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line
        self._held: list[bytes] = []
        self._held_size = 0

    def feed(self, piece: bytes) -> bytes:
        """All complete lines so far, newline included; empty when none is complete."""
        end = piece.rfind(b"\n") + 1
        if not end:
            self._hold(piece)
            return b""
        lines = b"".join((*self._held, piece[:end]))
        self._held = []
        self._held_size = 0
        if end < len(piece):
            self._hold(piece[end:])
        return lines

    @property
    def pending(self) -> bool:
        """Whether an unfinished line is held."""
        return self._held_size > 0

    def _hold(self, piece: bytes) -> None:
        self._held.append(piece)
        self._held_size += len(piece)
        if self._held_size > self._max_line:
            raise errors.UnexpectedAnswer(f"a watch line is longer than {self._max_line} bytes")


@lru_cache(maxsize=64)
def _wire_decoder(kind: Any) -> msgspec.json.Decoder[_Wire[Any]]:
    return msgspec.json.Decoder(_Wire[kind])


_RAW: msgspec.json.Decoder[_Wire[msgspec.Raw]] = msgspec.json.Decoder(_Wire[msgspec.Raw])
_META = msgspec.json.Decoder(_OnlyMeta)
_STATUS = msgspec.json.Decoder(Status)


class EventDecoder(Generic[T]):
    """Decodes lines into events of objects of type `kind`; `hidden` is cut out of errors."""

    def __init__(self, kind: type[T], *, hidden: str = "") -> None:
        self._hidden = hidden
        self._kind = kind
        self._decoder = _wire_decoder(cast("Any", kind))

    def decode(self, lines: bytes) -> list[Event[T]]:
        """Raises Gone or another ApiError for an ERROR event, UnexpectedAnswer for garbage."""
        try:
            wires = self._decoder.decode_lines(lines)
        except msgspec.MsgspecError as error:
            raise _explain(lines, error, self._hidden) from error
        events: list[Event[T]] = []
        for wire in wires:
            if wire.type == "ERROR":
                raise _explain(lines, None, self._hidden)
            events.append(Event(wire.type, wire.object, version_of(wire.object)))
        return events


def version_of(item: Any) -> str:
    """`metadata.resourceVersion` of a dict, a struct of kube.objects, or Raw JSON."""
    if isinstance(item, dict):
        return str((item.get("metadata") or {}).get("resourceVersion", ""))
    if isinstance(item, msgspec.Raw):
        return _META.decode(item).metadata.resource_version
    return str(item.metadata.resource_version)


def _explain(lines: bytes, error: msgspec.MsgspecError | None, hidden: str) -> errors.KubeError:
    """An ERROR event does not fit the object's type: look for one before blaming the server."""
    for line in lines.splitlines():
        try:
            wire = _RAW.decode(line)
        except msgspec.MsgspecError:
            break
        if wire.type == "ERROR":
            return _from_error_event(wire.object, hidden)
    return errors.UnexpectedAnswer(f"a watch event cannot be read: {error}")


def _from_error_event(body: msgspec.Raw, hidden: str) -> errors.KubeError:
    try:
        status = _STATUS.decode(body)
    except msgspec.MsgspecError:
        return errors.UnexpectedAnswer("a watch ended with an unreadable ERROR event")
    return from_status(status, status.code or 500, {}, what="watch", hidden=hidden)


async def batches(
    response: aiohttp.ClientResponse, kind: type[T], *, max_line: int, hidden: str = ""
) -> AsyncGenerator[list[Event[T]], None]:
    """Events as they arrive, those of one piece together."""
    splitter = LineSplitter(max_line)
    decoder = EventDecoder(kind, hidden=hidden)
    async for piece in response.content.iter_any():
        lines = splitter.feed(piece)
        if lines:
            events = decoder.decode(lines)
            if events:
                yield events
