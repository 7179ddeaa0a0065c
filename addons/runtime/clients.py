"""How clients of clusters and clouds are made from what the database holds."""

from __future__ import annotations

import hashlib

from django.conf import settings

from addons.models import Cluster
from kube import AddressPolicy, Kube, Target
from kube.secret import Secret
from providers import registry, vault
from providers.base import Provider
from providers.models import CloudAccount

_CLUSTER_FIELDS = (
    "server",
    "tls_server_name",
    "insecure_skip_tls_verify",
    "ca_pem",
    "client_cert_pem",
    "sealed_client_key",
    "sealed_token",
)
_ACCOUNT_FIELDS = ("provider", "endpoint", "access_key_id", "sealed_secret", "sealed_token")


def _digest(values: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()


def cluster_version(cluster_id: int) -> str:
    """Changes when the credential or the address of the cluster did. Raises DoesNotExist."""
    return _digest(Cluster.objects.values_list(*_CLUSTER_FIELDS).get(pk=cluster_id))


def account_version(account_id: int) -> str:
    return _digest(CloudAccount.objects.values_list(*_ACCOUNT_FIELDS).get(pk=account_id))


def purpose(field: str, cluster_uid: str) -> str:
    """What a sealed column of a cluster is bound to: the cluster's own identity."""
    return vault.purpose("addons.Cluster", field, cluster_uid)


def _opened(cluster: Cluster, field: str) -> Secret | None:
    sealed = getattr(cluster, field)
    return vault.unseal(sealed, purpose(field, cluster.uid)) if sealed else None


def target_of(cluster: Cluster) -> Target:
    return Target(
        server=cluster.server,
        ca_pem=cluster.ca_pem,
        token=_opened(cluster, "sealed_token"),
        client_cert_pem=cluster.client_cert_pem,
        client_key_pem=_opened(cluster, "sealed_client_key"),
        insecure_skip_tls_verify=cluster.insecure_skip_tls_verify,
        tls_server_name=cluster.tls_server_name,
    )


def cluster_target(cluster_id: int) -> Target:
    return target_of(Cluster.objects.get(pk=cluster_id))


def address_policy() -> AddressPolicy:
    return AddressPolicy.of(allow=settings.DIAL_ALLOW, deny=settings.DIAL_DENY)


def build_kube(target: Target) -> Kube:
    return Kube(target, policy=address_policy())


def account(account_id: int) -> CloudAccount:
    return CloudAccount.objects.get(pk=account_id)


def build_provider(row: CloudAccount, region: str) -> Provider:
    return registry.client(row, region)
