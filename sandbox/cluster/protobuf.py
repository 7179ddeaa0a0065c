"""Protobuf bodies, as client-go's typed clients send them (client-go 0.32 and later).

A body is ``k8s\\0`` and an ``Unknown`` message (1: TypeMeta, 2: the object). Field names and
numbers come from ``data/protobuf_fields.txt``, one message a line: ``message field=number:type``,
``*`` repeated, ``%`` a map; they are those of the public ``generated.proto`` files.
"""

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sandbox.cluster import errors

Obj = dict[str, Any]
MAGIC = b"k8s\x00"
_INLINE = frozenset(
    (
        "volumeSource",
        "persistentVolumeSource",
        "handler",
        "localObjectReference",
        "ingressRuleValue",
        "ephemeralContainerCommon",
    )
)
_KEEP_ZERO = frozenset(
    (
        "replicas",
        "completions",
        "parallelism",
        "backoffLimit",
        "revisionHistoryLimit",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
        "ttlSecondsAfterFinished",
        "terminationGracePeriodSeconds",
        "gracePeriodSeconds",
        "tolerationSeconds",
        "minReplicas",
        "partition",
        "priority",
        "runAsUser",
        "runAsGroup",
        "fsGroup",
        "runAsNonRoot",
        "privileged",
        "allowPrivilegeEscalation",
        "readOnlyRootFilesystem",
        "automountServiceAccountToken",
        "enableServiceLinks",
        "optional",
        "immutable",
        "suspend",
        "ready",
        "leaseTransitions",
        "allowed",
    )
)


class Field(NamedTuple):
    """One field: its JSON name, its type, ``*`` repeated or ``%`` a map."""

    name: str
    type: str
    mark: str


@cache
def _messages() -> dict[str, dict[int, Field]]:
    text = (Path(__file__).with_name("data") / "protobuf_fields.txt").read_text()
    table: dict[str, dict[int, Field]] = {}
    for line in text.splitlines():
        message, *fields = line.split(" ")
        table[message] = {}
        for field in fields:
            name, _, rest = field.partition("=")
            number, _, kind = rest.partition(":")
            mark = kind[-1] if kind[-1] in "*%" else ""
            table[message][int(number)] = Field(name, kind.rstrip("*%"), mark)
    return table


def decode(data: bytes) -> Any:
    """Return the object of a protobuf body; ApiError 400 when broken, 415 for an unknown kind."""
    if not data.startswith(MAGIC):
        raise errors.bad_request("provided data does not appear to be a protobuf message")
    try:
        return _decode(data[len(MAGIC) :])
    except (IndexError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise errors.bad_request(f"unable to decode protobuf: {error}") from error


def _decode(data: bytes) -> Obj:
    envelope = dict(_fields(data))
    kind = {number: bytes(value).decode() for number, value in _fields(envelope[1])}
    api_version = kind.get(1, "")
    message = _message_name(api_version, kind.get(2, ""))
    body = _message(message, envelope.get(2, b""))
    return {"apiVersion": api_version, "kind": kind[2], **body}


def _message_name(api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    room = group.split(".")[0] if group else "core"
    for name in (f"{room}.{version}.{kind}", f"meta.v1.{kind}"):
        if name in _messages():
            return name
    raise errors.unsupported_media(f"no protobuf form is known for {api_version} {kind}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield tag >> 3, value
        elif wire == 2:
            size, position = _varint(data, position)
            if position + size > end:
                raise ValueError("unexpected EOF")
            yield tag >> 3, data[position : position + size]
            position += size
        else:
            size = 8 if wire == 1 else 4
            yield (
                tag >> 3,
                struct.unpack("<d" if size == 8 else "<f", data[position : position + size])[0],
            )
            position += size


def _message(name: str, data: bytes) -> Obj:
    table = _messages()[name]
    out: Obj = {}
    for number, raw in _fields(data):
        field = table.get(number)
        if field is None:
            continue
        if field.mark == "%":
            key, value = _map_entry(field, raw)
            out.setdefault(field.name, {})[key] = value
        elif field.mark == "*":
            out.setdefault(field.name, []).append(_value(field.type, raw))
        else:
            _single(out, field, raw)
    return out


def _single(out: Obj, field: Field, raw: Any) -> None:
    value = _value(field.type, raw)
    if field.name in _INLINE and isinstance(value, dict):
        out.update(value)
    elif (
        value
        or field.name in _KEEP_ZERO
        or field.type == "util.intstr.IntOrString"
        or (value == {} and raw == b"" and field.name in ("emptyDir", "podSelector"))
    ):
        out[field.name] = value


def _map_entry(field: Field, raw: bytes) -> tuple[str, Any]:
    parts = dict(_fields(raw))
    key = bytes(parts.get(1, b"")).decode()
    empty: Any = 0 if field.type in ("int32", "int64", "bool") else b""
    return key, _value(field.type, parts.get(2, empty))


def _value(kind: str, raw: Any) -> Any:
    if kind == "string":
        return bytes(raw).decode()
    if kind in ("int32", "int64"):
        return raw - (1 << 64) if raw >> 63 else raw
    if kind == "bool":
        return bool(raw)
    if kind == "bytes":
        return base64.b64encode(raw).decode()
    special = _SPECIAL.get(kind)
    return special(raw) if special else _message(kind, raw)


def _quantity(raw: bytes) -> str:
    return bytes(dict(_fields(raw)).get(1, b"0")).decode()


def _time(raw: bytes) -> str:
    seconds = dict(_fields(raw)).get(1, 0)
    if not seconds or seconds >> 63:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(raw: bytes) -> str:
    parts = dict(_fields(raw))
    seconds = parts.get(1, 0)
    if not seconds or seconds >> 63:
        return ""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{parts.get(2, 0) // 1000:06d}Z"


def _int_or_string(raw: bytes) -> int | str:
    parts = dict(_fields(raw))
    if parts.get(1):
        return bytes(parts.get(3, b"")).decode()
    value: int = _value("int32", parts.get(2, 0))
    return value


def _fields_v1(raw: bytes) -> Any:
    text = dict(_fields(raw)).get(1, b"{}")
    return msgspec.json.decode(text)


def _extra_value(raw: bytes) -> list[str]:
    return [bytes(value).decode() for _, value in _fields(raw)]


_SPECIAL: dict[str, Any] = {
    "api.resource.Quantity": _quantity,
    "meta.v1.Time": _time,
    "meta.v1.MicroTime": _micro_time,
    "util.intstr.IntOrString": _int_or_string,
    "meta.v1.FieldsV1": _fields_v1,
    "authentication.v1.ExtraValue": _extra_value,
    "authorization.v1.ExtraValue": _extra_value,
}
