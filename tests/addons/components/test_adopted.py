"""What people installed with the real kubectl and the real Helm, adopted and then changed."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from addons.components import manage
from addons.components.kits import manifests as m
from addons.models import Installation, Operation
from kube import CLUSTER_ROLE_BINDINGS, DEPLOYMENTS, SECRETS
from tests.addons.components.conftest import Json, Place
from tests.addons.components.test_in_cluster import NAME, SPACE
from tests.conftest import World

VERSION = "v1.3.1"
ACCOUNT = "virtual-kubelet-sa"


def theirs(place: Place, node: str) -> list[Json]:
    """As Kingsoft Cloud's help page has it: keys are plain values; and a limit of their own."""
    key = next(k for k in place.cloud["keys"] if k["note"] == "full access")
    subnet = place.cloud["subnets"][0]
    plain = {
        "KCI_ACCESS_KEY": key["access_key_id"],
        "KCI_SECRET_KEY": key["access_key_secret"],
        "KCI_REGION": place.cloud["region"],
        "KCI_CLUSTER_ID": f"c-{uuid.uuid4().hex[:8]}",
        "KCI_SUBNET_ID": subnet["id"],
        "KCI_SECURITY_GROUP_IDS": place.cloud["security_group_id"],
        "KCI_KUBE_PROXY": "false",
    }
    container = {
        "name": "virtual-kubelet",
        "image": f"hub.kce.ksyun.com/ksyun/rbkci-virtual-kubelet:{VERSION}",
        "args": ["--provider=kingsoftcloud", f"--nodename={node}", "--enable-node-lease"],
        "env": [
            m.env_field("VKUBELET_POD_IP", "status.podIP"),
            *(m.env(name, value) for name, value in plain.items()),
        ],
        "resources": {"limits": {"memory": "512Mi"}},
    }
    label = {"k8s-app": "virtual-kubelet"}
    return [
        m.service_account(ACCOUNT, SPACE),
        m.cluster_role_binding("virtual-kubelet-rb", "cluster-admin", ACCOUNT, SPACE),
        m.deployment("virtual-kubelet", SPACE, label, account=ACCOUNT, containers=[container]),
    ]


def tool(world: World, program: str, *words: str, stdin: str = "") -> str:
    kubeconfig = world.facts["clusters"][0]["kubeconfig"]
    done = subprocess.run(
        [Path(sys.executable).with_name(program), "--kubeconfig", kubeconfig, "-n", SPACE, *words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def by_kubectl(world: World, objects: list[Json], _folder: Path) -> None:
    tool(world, "kubectl", "apply", "-f", "-", stdin=yaml.safe_dump_all(objects))


def by_helm(world: World, objects: list[Json], folder: Path) -> None:
    chart = folder / "chart"
    (chart / "templates").mkdir(parents=True)
    about = {"apiVersion": "v2", "name": "rbkci", "version": "0.3.0", "appVersion": VERSION}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
    (chart / "templates/all.yaml").write_text(yaml.safe_dump_all(objects))
    tool(world, "helm", "install", "virtual-kubelet", str(chart))


INSTALLERS = {"kubectl-client-side-apply": by_kubectl, "helm": by_helm}


@pytest.fixture
def swept(place: Place, world: World) -> Iterator[Place]:
    yield place
    for kind, name in (
        ("deployment", "virtual-kubelet"),
        ("serviceaccount", ACCOUNT),
        ("clusterrolebinding", "virtual-kubelet-rb"),
    ):
        tool(world, "kubectl", "delete", kind, name, "--ignore-not-found")


def succeeded(place: Place, action: str, **more: Any) -> Installation:
    done = place.run(NAME, action, **more)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row = place.row(NAME)
    assert row
    return row


def deployment(place: Place) -> Json:
    found = place.get(DEPLOYMENTS, "virtual-kubelet", SPACE)
    assert found
    return found


def container(place: Place) -> Json:
    found: Json = deployment(place)["spec"]["template"]["spec"]["containers"][0]
    return found


def owners(obj: Json) -> set[str]:
    return {e["manager"] for e in obj["metadata"]["managedFields"] if "subresource" not in e}


@pytest.mark.parametrize("manager", INSTALLERS)
def test_what_others_installed_is_configured_and_changed_again_after_it_was_adopted(
    swept: Place, world: World, tmp_path: Path, manager: str
) -> None:
    place = swept
    node = f"vk-{uuid.uuid4().hex[:6]}"
    objects = theirs(place, node)
    INSTALLERS[manager](world, objects, tmp_path)
    row = succeeded(place, "adopt")
    assert (row.adopted, row.version, row.values["nodename"]) == (True, VERSION, node)
    assert manager in owners(deployment(place)), "nothing is moved by adopting"
    assert not [one for one in manage.drift(row) if "[KCI_" in one["field"]]

    values = {**row.values, "credential": place.account.pk}
    plan = manage.plan(place.cluster, NAME, action="configure", values=values)
    assert not plan.blocking, [c for c in plan.checks if c.state == "bad"]
    (owned,) = (check for check in plan.checks if check.code == "owners")
    assert owned.state == "warn"
    assert f"Deployment {SPACE}/virtual-kubelet ({manager})" in owned.detail
    told = {(d.object.partition(" ")[0], d.field): (d.live, d.wanted) for d in plan.objects}
    where = "spec.template.spec.containers[virtual-kubelet]"
    assert told["Deployment", f"{where}.env[KCI_SECRET_KEY].value"] == ("***", None)
    limits = told["Deployment", f"{where}.resources.limits"]
    assert limits == ({"memory": "512Mi"}, None), "what they set besides is told to go"
    secret = next(k for k in place.cloud["keys"] if k["note"] == "full access")
    assert secret["access_key_secret"] not in str(plan)
    assert plan.auto_rollback is None, "nobody has the key that a way back would need"

    row = succeeded(place, "configure", values=values)
    env = {one["name"]: one for one in container(place)["env"]}
    assert "value" not in env["KCI_SECRET_KEY"]
    assert env["KCI_SECRET_KEY"]["valueFrom"]["secretKeyRef"]["name"] == "virtual-kubelet-keys"
    assert container(place).get("resources", {}) == {}
    for resource, name in (
        (DEPLOYMENTS, "virtual-kubelet"),
        (CLUSTER_ROLE_BINDINGS, "virtual-kubelet-rb"),
    ):
        live = place.get(resource, name, SPACE if resource is DEPLOYMENTS else None)
        assert live
        assert manager not in owners(live)
    assert manage.drift(row) == []

    values = {**values, "KCI_KUBE_PROXY": True}
    assert manage.plan(place.cluster, NAME, action="configure", values=values).auto_rollback
    succeeded(place, "configure", values=values)
    assert {"name": "KCI_KUBE_PROXY", "value": "true"} in container(place)["env"]
    with pytest.raises(manage.ComponentError, match="could not be read back"):
        place.start(NAME, "rollback", revision=1)
    assert place.get(SECRETS, "virtual-kubelet-keys", SPACE)
