"""What a check says of a workload: per cloud, with the field, the size and the price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from addons.compat import documents, targets
from addons.compat.check import check
from addons.compat.documents import Unreadable
from addons.compat.report import Effect, Finding, Outcome, Report, Subject, Verdict, as_data
from addons.compat.targets import Target
from addons.pods.translate import Site
from tests.addons import cast
from tests.addons.compat.manifests import AGENT, NODE_PORT, PLAIN, REPORTS, WEB


def ask(text: str, *names: str, region: str = "cn-hangzhou") -> Report:
    chosen = targets.of_providers(names or ["eci"], region=region)
    return check(documents.parse(text), targets=chosen)


def only(report: Report) -> tuple[Subject, Verdict]:
    [subject] = report.subjects
    [verdict] = subject.verdicts
    return subject, verdict


def by_code(verdict: Verdict) -> dict[str, Finding]:
    return {finding.code: finding for finding in verdict.findings}


def test_findings_name_the_field_in_the_template_its_line_and_the_fix() -> None:
    _subject, verdict = only(ask(WEB))
    found = by_code(verdict)["HostNamespaceNotSupported"]
    assert (found.path, found.line) == ("spec.template.spec.hostNetwork", 12)
    assert found.effect is Effect.REFUSED
    assert found.text
    assert found.fix_text
    assert verdict.outcome is Outcome.REFUSED


def test_what_the_translation_refuses_is_refused_here_too() -> None:
    _subject, verdict = only(ask(WEB))
    refused = {f.path for f in verdict.findings if f.effect is Effect.REFUSED}
    assert "spec.template.spec.volumes[1].cephfs" in refused
    assert "spec.template.spec.volumes[0].configMap" not in refused


def test_the_billed_size_stands_beside_the_asked_one_with_the_price_of_all_replicas() -> None:
    subject, verdict = only(ask(PLAIN))
    assert (subject.cpu, subject.memory, subject.replicas) == (Decimal("1.5"), Decimal(3), 3)
    assert verdict.size is not None
    assert verdict.size.label == "2-4Gi"
    assert verdict.price is not None
    assert verdict.price_of_all == verdict.price.per_hour * 3


def test_a_price_that_no_list_has_is_not_invented() -> None:
    _subject, verdict = only(ask(PLAIN, region="eu-central-1"))
    assert verdict.size is not None
    assert (verdict.price, verdict.price_of_all) == (None, None)


def test_a_service_with_a_node_port_is_told_when_it_selects_the_pods() -> None:
    _subject, verdict = only(ask(PLAIN + "---" + NODE_PORT))
    found = by_code(verdict)["NodePortNotServed"]
    assert (found.of, found.path) == ("Service shop/web", "spec.type")
    other = NODE_PORT.replace("app: web", "app: other")
    _subject, verdict = only(ask(PLAIN + "---" + other))
    assert "NodePortNotServed" not in by_code(verdict)


def test_a_daemon_set_is_refused_at_its_kind() -> None:
    _subject, verdict = only(ask(AGENT))
    assert by_code(verdict)["DaemonSetNotSupported"].path == "kind"
    assert {finding.code for finding in verdict.findings} == {"DaemonSetNotSupported"}


def test_the_pods_of_a_cron_job_stand_two_templates_deep() -> None:
    text = REPORTS.replace("restartPolicy", "hostPID: true\n          restartPolicy")
    subject, verdict = only(ask(text))
    assert subject.replicas == 4
    assert by_code(verdict)["HostNamespaceNotSupported"].path == (
        "spec.jobTemplate.spec.template.spec.hostPID"
    )


SCHEDULING = {
    "tolerations:\n      - key: virtual-kubelet.io/provider\n        operator: Exists": (),
    "tolerations: []": ("TolerationMissing",),
    "tolerations: [{key: rbkci-virtual-kubelet.io/provider, operator: Exists}]": (
        "WrongToleration",
    ),
    "tolerations: [{operator: Exists}]\n      nodeName: virtual-kubelet-cn-hangzhou-k": (),
    "tolerations: [{operator: Exists, effect: NoExecute}]": ("TolerationMissing",),
    "tolerations: [] # labelled": ("SentByLabel",),
}


@pytest.mark.parametrize("written", SCHEDULING)
def test_a_pod_that_would_never_be_scheduled_there_is_told_what_to_write(written: str) -> None:
    text = PLAIN.replace(next(iter(SCHEDULING)), written)
    if written.endswith("labelled"):
        text = text.replace("{app: web}", '{app: web, alibabacloud.com/eci: "true"}')
    _subject, verdict = only(ask(text))
    assert (
        tuple(finding.code for finding in verdict.findings if finding.snippet)
        == (SCHEDULING[written])
    )
    assert all("virtual-kubelet.io/provider" in f.snippet for f in verdict.findings if f.snippet)
    assert verdict.outcome is Outcome.IGNORES


AFFINITY = """affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions: [{key: type, operator: %s, values: [virtual-kubelet]}]"""


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("nodeSelector: {disk: ssd}", "SelectsOtherNodes"),
        ("nodeSelector: {topology.kubernetes.io/zone: x, type: virtual-kubelet}", ""),
        (AFFINITY % "In", ""),
        (AFFINITY % "NotIn", "SelectsOtherNodes"),
        ("enableServiceLinks: true", "MayRunElsewhere"),
    ],
)
def test_selectors_are_compared_with_the_labels_of_the_virtual_node(
    written: str, code: str
) -> None:
    text = PLAIN.replace("nodeSelector: {type: virtual-kubelet}", written)
    _subject, verdict = only(ask(text))
    assert "".join(finding.code for finding in verdict.findings if finding.snippet) == code


@pytest.mark.parametrize(
    ("before", "after", "code", "path"),
    [
        ("- name: app", "- name: 1", "WrongType", ".spec.containers[0].name"),
        ("        image: nginx:1.25\n", "", "FieldMissing", ".spec.containers[0].image"),
        ("cpu: 1500m", "cpu: lots", "BadQuantity", ".spec.containers"),
        ("labels: {app: web}", "labels: {app: 1}", "WrongType", ".metadata.labels.app"),
    ],
)
def test_what_kubernetes_does_not_accept_is_said_before_any_cloud(
    before: str, after: str, code: str, path: str
) -> None:
    report = ask(PLAIN.replace(before, after))
    [subject] = report.subjects
    assert [(f.code, f.path) for f in subject.faults] == [(code, f"spec.template{path}")]
    assert subject.faults[0].line
    assert subject.verdicts == ()
    assert not report.runs


def test_a_field_that_kubernetes_does_not_have_is_told_and_passed_over() -> None:
    subject, _verdict = only(ask(PLAIN.replace("replicas: 3", "replica: 3")))
    assert [(f.code, f.path) for f in subject.faults] == [("UnknownField", "spec.replica")]
    assert subject.replicas == 1


def test_numbers_are_quantities_too() -> None:
    subject, _verdict = only(ask(PLAIN.replace("cpu: 1500m", "cpu: 1.5")))
    assert subject.faults == ()
    assert subject.cpu == Decimal("1.5")


def test_a_file_without_a_workload_is_refused() -> None:
    with pytest.raises(Unreadable, match="Service"):
        ask(NODE_PORT)


def test_the_rows_of_the_matrix_are_fields_and_its_cells_the_clouds() -> None:
    site = Site("cn-hangzhou", (), "")
    two = [Target("eci", site, "a"), Target("eci", site, "b")]
    [subject] = check(documents.parse(WEB), targets=two).subjects
    rows = {row.path: row.cells for row in subject.rows}
    assert [len(cells) for cells in rows.values()] == [2] * len(rows)
    assert [row.line for row in subject.rows] == sorted(row.line for row in subject.rows)


@pytest.mark.django_db
def test_a_virtual_node_is_asked_with_its_own_taints() -> None:
    node = cast.node(
        cast.cluster(),
        uid="n-1",
        taints=[
            {"key": "team", "value": "blue", "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"},
        ],
    )
    report = check(documents.parse(PLAIN), targets=targets.of_node(node))
    _subject, verdict = only(report)
    assert verdict.node == node.name
    assert "team=blue:NoSchedule" in by_code(verdict)["TolerationMissing"].text


def test_the_data_for_programs_holds_only_plain_values() -> None:
    data = as_data(ask(WEB + "---" + NODE_PORT))
    [workload] = data["workloads"]
    assert data["runs"] is False
    assert workload["asked"] == {"cpu": "1.5", "memory": "3", "gpu": 0}
    assert workload["clouds"][0]["billed"]["size"] == "2-4Gi"
    effects = {finding["effect"] for finding in workload["clouds"][0]["findings"]}
    assert effects == {"refused", "ignored"}


PROFILE = """[
  {"name": "gpu", "namespaceSelector": {"matchLabels": {"team": "ml"}},
   "effect": {"annotations": {"k8s.aliyun.com/eci-use-specs": "4-8Gi"}}}
]"""
SPACE = "{kind: Namespace, metadata: {name: shop, labels: {team: ml}}}"


@pytest.mark.django_db
@pytest.mark.parametrize(("beside", "size"), [(SPACE, "4-8Gi"), ("", "2-4Gi")])
def test_the_profile_of_the_cluster_counts_as_it_will_for_new_pods(beside: str, size: str) -> None:
    node = cast.node(cast.cluster(profile={"selectors": PROFILE}))
    report = check(documents.parse(f"{PLAIN}---\n{beside}"), targets=targets.of_node(node))
    _subject, verdict = only(report)
    assert verdict.size is not None
    assert verdict.size.label == size
    assert report.skipped == ()


GPU = """
kind: Pod
metadata: {name: train, annotations: {%s}}
spec:
  nodeSelector: {type: virtual-kubelet}
  tolerations: [{operator: Exists}]
  containers: [{name: app, image: cuda:12, resources: {limits: {nvidia.com/gpu: 1}}}]
