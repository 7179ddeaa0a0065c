"""Containers of a spec as containers of a pod. Source: Kubernetes API reference, "Container".

What comes in is resolved already: variables hold values, commands are expanded. The kubelet of ACS
expands `$(NAME)` once more, so that every dollar is doubled that does not name a variable which
only the cloud can fill.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any

from providers.acs import gpus
from providers.base import Container, EnvVar, Handler, InstanceSpec, Probe

Body = dict[str, Any]
_GIB = 1024**3
_UNITS = (("Gi", _GIB), ("Mi", 1024**2), ("Ki", 1024))
_REFERENCE = re.compile(r"\$\(([^)]*)\)|\$")


def present(**fields: Any) -> Body:
    return {key: value for key, value in fields.items() if value not in ("", [], {}, None)}


def containers(spec: InstanceSpec, model: str) -> list[Body]:
    return [_running(c, model) for c in spec.containers if not c.sidecar]


def init_containers(spec: InstanceSpec, model: str) -> Iterator[Body]:
    """Init containers, and among them the sidecars, each where its pod had it."""
    sidecars = [container for container in spec.containers if container.sidecar]
    for number in range(len(spec.init_containers) + 1):
        for sidecar in sidecars:
            if min(sidecar.after, len(spec.init_containers)) == number:
                yield {**_running(sidecar, model), "restartPolicy": "Always"}
        if number < len(spec.init_containers):
            yield _common(spec.init_containers[number], model)


def _running(container: Container, model: str) -> Body:
    hooks = present(postStart=_handler(container.post_start), preStop=_handler(container.pre_stop))
    return {
        **_common(container, model),
        **present(
            livenessProbe=_probe(container.liveness),
            readinessProbe=_probe(container.readiness),
            lifecycle=hooks,
        ),
    }


def _common(container: Container, model: str) -> Body:
    filled = {env.name for env in container.env if env.field_path}
    # A variable may only refer to those before it: what the cloud fills comes first.
    variables = sorted(container.env, key=lambda env: not env.field_path)
    return present(
        name=container.name,
        image=container.image,
        imagePullPolicy=container.pull_policy,
        command=[escaped(word, filled) for word in container.command],
        args=[escaped(word, filled) for word in container.args],
        env=[_env(env, filled) for env in variables],
        workingDir=container.working_dir,
        ports=[{"containerPort": p.port, "protocol": p.protocol} for p in container.ports],
        volumeMounts=[
            present(
                name=mount.volume,
                mountPath=mount.path,
                subPath=mount.sub_path,
                readOnly=mount.read_only or None,
            )
            for mount in container.mounts
        ],
        resources=_resources(container, model),
        securityContext=_security(container),
        stdin=container.stdin or None,
        stdinOnce=container.stdin_once or None,
        tty=container.tty or None,
        terminationMessagePath=container.termination_path,
        terminationMessagePolicy=container.termination_policy,
    )


def escaped(text: str, filled: Collection[str]) -> str:
    """So written that the kubelet's expansion gives `text`, but for variables in `filled`."""

    def doubled(match: re.Match[str]) -> str:
        return match[0] if match[1] in filled else f"${match[0]}"

    return _REFERENCE.sub(doubled, text)


def _env(env: EnvVar, filled: Collection[str]) -> Body:
    if env.field_path:
        return {"name": env.name, "valueFrom": {"fieldRef": {"fieldPath": env.field_path}}}
    return {"name": env.name, "value": escaped(env.value, filled)}


def _resources(container: Container, model: str) -> Body:
    """Requests and limits alike: GPU pods must be Guaranteed and sums are billed either way."""
    amounts = present(
        cpu=None if container.cpu is None else cpu_quantity(container.cpu),
        memory=None if container.memory is None else memory_quantity(container.memory),
    )
    if container.gpu:
        amounts[gpus.resource(model)] = str(container.gpu)
    return {"requests": amounts, "limits": dict(amounts)} if amounts else {}


def cpu_quantity(cpu: Decimal) -> str:
    milli = cpu * 1000
    whole = milli == milli.to_integral_value() and milli % 1000 == 0
    return f"{int(cpu)}" if whole else f"{milli.normalize():f}m"


def memory_quantity(gib: Decimal) -> str:
    """The largest unit that needs no fraction."""
    size = int(gib * _GIB)
    for suffix, unit in _UNITS:
        if size % unit == 0:
            return f"{size // unit}{suffix}"
    return str(size)


def _security(container: Container) -> Body:
    return present(
        runAsUser=container.run_as_user,
        runAsGroup=container.run_as_group,
        runAsNonRoot=container.run_as_non_root,
        readOnlyRootFilesystem=container.read_only_root or None,
        capabilities={"add": list(container.capabilities)} if container.capabilities else None,
        privileged=container.privileged or None,
    )


def _probe(probe: Probe | None) -> Body:
    if probe is None:
        return {}
    return {
        **_handler(probe.handler),
        "initialDelaySeconds": probe.initial_delay,
        "periodSeconds": probe.period,
        "timeoutSeconds": probe.timeout,
        "successThreshold": probe.success,
        "failureThreshold": probe.failure,
    }


def _handler(handler: Handler | None) -> Body:
    if handler is None:
        return {}
    if handler.command:
        return {"exec": {"command": list(handler.command)}}
    if handler.path or handler.scheme:
        get = {"path": handler.path or "/", "port": handler.port}
        return {"httpGet": {**get, "scheme": handler.scheme or "HTTP"}}
    return {"tcpSocket": {"port": handler.port}}
