"""Identity, RBAC, admission webhooks, faults and state over restarts."""

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from kubernetes import client

from sandbox.cluster import pki
from sandbox.cluster.cluster import Cluster

from .serving import Obj, Served, config_map, pod
from .test_api_objects import body_of, failure


def token_of(core: client.CoreV1Api, ns: str, name: str) -> str:
    core.create_namespaced_service_account(ns, {"metadata": {"name": name}})
    spec = {"audiences": ["https://kubernetes.default.svc.cluster.local"]}
    answer = core.create_namespaced_service_account_token(
        name, ns, {"spec": spec}, _preload_content=False
    )
    return str(json.loads(answer.data)["status"]["token"])


def test_a_service_account_may_only_what_its_role_says(
    served: Served, core: client.CoreV1Api, api: client.ApiClient, ns: str
) -> None:
    rbac = client.RbacAuthorizationV1Api(api)
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    rbac.create_namespaced_role(ns, {"metadata": {"name": "reader"}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "bob", "namespace": ns}
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [subject],
    }
    rbac.create_namespaced_role_binding(ns, binding)
    token = token_of(core, ns, "bob")
    with served.token_api(token) as theirs:
        bob = client.CoreV1Api(theirs)
        assert bob.list_namespaced_config_map(ns).items == []
        with failure(403) as caught:
            bob.list_namespaced_secret(ns)
        who = client.AuthenticationV1Api(theirs).create_self_subject_review({})
        review = {
            "spec": {
                "resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": ns}
            }
        }
        may = client.AuthorizationV1Api(theirs).create_self_subject_access_review(review)
        with failure(403):
            bob.list_config_map_for_all_namespaces()
    assert body_of(caught)["message"] == (
        f'secrets is forbidden: User "system:serviceaccount:{ns}:bob" cannot list resource '
        f'"secrets" in API group "" in the namespace "{ns}"'
    )
    assert who.status.user_info.username == f"system:serviceaccount:{ns}:bob"
    assert may.status.allowed


