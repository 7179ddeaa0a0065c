"""Printer columns of the built-in kinds, as ``kubectl get`` and ``-o wide`` show them.

Titles, order and contents as in the Kubernetes printers (``pkg/printers/internalversion``).
"""

from sandbox.cluster import cells
from sandbox.cluster.cells import Column
from sandbox.cluster.podcolumns import pod_ready, pod_restarts, pod_status
from sandbox.cluster.selectors import to_text

CREATED = cells.column("Created At", "metadata.creationTimestamp")
COLUMNS: dict[str, tuple[Column, ...]] = {
    "pods": (
        cells.column("Ready", pod_ready),
        cells.column("Status", pod_status),
        cells.column("Restarts", pod_restarts),
        cells.AGE,
        cells.wide("IP", cells.ips),
        cells.wide("Node", "spec.nodeName"),
        cells.wide("Nominated Node", "status.nominatedNodeName"),
        cells.wide("Readiness Gates", cells.gates),
    ),
    "nodes": (
        cells.column("Status", cells.node_status),
        cells.column("Roles", cells.node_roles),
        cells.AGE,
        cells.column("Version", cells.node_info("kubeletVersion")),
        cells.wide("Internal-IP", cells.node_address("InternalIP")),
        cells.wide("External-IP", cells.node_address("ExternalIP")),
        cells.wide("OS-Image", cells.node_info("osImage")),
        cells.wide("Kernel-Version", cells.node_info("kernelVersion")),
        cells.wide("Container-Runtime", cells.node_info("containerRuntimeVersion")),
    ),
    "namespaces": (cells.column("Status", "status.phase"), cells.AGE),
    "configmaps": (
        cells.column("Data", lambda o, _: len({**o.get("data", {}), **o.get("binaryData", {})})),
        cells.AGE,
    ),
    "secrets": (cells.column("Type", "type"), cells.column("Data", cells.count("data")), cells.AGE),
    "serviceaccounts": (cells.column("Secrets", cells.count("secrets")), cells.AGE),
    "services": (
        cells.column("Type", "spec.type"),
        cells.column("Cluster-IP", "spec.clusterIP"),
        cells.column("External-IP", cells.service_address),
        cells.column("Port(s)", cells.service_ports),
        cells.AGE,
        cells.wide("Selector", cells.plain_selector),
    ),
    "endpoints": (cells.column("Endpoints", cells.endpoints), cells.AGE),
    "endpointslices.discovery.k8s.io": (
        cells.column("AddressType", "addressType"),
        cells.column(
            "Ports",
            lambda o, _: ",".join(str(p.get("port")) for p in o.get("ports") or ()) or "<unset>",
        ),
        cells.column(
            "Endpoints",
            lambda o, _: (
                ",".join(a for e in o.get("endpoints") or () for a in e["addresses"]) or "<unset>"
            ),
        ),
        cells.AGE,
    ),
    "events": (
        cells.column("Last Seen", cells.event_seen),
        cells.column("Type", "type", ""),
        cells.column("Reason", "reason", ""),
        cells.column("Object", cells.event_object),
        cells.wide("Subobject", "involvedObject.fieldPath", ""),
        cells.wide("Source", "source.component", ""),
        cells.column("Message", "message", ""),
        cells.wide("First Seen", cells.event_first),
        cells.wide("Count", "count", 1),
        cells.wide("Name", "metadata.name"),
    ),
    "resourcequotas": (
        cells.column("Request", cells.quota("requests")),
        cells.column("Limit", cells.quota("limits")),
        cells.AGE,
    ),
    "persistentvolumeclaims": (
        cells.column("Status", "status.phase"),
        cells.column("Volume", "spec.volumeName", ""),
        cells.column("Capacity", "status.capacity.storage", ""),
        cells.column("Access Modes", cells.modes("status.accessModes")),
        cells.column("StorageClass", "spec.storageClassName", ""),
        cells.AGE,
        cells.wide("VolumeMode", "spec.volumeMode"),
    ),
    "persistentvolumes": (
        cells.column("Capacity", "spec.capacity.storage", ""),
        cells.column("Access Modes", cells.modes("spec.accessModes")),
        cells.column("Reclaim Policy", "spec.persistentVolumeReclaimPolicy", ""),
        cells.column("Status", "status.phase"),
        cells.column("Claim", cells.claim_ref),
        cells.column("StorageClass", "spec.storageClassName", ""),
        cells.AGE,
    ),
    "deployments.apps": (
        cells.column("Ready", cells.ready_of("spec.replicas", "status.readyReplicas")),
        cells.number("Up-to-date", "status.updatedReplicas"),
        cells.number("Available", "status.availableReplicas"),
        cells.AGE,
        *cells.CONTAINERS,
        cells.wide("Selector", cells.selector),
    ),
    "replicasets.apps": (
        cells.number("Desired", "spec.replicas"),
        cells.number("Current", "status.replicas"),
        cells.number("Ready", "status.readyReplicas"),
        cells.AGE,
        *cells.CONTAINERS,
        cells.wide("Selector", cells.selector),
    ),
    "statefulsets.apps": (
        cells.column("Ready", cells.ready_of("spec.replicas", "status.readyReplicas")),
        cells.AGE,
        *cells.CONTAINERS,
    ),
    "daemonsets.apps": (
        cells.number("Desired", "status.desiredNumberScheduled"),
        cells.number("Current", "status.currentNumberScheduled"),
        cells.number("Ready", "status.numberReady"),
        cells.number("Up-to-date", "status.updatedNumberScheduled"),
        cells.number("Available", "status.numberAvailable"),
        cells.column("Node Selector", cells.selector_map("spec.template.spec.nodeSelector")),
        cells.AGE,
        *cells.CONTAINERS,
        cells.wide("Selector", cells.selector),
    ),
    "jobs.batch": (
        cells.column("Status", cells.job_status),
        cells.column("Completions", cells.ready_of("spec.completions", "status.succeeded")),
        cells.column("Duration", cells.job_duration),
        cells.AGE,
        *cells.CONTAINERS,
        cells.wide("Selector", cells.selector),
    ),
    "cronjobs.batch": (
        cells.column("Schedule", "spec.schedule"),
        cells.column("Timezone", "spec.timeZone"),
        cells.column("Suspend", lambda o, _: str(o["spec"].get("suspend", False))),
        cells.column("Active", cells.count("status.active")),
        cells.column("Last Schedule", cells.last_schedule),
        cells.AGE,
        *cells.CONTAINERS,
    ),
    "poddisruptionbudgets.policy": (
        cells.column("Min Available", cells.budget("minAvailable")),
        cells.column("Max Unavailable", cells.budget("maxUnavailable")),
        cells.number("Allowed Disruptions", "status.disruptionsAllowed"),
        cells.AGE,
    ),
    "horizontalpodautoscalers.autoscaling": (
        cells.column("Reference", cells.reference),
        cells.column("Targets", cells.hpa_targets),
        cells.number("MinPods", "spec.minReplicas"),
        cells.number("MaxPods", "spec.maxReplicas"),
        cells.number("Replicas", "status.currentReplicas"),
        cells.AGE,
    ),
    "leases.coordination.k8s.io": (cells.column("Holder", "spec.holderIdentity", ""), cells.AGE),
    "ingresses.networking.k8s.io": (
        cells.column("Class", "spec.ingressClassName"),
        cells.column("Hosts", cells.hosts),
        cells.column("Address", lambda _o, _n: ""),
        cells.column("Ports", cells.ports),
        cells.AGE,
    ),
    "networkpolicies.networking.k8s.io": (
        cells.column("Pod-Selector", lambda o, _: to_text(o["spec"].get("podSelector"))),
        cells.AGE,
    ),
    "storageclasses.storage.k8s.io": (
        cells.column("Provisioner", "provisioner"),
        cells.column("ReclaimPolicy", "reclaimPolicy"),
        cells.column("VolumeBindingMode", "volumeBindingMode"),
        cells.column("AllowVolumeExpansion", "allowVolumeExpansion", False),
        cells.AGE,
    ),
    "priorityclasses.scheduling.k8s.io": (
        cells.number("Value", "value"),
        cells.column("Global-Default", "globalDefault", False),
        cells.AGE,
        cells.column("PreemptionPolicy", "preemptionPolicy"),
    ),
    "roles.rbac.authorization.k8s.io": (cells.column("Created At", "metadata.creationTimestamp"),),
    "clusterroles.rbac.authorization.k8s.io": (
        cells.column("Created At", "metadata.creationTimestamp"),
    ),
    "rolebindings.rbac.authorization.k8s.io": cells.BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": cells.BINDING,
    "customresourcedefinitions.apiextensions.k8s.io": (
        cells.column("Created At", "metadata.creationTimestamp"),
    ),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": (
        cells.column("Webhooks", cells.count("webhooks")),
        cells.AGE,
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": (
        cells.column("Webhooks", cells.count("webhooks")),
        cells.AGE,
    ),
    "apiservices.apiregistration.k8s.io": (
        cells.column("Service", "spec.service.name", "Local"),
        cells.column("Available", cells.available),
        cells.AGE,
    ),
    "certificatesigningrequests.certificates.k8s.io": (
        cells.AGE,
        cells.column("SignerName", "spec.signerName"),
        cells.column("Requestor", "spec.username", ""),
        cells.column("RequestedDuration", "spec.expirationSeconds"),
        cells.column("Condition", cells.csr),
    ),
    "replicationcontrollers": (
        cells.number("Desired", "spec.replicas"),
        cells.number("Current", "status.replicas"),
        cells.number("Ready", "status.readyReplicas"),
        cells.AGE,
        *cells.CONTAINERS,
        cells.wide("Selector", cells.plain_selector),
    ),
    "limitranges": (cells.column("Created At", "metadata.creationTimestamp"),),
}
