"""The ClusterRole that a cluster's administrator applies grants what is asked, and no more."""

from __future__ import annotations

import uuid

import pytest
import yaml

from addons.clusters import rbac
from addons.runtime.loop import Runtime
from kube import CONFIGMAPS, Access, AddressPolicy, Kube, Target, parse_kubeconfig
from kube.errors import Forbidden
from tests.addons.clusters.granted import granted
from tests.conftest import World


def test_the_canary_is_granted_in_kube_system_alone() -> None:
    documents = list(yaml.safe_load_all(rbac.manifest()))
    creating = [
        (document["kind"], document["metadata"].get("namespace"))
        for document in documents
        for rule in document.get("rules") or ()
        if "pods" in rule["resources"] and "create" in rule["verbs"]
    ]
    assert creating == [("Role", "kube-system")]
    kinds = [document["kind"] for document in documents]
    assert kinds[0] == "ServiceAccount"
    assert sorted(kinds[1:5]) == ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]


def test_what_is_lacking_is_asked_for_object_by_object() -> None:
    everything = rbac.wanted()
    assert Access("watch", "configmaps", namespace="kube-system", name="eci-profile") in everything
    assert Access("get", "configmaps") in everything
    lacking = Access("watch", "configmaps", namespace="kube-system", name="user-temp-aksk")
    role = next(
        document
        for document in yaml.safe_load_all(rbac.manifest([lacking]))
        if document["kind"] == "Role"
    )
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["user-temp-aksk"],
            "verbs": ["watch"],
        }
    ]


def test_with_the_role_everything_needed_is_allowed_and_no_other_configmap_is_listed(
    world: World, runtime: Runtime
) -> None:
    config = parse_kubeconfig(world.kubeconfig)
    target = config.target(config.current_context)
    policy = AddressPolicy.of(allow=["127.0.0.0/8"])

    async def scenario() -> None:
        async with Kube(target, policy=policy) as admin:
            token = await granted(admin, f"spillway-{uuid.uuid4().hex[:6]}", [rbac.manifest()])
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
