"""What of a pod ACS cannot do.

Sources: ACS user guide, "ACS Pod overview" (classes and qualities, CPU vendors, GPU models and
cards, `pod-required-spec`, limits of Kubernetes applications, reserved ports) and "Overview of
storage" (disks, NAS, OSS and CPFS as volumes of the ACS cluster itself).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_noop as _

from providers.acs import gpus, keys, sizes
from providers.base import Problem

Map = Mapping[str, Any]
_VOLUMES = {
    "emptyDir",
    "configMap",
    "secret",
    "downwardAPI",
    "projected",
    "nfs",
    "persistentVolumeClaim",
}
_DNS = {"None", "Default", "ClusterFirst", "ClusterFirstWithHostNet"}
_RESERVED_PORTS = {111, 10250, 10255}
_MAX_VARIABLES = 2000
_POD_SECURITY = {"fsGroup", "supplementalGroups", "sysctls", "seccompProfile", "seLinuxOptions"}
_VARIABLE = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")
_VENDORS = {"intel", "amd"}


def problems(pod: Map) -> Sequence[Problem]:
    """What the cloud refuses (`fatal`) or ignores in this pod object."""
    spec: Map = pod.get("spec") or {}
    meta: Map = pod.get("metadata") or {}
    labels = keys.asked_labels(meta.get("labels") or {})
    return [
        *_owner(meta),
        *_class(labels),
        *_cards(spec, labels),
        *_annotations(meta.get("annotations") or {}, labels),
        *_host(spec),
        *_pod_security(spec),
        *_volumes(spec),
        *_containers(spec, "containers", labels),
        *_containers(spec, "initContainers", labels),
    ]


def _owner(meta: Map) -> Iterator[Problem]:
    if any(owner.get("kind") == "DaemonSet" for owner in meta.get("ownerReferences") or ()):
        yield Problem(
            "metadata.ownerReferences",
            "DaemonSetNotSupported",
            _("Pods of a DaemonSet do not run on virtual nodes."),
            _(
                "Keep the DaemonSet away with node affinity `type NotIn virtual-kubelet`, "
                "or run it as a sidecar."
            ),
        )


def _label(key: str) -> str:
    return f"metadata.labels[{key}]"


def _class(labels: Mapping[str, str]) -> Iterator[Problem]:
    compute_class, quality = labels[keys.CLASS], labels[keys.QOS]
    if compute_class not in keys.CLASSES:
        yield Problem(
            _label(keys.CLASS),
            "UnknownComputeClass",
            _("ACS has no compute class %(value)s."),
            _("Use general-purpose, performance, gpu or gpu-hpn."),
            values={"value": compute_class},
        )
    if quality not in keys.QUALITIES:
        yield Problem(
            _label(keys.QOS),
            "UnknownComputeQos",
            _("ACS has no compute quality %(value)s."),
            _("Use default or best-effort."),
            values={"value": quality},
        )
    if compute_class == keys.GPU_HPN and quality == keys.BEST_EFFORT:
        yield Problem(
            _label(keys.QOS),
            "BestEffortNotOffered",
            _("The compute class gpu-hpn is offered with quality default only."),
            _("Remove the label, or use the compute class gpu."),
        )


def _cards(spec: Map, labels: Mapping[str, str]) -> Iterator[Problem]:
    compute_class, model = labels[keys.CLASS], labels.get(keys.MODEL, "")
    cards = _asked_cards(spec)
    if cards and compute_class not in keys.GPU_CLASSES:
        yield Problem(
            _label(keys.CLASS),
            "GpuNeedsClass",
            _("A pod with GPUs needs the compute class gpu or gpu-hpn."),
            _("Add the label alibabacloud.com/compute-class: gpu, and the model of the cards."),
        )
    if compute_class != keys.GPU:
        return
    if not model:
        yield Problem(
            _label(keys.MODEL),
            "GpuModelMissing",
            _("The compute class gpu needs the model of the cards."),
            _("Add the label alibabacloud.com/gpu-model-series, for example one of %(models)s."),
            values={"models": ", ".join(gpus.models())},
        )
    elif gpus.counts(model) and cards and cards not in gpus.counts(model):
        yield Problem(
            "spec.containers",
            "GpuCount",
            _("%(model)s is not offered with %(cards)s cards in one pod."),
            _("Ask for %(counts)s."),
            values={
                "model": model,
                "cards": str(cards),
                "counts": ", ".join(map(str, gpus.counts(model))),
            },
        )


def _asked_cards(spec: Map) -> int:
    total = 0
    for container in spec.get("containers") or ():
        resources = container.get("resources") or {}
        amounts = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
        total += sum(int(n) for name, n in amounts.items() if name.endswith(("/gpu", "/ppu")))
    return total


def _annotations(found: Mapping[str, str], labels: Mapping[str, str]) -> Iterator[Problem]:
    if keys.REQUIRED_SPEC in found:
        yield from _required_spec(found[keys.REQUIRED_SPEC], labels)
    if keys.CPU_VENDORS in found:
        yield from _vendors(found[keys.CPU_VENDORS], labels)
    for key in found:
        ours = key.startswith("k8s.aliyun.com/eci-") and key not in keys.asked_annotations(found)
        if ours and "instance" not in key and "request" not in key:
            yield Problem(
                f"metadata.annotations[{key}]",
                "AnnotationIgnored",
                _("ACS does not read this annotation of ECI."),
                _("Use the annotations of ACS, under network.alibabacloud.com and others."),
                fatal=False,
            )


def _required_spec(text: str, labels: Mapping[str, str]) -> Iterator[Problem]:
    path = f"metadata.annotations[{keys.REQUIRED_SPEC}]"
    if labels[keys.CLASS] in keys.GPU_CLASSES:
        yield Problem(
            path,
            "RequiredSpecOfGpu",
            _("The total size can be asked for without GPUs only."),
            _("Remove the annotation; ask for vCPUs and memory in the containers."),
        )
    elif sizes.pair(text) is None:
        yield Problem(
            path,
            "BadRequiredSpec",
            _("The value %(value)s is no size."),
            _("Write vCPUs and GiB like 2-4Gi."),
            values={"value": text},
        )


def _vendors(text: str, labels: Mapping[str, str]) -> Iterator[Problem]:
    path = f"metadata.annotations[{keys.CPU_VENDORS}]"
    if labels[keys.CLASS] in keys.GPU_CLASSES:
        yield Problem(
            path,
            "CpuVendorsOfGpu",
            _("The CPU vendor can be chosen without GPUs only."),
            _("Remove the annotation."),
        )
    elif not {part.strip() for part in text.split(",")} <= _VENDORS:
        yield Problem(
            path,
            "BadCpuVendors",
            _("ACS has no CPUs of %(value)s."),
            _("Use intel, amd or both."),
            values={"value": text},
        )


def _host(spec: Map) -> Iterator[Problem]:
    for field in ("hostNetwork", "hostPID", "hostIPC", "hostUsers"):
        if spec.get(field):
            yield Problem(
                f"spec.{field}",
                "HostNamespaceIgnored",
                _("An instance has no host whose namespaces could be shared; ACS drops the field."),
                _("Remove the field."),
                fatal=False,
            )
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy not in _DNS:
        yield Problem(
            "spec.dnsPolicy",
            "DnsPolicyNotSupported",
            _("ACS has no DNS policy %(value)s."),
            _("Use ClusterFirst, Default or None."),
            values={"value": policy},
        )


def _pod_security(spec: Map) -> Iterator[Problem]:
    """Of the pod's security context only what its containers inherit is passed on."""
    for field in spec.get("securityContext") or {}:
        if field in _POD_SECURITY:
            yield Problem(
                f"spec.securityContext.{field}",
                "PodSecurityIgnored",
                _("The field is not passed on to the instance."),
                _("Nothing to do, unless files are readable through it alone: widen their mode."),
                fatal=False,
            )


