"""Every sentence that people read has both languages, wherever and whenever it was made."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.utils import translation

from addons.clusters import messages
from addons.pods import reasons
from addons.sentences import read, read_in_english, stored
from console import kubeconfig_messages, refusals
from console.sentences import joined
from kube import KubeconfigRefused, parse_kubeconfig

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "locale/zh_Hans/LC_MESSAGES/django.mo"
needs_catalogue = pytest.mark.skipif(not CATALOGUE.exists(), reason="run `make messages` first")

RUNS_A_PROGRAM = """
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://10.0.0.1:6443"}}]
users: [{name: u, user: {exec: {command: /bin/true}}}]
"""


def _codes_of(path: Path) -> set[str]:
    """The codes in `Problem("code", ...)`, `PlainYamlError("code", ...)` and the refusal tables."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            first = node.args[0] if node.args else None
            named = node.func.id in {"Problem", "PlainYamlError"}
            if named and isinstance(first, ast.Constant):
                found.add(str(first.value))
        if isinstance(node, ast.Tuple) and len(node.elts) == 3:
            first = node.elts[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def test_every_problem_code_of_a_kubeconfig_has_a_sentence_and_a_fix() -> None:
    codes = {"missing-cluster", "missing-user"}
    for name in ("kubeconfig", "kubeconfig_fields", "plain_yaml"):
        codes |= _codes_of(ROOT / "kube" / f"{name}.py")
    assert len(codes) > 20
    assert codes == set(kubeconfig_messages.MESSAGES)
    assert codes == set(kubeconfig_messages.FIXES)


@needs_catalogue
def test_a_refused_kubeconfig_says_why_in_the_readers_language() -> None:
    with pytest.raises(KubeconfigRefused) as caught:
        parse_kubeconfig(RUNS_A_PROGRAM).target("a")
    english = refusals.explain(caught.value).text
    with translation.override("zh-hans"):
        chinese = refusals.explain(caught.value).text
    assert english.startswith("users[0].user.exec: It runs a program to sign in")
    assert chinese.startswith("users[0].user.exec：")
    assert "。 " not in chinese


@needs_catalogue
def test_what_a_worker_stored_is_read_in_the_language_of_each_reader() -> None:
    kept = stored("The cluster has a node named %(name)s already.", name="vk-j")
    with translation.override("zh-hans"):
        assert read(kept) == "集群中已存在名为 vk-j 的节点。"
        assert read("not Ready yet") == "尚未就绪"
        assert read_in_english(kept) == "The cluster has a node named vk-j already."
        assert read("") == ""
        assert read('["of %(none)s", {}]') == '["of %(none)s", {}]'


@needs_catalogue
def test_a_halt_is_said_in_words_and_not_by_its_code() -> None:
    values = {"reason": reasons.EMPTY_LIST}
    assert "EmptyList" not in reasons.sentence(reasons.HALTED, values)
    with translation.override("zh-hans"):
        assert "云端未返回任何实例" in reasons.sentence(reasons.HALTED, values)


@needs_catalogue
def test_a_check_names_the_rule_that_refused_an_address() -> None:
    check = {
        "code": "address",
        "state": "bad",
        "reason": "refused",
        "values": {"address": "169.254.169.254", "rule": "metadata"},
    }
    assert messages.detail(check) == (
        "169.254.169.254 may not be dialled (a metadata service of a cloud)"
    )
    with translation.override("zh-hans"):
        assert messages.detail(check) == "不允许连接 169.254.169.254（云平台元数据服务）"


def test_sentences_are_joined_as_the_language_sets_them() -> None:
    assert joined("It failed", "", "Try again.") == "It failed. Try again."
    with translation.override("zh-hans"):
        assert joined("失败", "请重试。") == "失败。请重试。"
