"""The kubectl matrix: the real, unmodified kubectl over every verb that people use.

What needs no control loop runs here; rollouts, logs, exec and drain are in
``test_controllers_kubectl``. A step is (words, what the output must hold).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from .serving import Obj, Served, config_map, deployment

Step = tuple[str, str]
CREATED: tuple[Step, ...] = (
    ("create configmap c --from-literal=a=b", "configmap/c created"),
    ("create secret generic s --from-literal=access-key-id=x", "secret/s created"),
    ("create secret docker-registry r --docker-username=u --docker-password=p", "secret/r created"),
    ("create serviceaccount robot", "serviceaccount/robot created"),
    ("create token robot --duration=1h", "eyJ"),
    ("create deployment d --image=nginx --replicas=0", "deployment.apps/d created"),
    ("create job j --image=busybox -- true", "job.batch/j created"),
    ("create cronjob cj --image=busybox --schedule=*/5_*_*_*_*", "cronjob.batch/cj created"),
    ("create quota q --hard=count/deployments.apps=50", "resourcequota/q created"),
    ("create poddisruptionbudget p --selector=app=x --min-available=1", "/p created"),
    ("create role reader --verb=get,list --resource=pods", "/reader created"),
    ("create rolebinding rb --role=reader --serviceaccount=default:robot", "/rb created"),
    ("create clusterrole KEEP --verb=get --resource=nodes", "/KEEP created"),
    ("create clusterrolebinding KEEP --clusterrole=KEEP --user=u", "/KEEP created"),
    ("create service clusterip sv --tcp=80:8080", "service/sv created"),
    ("create service nodeport np --tcp=80", "service/np created"),
    ("create ingress i --rule=example.com/=sv:80", "ingress.networking.k8s.io/i created"),
    ("create priorityclass KEEP --value=10", "/KEEP created"),
    ("autoscale deployment d --max=3", "/d autoscaled"),
    ("run bare --image=nginx:1.27 --labels=app=bare", "pod/bare created"),
    ("expose pod bare --port=80", "service/bare exposed"),
    ("get deployment d -o jsonpath={.spec.replicas}", "0"),
    ("get cronjob cj -o jsonpath={.spec.schedule}", "*/5 * * * *"),
    ("get secret s -o jsonpath={.data.access-key-id}", "eA=="),
    ("get all", "deployment.apps/d"),
    ("delete clusterrole KEEP", "deleted"),
    ("delete clusterrolebinding KEEP", "deleted"),
    ("delete priorityclass KEEP", "deleted"),
)
READ: tuple[Step, ...] = (
    ("version", "Server Version: v1.36"),
    ("api-resources", "deployments"),
    ("api-versions", "apps/v1"),
    ("cluster-info", "Kubernetes control plane"),
    ("get pods", "NAME   READY   STATUS    RESTARTS   AGE"),
    ("get pods -o wide", "NOMINATED NODE"),
    ("get pods -o yaml", "kind: List"),
    ("get pods -o name", "pod/web"),
    ("get pods -o jsonpath={.items[0].metadata.name}", "web"),
    ("get pods -o custom-columns=N:.metadata.name", "web"),
    ("get pods --sort-by=.metadata.name", "web"),
    ("get pods -l app=web", "web"),
    ("get pods -l app=none", "No resources found"),
    ("get pods --field-selector=metadata.name=web", "web"),
    ("get pods --show-labels", "app=web"),
    ("get pods -A", "NAMESPACE"),
    ("get pods --chunk-size=1", "web"),
    ("describe pod web", "QoS Class"),
    ("describe deployment web", "StrategyType"),
    ("describe service web", "Endpoints"),
    ("events", "No events found"),
    ("explain pod.spec.containers.resources", "limits"),
    ("explain deployment.spec.strategy --recursive", "maxSurge"),
    ("auth can-i create pods", "yes"),
    ("auth can-i --list", "*.*"),
    ("auth whoami", "kubernetes-admin"),
    ("top nodes", "CPU(cores)"),
    ("rollout history deployment/web", "deployment.apps/web"),
)
CHANGED: tuple[Step, ...] = (
    ("label pod web tier=front", "labeled"),
    ("label pod web tier-", "unlabeled"),
    ("annotate pod web note=hello", "annotated"),
    ("scale deployment web --replicas=3", "scaled"),
    ("get deployment web -o jsonpath={.spec.replicas}", "3"),
    ("set image deployment/web web=nginx:1.28", "image updated"),
    ("set env deployment/web A=B", "env updated"),
    ("set resources deployment web --limits=cpu=200m,memory=64Mi", "requirements updated"),
    ("rollout restart deployment/web", "restarted"),
    ("rollout pause deployment/web", "paused"),
    ("rollout resume deployment/web", "resumed"),
    ('patch deployment web --type=strategic -p {"spec":{"minReadySeconds":1}}', "patched"),
    ('patch deployment web --type=merge -p {"spec":{"minReadySeconds":2}}', "patched"),
    (
        'patch deployment web --type=json -p [{"op":"remove","path":"/spec/minReadySeconds"}]',
        "patched",
    ),
    (
        'patch deployment web --subresource=status --type=merge -p {"status":{"replicas":3}}',
        "patched",
    ),
    ("edit deployment web", "Edit cancelled, no changes made"),
    ("delete pod web", 'pod "web" deleted'),
    ("delete deployment,service web", 'service "web" deleted'),
)


def run(served: Served, step: Step, ns: str) -> None:
    words = [word.replace("_", " ").replace("KEEP", ns) for word in step[0].split(" ")]
    output = served.kubectl(*words, "-n", ns)
    assert step[1].replace("KEEP", ns) in output, f"kubectl {step[0]}: {output}"


@pytest.fixture
def filled(served: Served, ns: str) -> Iterator[str]:
    served.kubectl("apply", "-n", ns, "-f", "-", stdin=yaml.safe_dump(deployment()))
    served.kubectl("run", "web", "--image=nginx:1.27", "--labels=app=web", "-n", ns)
    served.kubectl("expose", "deployment", "web", "--port=80", "-n", ns)
    served.run(served.cluster.client.create("nodes", {"metadata": {"name": f"{ns}-n"}}))
    yield ns
    served.run(served.cluster.client.delete("nodes", f"{ns}-n"))


def test_kubectl_creates_every_common_kind(served: Served, ns: str) -> None:
    for step in CREATED:
        run(served, step, ns)


def test_kubectl_reads(served: Served, filled: str) -> None:
    for step in READ:
        run(served, step, filled)


def test_kubectl_changes(served: Served, filled: str) -> None:
    for step in CHANGED:
        run(served, step, filled)


def test_kubectl_edits(served: Served, ns: str) -> None:
    served.kubectl("create", "configmap", "eci-profile", "--from-literal=vpcId=vpc-1", "-n", ns)
    editor = {"KUBE_EDITOR": "sed -i s/vpc-1/vpc-2/"}
    assert "edited" in served.kubectl("edit", "configmap", "eci-profile", "-n", ns, **editor)
    edited = served.kubectl("get", "cm", "eci-profile", "-n", ns, "-o", "jsonpath={.data.vpcId}")
    assert edited == "vpc-2"


def test_kubectl_applies_on_the_client_side(served: Served, ns: str) -> None:
    def apply(body: Obj, *more: str) -> str:
        return served.kubectl("apply", "-n", ns, "-f", "-", *more, stdin=yaml.safe_dump(body))

    assert "created (server dry run)" in apply(deployment(), "--dry-run=server")
    assert "created" in apply(deployment())
    assert "unchanged" in apply(deployment())
    assert "configured" in apply(deployment(image="nginx:1.28"))
    body = deployment()
    body["spec"]["replicaz"] = 3
    output = served.kubectl("apply", "-n", ns, "-f", "-", stdin=yaml.safe_dump(body), expect=1)
    assert 'unknown field "spec.replicaz"' in output


def test_kubectl_applies_on_the_server_side_and_diffs(served: Served, ns: str) -> None:
    text = yaml.safe_dump(deployment())
    server = ("apply", "--server-side", "-n", ns, "-f", "-")
    assert "serverside-applied" in served.kubectl(*server, stdin=text)
    more = yaml.safe_dump(deployment(replicas=5))
    assert "+  replicas: 5" in served.kubectl("diff", "-n", ns, "-f", "-", stdin=more, expect=1)
    output = served.kubectl(*server, "--field-manager=bob", stdin=more, expect=1)
    assert 'conflict with "kubectl": .spec.replicas' in output
    forced = served.kubectl(*server, "--field-manager=bob", "--force-conflicts", stdin=more)
    assert "serverside-applied" in forced


def test_kubectl_migrates_a_client_side_applied_object(served: Served, ns: str) -> None:
    text = yaml.safe_dump(deployment())
    served.kubectl("apply", "-n", ns, "-f", "-", stdin=text)
    output = served.kubectl("apply", "--server-side", "-n", ns, "-f", "-", stdin=text)
    assert "Warning" not in output
    found = json.loads(
        served.kubectl("get", "deployment", "web", "-n", ns, "-o", "json", "--show-managed-fields")
    )
    managers = {entry["manager"] for entry in found["metadata"]["managedFields"]}
    assert managers == {"kubectl", "kubectl-last-applied"}


def test_kubectl_replaces(served: Served, ns: str, tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(yaml.safe_dump(config_map("m", a="1")))
    served.kubectl("create", "-n", ns, "-f", str(file))
    file.write_text(yaml.safe_dump(config_map("m", a="2")))
    assert "replaced" in served.kubectl("replace", "-n", ns, "-f", str(file))
    assert "replaced" in served.kubectl("replace", "--force", "-n", ns, "-f", str(file))


def test_kubectl_taints_and_cordons_a_node(served: Served, ns: str) -> None:
    name = f"{ns}-node"
    served.run(served.cluster.client.create("nodes", {"metadata": {"name": name}}))
    taint = "virtual-kubelet.io/provider=alibabacloud:NoSchedule"
    assert "tainted" in served.kubectl("taint", "node", name, taint)
    assert "cordoned" in served.kubectl("cordon", name)
    assert "SchedulingDisabled" in served.kubectl("get", "node", name)
    assert "uncordoned" in served.kubectl("uncordon", name)
    assert taint in served.kubectl("describe", "node", name)
    assert "untainted" in served.kubectl("taint", "node", name, f"{taint.partition('=')[0]}-")
    assert "deleted" in served.kubectl("delete", "node", name)


def test_kubectl_watches_and_waits(served: Served, ns: str) -> None:
    served.kubectl("run", "web", "--image=nginx", "-n", ns)
    condition = {"type": "Ready", "status": "True"}
    status = {"status": {"phase": "Running", "conditions": [condition]}}
    client = served.cluster.client
    served.run(client.patch("pods", "web", ns, status, subresource="status"))
    watched = served.kubectl("get", "pods", "-n", ns, "-w", "--request-timeout=1s", expect=0)
    assert "Running" in watched
    waited = served.kubectl("wait", "pod/web", "-n", ns, "--for=condition=Ready", "--timeout=5s")
    assert "condition met" in waited
    served.kubectl("delete", "pod", "web", "-n", ns)
    assert "not found" in served.kubectl("get", "pod", "web", "-n", ns, expect=1)


def test_kubectl_uses_a_token(served: Served, ns: str) -> None:
    served.kubectl("create", "serviceaccount", "robot", "-n", ns)
    token = served.kubectl("create", "token", "robot", "-n", ns).strip()
    kubeconfig = served.folder / f"{ns}.kubeconfig"
    kubeconfig.write_text(served.cluster.kubeconfig_for("robot", {"token": token}))
    output = served.kubectl("auth", "whoami", KUBECONFIG=str(kubeconfig))
    assert f"system:serviceaccount:{ns}:robot" in output
    refused = served.kubectl("get", "pods", "-n", ns, expect=1, KUBECONFIG=str(kubeconfig))
    assert "Error from server (Forbidden)" in refused


def test_kubectl_acts_as_somebody_else(served: Served, ns: str) -> None:
    served.kubectl("create", "serviceaccount", "eve", "-n", ns)
    who = f"system:serviceaccount:{ns}:eve"
    refused = served.kubectl("auth", "can-i", "list", "pods", "-n", ns, "--as", who, expect=1)
    assert "no" in refused
    account = f"--serviceaccount={ns}:eve"
    served.kubectl("create", "rolebinding", "v", "--clusterrole=view", account, "-n", ns)
    assert "yes" in served.kubectl("auth", "can-i", "list", "pods", "-n", ns, "--as", who)
    assert "no" in served.kubectl(
        "auth", "can-i", "delete", "pods", "-n", ns, "--as", who, expect=1
    )
