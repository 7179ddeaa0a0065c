"""Fields of a pod that no cloud can honour, whoever runs the instance.

Source: Kubernetes API reference, "EnvVarSource" (fileKeyRef, beta since 1.35) and "Container"
(restartPolicy and restartPolicyRules of containers, beta since 1.35).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from providers.base import Problem

Json = Mapping[str, Any]


def problems(pod: Json) -> Iterator[Problem]:
    for field in ("initContainers", "containers"):
        for index, container in enumerate(pod["spec"].get(field) or ()):
            path = f"spec.{field}[{index}]"
            yield from _files(container, path)
            yield from _restarts(container, path, pod, init=field == "initContainers")


def _files(container: Json, path: str) -> Iterator[Problem]:
    for index, entry in enumerate(container.get("env") or ()):
        reference = (entry.get("valueFrom") or {}).get("fileKeyRef")
        if reference is not None:
            yield Problem(
                f"{path}.env[{index}].valueFrom.fileKeyRef",
                "FileKeyRefNotSupported",
                _("%(name)s is read from a file of the running pod, which only a kubelet can."),
                _("Read the file in the container's command, or use a ConfigMap or a Secret."),
                fatal=not reference.get("optional"),
                values={"name": entry["name"]},
            )


def _restarts(container: Json, path: str, pod: Json, *, init: bool) -> Iterator[Problem]:
    policy = container.get("restartPolicy")
    own = policy not in {None, "", pod["spec"].get("restartPolicy") or "Always"}
    sidecar = init and policy == "Always"
    for field, given in (
        ("restartPolicy", own and not sidecar),
        ("restartPolicyRules", bool(container.get("restartPolicyRules"))),
    ):
        if given:
            yield Problem(
                f"{path}.{field}",
                "ContainerRestartsIgnored",
                _("An instance restarts its containers as the pod's restartPolicy says."),
                _("Set restartPolicy of the pod, or run the container in a pod of its own."),
                fatal=False,
            )
