"""`InstanceSpec` as a pod of an ACS cluster and the Secrets it mounts.

One token is one name, so that a repeated create meets its own pod. Secrets are made before the pod:
a pod that exists is complete. Sources: Kubernetes API reference, "Pod" and "Secret"; ACS user
guide, "ACS Pod overview" and "ACS Pod annotations".
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kube.secret import Secret
from providers.acs import keys, sizes
from providers.acs.containers import Body, containers, init_containers, present
from providers.base import InstanceSpec, RegistryCredential, Volume, VolumeKind
from providers.errors import InvalidSpec

SECRET_BYTES = 1024 * 1024
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_HOSTNAME = re.compile(r"[^a-z0-9-]+")
# Where a pod may go is left out of what identifies a request: stock decides it anew.
_MOVABLE = (keys.VSWITCHES, keys.ZONES)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`files` and `pull` are Secrets, empty when the pod needs none; all bear `name`."""

    name: str
    pod: Body
    digest: str
    files: Secret
    pull: Secret

    @property
    def secrets(self) -> dict[str, Secret]:
        """Name -> the Secret as JSON."""
        named = {files_name(self.name): self.files, pull_name(self.name): self.pull}
        return {name: body for name, body in named.items() if body}


def pod_name(token: str) -> str:
    """`sw-` and 26 characters that are the same for the same token for ever."""
    digest = base64.b32encode(hashlib.sha256(token.encode()).digest()).decode().lower()
    return f"sw-{digest[:26]}"


def files_name(name: str) -> str:
    return f"{name}-files"


def pull_name(name: str) -> str:
    return f"{name}-pull"


def label_value(text: str) -> str:
    """`text` where it may be a label's value, a digest of it otherwise."""
    if _LABEL.fullmatch(text):
        return text
    return f"x{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def wanted(spec: InstanceSpec, *, token: str) -> Wanted:
    """Raises `InvalidSpec` for what an ACS pod cannot have."""
    name = pod_name(token)
    annotations = _annotations(spec)
    pod: Body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": _labels(spec),
            "annotations": annotations,
        },
        "spec": _spec(spec, name),
    }
    digest = _digest(pod)
    annotations[keys.DIGEST] = digest
    return Wanted(name, pod, digest, _files(spec, name), _pull(spec, name))


def marks(spec: InstanceSpec) -> dict[str, str]:
    """Labels by which what we made is found again."""
    found = {keys.MANAGED: keys.MANAGER, keys.OF_REGION: spec.region}
    for tag, label in keys.INDEXED.items():
        if tag in spec.tags:
            found[label] = label_value(spec.tags[tag])
    return found


def selector(region: str, tags: Mapping[str, str]) -> str:
    """What we made in a region, narrowed by those of `tags` that labels carry."""
    found = {keys.MANAGED: keys.MANAGER, keys.OF_REGION: region}
    for tag, label in keys.INDEXED.items():
        if tag in tags:
            found[label] = label_value(tags[tag])
    return ",".join(f"{key}={value}" for key, value in found.items())


def _labels(spec: InstanceSpec) -> dict[str, str]:
    asked = keys.asked_labels(spec.labels)
    if asked[keys.CLASS] == keys.GPU_HPN:
        asked.pop(keys.MODEL, None)
    return {**asked, **marks(spec)}


def _annotations(spec: InstanceSpec) -> dict[str, str]:
    subnets = [placement.subnet for placement in spec.placements if placement.subnet]
    site = present(
        **{
            keys.VSWITCHES: ",".join(subnets),
            keys.SECURITY_GROUPS: spec.security_group,
            keys.ZONES: ",".join(placement.zone for placement in spec.placements),
        }
    )
    return {
        **site,
        **_whole(spec),
        **keys.asked_annotations(spec.options),
        keys.TAGS: json.dumps(dict(spec.tags), sort_keys=True, ensure_ascii=False),
        keys.SIZE: sizes.stocked(sizes.billed_size(spec)),
    }


def _whole(spec: InstanceSpec) -> dict[str, str]:
    """Pod-level resources, which no document says that ACS reads, as the total that it does."""
    if spec.pod_cpu is None and spec.pod_memory is None:
        return {}
    return {keys.REQUIRED_SPEC: sizes.billed_size(spec).label}