def _volumes(spec: Map) -> Iterator[Problem]:
    for index, volume in enumerate(spec.get("volumes") or ()):
        kinds = [key for key in volume if key != "name"]
        path = f"spec.volumes[{index}]"
        if "hostPath" in kinds:
            yield Problem(
                f"{path}.hostPath",
                "HostPathNotSupported",
                _("An instance has no host path to mount."),
                _("Use emptyDir or NFS."),
            )
        elif any(kind not in _VOLUMES for kind in kinds):
            yield Problem(
                ".".join([path, *kinds[:1]]),
                "VolumeNotSupported",
                _("The pod runs in the ACS cluster, which does not have this volume."),
                _("Use emptyDir, ConfigMap, Secret or NFS."),
            )


def _containers(spec: Map, field: str, labels: Mapping[str, str]) -> Iterator[Problem]:
    for index, container in enumerate(spec.get(field) or ()):
        path = f"spec.{field}[{index}]"
        yield from _ports(container, path)
        yield from _variables(container, path, labels)
        yield from _ignored(container, path)


def _ports(container: Map, path: str) -> Iterator[Problem]:
    for place, port in enumerate(container.get("ports") or ()):
        if port.get("containerPort") in _RESERVED_PORTS:
            yield Problem(
                f"{path}.ports[{place}].containerPort",
                "ReservedPort",
                _("ACS uses the ports 111, 10250 and 10255 itself."),
                _("Listen on another port."),
                fatal=False,
            )
        if port.get("hostPort"):
            yield Problem(
                f"{path}.ports[{place}].hostPort",
                "HostPortIgnored",
                _("An instance has its own address; `hostPort` has no effect."),
                _("Use the pod's address and containerPort."),
                fatal=False,
            )


