from __future__ import annotations

import base64
import datetime
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kube import KubeconfigRefused, parse_kubeconfig
from tests.kube.world import AUTHORITY, CANARY, NOW, make_pair

CLIENT = make_pair("operator", signer=AUTHORITY)
STALE = make_pair("operator", signer=AUTHORITY, days=-3)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> str:
    """A kubeconfig with one context `prod`; None values remove a field."""
    server = {"server": "https://api.test:6443", "certificate-authority-data": b64(AUTHORITY.cert)}
    signed_in = {"token": CANARY}
    chosen_cluster = {k: v for k, v in (server | (cluster or {})).items() if v is not None}
    chosen_user = {k: v for k, v in (signed_in | (user or {})).items() if v is not None}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "prod",
            "clusters": [{"name": "c", "cluster": chosen_cluster}],
            "users": [{"name": "u", "user": chosen_user}],
            "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        }
    )


def codes(text: str) -> list[str]:
    parsed = parse_kubeconfig(text, now=NOW)
    problems = [*parsed.problems, *(p for c in parsed.contexts for p in c.problems)]
    assert all(p.message and p.fix and p.path for p in problems)
    return [p.code for p in problems]


def test_a_token_is_rebuilt_into_a_target() -> None:
    parsed = parse_kubeconfig(config(), now=NOW)
    (context,) = parsed.contexts
    assert parsed.current_context == "prod"
    assert (context.server, context.auth_kind) == ("https://api.test:6443", "token")
    assert (context.namespace, context.insecure, context.usable) == ("default", False, True)
    target = parsed.target("prod")
    assert target.token is not None
    assert target.token.reveal() == CANARY
    assert target.ca_pem == AUTHORITY.cert


def test_a_client_certificate_is_rebuilt_and_its_end_is_told() -> None:
    user = {
        "token": None,
        "client-certificate-data": b64(CLIENT.cert),
        "client-key-data": b64(CLIENT.key),
    }
    parsed = parse_kubeconfig(config(user=user), now=NOW)
    (context,) = parsed.contexts
    assert context.auth_kind == "client-certificate"
    assert context.certificate_expires == NOW + datetime.timedelta(days=30)
    assert parsed.target("prod").client_cert_pem == CLIENT.cert


def test_an_expired_client_certificate_is_noted_and_not_refused() -> None:
    user = {
        "token": None,
        "client-certificate-data": b64(STALE.cert),
        "client-key-data": b64(STALE.key),
    }
    assert codes(config(user=user)) == ["certificate-expired"]
    assert parse_kubeconfig(config(user=user), now=NOW).contexts[0].usable


@pytest.mark.parametrize(
    ("cluster", "user", "code", "path"),
    [
        ({}, {"exec": {"command": "rm", "args": ["-rf"]}}, "exec", "users[0].user.exec"),
        (
            {},
            {"auth-provider": {"name": "gcp", "config": {"cmd-path": "/bin/sh"}}},
            "auth-provider",
            "users[0].user.auth-provider",
        ),
        ({}, {"tokenFile": "/etc/shadow"}, "file-reference", "users[0].user.tokenFile"),
        ({}, {"client-key": "/root/k"}, "file-reference", "users[0].user.client-key"),
        (
            {},
            {"client-certificate": "c"},
            "file-reference",
            "users[0].user.client-certificate",
        ),
        ({}, {"username": "admin"}, "basic-auth", "users[0].user.username"),
        ({}, {"password": "hunter2"}, "basic-auth", "users[0].user.password"),
        ({}, {"as": "system:admin"}, "impersonation", "users[0].user.as"),
        ({}, {"as-groups": ["a"]}, "impersonation", "users[0].user.as-groups"),
        (
            {"certificate-authority": "/etc/ssl/ca"},
            {},
            "file-reference",
            "clusters[0].cluster.certificate-authority",
        ),
        ({"proxy-url": "socks5://h:1"}, {}, "proxy", "clusters[0].cluster.proxy-url"),
        ({"server": "http://api.test"}, {}, "bad-server", "clusters[0].cluster.server"),
        ({"server": "https://a:b@api.test"}, {}, "bad-server", "clusters[0].cluster.server"),
        ({"server": None}, {}, "bad-server", "clusters[0].cluster.server"),
        ({"server": "https://api.test:99999"}, {}, "bad-server", "clusters[0].cluster.server"),
        (
            {"insecure-skip-tls-verify": True},
            {},
            "insecure-with-ca",
            "clusters[0].cluster.insecure-skip-tls-verify",
        ),
        (
            {"certificate-authority-data": "%%%"},
            {},
            "bad-base64",
            "clusters[0].cluster.certificate-authority-data",
        ),
        (
            {"certificate-authority-data": b64("no certificate")},
            {},
            "bad-pem",
            "clusters[0].cluster.certificate-authority-data",
        ),
        ({}, {"token": None}, "no-credential", "users[0].user"),
        ({}, {"token": "a b\nc"}, "bad-token", "users[0].user.token"),
        (
            {},
            {"client-certificate-data": b64(CLIENT.cert)},
            "incomplete-certificate",
            "users[0].user.client-key-data",
        ),
        (
            {},
            {
                "client-certificate-data": b64(CLIENT.cert),
                "client-key-data": b64(STALE.key),
            },
            "key-mismatch",
            "users[0].user.client-key-data",
        ),
    ],
)
def test_what_would_reach_outside_or_cannot_work_is_refused_with_reason_and_fix(
    cluster: dict[str, Any], user: dict[str, Any], code: str, path: str
) -> None:
    parsed = parse_kubeconfig(config(cluster, user), now=NOW)
    (context,) = parsed.contexts
    assert (code, path) in {(p.code, p.path) for p in context.problems}
    assert not context.usable
    with pytest.raises(KubeconfigRefused) as refused:
        parsed.target("prod")
    assert code in {p.code for p in refused.value.problems}
    shown = f"{refused.value!r}{parsed!r}"
    assert "hunter2" not in shown
    assert CANARY not in shown


