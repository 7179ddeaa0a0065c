"""Containers of a pod as a provider takes them. Source: Kubernetes API reference, "Container"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from addons.pods.environment import environment, known_variables
from addons.pods.expansion import expand
from addons.pods.quantity import gib, parse
from addons.pods.references import Resolved
from providers.base import Container, Handler, Mount, Port, Probe

Json = Mapping[str, Any]


# Extended resources that are cards: `nvidia.com/gpu`, `alibabacloud.com/ppu` and their like.
CARDS = ("/gpu", "/ppu")


def is_sidecar(container: Json) -> bool:
    """Of an init container: it keeps running beside the others.

    A container proper may say `restartPolicy: Always` as well, and is none.
    """
    return container.get("restartPolicy") == "Always"


def container(source: Json, pod: Json, resolved: Resolved) -> Container:
    variables = environment(source, pod, resolved)
    known = known_variables(variables)
    cpu, memory, gpu = resources(source)
    lifecycle = source.get("lifecycle") or {}
    ports = source.get("ports") or ()
    return Container(
        name=source["name"],
        image=source["image"],
        command=_expanded(source.get("command"), known),
        args=_expanded(source.get("args"), known),
        env=variables,
        working_dir=source.get("workingDir") or "",
        ports=tuple(Port(p["containerPort"], p.get("protocol") or "TCP") for p in ports),
        mounts=_mounts(source, known),
        cpu=cpu,
        memory=memory,
        gpu=gpu,
        pull_policy=source.get("imagePullPolicy") or "",
        liveness=_liveness(source),
        readiness=_probe(source.get("readinessProbe"), source),
        post_start=_handler(lifecycle.get("postStart"), source),
        pre_stop=_handler(lifecycle.get("preStop"), source),
        stdin=bool(source.get("stdin")),
        stdin_once=bool(source.get("stdinOnce")),
        tty=bool(source.get("tty")),
        termination_path=source.get("terminationMessagePath") or "",
        termination_policy=source.get("terminationMessagePolicy") or "",
        **_security(source, pod),
    )


def resources(source: Json) -> tuple[Decimal | None, Decimal | None, int]:
    """vCPU, GiB and GPUs: the limit, else the request."""
    own = source.get("resources") or {}
    amounts = {**(own.get("requests") or {}), **(own.get("limits") or {})}
    gpus = (parse(amount) for name, amount in amounts.items() if name.endswith(CARDS))
    return (
        parse(amounts["cpu"]) if "cpu" in amounts else None,
        gib(amounts["memory"]) if "memory" in amounts else None,
        int(sum(gpus, Decimal(0))),
    )


def _expanded(words: Any, known: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(word, known) for word in words or ())


def _mounts(source: Json, known: Mapping[str, str]) -> tuple[Mount, ...]:
    return tuple(
        Mount(
            volume=mount["name"],
            path=mount["mountPath"],
            sub_path=mount.get("subPath") or expand(mount.get("subPathExpr") or "", known),
            read_only=bool(mount.get("readOnly")),
        )
        for mount in source.get("volumeMounts") or ()
    )


def _liveness(source: Json) -> Probe | None:
    """Liveness starts after the longest time that the startup probe allows."""
    probe = _probe(source.get("livenessProbe"), source)
    startup = _probe(source.get("startupProbe"), source)
    if probe is None or startup is None:
        return probe
    allowed = startup.initial_delay + startup.period * startup.failure
    return replace(probe, initial_delay=max(probe.initial_delay, allowed))


def _probe(source: Json | None, owner: Json) -> Probe | None:
    handler = _handler(source, owner)
    if source is None or handler is None:
        return None
    return Probe(
        handler=handler,
        initial_delay=source.get("initialDelaySeconds") or 0,
        period=source.get("periodSeconds") or 10,
        timeout=source.get("timeoutSeconds") or 1,
        success=source.get("successThreshold") or 1,
        failure=source.get("failureThreshold") or 3,
    )


def _handler(source: Json | None, owner: Json) -> Handler | None:
    if source is None:
        return None
    if command := (source.get("exec") or {}).get("command"):
        return Handler(command=tuple(command))
    if get := source.get("httpGet"):
        return Handler(
            port=_port(get["port"], owner),
            path=get.get("path") or "/",
            scheme=get.get("scheme") or "HTTP",
        )
    if tcp := source.get("tcpSocket"):
        return Handler(port=_port(tcp["port"], owner))
    if sleep := source.get("sleep"):
        return Handler(command=("sleep", str(sleep["seconds"])))
    return None


def _port(port: int | str, owner: Json) -> int:
    """A port by number or by its name in the container."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    named = (p["containerPort"] for p in owner.get("ports") or () if p.get("name") == port)
    return next(named, 0)


def _security(source: Json, pod: Json) -> dict[str, Any]:
    """The container's security context over the pod's."""
    own = source.get("securityContext") or {}
    both = {**(pod["spec"].get("securityContext") or {}), **own}
    return {
        "run_as_user": both.get("runAsUser"),
        "run_as_group": both.get("runAsGroup"),
        "run_as_non_root": both.get("runAsNonRoot"),
        "read_only_root": bool(own.get("readOnlyRootFilesystem")),
        "privileged": bool(own.get("privileged")),
        "capabilities": tuple((own.get("capabilities") or {}).get("add") or ()),
    }