def _variables(container: Map, path: str, labels: Mapping[str, str]) -> Iterator[Problem]:
    variables = container.get("env") or ()
    if len(variables) > _MAX_VARIABLES:
        yield Problem(
            f"{path}.env",
            "TooManyVariables",
            _("A container starts with about 2,000 environment variables at most."),
            _("Put them into a file of a ConfigMap."),
        )
    if labels[keys.CLASS] not in keys.GPU_CLASSES:
        return
    for place, variable in enumerate(variables):
        if not _VARIABLE.fullmatch(variable.get("name", "")):
            yield Problem(
                f"{path}.env[{place}].name",
                "BadVariableName",
                _("With GPUs a variable's name holds only letters, digits, `_`, `.` and `-`."),
                _("Rename the variable."),
            )


def _ignored(container: Map, path: str) -> Iterator[Problem]:
    resources = container.get("resources") or {}
    if any("ephemeral-storage" in (resources.get(side) or {}) for side in ("requests", "limits")):
        yield Problem(
            f"{path}.resources",
            "EphemeralStorageIgnored",
            _("The ephemeral storage of containers is not passed on; 30 GiB are free."),
            _("Ask for more with the annotation alibabacloud.com/extra-ephemeral-storage."),
            fatal=False,
        )
    if container.get("startupProbe"):
        yield Problem(
            f"{path}.startupProbe",
            "StartupProbeIgnored",
            _("The startup probe is replaced by a later start of the liveness probe."),
            _("Nothing to do, unless the container starts much sooner at times."),
            fatal=False,
        )
    for probe in ("livenessProbe", "readinessProbe"):
        if (container.get(probe) or {}).get("grpc"):
            yield Problem(
                f"{path}.{probe}.grpc",
                "GrpcProbeIgnored",
                _("gRPC probes are not passed on."),
                _("Use exec, httpGet or tcpSocket."),
                fatal=False,
            )
    if ((container.get("securityContext") or {}).get("capabilities") or {}).get("drop"):
        yield Problem(
            f"{path}.securityContext.capabilities.drop",
            "CapabilitiesDropIgnored",
            _("Capabilities are added and not dropped."),
            _("Nothing to do, unless the drop is a requirement."),
            fatal=False,
        )
