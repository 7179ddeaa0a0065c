"""What of a pod KCI refuses or ignores, and what is written back on it.

Sources: `capabilities` for what depends on a version; KCI API reference 2020-07-02,
CreateContainerGroup (which fields of a container there are); KCI user guide, "Kubernetes cluster
with KCI" (annotations, taint).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_noop as _

from providers.base import Created, Instance, InstanceSpec, Problem
from providers.kci import node, options, sizes
from providers.kci.capabilities import Feature, Verdict, verdicts
from providers.kci.options import BadAnnotation

Map = Mapping[str, Any]
Rules = Mapping[Feature, Verdict]
_VOLUMES = {
    "emptyDir",
    "configMap",
    "secret",
    "downwardAPI",
    "projected",
    "nfs",
    "hostPath",
    "persistentVolumeClaim",
    "csi",
}
# KCI user guide, "KCI pods of Serverless clusters" (document 39317).
_USUAL_CONTAINERS = 5
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def problems(pod: Map, settings: Mapping[str, str]) -> Sequence[Problem]:
    """What the cloud refuses (`fatal`) or ignores in this pod object."""
    meta: Map = pod.get("metadata") or {}
    spec: Map = pod.get("spec") or {}
    annotations: Mapping[str, str] = meta.get("annotations") or {}
    bad = list(_annotations(annotations, settings))
    agent = _cluster_mode(annotations, settings)
    rules = verdicts(settings, cluster_mode=agent)
    return [
        *bad,
        *_owner(meta, rules),
        *_host(spec, rules),
        *_volumes(spec, rules),
        *_all_containers(spec, rules, agent=agent),
        *_pod_fields(spec, agent=agent),
        *_cluster_dns(spec, settings, agent=agent),
        *_tolerations(spec, settings),
    ]


def _cluster_mode(annotations: Mapping[str, str], settings: Mapping[str, str]) -> bool:
    try:
        return options.kube_proxy(annotations, settings)
    except BadAnnotation:
        return False


def _judged(rule: Verdict, path: str, reason: str, message: str, fix: str) -> Iterator[Problem]:
    """The problem as grave as the rule says; none where the feature works."""
    if rule is not Verdict.WORKS:
        yield Problem(path, reason, message, fix, fatal=rule is Verdict.REFUSED)


def _owner(meta: Map, rules: Rules) -> Iterator[Problem]:
    owners = meta.get("ownerReferences") or ()
    if any(owner.get("kind") == "DaemonSet" for owner in owners):
        yield from _judged(
            rules[Feature.DAEMON_SET],
            "metadata.ownerReferences",
            "DaemonSetNotSupported",
            _("Pods of a DaemonSet do not run on virtual nodes."),
            _(
                "Keep the DaemonSet away with node affinity `type NotIn virtual-kubelet`, "
                "or run it as a sidecar."
            ),
        )


def _host(spec: Map, rules: Rules) -> Iterator[Problem]:
    if spec.get("hostNetwork"):
        yield from _judged(
            rules[Feature.HOST_NETWORK],
            "spec.hostNetwork",
            "HostNetworkNotSupported",
            _("An instance has no host whose network could be shared."),
            _("Remove the field; the pod has an address of its subnet."),
        )
    for field in ("hostPID", "hostIPC"):
        if spec.get(field):
            yield Problem(
                f"spec.{field}",
                "HostNamespaceNotSupported",
                _("An instance has no host whose namespaces could be shared."),
                _("Remove the field."),
            )


def _volumes(spec: Map, rules: Rules) -> Iterator[Problem]:
    for index, volume in enumerate(spec.get("volumes") or ()):
        path = f"spec.volumes[{index}]"
        kind = next((key for key in volume if key != "name"), "emptyDir")
        if kind == "hostPath":
            yield from _judged(
                rules[Feature.HOST_PATH],
                f"{path}.hostPath",
                "HostPathNotSupported",
                _("An instance has no host path to mount."),
                _("Use emptyDir, NFS or a cloud disk."),
            )
        elif kind not in _VOLUMES:
            yield Problem(
                f"{path}.{kind}",
                "VolumeNotSupported",
                _("KCI has no volume of this kind."),
                _("Use emptyDir, ConfigMap, Secret, NFS or a claim of Kingsoft's disks."),
            )
        elif kind == "emptyDir" and (volume.get(kind) or {}).get("medium"):
            yield Problem(
                f"{path}.emptyDir.medium",
                "MediumIgnored",
                _("KCI keeps every emptyDir on its disk."),
                _("Nothing to do, unless the volume must be memory."),
                fatal=False,
            )


def _all_containers(spec: Map, rules: Rules, *, agent: bool) -> Iterator[Problem]:
    if spec.get("initContainers"):
        yield from _judged(
            rules[Feature.INIT_CONTAINERS],
            "spec.initContainers",
            "InitContainersNotSupported",
            _("Init containers do not run here."),
            _("Do their work in the image or at the start of a container."),
        )
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            path = f"spec.{field}[{index}]"
            yield from _privileged(container, path, rules)
            yield from _probes(container, path, rules)
            if not agent:
                yield from _container_fields(container, path)
                yield from _sidecar(container, path, field)


def _sidecar(container: Map, path: str, field: str) -> Iterator[Problem]:
    if field == "initContainers" and container.get("restartPolicy") == "Always":
        yield Problem(
            f"{path}.restartPolicy",
            "SidecarIsOrdinary",
            _("KCI has no sidecars: it starts with the others, and the pod ends when all have."),
            _("End it from the main container, or do without it in pods that must end."),
            fatal=False,
        )


def _privileged(container: Map, path: str, rules: Rules) -> Iterator[Problem]:
    if (container.get("securityContext") or {}).get("privileged"):
        yield from _judged(
            rules[Feature.PRIVILEGED],
            f"{path}.securityContext.privileged",
            "PrivilegedNotSupported",
            _("KCI runs no privileged containers."),
            _("Remove `privileged`."),
        )


def _probes(container: Map, path: str, rules: Rules) -> Iterator[Problem]:
    for field in _PROBES:
        probe = container.get(field)
        if probe is None:
            continue
        yield from _judged(
            rules[Feature.PROBES],
            f"{path}.{field}",
            "ProbeNotSupported",
            _("Probes do not run here: the pod is ready without the check."),
            _("Remove the probe, or choose other rules for the virtual node."),
        )
        if rules[Feature.PROBES] is Verdict.WORKS and probe.get("grpc"):
            yield Problem(
                f"{path}.{field}.grpc",
                "GrpcProbeIgnored",
                _("KCI has no gRPC probe."),
                _("Use exec, httpGet or tcpSocket."),
                fatal=False,
            )
        elif rules[Feature.PROBES] is Verdict.WORKS and field == "startupProbe":
            yield Problem(
                f"{path}.startupProbe",
                "StartupProbeIgnored",
                _("KCI has no startup probe."),
                _("Give the liveness probe a longer initialDelaySeconds."),
                fatal=False,
            )


_SECURITY = (
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "readOnlyRootFilesystem",
    "capabilities",
    "seccompProfile",
)


def _container_fields(container: Map, path: str) -> Iterator[Problem]:
    """Fields of a container for which CreateContainerGroup has no parameter."""
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        for field in ("subPath", "subPathExpr"):
            if mount.get(field):
                yield Problem(
                    f"{path}.volumeMounts[{index}].{field}",
                    "SubPathNotSupported",
                    _("KCI mounts whole volumes only."),
                    _("Mount the volume as a directory, without a sub-path."),
                )
    security = container.get("securityContext") or {}
    for field in _SECURITY:
        if security.get(field):
            yield _ignored(f"{path}.securityContext.{field}")
    if container.get("lifecycle"):
        yield _ignored(f"{path}.lifecycle")
    for index, port in enumerate(container.get("ports") or ()):
        if port.get("hostPort"):
            yield Problem(
                f"{path}.ports[{index}].hostPort",
                "HostPortIgnored",
                _("An instance has its own address; `hostPort` has no effect."),
                _("Use the pod's address and containerPort."),
                fatal=False,
            )


def _ignored(path: str) -> Problem:
    return Problem(
        path,
        "FieldIgnored",
        _("CreateContainerGroup has no parameter for it."),
        _("Set it in the image, or do without."),
        fatal=False,
    )


def _pod_fields(spec: Map, *, agent: bool) -> Iterator[Problem]:
    if len(spec.get("containers") or ()) > _USUAL_CONTAINERS:
        yield Problem(
            "spec.containers",
            "ManyContainers",
            _("KCI's guide speaks of at most 5 containers an instance."),
            _("Split the pod, should the cloud refuse it."),
            fatal=False,
        )
    if agent:
        return
    if spec.get("activeDeadlineSeconds") is not None:
        yield Problem(
            "spec.activeDeadlineSeconds",
            "DeadlineIgnored",
            _("CreateContainerGroup has no parameter for it."),
            _("Set the deadline on the Job, or end the program itself."),
            fatal=False,
        )
    for field in ("shareProcessNamespace", "hostname", "subdomain"):
        if spec.get(field):
            yield _ignored(f"spec.{field}")
    context = spec.get("securityContext") or {}
    for field in ("runAsUser", "runAsGroup", "runAsNonRoot", "fsGroup", "sysctls"):
        if context.get(field):
            yield _ignored(f"spec.securityContext.{field}")


def _cluster_dns(spec: Map, settings: Mapping[str, str], *, agent: bool) -> Iterator[Problem]:
    """The address of the cluster's DNS service is a cluster IP, which needs the agent."""
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if agent or settings.get("cluster-dns", "").strip() or not policy.startswith("ClusterFirst"):
        return
    yield Problem(
        "spec.dnsPolicy",
        "ClusterDnsUnreachable",
        _("The cluster's DNS has a cluster IP, which instances do not reach by themselves."),
        _(
            "Set cluster-dns of the virtual node to addresses that the subnet reaches, reach "
            "services by cluster IP, or choose dnsPolicy Default."
        ),
        fatal=False,
    )


