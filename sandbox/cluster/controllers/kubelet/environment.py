"""What a container finds when it starts: environment, files, and what is missing for either."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from ..context import Context
from ..informer import Informer, Obj
from ..objects import annotations_of, labels_of
from .machine import Machine


class Missing(Exception):
    """A ConfigMap, Secret or key that the pod needs does not exist (yet)."""


class Environment:
    """Reads ConfigMaps and Secrets for the containers of one cluster."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.programs: Callable[[Obj, Machine], Any] | None = None
        self._maps = context.informer("configmaps")
        self._secrets = context.informer("secrets")

    def check_volumes(self, pod: Obj) -> None:
        """Raises Missing with the kubelet's words for the first volume without source."""
        for volume in pod["spec"].get("volumes") or []:
            for kind, name, optional in _sources(volume):
                if not optional and self._find(kind, pod, name) is None:
                    raise Missing(
                        f'MountVolume.SetUp failed for volume "{volume["name"]}" : '
                        f'{kind} "{name}" not found'
                    )

    def machine(self, pod: Obj, container: Obj) -> Machine:
        """The container's world; raises Missing for an unresolvable variable."""
        meta = pod["metadata"]
        env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME": meta["name"],
            "KUBERNETES_SERVICE_HOST": "10.96.0.1",
            "KUBERNETES_SERVICE_PORT": "443",
        }
        env.update(self._from(pod, container))
        for variable in container.get("env") or []:
            env[variable["name"]] = self._value(pod, variable, env)
        command = " ".join([*(container.get("command") or []), *(container.get("args") or [])])
        return Machine(
            env=env,
            files=self._files(pod, container),
            hostname=pod["spec"].get("hostname") or meta["name"],
            now=self._context.now,
            processes=(command or container["image"],),
            programs=self.programs,
        )

    def bare_machine(self, pod: Obj) -> Machine:
        """A world without variables, for containers whose sources have gone since."""
        return Machine(env={}, files={}, hostname=pod["metadata"]["name"], now=self._context.now)

    def _find(self, kind: str, pod: Obj, name: str) -> Obj | None:
        store: Informer = self._maps if kind == "configmap" else self._secrets
        return store.get((pod["metadata"]["namespace"], name))

    def _data(self, kind: str, pod: Obj, name: str, *, optional: bool) -> dict[str, str]:
        source = self._find(kind, pod, name)
        if source is None:
            if optional:
                return {}
            raise Missing(f'{kind} "{name}" not found')
        data = source.get("data") or {}
        if kind == "secret":
            return {k: base64.b64decode(v).decode(errors="replace") for k, v in data.items()}
        return dict(data)

    def _from(self, pod: Obj, container: Obj) -> dict[str, str]:
        env: dict[str, str] = {}
        for source in container.get("envFrom") or []:
            prefix = source.get("prefix") or ""
            for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
                ref = source.get(field)
                if ref:
                    data = self._data(kind, pod, ref["name"], optional=bool(ref.get("optional")))
                    env.update({prefix + k: v for k, v in data.items()})
        return env

    def _value(self, pod: Obj, variable: Obj, env: dict[str, str]) -> str:
        source = variable.get("valueFrom")
        if not source:
            text = str(variable.get("value") or "")
            for name, value in env.items():
                text = text.replace(f"$({name})", value)
            return text
        for field, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
            if source.get(field):
                return self._key(pod, kind, source[field])
        if source.get("fieldRef"):
            return field_value(pod, source["fieldRef"]["fieldPath"])
        return ""

    def _key(self, pod: Obj, kind: str, ref: Obj) -> str:
        optional = bool(ref.get("optional"))
        data = self._data(kind, pod, ref["name"], optional=optional)
        if ref["key"] not in data and not optional:
            title = "ConfigMap" if kind == "configmap" else "Secret"
            where = f"{pod['metadata']['namespace']}/{ref['name']}"
            raise Missing(f"couldn't find key {ref['key']} in {title} {where}")
        return data.get(ref["key"], "")

    def _files(self, pod: Obj, container: Obj) -> dict[str, str]:
        name = pod["metadata"]["name"]
        address = (pod.get("status") or {}).get("podIP", "")
        files = {
            "/etc/hostname": f"{name}\n",
            "/etc/hosts": f"127.0.0.1\tlocalhost\n{address}\t{name}\n",
            "/etc/resolv.conf": "nameserver 10.96.0.10\nsearch svc.cluster.local cluster.local\n",
            "/etc/os-release": 'NAME="Alibaba Cloud Linux"\nVERSION="3"\n',
        }
        volumes = {v["name"]: v for v in pod["spec"].get("volumes") or []}
        for mount in container.get("volumeMounts") or []:
            volume = volumes.get(mount["name"], {})
            for kind, source, _ in _sources(volume):
                data = self._data(kind, pod, source, optional=True)
                files.update({f"{mount['mountPath'].rstrip('/')}/{k}": v for k, v in data.items()})
        return files


def field_value(pod: Obj, path: str) -> str:
    """The downward API's fieldRef."""
    for prefix, values in (
        ("metadata.labels['", labels_of(pod)),
        ("metadata.annotations['", annotations_of(pod)),
    ):
        if path.startswith(prefix):
            return values.get(path[len(prefix) : -2], "")
    value: object = pod
    for step in path.split("."):
        value = value.get(step, "") if isinstance(value, dict) else ""
    return str(value)


def _sources(volume: Obj) -> Iterator[tuple[str, str, bool]]:
    """(configmap or secret, name, optional) of a volume, projected ones included."""
    for part in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
        if part.get("configMap"):
            yield "configmap", part["configMap"]["name"], bool(part["configMap"].get("optional"))
        if part.get("secret"):
            secret = part["secret"]
            name = secret.get("secretName") or secret.get("name") or ""
            yield "secret", name, bool(secret.get("optional"))
