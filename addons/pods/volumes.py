"""The volumes of a pod as a provider takes them.

ConfigMaps, Secrets, projected and downward-API volumes become files whose content is fixed when
the instance is made. A claim is followed to its volume (NFS, CSI, FlexVolume). Source: Kubernetes
API reference, "Volume"; messages as the kubelet's volume plugins write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from addons.pods.environment import decode, field_value, resource_value
from addons.pods.references import MissingReference, Resolved, TokenRef
from providers.base import File, Volume, VolumeKind

Json = Mapping[str, Any]
CREATING = "ContainerCreating"
# Kinds that every cloud takes, as files.
AS_FILES = frozenset({"configMap", "secret", "downwardAPI", "projected"})
_TOKEN_SECONDS = 3600


class UnsupportedVolume(Exception):
    """No provider can mount this kind of volume."""

    def __init__(self, name: str, kind: str, index: int) -> None:
        super().__init__(f'volume "{name}" of type {kind} is not supported')
        self.name = name
        self.kind = kind
        self.path = f"spec.volumes[{index}].{kind}"


def volumes(pod: Json, resolved: Resolved) -> tuple[Volume, ...]:
    return tuple(
        _volume(volume, index, pod, resolved)
        for index, volume in enumerate(pod["spec"].get("volumes") or ())
    )


def _volume(volume: Json, index: int, pod: Json, resolved: Resolved) -> Volume:
    name = volume["name"]
    kind = next((key for key in volume if key != "name"), "emptyDir")
    source: Json = volume.get(kind) or {}
    if kind in AS_FILES:
        sources = source.get("sources") or () if kind == "projected" else ({kind: source},)
        return Volume(
            name,
            VolumeKind.FILES,
            files=tuple(f for s in sources for f in _files(name, s, pod, resolved)),
            default_mode=source.get("defaultMode"),
        )
    if kind == "emptyDir":
        size = source.get("sizeLimit")
        return Volume(
            name,
            VolumeKind.EMPTY_DIR,
            medium=source.get("medium") or "",
            size_limit="" if size is None else str(size),
        )
    if kind == "persistentVolumeClaim":
        kind, source = _behind_claim(name, source, pod, resolved)
    if kind == "hostPath":
        return Volume(name, VolumeKind.HOST_PATH, path=source["path"])
    if kind in {"nfs", "csi", "flexVolume"}:
        return _mounted(name, kind, source)
    raise UnsupportedVolume(name, kind, index)


def _mounted(name: str, kind: str, source: Json) -> Volume:
    read_only = bool(source.get("readOnly"))
    if kind == "nfs":
        return Volume(
            name,
            VolumeKind.NFS,
            server=source["server"],
            path=source["path"],
            read_only=read_only,
        )
    options = dict(source.get("volumeAttributes") or source.get("options") or {})
    if source.get("volumeHandle"):
        options.setdefault("volumeHandle", source["volumeHandle"])
    return Volume(
        name,
        VolumeKind.FLEX,
        driver=source["driver"],
        fs_type=source.get("fsType") or "",
        read_only=read_only,
        options=options,
    )


def _behind_claim(name: str, source: Json, pod: Json, resolved: Resolved) -> tuple[str, Json]:
    namespace, claim = pod["metadata"]["namespace"], source["claimName"]
    found = resolved.need("persistentvolumeclaims", namespace, claim, reason=CREATING)
    volume_name = found["spec"].get("volumeName")
    if not volume_name:
        raise MissingReference(
            f'persistentvolumeclaim "{claim}" is not bound to a volume yet',
            reason=CREATING,
            reference=f"persistentvolumeclaims/{namespace}/{claim}",
        )
    volume = resolved.need("persistentvolumes", "", volume_name, reason=CREATING)
    for kind in ("nfs", "csi", "flexVolume"):
        if body := volume["spec"].get(kind):
            read_only = bool(source.get("readOnly") or body.get("readOnly"))
            return kind, {**body, "readOnly": read_only}
    kinds = [key for key in volume["spec"] if isinstance(volume["spec"][key], dict)]
    raise UnsupportedVolume(name, next(iter(kinds), "persistentVolumeClaim"), 0)


def _files(volume: str, source: Json, pod: Json, resolved: Resolved) -> Iterator[File]:
    for key, body in source.items():
        if key in {"configMap", "secret"}:
            yield from _keyed(volume, key, body, pod, resolved)
        elif key == "downwardAPI":
            yield from _downward(body, pod, resolved)
        elif key == "serviceAccountToken":
            yield _token(body, pod, resolved)


def _keyed(volume: str, key: str, body: Json, pod: Json, resolved: Resolved) -> Iterator[File]:
    namespace = pod["metadata"]["namespace"]
    kind = "configmaps" if key == "configMap" else "secrets"
    name = body.get("secretName") or body.get("name") or ""
    optional = bool(body.get("optional"))
    if optional and resolved.find(kind, namespace, name) is None:
        return
    prefix = f'MountVolume.SetUp failed for volume "{volume}" : '
    found = resolved.need(kind, namespace, name, reason=CREATING, prefix=prefix)
    content = _contents(found, kind)
    if not body.get("items"):
        yield from (File(path, content[path]) for path in sorted(content))
        return
    for item in body["items"]:
        if item["key"] in content:
            yield File(item["path"], content[item["key"]], item.get("mode"))
        elif not optional:
            word = "config" if kind == "configmaps" else "secret"
            raise MissingReference(
                f"{prefix}references non-existent {word} key: {item['key']}",
                reason=CREATING,
                reference=f"{kind}/{namespace}/{name}",
            )


def _contents(obj: Json, kind: str) -> dict[str, bytes]:
    data = obj.get("data") or {}
    if kind == "secrets":
        return {key: decode(value) for key, value in data.items()}
    binary = obj.get("binaryData") or {}
    return {key: value.encode() for key, value in data.items()} | {
        key: decode(value) for key, value in binary.items()
    }


def _downward(body: Json, pod: Json, resolved: Resolved) -> Iterator[File]:
    for item in body.get("items") or ():
        if reference := item.get("fieldRef"):
            text = field_value(pod, reference["fieldPath"])
        else:
            reference = item["resourceFieldRef"]
            text = resource_value(pod, pod["spec"]["containers"][0], reference, resolved)
        yield File(item["path"], text.encode(), item.get("mode"))


def _token(body: Json, pod: Json, resolved: Resolved) -> File:
    wanted = TokenRef(
        pod["spec"].get("serviceAccountName") or "default",
        body.get("audience", ""),
        int(body.get("expirationSeconds") or _TOKEN_SECONDS),
    )
    return File(body["path"], resolved.tokens[wanted].encode())