def test_aggregated_roles_take_the_rules_of_others(
    served: Served, core: client.CoreV1Api, api: client.ApiClient, ns: str
) -> None:
    rbac = client.RbacAuthorizationV1Api(api)
    label = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]
    name = f"{ns}-more"
    rbac.create_cluster_role({"metadata": {"name": name, "labels": label}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "eve", "namespace": ns}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    binding = {"metadata": {"name": "view"}, "roleRef": reference, "subjects": [subject]}
    rbac.create_namespaced_role_binding(ns, binding)
    with served.token_api(token_of(core, ns, "eve")) as theirs:
        eve = client.CoreV1Api(theirs)
        assert eve.list_namespaced_secret(ns).items == []
        assert eve.list_namespaced_pod(ns).items == []
        rbac.delete_cluster_role(name)
        with failure(403):
            eve.list_namespaced_secret(ns)


def test_a_wrong_token_is_unauthorized(served: Served) -> None:
    with served.token_api("nonsense") as theirs, failure(401):
        client.CoreV1Api(theirs).list_namespace()


def test_a_token_of_a_deleted_account_is_unauthorized(
    served: Served, core: client.CoreV1Api, api: client.ApiClient, ns: str
) -> None:
    token = token_of(core, ns, "gone")
    review = {"spec": {"token": token}}
    reviews = client.AuthenticationV1Api(api)
    assert reviews.create_token_review(review).status.authenticated
    core.delete_namespaced_service_account("gone", ns)
    assert not reviews.create_token_review(review).status.authenticated


class Hook(BaseHTTPRequestHandler):
    """Labels pods it is asked to mutate and refuses ConfigMaps named ``evil``."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        response: Obj = {"uid": request["uid"], "allowed": True}
        if self.path.startswith("/mutate"):
            steps = [{"op": "add", "path": "/metadata/labels/mutated", "value": "yes"}]
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(steps).encode()).decode()
        elif request["name"] == "evil":
            response |= {"allowed": False, "status": {"message": "not here"}}
        body = json.dumps({**review, "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Obj]:
    authority = pki.new_authority("hooks")
    leaf = pki.issue(authority, "hook", server=True)
    server = HTTPServer(("127.0.0.1", 0), Hook)
    context = pki.server_context(authority, leaf, tmp_path)
    context.verify_mode = ssl.CERT_NONE
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield {
        "url": f"https://127.0.0.1:{server.server_address[1]}",
        "caBundle": base64.b64encode(authority.certificate).decode(),
    }
    server.shutdown()
    server.server_close()
    thread.join(5)


def webhook(config: Obj, path: str, resource: str, ns: str, **more: Any) -> Obj:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": [resource],
    }
    return {
        "name": "hook.example.com",
        "clientConfig": {**config, "url": config["url"] + path},
        "rules": [rule],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 2,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}},
        **more,
    }


def test_a_mutating_webhook_changes_what_its_selectors_choose(
    core: client.CoreV1Api, api: client.ApiClient, ns: str, hook: Obj
) -> None:
    hooks = client.AdmissionregistrationV1Api(api)
    chosen = {"objectSelector": {"matchLabels": {"app": "yes"}}}
    body = {"metadata": {"name": ns}, "webhooks": [webhook(hook, "/mutate", "pods", ns, **chosen)]}
    hooks.create_mutating_webhook_configuration(body)
    try:
        changed = core.create_namespaced_pod(ns, pod("yes"))
        left = core.create_namespaced_pod(ns, pod("no"))
        elsewhere = core.create_namespaced_pod("default", pod("yes"), dry_run="All")
    finally:
        hooks.delete_mutating_webhook_configuration(ns)
    assert changed.metadata.labels == {"app": "yes", "mutated": "yes"}
    assert left.metadata.labels == {"app": "no"}
    assert elsewhere.metadata.labels == {"app": "yes"}


def test_a_validating_webhook_refuses(
    core: client.CoreV1Api, api: client.ApiClient, ns: str, hook: Obj
) -> None:
    hooks = client.AdmissionregistrationV1Api(api)
    body = {"metadata": {"name": ns}, "webhooks": [webhook(hook, "/check", "configmaps", ns)]}
    hooks.create_validating_webhook_configuration(body)
    try:
        core.create_namespaced_config_map(ns, config_map("good"))
        with failure(403) as caught:
            core.create_namespaced_config_map(ns, config_map("evil"))
    finally:
        hooks.delete_validating_webhook_configuration(ns)
    expected = 'admission webhook "hook.example.com" denied the request: not here'
    assert body_of(caught)["message"] == expected


@pytest.mark.parametrize(("policy", "refused"), [("Fail", True), ("Ignore", False)])
def test_a_webhook_that_is_down_follows_its_failure_policy(
    core: client.CoreV1Api, api: client.ApiClient, ns: str, policy: str, refused: bool
) -> None:
    hooks = client.AdmissionregistrationV1Api(api)
    nobody = {"url": "https://127.0.0.1:1"}
    one = webhook(nobody, "/", "configmaps", ns, failurePolicy=policy)
    hooks.create_validating_webhook_configuration({"metadata": {"name": ns}, "webhooks": [one]})
    try:
        if refused:
            with failure(500) as caught:
                core.create_namespaced_config_map(ns, config_map("a"))
            assert 'failed calling webhook "hook.example.com"' in body_of(caught)["message"]
        else:
            core.create_namespaced_config_map(ns, config_map("a"))
    finally:
        hooks.delete_validating_webhook_configuration(ns)


def test_a_quota_is_kept(core: client.CoreV1Api, ns: str) -> None:
    core.create_namespaced_resource_quota(
        ns, {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}}
    )
    core.create_namespaced_pod(ns, pod("one"))
    with failure(403) as caught:
        core.create_namespaced_pod(ns, pod("two"))
    assert (
        "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
        in (body_of(caught)["message"])
    )


@pytest.fixture
def faults(served: Served) -> Iterator[Any]:
    yield lambda **knobs: served.call(lambda: served.cluster.faults.set(knobs))
    served.call(served.cluster.faults.clear)


def test_faults_show_on_the_wire(core: client.CoreV1Api, faults: Any, ns: str) -> None:
    core.create_namespaced_config_map(ns, config_map("a"))
    faults(revoked=True)
    with failure(401):
        core.list_namespace()
    faults(revoked=False, conflict_rate=1.0)
    with failure(409):
        core.patch_namespaced_config_map("a", ns, {"data": {"k": "v"}})
    faults(conflict_rate=0.0, gone=True)
    answer = core.list_namespaced_config_map(
        ns, watch=True, timeout_seconds=1, _preload_content=False
    )
    assert json.loads(answer.data)["object"]["code"] == 410


def test_a_cluster_that_is_down_answers_nobody(served: Served, faults: Any) -> None:
    faults(down=True)
    with served.api() as theirs, pytest.raises(urllib3.exceptions.MaxRetryError):
        client.CoreV1Api(theirs).list_namespace(_request_timeout=5)
    faults(down=False)
    with served.api() as theirs:
        assert client.CoreV1Api(theirs).list_namespace().items


def test_logs_of_a_dead_kubelet_tell_where_nobody_listens(core: client.CoreV1Api, ns: str) -> None:
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}},
    }
    core.create_node({"metadata": {"name": f"{ns}-vk"}})
    core.patch_node_status(f"{ns}-vk", {"status": status})
    core.create_namespaced_pod(ns, pod(nodeName=f"{ns}-vk"))
    with failure(500) as caught:
        core.read_namespaced_pod_log("web", ns)
    assert body_of(caught)["message"] == (
        f'Get "https://127.0.0.1:1/containerLogs/{ns}/web/web": '
        "dial tcp 127.0.0.1:1: connect: connection refused"
    )
    core.delete_node(f"{ns}-vk")


def test_a_stalled_watch_says_nothing_until_it_is_let_go(
    core: client.CoreV1Api, faults: Any, ns: str
) -> None:
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    core.create_namespaced_config_map(ns, config_map("a"))
    faults(watch_stall=True)
    answer = core.list_namespaced_config_map(
        ns, watch=True, timeout_seconds=1, resource_version=start, _preload_content=False
    )
    assert answer.data == b""


async def test_state_and_versions_survive_a_kill(tmp_path: Path) -> None:
    first = Cluster("kept", state_dir=tmp_path, controllers=False)
    await first.start()
    made = await first.client.create("pods", pod("kept"), "default")
    gone = await first.client.create("configmaps", config_map("gone"), "default")
    await first.client.delete("configmaps", "gone", "default")
    revision, token = first.store.revision, first.admin_token()
    await first.server.stop()

    second = Cluster("kept", state_dir=tmp_path, controllers=False)
    await second.start()
    again = await second.client.get("pods", "kept", "default")
    assert again == made
    assert second.client.look("configmaps", gone["metadata"]["name"], "default") is None
    assert second.store.revision >= revision
    assert second.admin_token() == token
    await second.stop()
    await first.stop()


async def test_a_torn_last_write_is_dropped_and_later_ones_kept(tmp_path: Path) -> None:
    first = Cluster("torn", state_dir=tmp_path, controllers=False)
    await first.start()
    await first.client.create("configmaps", config_map("before"), "default")
    await first.server.stop()
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"r":"configmaps","n":"default","m":"torn"')

    second = Cluster("torn", state_dir=tmp_path, controllers=False)
    await second.start()
    await second.client.create("configmaps", config_map("after"), "default")
    await second.server.stop()

    third = Cluster("torn", state_dir=tmp_path, controllers=False)
    await third.start()
    found = [m["metadata"]["name"] for m in await third.client.list("configmaps", "default")]
    assert found == ["after", "before"]
    for cluster in (third, second, first):
        await cluster.stop()


async def test_a_snapshot_fills_another_cluster(tmp_path: Path) -> None:
    first = Cluster("one", controllers=False)
    await first.bootstrap()
    made = await first.client.create("pods", pod(), "default")
    first.snapshot(tmp_path / "state.json")
    second = Cluster("two", controllers=False)
    second.restore(tmp_path / "state.json")
    assert await second.client.get("pods", "web", "default") == made


async def test_history_names_every_write() -> None:
    cluster = Cluster("h", controllers=False)
    await cluster.bootstrap()
    before = cluster.history.last_seq
    await cluster.client.create("pods", pod(), "default")
    await cluster.client.patch(
        "pods", "web", "default", {"status": {"phase": "Running"}}, subresource="status"
    )
    await cluster.client.delete("pods", "web", "default")
    seen = [(w.verb, w.subresource, w.phase) for w in cluster.history.since(before)]
    assert seen == [
        ("create", "", "Pending"),
        ("patch", "status", "Running"),
        ("delete", "", "Running"),
    ]


def test_nobody_grants_more_than_he_holds_without_bind_and_escalate(
    served: Served, core: client.CoreV1Api, api: client.ApiClient, ns: str
) -> None:
    rbac = client.RbacAuthorizationV1Api(api)
    group = "rbac.authorization.k8s.io"
    secrets = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]
    writes = ["create", "patch"]
    held = [{"apiGroups": [group], "resources": ["roles", "rolebindings"], "verbs": writes}]
    more = {"apiGroups": [group], "resources": ["roles"], "verbs": ["escalate", "bind"]}
    more["resourceNames"] = ["wide"]
    rbac.create_namespaced_role(ns, {"metadata": {"name": "writer"}, "rules": held})
    subjects = [{"kind": "ServiceAccount", "name": "max", "namespace": ns}]

    def binding(role: str) -> Obj:
        reference = {"apiGroup": group, "kind": "Role", "name": role}
        return {"metadata": {"name": role}, "roleRef": reference, "subjects": subjects}

    rbac.create_namespaced_role_binding(ns, binding("writer"))
    with served.token_api(token_of(core, ns, "max")) as theirs:
        his = client.RbacAuthorizationV1Api(theirs)
        wide = {"metadata": {"name": "wide"}, "rules": secrets}
        his.create_namespaced_role(ns, {"metadata": {"name": "narrow"}, "rules": held})
        his.create_namespaced_role_binding(ns, binding("narrow"))
        with failure(404):
            his.create_namespaced_role_binding(ns, binding("wide"))
        with failure(403) as caught:
            his.create_namespaced_role(ns, wide)
        assert (
            "attempting to grant RBAC permissions not currently held"
            in (body_of(caught)["message"])
        )
        rbac.patch_namespaced_role("writer", ns, {"rules": [*held, more]})
        his.create_namespaced_role(ns, {**wide, "metadata": {"name": "wide"}})
        his.create_namespaced_role_binding(ns, binding("wide"))
        assert client.CoreV1Api(theirs).list_namespaced_secret(ns).items == []
