"""YAML from people: typed as kubectl types it, with lines, and refused with the line."""

from __future__ import annotations

import pytest

from addons.compat.documents import MAX_BYTES, Unreadable, parse

LISTED = """\
kind: List
apiVersion: v1
items:
- kind: Pod
  metadata:
    name: a
    annotations: {example.org/a: "1"}
- kind: Service
  metadata: {name: s}
---
# only a comment
---
kind: Pod
metadata: {name: b}
spec:
  hostNetwork: no
  containers:
  - name: x
    image: y
"""


def test_lists_and_documents_come_apart_with_their_places() -> None:
    found = parse(LISTED)
    assert [(d.kind, d.name, d.index, d.path) for d in found] == [
        ("Pod", "a", 0, "items[0]"),
        ("Service", "s", 0, "items[1]"),
        ("Pod", "b", 1, ""),
    ]
    assert found[0].line("metadata.annotations[example.org/a]") == 7
    assert found[0].where("spec") == "items[0].spec"


def test_a_field_that_is_not_there_has_the_line_of_what_would_hold_it() -> None:
    pod = parse(LISTED)[2]
    assert pod.line("spec.containers[0].image") == 19
    assert pod.line("spec.containers[0].securityContext.privileged") == 18
    assert pod.line("metadata.ownerReferences") == 14


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", False),
        ("'no'", "no"),
        ("010", 8),
        ("0x10", 16),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("1.50", 1.5),
        ("~", None),
        (".inf", ".inf"),
        ("1_000", 1000),
    ],
)
def test_values_are_typed_as_kubectl_types_them(text: str, value: object) -> None:
    body = parse(f"kind: Pod\nmetadata: {{}}\nspec: {{field: {text}}}")[0].body
    assert body["spec"]["field"] == value
    assert type(body["spec"]["field"]) is type(value)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("kind: Pod\nmetadata: &a {}\nspec: *a", "alias", 2),
        ("kind: Pod\nmetadata: [", "invalid-yaml", 2),
        ("kind: Pod\nmetadata: {}\nkind: Pod", "duplicate", 3),
        ("kind: Pod\nmetadata: !!python/object:os.system x", "tag", 2),
        ("kind: Pod\nmetadata: {a: !!binary eA==}", "tag", 2),
        ("- 1", "no-object", 1),
        ("\nmetadata: {}", "no-kind", 2),
        ("kind: Pod", "no-metadata", 1),
        ("# nothing\n---\n", "empty", 0),
        ("{a: " * 100, "too-deep", 1),
        ("#" * (MAX_BYTES + 1), "too-large", 0),
        ("kind: List\nitems: [" + "{kind: A, metadata: {}}, " * 501 + "]", "too-many", 0),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, code: str, line: int) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(text)
    assert (caught.value.code, caught.value.line) == (code, line)
    assert caught.value.text
    assert caught.value.fix_text
