"""How an instance reaches the cluster itself, for clouds whose agent in the instance does so.

The agent gets the address and CA of the cluster and a token of the service account that the
vendor's own virtual kubelet uses (TokenRequest); what Spillway signs in with never leaves.
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import urlsplit

import yaml

from addons.models import Cluster
from addons.pods.references import MissingReference, Resolved
from addons.pods.translate import cluster_domain, resolvers
from addons.pods.work import Work
from kube.errors import NotFound
from kube.resources import Resource
from kube.secret import Secret
from providers.base import ClusterAccess

NAMESPACE, ACCOUNT = "kube-system", "virtual-kubelet-sa"
# Of the virtual node, where its provider has it: `ip:port`, in place of the registered address.
SERVER = "KCI_CLUSTER_SERVER"
# The agent has no way to renew it; API servers may give less (TokenRequest API).
TOKEN_SECONDS = 365 * 24 * 3600
_TOKENS = Resource("", "v1", f"serviceaccounts/{ACCOUNT}/token", "TokenRequest", namespaced=True)
_FIX = (
    f"kubectl -n {NAMESPACE} create serviceaccount {ACCOUNT}; "
    "kubectl create clusterrole virtual-kubelet-agent --verb=get,list,watch,update,patch "
    "--resource=pods,pods/status,nodes,services,endpoints,endpointslices.discovery.k8s.io,"
    "configmaps,secrets,events; "
    "kubectl create clusterrolebinding virtual-kubelet-rb --clusterrole=virtual-kubelet-agent "
    f"--serviceaccount={NAMESPACE}:{ACCOUNT}"
)


async def access(work: Work, resolved: Resolved) -> ClusterAccess:
    """Raises `MissingReference` with the commands when the service account is not there."""
    node, settings = work.scene.node, work.scene.node.settings
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_SECONDS},
    }
    try:
        answer = await work.kube.create(_TOKENS, body, NAMESPACE)
    except NotFound as error:
        raise MissingReference(
            f'serviceaccount "{ACCOUNT}" not found in {NAMESPACE} (make it: {_FIX})',
            reason="ContainerCreating",
            reference=f"serviceaccounts/{NAMESPACE}/{ACCOUNT}",
        ) from error
    token = Secret(str(answer["status"]["token"]))
    return ClusterAccess(
        kubeconfig=kubeconfig(node.cluster, token, server=settings.get(SERVER, "")),
        namespace=work.namespace,
        pod=work.name,
        node=node.name,
        dns=resolvers(settings, resolved.cluster_dns),
        domain=cluster_domain(settings),
    )


def kubeconfig(cluster: Cluster, token: Secret, *, server: str = "") -> Secret:
    """A kubeconfig (v1) of one context; `server` is `ip:port` where the registered one is not."""
    place: dict[str, object] = {"server": f"https://{server}" if server else cluster.server}
    name = cluster.tls_server_name or (urlsplit(cluster.server).hostname if server else "")
    if name:
        place["tls-server-name"] = name
    if cluster.insecure_skip_tls_verify:
        place["insecure-skip-tls-verify"] = True
    elif cluster.ca_pem:
        place["certificate-authority-data"] = b64encode(cluster.ca_pem.encode()).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": place}],
        "users": [{"name": ACCOUNT, "user": {"token": token.reveal()}}],
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": ACCOUNT}}],
        "current-context": "cluster",
    }
    return Secret(yaml.safe_dump(document, sort_keys=False))
