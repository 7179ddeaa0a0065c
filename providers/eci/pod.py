"""What of a pod ECI cannot do.

Sources: ECI user guide, "Limits" and "ECI Pod annotations"; ACK user guide, "Virtual nodes"
(unsupported features); ECI developer reference, CreateContainerGroup (20 containers, 20 volumes,
32 KB of files in a volume, reserved ports).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_noop as _

from providers.base import Problem
from providers.eci import annotated

_MAX_CONTAINERS = 20
_MAX_VOLUMES = 20
_RESERVED_PORTS = {111, 998, 10250, 10255}
_VOLUMES = {
    "emptyDir",
    "configMap",
    "secret",
    "downwardAPI",
    "projected",
    "nfs",
    "flexVolume",
    "persistentVolumeClaim",
    "csi",
}

Map = Mapping[str, Any]


def problems(pod: Map) -> Sequence[Problem]:
    """What the cloud refuses (`fatal`) or ignores in this pod object."""
    spec: Map = pod.get("spec") or {}
    return [
        *_owner(pod),
        *_host(spec),
        *_counts(spec),
        *_volumes(pod),
        *_containers(spec, "containers"),
        *_containers(spec, "initContainers"),
        *annotated.problems(pod),
    ]


def _owner(pod: Map) -> Iterator[Problem]:
    owners = (pod.get("metadata") or {}).get("ownerReferences") or ()
    if any(owner.get("kind") == "DaemonSet" for owner in owners):
        yield Problem(
            "metadata.ownerReferences",
            "DaemonSetNotSupported",
            _("Pods of a DaemonSet do not run on virtual nodes."),
            _(
                "Keep the DaemonSet away with node affinity `type NotIn virtual-kubelet`, "
                "or run it as a sidecar."
            ),
        )


def _host(spec: Map) -> Iterator[Problem]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield Problem(
                f"spec.{field}",
                "HostNamespaceNotSupported",
                _("An instance has no host whose namespaces could be shared."),
                _("Remove the field."),
            )


def _counts(spec: Map) -> Iterator[Problem]:
    containers = len(spec.get("containers") or ()) + len(spec.get("initContainers") or ())
    if containers > _MAX_CONTAINERS:
        yield Problem(
            "spec.containers",
            "TooManyContainers",
            _("ECI takes at most 20 containers an instance, init containers included."),
            _("Split the pod."),
        )
    volumes = len(spec.get("volumes") or ())
    if volumes > _MAX_VOLUMES:
        yield Problem(
            "spec.volumes",
            "TooManyVolumes",
            _("ECI takes at most 20 volumes an instance."),
            _("Merge volumes, for example with `projected`."),
        )


def _volumes(pod: Map) -> Iterator[Problem]:
    """A data cache is mounted by hostPath (ECI user guide, "Use a DataCache to create a pod")."""
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    cached = annotations.get("k8s.aliyun.com/eci-data-cache-bucket", "").strip()
    for index, volume in enumerate((pod.get("spec") or {}).get("volumes") or ()):
        kinds = [key for key in volume if key != "name"]
        path = f"spec.volumes[{index}]"
        if "hostPath" in kinds and cached:
            continue
        if "hostPath" in kinds:
            yield Problem(
                f"{path}.hostPath",
                "HostPathNotSupported",
                _("An instance has no host path to mount but that of a data cache."),
                _("Use emptyDir, NFS or a cloud disk, or name a bucket in eci-data-cache-bucket."),
            )
        elif any(kind not in _VOLUMES for kind in kinds):
            yield Problem(
                ".".join([path, *kinds[:1]]),
                "VolumeNotSupported",
                _("ECI has no volume of this kind."),
                _("Use emptyDir, ConfigMap, Secret, NFS or FlexVolume."),
            )
        elif "persistentVolumeClaim" in kinds or "csi" in kinds:
            yield Problem(
                path,
                "ClaimNotSupported",
                _("Claims and CSI volumes are not attached to instances."),
                _("Mount the NAS, OSS or disk with `flexVolume` or `nfs`."),
            )


def _containers(spec: Map, field: str) -> Iterator[Problem]:
    for index, container in enumerate(spec.get(field) or ()):
        path = f"spec.{field}[{index}]"
        yield from _security(container, path)
        yield from _ignored(container, path, field)
        for place, port in enumerate(container.get("ports") or ()):
            if port.get("containerPort") in _RESERVED_PORTS:
                yield Problem(
                    f"{path}.ports[{place}].containerPort",
                    "ReservedPort",
                    _("ECI reserves the ports 111, 998, 10250 and 10255."),
                    _("Listen on another port."),
                )
            if port.get("hostPort"):
                yield Problem(
                    f"{path}.ports[{place}].hostPort",
                    "HostPortIgnored",
                    _("An instance has its own address; `hostPort` has no effect."),
                    _("Use the pod's address and containerPort."),
                    fatal=False,
                )


def _security(container: Map, path: str) -> Iterator[Problem]:
    security = container.get("securityContext") or {}
    if security.get("privileged"):
        yield Problem(
            f"{path}.securityContext.privileged",
            "PrivilegedNotSupported",
            _("ECI runs no privileged containers."),
            _("Remove `privileged`; add single capabilities instead."),
        )
    dropped = (security.get("capabilities") or {}).get("drop")
    if dropped:
        yield Problem(
            f"{path}.securityContext.capabilities.drop",
            "CapabilitiesDropIgnored",
            _("ECI adds capabilities and drops none."),
            _("Nothing to do, unless the drop is a requirement."),
            fatal=False,
        )


def _ignored(container: Map, path: str, field: str) -> Iterator[Problem]:
    if container.get("startupProbe"):
        yield Problem(
            f"{path}.startupProbe",
            "StartupProbeIgnored",
            _("ECI has no startup probe."),
            _("Give the liveness probe a longer initialDelaySeconds."),
            fatal=False,
        )
    if field == "initContainers" and container.get("restartPolicy") == "Always":
        yield Problem(
            f"{path}.restartPolicy",
            "SidecarAfterInit",
            _("ECI starts a sidecar after all init containers, before the others."),
            _("Nothing to do, unless an init container needs it."),
            fatal=False,
        )
    for probe in ("livenessProbe", "readinessProbe"):
        if (container.get(probe) or {}).get("grpc"):
            yield Problem(
                f"{path}.{probe}.grpc",
                "GrpcProbeIgnored",
                _("ECI has no gRPC probe."),
                _("Use exec, httpGet or tcpSocket."),
                fatal=False,
            )
