"""Components under the very roles that a cluster's administrator applies, not as administrator."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from addons.clusters import rbac
from addons.components import affected, manage, rights
from addons.models import Operation, PodRow, VirtualNode
from addons.nodes.install import add_node
from addons.pods.references import MissingReference, Resolver
from addons.runtime.clients import purpose
from addons.sentences import read_in_english
from addons.watch.service import Service
from kube import DAEMONSETS, NODES, PODS, SECRETS, Kube
from kube.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from providers import vault
from tests.addons import cast
from tests.addons.clusters.granted import granted
from tests.addons.components.conftest import Json, Place, values
from tests.addons.components.test_hosted import NAME as HOSTED
from tests.addons.components.test_hosted import QUICK, Hosted
from tests.addons.components.test_in_cluster import NAME, SPACE, running

Narrow = Callable[..., Place]


@pytest.fixture
def narrow(place: Place) -> Narrow:
    """The same cluster, registered with an account that has these manifests' roles alone."""

    def make(*manifests: str) -> Place:
        name = f"spillway-{uuid.uuid4().hex[:6]}"
        token = place.ask(lambda kube: granted(kube, name, manifests))
        known = place.cluster
        uid = f"uid-{uuid.uuid4().hex[:8]}"
        cluster = cast.cluster(
            account=place.account,
            uid=uid,
            server=known.server,
            tls_server_name=known.tls_server_name,
            ca_pem=known.ca_pem,
            kind=known.kind,
            version=known.version,
            sealed_token=vault.seal(token, purpose("sealed_token", uid)),
        )
        return Place(place.runtime, cluster, place.account, place.control, place.cloud)

    return make


@pytest.fixture
def watched(place: Place, settings: Any) -> Iterator[None]:
    settings.SWEEP_SECONDS, settings.FULL_SWEEP_SECONDS = 0.3, 1.0
    place.control.knobs(**QUICK, limits=False)
    watching: Future[None] = asyncio.run_coroutine_threadsafe(
        Service(place.runtime).run(), place.runtime.loop
    )
    yield
    watching.cancel()


def everywhere(name: str) -> Json:
    """A DaemonSet such as kubeadm's kube-proxy: it tolerates whatever there is."""
    pod = {
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "proxy", "image": "kube-proxy:1.36"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


def claim(name: str) -> tuple[Json, Json]:
    """A claim and the NFS volume that it is bound to."""
    modes, size = {"accessModes": ["ReadWriteMany"]}, {"storage": "1Gi"}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            **modes,
            "capacity": size,
            "storageClassName": "",
            "nfs": {"server": "10.0.0.9", "path": "/"},
        },
    }
    asked = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            **modes,
            "volumeName": name,
            "storageClassName": "",
            "resources": {"requests": size},
        },
    }
    return volume, asked


def with_claim(name: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "serviceAccountName": name,
            "imagePullSecrets": [{"name": name}],
            "containers": [{"name": "app", "image": "nginx:1.27"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}}],
        },
    }


@pytest.fixture
def daemon(place: Place) -> Iterator[str]:
    """The name of a DaemonSet that goes everywhere."""
    name = f"proxy-{uuid.uuid4().hex[:6]}"
    place.ask(lambda kube: kube.create(DAEMONSETS, everywhere(name), "default"))
    yield name
    place.ask(lambda kube: kube.delete(DAEMONSETS, name, "default"))


def daemons_on(place: Place, node: str) -> list[Json]:
    pods = place.ask(lambda kube: kube.list(PODS, fields=f"spec.nodeName={node}")).items
    return [pod for pod in pods if affected.is_daemon(pod)]


def test_hosted_nodes_come_and_go_under_a_daemon_by_the_role_handed_out(
    place: Place, narrow: Narrow, world: Any, watched: None, daemon: str
) -> None:
    ours = narrow(rbac.manifest())
    hosted = Hosted(ours, world.facts["clouds"]["eci"])
    done = hosted.run("install", values=hosted.values())
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    (node,) = VirtualNode.objects.filter(cluster=ours.cluster)
    hosted.until(lambda: PodRow.objects.filter(node=node, workload_name=daemon).exists())
    done = hosted.run("uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert any(daemon in line["text"] and "DaemonSets" in line["text"] for line in done.log), (
        done.log
    )
    assert hosted.instances() == []
    assert place.get(NODES, node.name) is None