"""


def test_a_gpu_that_the_size_has_is_no_finding() -> None:
    subject, verdict = only(ask(GPU % "k8s.aliyun.com/eci-use-specs: ecs.gn5-c4g1.xlarge"))
    assert subject.gpu == 1
    assert verdict.size is not None
    assert (verdict.size.gpu, verdict.findings) == (1, ())


WHOLE = """
apiVersion: v1
kind: Pod
metadata: {name: whole}
spec:
  resources: {limits: {cpu: "8", memory: 16Gi}}
  containers:
  - name: app
    image: nginx:1
    restartPolicy: Never
    restartPolicyRules:
    - {action: Restart, exitCodes: {operator: In, values: [3]}}
    env:
    - name: KEY
      valueFrom: {fileKeyRef: {volumeName: out, path: app.env, key: KEY}}
  volumes:
  - name: out
    emptyDir: {}
"""


@pytest.mark.parametrize("provider", ["eci", "acs", "kci"])
def test_pod_level_resources_are_what_is_asked_for_and_billed(provider: str) -> None:
    text = WHOLE.replace("fileKeyRef: {volumeName: out, path: app.env", "secretKeyRef: {name: s")
    subject, verdict = only(ask(text, provider))
    assert (subject.cpu, subject.memory) == (Decimal(8), Decimal(16))
    assert verdict.size is not None
    assert (verdict.size.cpu, verdict.size.memory) == (8, 16)


def test_what_only_a_kubelet_can_do_is_told_for_every_cloud() -> None:
    for provider in ("eci", "acs", "kci"):
        _subject, verdict = only(ask(WHOLE, provider))
        found = {finding.path: finding for finding in verdict.findings}
        files = found["spec.containers[0].env[0].valueFrom.fileKeyRef"]
        assert (files.effect, files.line) == (Effect.REFUSED, 15)
        assert "KEY" in files.text
        assert found["spec.containers[0].restartPolicyRules"].effect is Effect.IGNORED
        assert found["spec.containers[0].restartPolicy"].effect is Effect.IGNORED
        optional = WHOLE.replace("key: KEY}", "key: KEY, optional: true}")
        _subject, verdict = only(ask(optional, provider))
        found = {finding.path: finding for finding in verdict.findings}
        files = found["spec.containers[0].env[0].valueFrom.fileKeyRef"]
        assert files.effect is Effect.IGNORED