def _digest(pod: Mapping[str, Any]) -> str:
    meta = pod["metadata"]
    fixed = {key: value for key, value in meta["annotations"].items() if key not in _MOVABLE}
    text = json.dumps([fixed, meta["labels"], pod["spec"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _spec(spec: InstanceSpec, name: str) -> Body:
    labels = keys.asked_labels(spec.labels)
    model = labels.get(keys.MODEL, "")
    reserved = labels[keys.CLASS] == keys.GPU_HPN and model
    return {
        **present(
            containers=containers(spec, model),
            initContainers=list(init_containers(spec, model)),
            volumes=[_volume(volume, i, name) for i, volume in enumerate(spec.volumes)],
            imagePullSecrets=[{"name": pull_name(name)}] if spec.registry_credentials else None,
            activeDeadlineSeconds=spec.deadline_seconds,
            hostAliases=[
                {"ip": alias.ip, "hostnames": list(alias.names)} for alias in spec.host_aliases
            ],
            hostname=_HOSTNAME.sub("-", spec.hostname.lower())[:63].strip("-"),
            shareProcessNamespace=spec.share_process_namespace or None,
            nodeSelector={keys.MODEL: model} if reserved else None,
        ),
        **_dns(spec),
        "restartPolicy": spec.restart_policy,
        "terminationGracePeriodSeconds": spec.grace_seconds,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
    }


def _dns(spec: InstanceSpec) -> Body:
    """The resolver of the user's cluster; never that of the ACS cluster."""
    if spec.dns is None:
        return {"dnsPolicy": "Default"}
    config = present(
        nameservers=list(spec.dns.servers),
        searches=list(spec.dns.searches),
        options=[present(name=name, value=value) for name, value in spec.dns.options],
    )
    policy = "None" if spec.dns.servers else "Default"
    return {"dnsPolicy": policy, **present(dnsConfig=config)}


def _volume(volume: Volume, index: int, name: str) -> Body:
    if volume.kind is VolumeKind.NFS:
        nfs = {"server": volume.server, "path": volume.path, "readOnly": volume.read_only}
        return {"name": volume.name, "nfs": nfs}
    if volume.kind is VolumeKind.FILES and volume.files:
        items = [
            present(key=key, path=path, mode=mode)
            for key, (path, mode) in _items(volume, index).items()
        ]
        secret = {"secretName": files_name(name), "items": items}
        return {"name": volume.name, "secret": secret | present(defaultMode=volume.default_mode)}
    if volume.kind in {VolumeKind.EMPTY_DIR, VolumeKind.FILES}:
        empty = present(medium=volume.medium, sizeLimit=volume.size_limit)
        return {"name": volume.name, "emptyDir": empty}
    raise InvalidSpec(
        f"volume {volume.name!r} ({volume.driver or volume.kind}) cannot be mounted by a pod of "
        "another cluster; use nfs, emptyDir, a ConfigMap or a Secret",
        code="VolumeNotSupported",
    )


def _last(volume: Volume) -> dict[str, int]:
    """Path -> the last file of that path: later sources of a projected volume win."""
    return {file.path: number for number, file in enumerate(volume.files)}


def _items(volume: Volume, index: int) -> dict[str, tuple[str, int | None]]:
    """Key in the Secret -> path and mode."""
    return {
        f"{index}.{number}": (path, volume.files[number].mode)
        for path, number in _last(volume).items()
    }


def _files(spec: InstanceSpec, name: str) -> Secret:
    content = {
        f"{index}.{number}": volume.files[number].content
        for index, volume in enumerate(spec.volumes)
        for number in _last(volume).values()
    }
    total = sum(len(data) for data in content.values())
    if total > SECRET_BYTES:
        raise InvalidSpec(
            f"the files of all volumes are {total} bytes; together they may be {SECRET_BYTES}",
            code="FilesTooLarge",
        )
    data = {key: base64.b64encode(value).decode() for key, value in content.items()}
    return _secret(spec, files_name(name), "Opaque", data) if data else Secret("")


def _pull(spec: InstanceSpec, name: str) -> Secret:
    if not spec.registry_credentials:
        return Secret("")
    auths = {one.server: _login(one) for one in spec.registry_credentials}
    text = base64.b64encode(json.dumps({"auths": auths}).encode()).decode()
    data = {".dockerconfigjson": text}
    return _secret(spec, pull_name(name), "kubernetes.io/dockerconfigjson", data)


def _login(credential: RegistryCredential) -> dict[str, str]:
    username, password = credential.username, credential.password.reveal()
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"username": username, "password": password, "auth": auth}


def _secret(spec: InstanceSpec, name: str, kind: str, data: Mapping[str, str]) -> Secret:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {**marks(spec), keys.LOOSE: "true"}},
        "type": kind,
        "data": dict(data),
    }
    return Secret(json.dumps(body))