def _tolerations(spec: Map, settings: Mapping[str, str]) -> Iterator[Problem]:
    """KCI's own samples tolerate two keys; a pod with the other one is never scheduled here."""
    key = node.taint_key(settings)
    known = spec.get("tolerations") or ()
    if not key or any(one.get("key") in {key, None, ""} for one in known):
        return
    other = {node.TAINT_KEY, node.OTHER_TAINT_KEY} - {key}
    for index, one in enumerate(known):
        if one.get("key") in other:
            yield Problem(
                f"spec.tolerations[{index}].key",
                "WrongTolerationKey",
                _("The pod tolerates %(found)s, but the taint of the virtual node is %(wanted)s."),
                _("Tolerate the key %(wanted)s, or both."),
                fatal=False,
                values={"found": str(one["key"]), "wanted": key},
            )


_READERS: tuple[Callable[[Mapping[str, str]], Any], ...] = (
    options.own_size,
    options.checked_groups,
    options.checked_subnet,
    lambda given: options.kube_proxy(given, {}),
    options.host_aliases,
    lambda given: options.bandwidth(given, options.INGRESS),
    lambda given: options.bandwidth(given, options.EGRESS),
)


def _annotations(given: Mapping[str, str], settings: Mapping[str, str]) -> Iterator[Problem]:
    for reader in _READERS:
        try:
            reader(given)
        except BadAnnotation as error:
            yield Problem(
                f"metadata.annotations[{error.key}]",
                "InvalidAnnotation",
                _("The value %(value)s cannot be used: it must be %(wanted)s."),
                _("Correct the annotation on the pod template."),
                values={"value": repr(error.value), "wanted": error.wanted},
            )
    for key in given:
        if key.startswith(options.PREFIX) and key not in options.KNOWN:
            yield Problem(
                f"metadata.annotations[{key}]",
                "AnnotationIgnored",
                _("KCI has no annotation of this name."),
                _("Check its spelling, or remove it."),
                fatal=False,
            )
    if _cluster_mode(given, settings):
        return
    for key in (options.INGRESS, options.EGRESS):
        if given.get(key, "").strip():
            yield Problem(
                f"metadata.annotations[{key}]",
                "BandwidthIgnored",
                _("Bandwidth is only limited by the agent of an instance in cluster mode."),
                _("Set k8s.ksyun.com/kci-kube-proxy-enabled to 'true', or remove it."),
                fatal=False,
            )


def service_problems(service: Map, settings: Mapping[str, str]) -> Sequence[Problem]:
    """What of a Service does not reach pods here: its node ports."""
    rules = verdicts(settings, cluster_mode=False)
    if (service.get("spec") or {}).get("type") != "NodePort":
        return []
    return list(
        _judged(
            rules[Feature.NODE_PORT],
            "spec.type",
            "NodePortNotServed",
            _("A virtual node serves no node ports."),
            _("Use a LoadBalancer service, or reach the node port of a real node."),
        )
    )


def written(
    spec: InstanceSpec, *, instance: Instance | None, created: Created | None
) -> dict[str, str]:
    """What is written back on the pod, under our own keys: KCI's guide names none of its own."""
    found: dict[str, str] = {}
    if created is not None:
        found["spillway.io/instance-id"] = created.id
        if created.request_id:
            found["spillway.io/request-id"] = created.request_id
        found["spillway.io/instance-size"] = (created.size or sizes.billed_size(spec)).label
    if instance is not None:
        found["spillway.io/instance-id"] = instance.id
        if instance.size is not None:
            found["spillway.io/instance-size"] = instance.size.label
        found |= instance.written
    return found