def test_skipping_verification_is_told_when_it_is_asked_for() -> None:
    text = config({"certificate-authority-data": None, "insecure-skip-tls-verify": True})
    parsed = parse_kubeconfig(text)
    assert parsed.contexts[0].insecure
    assert parsed.target("prod").insecure_skip_tls_verify


def test_all_contexts_are_offered_and_only_the_broken_ones_refused() -> None:
    document = yaml.safe_load(config())
    document["contexts"] += [
        {"name": "lost", "context": {"cluster": "nowhere", "user": "nobody"}},
        {"name": "other", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}},
    ]
    parsed = parse_kubeconfig(yaml.safe_dump(document))
    assert [(c.name, c.usable) for c in parsed.contexts] == [
        ("prod", True),
        ("lost", False),
        ("other", True),
    ]
    assert {p.code for p in parsed.contexts[1].problems} == {"missing-cluster", "missing-user"}
    assert parsed.contexts[2].namespace == "team-a"
    with pytest.raises(KubeconfigRefused):
        parsed.target("prod2")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not-a-kubeconfig"),
        ("just words", "not-a-kubeconfig"),
        ("contexts: 5", "not-a-kubeconfig"),
        ("a: [1, 2", "invalid-yaml"),
        ("a: b\n---\nc: d", "invalid-yaml"),
        ("\ta: 1", "invalid-yaml"),
        ("a: &x [1]\nb: *x", "alias"),
        ("[" * 500, "too-deep"),
        ("a: " + "x" * 600_000, "too-large"),
        (b"\xff\xfe\x00", "invalid-yaml"),
        ("a: \x00", "invalid-yaml"),
    ],
)
def test_a_text_that_is_not_a_kubeconfig_is_told_apart(text: Any, code: str) -> None:
    assert codes(text) == [code]


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    started = time.monotonic()
    assert codes("\n".join(lines)) == ["alias"]
    assert time.monotonic() - started < 1


def test_tags_are_never_obeyed(tmp_path: Any) -> None:
    victim = tmp_path / "made"
    text = f"contexts: !!python/object/apply:os.mkdir ['{victim}']"
    parse_kubeconfig(text)
    assert not victim.exists()


def test_a_yaml_error_does_not_repeat_the_text() -> None:
    parsed = parse_kubeconfig(f"users:\n- token: {CANARY}: {CANARY}\n  x: [")
    assert CANARY not in repr(parsed)
    assert parsed.problems[0].path == "line 2"


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "cluster", "user", "context", "server", "token", "exec"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({"contexts": TREES, "clusters": TREES, "users": TREES}))
def test_no_shape_of_document_breaks_the_parser(document: dict[str, Any]) -> None:
    parsed = parse_kubeconfig(yaml.safe_dump(document, allow_unicode=True))
    for context in parsed.contexts:
        if context.usable:
            assert parsed.target(context.name).server.startswith("https://")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_text_breaks_the_parser(text: str | bytes) -> None:
    parsed = parse_kubeconfig(text)
    assert parsed.problems or parsed.contexts


FIELD = st.sampled_from(
    ["token", "client-key-data", "client-certificate-data", "password", "tokenFile"]
)


@settings(max_examples=60, deadline=None)
@given(FIELD, st.sampled_from([str, b64]), st.booleans())
def test_no_secret_is_shown_wherever_it_was_put(field: str, form: Any, broken: bool) -> None:
    value = form(CANARY)
    parsed = parse_kubeconfig(config(user={field: value, "exec": {} if not broken else {"x": 1}}))
    shown = [repr(parsed), str(parsed), *(repr(c) for c in parsed.contexts)]
    if parsed.contexts[0].usable:
        shown.append(repr(parsed.target("prod")))
    else:
        with pytest.raises(KubeconfigRefused) as refused:
            parsed.target("prod")
        shown += [str(refused.value), repr(refused.value.problems)]
    for text in shown:
        assert CANARY not in text
        assert b64(CANARY) not in text