def test_claims_and_their_volumes_are_read_by_the_role_handed_out(
    place: Place, narrow: Narrow
) -> None:
    name = f"data-{uuid.uuid4().hex[:6]}"
    volume, asked = claim(name)
    place.ask(lambda kube: kube.create(PERSISTENT_VOLUMES, volume))
    place.ask(lambda kube: kube.create(PERSISTENT_VOLUME_CLAIMS, asked, "default"))

    def resolved(ours: Place) -> Any:
        async def ask(kube: Kube) -> Any:
            return await Resolver(kube, monotonic=time.monotonic).resolve(with_claim(name))

        return ours.ask(ask)

    found = resolved(narrow(rbac.manifest()))
    assert found.find("persistentvolumeclaims", "default", name)["spec"]["volumeName"] == name
    assert found.find("persistentvolumes", "", name)["spec"]["nfs"]["path"] == "/"
    with pytest.raises(MissingReference, match="cannot get resource"):
        resolved(narrow())


@pytest.mark.parametrize("grants", ["cluster-admin", "least-privilege"])
def test_a_component_comes_and_goes_under_a_daemon_by_the_roles_for_components(
    place: Place, narrow: Narrow, daemon: str, grants: str
) -> None:
    ours = narrow(rbac.manifest(), rights.manifest())
    given = values(ours, rbac=grants)
    done = ours.run(NAME, "install", values=given)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    ours.work(lambda: running(place, given["KCI_CLUSTER_ID"]), seconds=40)
    assert daemons_on(place, given["nodename"])
    done = ours.run(NAME, "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert any(daemon in line["text"] and "DaemonSets" in line["text"] for line in done.log), (
        done.log
    )
    assert running(place, given["KCI_CLUSTER_ID"]) == []
    assert place.get(NODES, given["nodename"]) is None
    assert place.get(SECRETS, "virtual-kubelet-keys", SPACE) is None


def test_a_plan_tells_what_the_role_lacks_for_a_component(narrow: Narrow) -> None:
    ours = narrow(rbac.manifest())
    plan = manage.plan(ours.cluster, NAME, action="install", values=values(ours))
    (lacking,) = [check for check in plan.checks if check.state == "bad"]
    assert lacking.code == "rights"
    for access in ("create secrets (kube-system)", "create deployments.apps (kube-system)"):
        assert access in lacking.detail
    assert "list secrets (kube-system)" in lacking.detail
    assert "eviction" not in lacking.detail
    assert "roles for components" in lacking.fix


def test_a_hosted_plan_asks_for_the_canary_and_the_nodes(narrow: Narrow, world: Any) -> None:
    ours = narrow()
    hosted = Hosted(ours, world.facts["clouds"]["eci"])
    plan = manage.plan(ours.cluster, HOSTED, action="install", values=hosted.values())
    details = [check.detail for check in plan.checks if check.code == "rights"]
    assert details
    for access in ("create pods (kube-system)", "patch nodes", "delete leases.coordination.k8s.io"):
        assert access in details[0]


def test_what_came_no_further_than_its_rights_can_be_forgotten(narrow: Narrow, world: Any) -> None:
    ours = narrow()
    hosted = Hosted(ours, world.facts["clouds"]["eci"])
    failed = ours.run(HOSTED, "install", values=hosted.values())
    assert failed.state == Operation.State.FAILED
    assert "create pods (kube-system)" in read_in_english(failed.error)
    plan = manage.plan(ours.cluster, HOSTED, action="uninstall")
    assert not [check for check in plan.checks if check.code == "rights"]
    assert ours.run(HOSTED, "uninstall").state == Operation.State.SUCCEEDED
    assert ours.row(HOSTED) is None


def test_what_is_forbidden_ends_an_operation_at_once_and_names_the_permission(
    narrow: Narrow,
) -> None:
    ours = narrow()
    operation = add_node(
        ours.cluster,
        ours.account,
        zone="cn-beijing-6a",
        placements=[{"zone": "cn-beijing-6a", "subnet": "s"}],
        security_group="g",
        actor="alice",
        team=ours.cluster.team,
    )
    ours.ended(operation, seconds=20)
    assert operation.state == Operation.State.FAILED
    assert " may not get nodes in the cluster." in read_in_english(operation.error)
    assert "Checks" in operation.fix
