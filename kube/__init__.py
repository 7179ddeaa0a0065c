"""The one door to any Kubernetes API.

    target = parse_kubeconfig(text).target("production")
    async with Kube(target, policy=AddressPolicy()) as kube:
        pods = await kube.list(PODS, fields="spec.nodeName=virtual-kubelet", type=Pod)

No other code of the product opens a connection to a cluster. This room imports no other room and
no web framework.
"""

from kube import errors
from kube.access import Access
from kube.client import Kube, Listing
from kube.clock import SYSTEM_CLOCK, Clock, SystemClock
from kube.dial import AddressPolicy
from kube.kubeconfig import Context, Kubeconfig, KubeconfigRefused, parse_kubeconfig
from kube.kubeconfig_fields import Problem
from kube.objects import CoreEvent, Lease, Node, ObjectMeta, OnlyMeta, Pod
from kube.reflector import Reflector, SourceState
from kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIGMAPS,
    CRONJOBS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    LEASES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    REPLICASETS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFULSETS,
    Resource,
)
from kube.secret import Secret
from kube.target import Limits, Target
from kube.transport import ServerDate
from kube.watching import Event

__all__ = [
    "CLUSTER_ROLES",
    "CLUSTER_ROLE_BINDINGS",
    "CONFIGMAPS",
    "CRONJOBS",
    "CUSTOM_RESOURCE_DEFINITIONS",
    "DAEMONSETS",
    "DEPLOYMENTS",
    "EVENTS",
    "JOBS",
    "LEASES",
    "MUTATING_WEBHOOKS",
    "NAMESPACES",
    "NODES",
    "PERSISTENT_VOLUMES",
    "PERSISTENT_VOLUME_CLAIMS",
    "PODS",
    "REPLICASETS",
    "ROLES",
    "ROLE_BINDINGS",
    "SECRETS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "STATEFULSETS",
    "SYSTEM_CLOCK",
    "Access",
    "AddressPolicy",
    "Clock",
    "Context",
    "CoreEvent",
    "Event",
    "Kube",
    "Kubeconfig",
    "KubeconfigRefused",
    "Lease",
    "Limits",
    "Listing",
    "Node",
    "ObjectMeta",
    "OnlyMeta",
    "Pod",
    "Problem",
    "Reflector",
    "Resource",
    "Secret",
    "ServerDate",
    "SourceState",
    "SystemClock",
    "Target",
    "errors",
    "parse_kubeconfig",
]
