"""The ClusterRole that a cluster's administrator applies grants what is asked, and no more."""

from __future__ import annotations

import uuid

import pytest
import yaml

from addons.clusters import rbac
from addons.runtime.loop import Runtime
from kube import CONFIGMAPS, Access, AddressPolicy, Kube, Target, parse_kubeconfig
from kube.errors import Forbidden
from kube.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, SERVICE_ACCOUNTS, Resource
from kube.secret import Secret
from tests.conftest import World


def test_what_is_lacking_is_asked_for_object_by_object() -> None:
    everything = rbac.wanted()
    assert Access("watch", "configmaps", namespace="kube-system", name="eci-profile") in everything
    assert Access("get", "configmaps") in everything
    lacking = Access("watch", "configmaps", namespace="kube-system", name="user-temp-aksk")
    role = next(
        document
        for document in yaml.safe_load_all(rbac.manifest([lacking]))
        if document["kind"] == "ClusterRole"
    )
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["user-temp-aksk"],
            "verbs": ["watch"],
        }
    ]


async def _apply(admin: Kube, name: str) -> Secret:
    """The role for a service account of that name; its token."""
    resources = {"ClusterRole": CLUSTER_ROLES, "ClusterRoleBinding": CLUSTER_ROLE_BINDINGS}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    await admin.create(SERVICE_ACCOUNTS, account, "kube-system")
    for document in yaml.safe_load_all(rbac.manifest()):
        if document["kind"] in resources:
            document["metadata"]["name"] = name
            if document["kind"] == "ClusterRoleBinding":
                document["roleRef"]["name"] = document["subjects"][0]["name"] = name
            await admin.create(resources[document["kind"]], document)
    tokens = Resource("", "v1", f"serviceaccounts/{name}/token", "TokenRequest", namespaced=True)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return Secret((await admin.create(tokens, body, "kube-system"))["status"]["token"])


def test_with_the_role_everything_needed_is_allowed_and_no_other_configmap_is_listed(
    world: World, runtime: Runtime
) -> None:
    config = parse_kubeconfig(world.kubeconfig)
    target = config.target(config.current_context)
    policy = AddressPolicy.of(allow=["127.0.0.0/8"])

    async def scenario() -> None:
        async with Kube(target, policy=policy) as admin:
            token = await _apply(admin, f"spillway-{uuid.uuid4().hex[:6]}")
        ours = Target(target.server, target.ca_pem, token, tls_server_name=target.tls_server_name)
        async with Kube(ours, policy=policy) as kube:
            answers = await kube.can_i(rbac.wanted())
            assert {str(access) for access, allowed in answers.items() if not allowed} == set()
            one = "metadata.name=eci-profile"
            await kube.list(CONFIGMAPS, "kube-system", fields=one)
            for namespace, fields in (("kube-system", ""), ("default", "metadata.name=other")):
                with pytest.raises(Forbidden):
                    await kube.list(CONFIGMAPS, namespace, fields=fields)

    runtime.run(scenario(), timeout=60)
