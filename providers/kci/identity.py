"""Whose an instance is, carried in its name and labels: KCI has no tags and no idempotency token.

The name (at most 128 lower-case letters, digits, `-` and `.`; KCI API reference,
CreateContainerGroup) is

    <namespace>-<pod>.<pod UID>.<generation>.<cluster UID>.<console>

the same for the same attempt for ever; UIDs without their hyphens, the first part cut to fit. Of
the four labels that the API takes (`cluster-id`, `namespace`, `pod-name`, `node-name`, at most 63
characters) none decides whose it is: `cluster-id` is the setting KCI_CLUSTER_ID where one is given.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping

from providers.base import InstanceSpec
from providers.errors import InvalidSpec
from providers.tags import Owner, owner_of, tags_of

MAX_NAME = 128
MAX_LABEL = 63
CLUSTER_ID = "KCI_CLUSTER_ID"
_READABLE = re.compile(r"[^a-z0-9]+")
_HEX = re.compile(r"[0-9a-f]{32}")
_PLAIN = re.compile(r"(?![xz])[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_ALLOWED = re.compile(r"[-a-z0-9]*[a-z0-9]")
_NO_LABEL = re.compile(r"[^-a-zA-Z0-9._]+")


def name(spec: InstanceSpec) -> str:
    """The ContainerGroupName; that of an instance that is not ours is only readable."""
    readable = _READABLE.sub("-", spec.name.lower()).strip("-") or "pod"
    owner = owner_of(spec.tags)
    if owner is None:
        return readable[:MAX_NAME].strip("-")
    tail = ".".join(
        (
            _put(owner.pod_uid),
            str(owner.generation),
            _put(owner.cluster_uid),
            _put(owner.console),
        )
    )
    room = MAX_NAME - len(tail) - 1
    if room < 1:
        raise InvalidSpec(
            f"the name of the instance would be longer than {MAX_NAME} characters",
            code="NameTooLong",
        )
    return f"{readable[:room].strip('-') or 'p'}.{tail}"


def labels(spec: InstanceSpec) -> list[dict[str, str]]:
    """The labels of ours; none for an instance that is not."""
    owner = owner_of(spec.tags)
    if owner is None:
        return []
    values = {
        "cluster-id": spec.settings.get(CLUSTER_ID, "").strip() or owner.cluster_uid,
        "namespace": owner.namespace,
        "pod-name": owner.pod,
        "node-name": owner.node,
    }
    cut = {key: _label(value) for key, value in values.items()}
    return [{"Key": key, "Value": value} for key, value in cut.items() if value]


def tags(group_name: str, group_labels: Mapping[str, str]) -> dict[str, str]:
    """The tags that `name` and `labels` were made of; empty when the name is not of our making."""
    parts = group_name.split(".")
    if len(parts) != 5 or not parts[2].isdigit():
        return {}
    uid, cluster, console = _take(parts[1]), _take(parts[3]), _take(parts[4])
    if not (uid and cluster and console):
        return {}
    owner = Owner(
        console=console,
        cluster_uid=cluster,
        node=group_labels.get("node-name", ""),
        namespace=group_labels.get("namespace", ""),
        pod=group_labels.get("pod-name", ""),
        pod_uid=uid,
        generation=int(parts[2]),
    )
    return tags_of(owner)


def _label(text: str) -> str:
    return _NO_LABEL.sub("-", text)[:MAX_LABEL].strip("-._")


def _put(text: str) -> str:
    """An identifier without dots: a UUID by its digits, other text as it is or in base 32."""
    try:
        if str(uuid.UUID(text)) == text:
            return uuid.UUID(text).hex
    except ValueError:
        pass
    if _PLAIN.fullmatch(text) and not _HEX.fullmatch(text):
        return text
    if _ALLOWED.fullmatch(text):
        return f"x{text}"
    return "z" + base64.b32encode(text.encode()).decode().rstrip("=").lower()


def _take(part: str) -> str:
    """The identifier; empty when the part is none."""
    if _HEX.fullmatch(part):
        return str(uuid.UUID(part))
    if part.startswith("x"):
        return part[1:]
    if not part.startswith("z"):
        return part
    padded = part[1:].upper() + "=" * (-len(part[1:]) % 8)
    try:
        return base64.b32decode(padded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
